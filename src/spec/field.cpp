#include "spec/field.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "spec/numbers.hpp"

namespace ffci::spec {
namespace {

constexpr size_t longest_line = 255;
constexpr std::uint64_t largest_size = std::uint64_t{1} << 62;
constexpr double longest_duration = 10.0 * 365 * 24 * 3600;

std::string describe(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      return "empty";
    case Value::Kind::list:
      return value.items.empty() ? "an empty list" : "a list";
    case Value::Kind::map:
      return "a map";
    case Value::Kind::scalar:
      break;
  }
  return fmt::format("'{}'", printable_line(value.text, 60));
}

bool is_blank(std::string_view text) {
  return trim(text).empty();
}

bool is_line(std::string_view text) {
  return text.size() <= longest_line && text.find_first_of("\t\r\n") == std::string_view::npos &&
         printable(text) == text;
}

bool is_word(std::string_view text) {
  constexpr std::string_view first =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr std::string_view all =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !text.empty() && first.find(text[0]) != std::string_view::npos &&
         text.find_first_not_of(all) == std::string_view::npos;
}

// As YAML 1.2's core schema spells them.
std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

bool leaves_directory(std::string_view path) {
  const std::vector<std::string_view> components = split(path, '/');
  return path.starts_with('/') || path.starts_with("~/") ||
         std::find(components.begin(), components.end(), "..") != components.end();
}

std::optional<Duration> to_duration(const Value& value) {
  const auto seconds = value.quoted ? std::nullopt : parse_number(value.text);
  if (!seconds) return parse_duration(value.text);
  if (*seconds < 0 || *seconds > longest_duration) return std::nullopt;
  return from_seconds(*seconds);
}

std::optional<std::uint64_t> to_size(const Value& value) {
  const auto bytes = value.quoted ? std::nullopt : parse_whole(value.text);
  return bytes ? bytes : parse_size(value.text);
}

// Zero means "no limit", so what only rounds to it must not pass.
bool rounds_to_zero(const Value& value, Duration duration) {
  return duration == Duration::zero() && value.text.find_first_of("123456789") != std::string::npos;
}

std::string without_trailing_slash(const std::filesystem::path& path) {
  return path.has_filename() || path == path.root_path() ? path.string()
                                                         : path.parent_path().string();
}

}  // namespace

std::nullopt_t Field::expected(std::string_view what) const {
  if (value_->faulty) return std::nullopt;
  const bool quoted_scalar = value_->kind == Value::Kind::scalar && value_->quoted &&
                             (parse_number(value_->text) || parse_boolean(value_->text));
  complain(fmt::format(
      "{} is {}{}; expected {}",
      path_.empty() ? fmt::format("the {}", where().origin->document) : "'" + path_ + "'",
      describe(*value_), quoted_scalar ? " in quotes" : "", what));
  return std::nullopt;
}

std::optional<std::string> Field::text() const {
  if (!present()) return std::nullopt;
  if (!is(Value::Kind::scalar)) return expected("text");
  if (value_->faulty) return std::nullopt;
  if (value_->text.find('\0') != std::string::npos) return expected("text without NUL characters");
  return value_->text;
}

std::optional<std::string> Field::filled_text() const {
  std::optional<std::string> filled = text();
  if (filled && is_blank(*filled)) return expected("text that is not blank");
  return filled;
}

std::optional<std::string> Field::line() const {
  std::optional<std::string> line = text();
  if (line && !is_line(*line)) return expected("one line of printable text, up to 255 bytes");
  return line;
}

std::optional<std::string> Field::title() const {
  std::optional<std::string> title = line();
  if (title && is_blank(*title)) return expected("text that is not blank");
  return title;
}

std::optional<std::string> Field::word() const {
  std::optional<std::string> word = text();
  if (word && !is_word(*word)) {
    return expected("letters, digits, '.', '_' and '-', beginning with a letter or digit");
  }
  return word;
}

std::optional<std::string> Field::file_name_glob() const {
  std::optional<std::string> glob = filled_text();
  if (glob && glob->find('/') != std::string::npos) {
    return expected("a pattern of file names, without '/', such as *_test");
  }
  return glob;
}

std::optional<std::string> Field::glob_below() const {
  if (!present()) return std::nullopt;
  const bool fits = is(Value::Kind::scalar) && !is_blank(value_->text) &&
                    value_->text.find_first_of(std::string_view("\n\0", 2)) == std::string::npos &&
                    !leaves_directory(value_->text);
  if (fits && !value_->faulty) return value_->text;
  return expected("a pattern of files below the directory, such as \"{test}/*.log\"");
}

std::string Field::resolved(std::string_view path) const {
  const Origin& origin = *where().origin;
  if (path != "~" && !path.starts_with("~/")) {
    return without_trailing_slash((origin.directory / path).lexically_normal());
  }
  if (!origin.home) {
    complain(fmt::format("'{}' begins with ~, but HOME is not set", path_));
    return {};
  }
  path.remove_prefix(std::min<size_t>(2, path.size()));
  return without_trailing_slash((std::filesystem::path(*origin.home) / path).lexically_normal());
}

std::optional<std::string> Field::path() const {
  const std::optional<std::string> written = filled_text();
  return written ? std::optional(resolved(*written)) : std::nullopt;
}

std::optional<std::string> Field::run_source() const {
  const std::optional<std::string> written = filled_text();
  if (!written) return std::nullopt;
  const bool is_url = written->find("://") != std::string::npos;
  const auto ends = [&](std::string_view suffix) { return written->ends_with(suffix); };
  const bool is_path =
      written->find('/') != std::string::npos || ends(".json") || ends(".xml") || ends(".time");
  return is_path && !is_url ? resolved(*written) : *written;
}

std::optional<bool> Field::boolean(std::string_view choices) const {
  if (!present()) return std::nullopt;
  const bool scalar = is(Value::Kind::scalar);
  const auto boolean = scalar && !value_->quoted ? parse_boolean(value_->text) : std::nullopt;
  if (boolean) return boolean;
  const std::vector<std::string> known{"true", "false"};
  const bool typo = scalar && !parse_boolean(value_->text);
  return expected(fmt::format("{}{}", choices, typo ? did_you_mean(value_->text, known) : ""));
}

bool Field::is_off() const {
  if (!is(Value::Kind::scalar)) return false;
  return value_->text == "off" || (!value_->quoted && parse_boolean(value_->text) == false);
}

std::optional<std::uint64_t> Field::whole(std::uint64_t least, std::uint64_t most) const {
  if (!present()) return std::nullopt;
  const auto number =
      is(Value::Kind::scalar) && !value_->quoted ? parse_whole(value_->text) : std::nullopt;
  if (number && *number >= least && *number <= most) return number;
  return expected(least == most ? std::to_string(least)
                                : fmt::format("a whole number from {} to {}", least, most));
}

std::optional<int> Field::whole_int(int least, int most) const {
  const auto number = whole(static_cast<std::uint64_t>(least), static_cast<std::uint64_t>(most));
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

std::optional<double> Field::number(double least, double most) const {
  if (!present()) return std::nullopt;
  const auto number =
      is(Value::Kind::scalar) && !value_->quoted ? parse_number(value_->text) : std::nullopt;
  if (number && *number >= least && *number <= most) return number;
  return expected(fmt::format("a number from {} to {}", least, most));
}

std::optional<std::uint64_t> Field::size() const {
  if (!present()) return std::nullopt;
  const auto bytes = is(Value::Kind::scalar) ? to_size(*value_) : std::nullopt;
  if (!bytes || *bytes > largest_size) return expected("a size such as 0, 512K, 64M or 1GiB");
  return bytes;
}

std::optional<std::uint64_t> Field::size_over_zero() const {
  const std::optional<std::uint64_t> bytes = size();
  if (bytes == 0) return expected("a size over 0");
  return bytes;
}

std::optional<Duration> Field::duration(std::string_view choices) const {
  if (!present()) return std::nullopt;
  const auto duration = is(Value::Kind::scalar) ? to_duration(*value_) : std::nullopt;
  if (!duration) return expected(choices);
  if (rounds_to_zero(*value_, *duration)) return expected("0, or a duration of at least 1ms");
  return duration;
}

std::optional<Duration> Field::duration_over_zero() const {
  const std::optional<Duration> limit = duration();
  if (limit == Duration::zero()) return expected("a duration over 0");
  return limit;
}

std::optional<size_t> Field::index_in(std::span<const std::string> names) const {
  if (!present()) return std::nullopt;
  if (is(Value::Kind::scalar)) {
    const auto found = std::find(names.begin(), names.end(), value_->text);
    if (found != names.end()) return static_cast<size_t>(found - names.begin());
  }
  return expected(fmt::format("{} or {}{}", fmt::join(names.first(names.size() - 1), ", "),
                              names.back(),
                              is(Value::Kind::scalar) ? did_you_mean(value_->text, names) : ""));
}

Field Field::child(std::string_view key, const Value* value) const {
  return {value, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key), *complaints_};
}

std::vector<Field> Field::children() const {
  std::vector<Field> children;
  for (const Value& item : value_->items)
    children.push_back(child(std::to_string(children.size()), &item));
  return children;
}

std::vector<Field> Field::items() const {
  if (!present()) return {};
  if (is(Value::Kind::list) && !value_->items.empty()) return children();
  expected("a list with at least one item");
  return {};
}

std::vector<Field> Field::any_items() const {
  if (!present()) return {};
  if (is(Value::Kind::list)) return children();
  expected("a list, such as [] where there are none");
  return {};
}

std::vector<Field> Field::item_or_items() const {
  return is(Value::Kind::scalar) ? std::vector{*this} : items();
}

Fields::Fields(Field map) : map_(std::move(map)) {
  if (!map_.present() || map_.is(Value::Kind::map)) return;
  map_.expected("a map");
  map_.value_ = nullptr;
}

Field Fields::optional(std::string_view key) {
  known_.emplace_back(key);
  return map_.child(key, map_.present() ? find(*map_.value_, key) : nullptr);
}

Field Fields::required(std::string_view key) {
  Field field = optional(key);
  if (map_.present() && !field.present())
    map_.complain(fmt::format("'{}' is missing", field.path_));
  return field;
}

void Fields::not_supported(std::initializer_list<std::string_view> keys) {
  not_supported_.insert(not_supported_.end(), keys);
}

std::vector<std::pair<std::string, Field>> Fields::all() const {
  std::vector<std::pair<std::string, Field>> fields;
  if (!map_.present()) return fields;
  for (const Entry& entry : map_.value_->entries) {
    fields.emplace_back(entry.key, map_.child(entry.key, &entry.value));
  }
  return fields;
}

void Fields::finish() const {
  if (!map_.present()) return;
  for (const Entry& entry : map_.value_->entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    const auto word = std::find_if(words_.begin(), words_.end(),
                                   [&](const auto& one) { return one.first == entry.key; });
    const std::string hint = word == words_.end()
                                 ? did_you_mean(entry.key, known_)
                                 : fmt::format("; it is called '{}' here", word->second);
    const bool documented =
        std::find(not_supported_.begin(), not_supported_.end(), entry.key) != not_supported_.end();
    map_.complaints_->add(
        entry.at, documented
                      ? fmt::format("'{}' is not supported by this version of ff-ci", entry.key)
                      : fmt::format("unknown key '{}'{}", printable_line(entry.key, 60), hint));
  }
}

}  // namespace ffci::spec
