#include "suites/located_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace ffci {
namespace {

using nlohmann::json;

constexpr int deepest_located = 8;

class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}
  // "LINE:COLUMN" of a byte; bytes must be asked for in ascending order.
  std::string place(std::size_t offset) {
    for (; at_ < offset && at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++line_, line_begins_ = at_ + 1;
    }
    return fmt::format("{}:{}", line_, offset - line_begins_ + 1);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0, line_ = 1, line_begins_ = 0;
};

// Finds the values of a document that the parser has already found valid.
class ValueLocator {
 public:
  explicit ValueLocator(std::string_view text) : text_(text), lines_(text) {}

  std::map<std::string, std::string> locate() {
    at_ = std::min(text_.find_first_not_of("\xEF\xBB\xBF"),
                   text_.size());  // behind a byte order mark
    skip_space();
    locate_value(json::json_pointer(), 0);
    return std::move(places_);
  }

 private:
  void locate_value(const json::json_pointer& pointer, int depth) {
    places_[pointer.to_string()] = lines_.place(at_);
    if (depth == deepest_located || (peek() != '{' && peek() != '[')) return skip_value();
    const bool object = peek() == '{';
    ++at_;
    for (std::size_t index = 0;; ++index) {
      skip_space();
      if (peek() == '}' || peek() == ']') break;
      std::string name = std::to_string(index);
      if (object) {
        const std::size_t key = at_;
        skip_value();
        name = json::parse(text_.substr(key, at_ - key)).get<std::string>();
        skip_space();
        ++at_;  // ':'
        skip_space();
      }
      locate_value(pointer / name, depth + 1);
      skip_space();
      if (peek() == ',') ++at_;
    }
    ++at_;
  }

  void skip_value() {
    int open = 0;
    do {
      const char c = peek();
      if (c == '"') {
        skip_string();
      } else if (c == '{' || c == '[') {
        ++open, ++at_;
      } else if (c == '}' || c == ']') {
        --open, ++at_;
      } else if (c == ',' || c == ':') {
        ++at_;
      } else {
        at_ = std::min(text_.find_first_of(",:{}[]\" \t\r\n", at_), text_.size());
      }
      if (open > 0) skip_space();
    } while (open > 0 && at_ < text_.size());
  }
  void skip_string() {
    for (++at_; peek() != '"' && at_ < text_.size(); ++at_) {
      if (peek() == '\\') ++at_;
    }
    ++at_;
  }
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : ']'; }

  std::string_view text_;
  LineCounter lines_;
  std::size_t at_ = 0;
  std::map<std::string, std::string> places_;
};

// nlohmann writes "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error
// while parsing value - …".
std::string without_prefix(std::string_view what) {
  if (what.starts_with('[')) what = trim(what.substr(std::min(what.find(']') + 1, what.size())));
  if (what.starts_with("parse error at "))
    what = trim(what.substr(std::min(what.find(": ") + 1, what.size())));
  return printable_line(what);
}

}  // namespace

Result<LocatedJson> LocatedJson::parse(std::string file, std::string_view text) {
  LocatedJson document;
  document.file_ = std::move(file);
  try {
    document.root_ = json::parse(text);
    document.places_ = ValueLocator(text).locate();
  } catch (const json::parse_error& error) {
    const std::size_t offset = std::min(error.byte == 0 ? 0 : error.byte - 1, text.size());
    return fail(ErrorKind::data,
                fmt::format("{}:{}: {}", document.file_, LineCounter(text).place(offset),
                            without_prefix(error.what())));
  } catch (const json::exception& error) {  // a number out of range
    return fail(ErrorKind::data,
                fmt::format("{}: {}", document.file_, without_prefix(error.what())));
  }
  return document;
}

std::string LocatedJson::where(Pointer value) const {
  for (;; value = value.parent_pointer()) {
    if (const auto place = places_.find(value.to_string()); place != places_.end()) {
      return fmt::format("{}:{}", file_, place->second);
    }
    if (value.empty()) return file_;
  }
}

std::string LocatedJson::path(const Pointer& value) const {
  if (value.empty()) return {};
  const Pointer around = value.parent_pointer();
  const bool element = root_.contains(around) && root_.at(around).is_array();
  const std::string step =
      element ? fmt::format("[{}]", value.back()) : fmt::format(".{}", value.back());
  return path(around) + step;
}

}  // namespace ffci
