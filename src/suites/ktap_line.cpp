#include "suites/ktap_line.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/text.hpp"

namespace ffci::ktap {
namespace {

constexpr std::size_t longest_name = 200;
constexpr std::string_view subtest_header = "# Subtest: ";

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}
bool is_space(char c) {
  return c == ' ' || c == '\t';
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// A number that is a word of its own.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || (length < text.size() && !is_space(text[length])))
    return std::nullopt;
  text = trim(text.substr(length));
  return number;
}

// What printk puts before a line: "[   12.345678] ", "<6>[   12.345678][  T123] ".
std::string_view without_timestamp(std::string_view line) {
  std::string_view rest = line;
  if (rest.starts_with('<')) rest.remove_prefix(std::min(rest.find('>'), rest.size() - 1) + 1);
  bool stamped = false;
  while (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) break;
    const std::string_view inside = trim(rest.substr(1, close - 1));
    const bool time =
        !inside.empty() && is_digit(inside.front()) && inside.find('.') != std::string_view::npos &&
        std::all_of(inside.begin(), inside.end(), [](char c) { return is_digit(c) || c == '.'; });
    if (!stamped && !time) break;
    stamped = true;
    rest.remove_prefix(close + 1);
  }
  if (!stamped) return line;
  take(rest, " ");
  return rest;
}

// kselftest's runner puts "# " before all that a program says; KTAP indents.
std::size_t take_nesting(std::string_view& text) {
  for (std::size_t column = 0;;) {
    if (take(text, " ")) {
      column += 1;
    } else if (take(text, "\t")) {
      column += 4;
    } else if (!text.starts_with(subtest_header) && take(text, "# ")) {
      column += 2;
    } else {
      return column;
    }
  }
}

enum class Directive { none, skip, todo, xfail, other };

struct Comment {
  Directive directive = Directive::none;
  std::string_view whole;  // "SKIP no such device"
  std::string_view text;   // "no such device"
};

Comment read_comment(std::string_view comment) {
  static constexpr std::pair<std::string_view, Directive> words[] = {
      {"skip", Directive::skip},     {"skipped", Directive::skip}, {"todo", Directive::todo},
      {"xfail", Directive::xfail},   {"xpass", Directive::other},  {"error", Directive::other},
      {"timeout", Directive::other},
  };
  comment = trim(comment);
  const auto length = static_cast<std::size_t>(
      std::find_if_not(comment.begin(), comment.end(), is_letter) - comment.begin());
  std::string word(comment.substr(0, length));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& [name, directive] : words) {
    if (word != name) continue;
    std::string_view text = comment.substr(length);
    take(text, ":");
    text = trim(text);
    if (take(text, "- ")) text = trim(text);
    return {directive, comment, text};
  }
  return {Directive::none, comment, comment};
}

// Where the comment begins. A '#' within a description ("issue #12") is not one, nor is TAP's "\#".
std::size_t find_comment(std::string_view text) {
  for (std::size_t at = text.find('#'); at != std::string_view::npos; at = text.find('#', at + 1)) {
    if (at > 0 && !is_space(text[at - 1])) continue;
    const std::string_view after = text.substr(at + 1);
    if (after.empty() || is_space(after[0]) || read_comment(after).directive != Directive::none)
      return at;
  }
  return text.size();
}

Comment comment_of(std::string_view text) {
  const std::size_t at = find_comment(text);
  return at == text.size() ? Comment{} : read_comment(text.substr(at + 1));
}

std::string to_name(std::string_view text) {
  std::string name(text);
  for (std::size_t at = 0; (at = name.find("\\#", at)) != std::string::npos; ++at)
    name.erase(at, 1);
  return printable_line(name, longest_name);
}

Subtest::Status status_of(bool ok, Directive directive) {
  if (directive == Directive::skip) return Subtest::Status::skipped;
  if (directive == Directive::xfail || (directive == Directive::todo && !ok))
    return Subtest::Status::expected_failure;
  return ok ? Subtest::Status::passed : Subtest::Status::failed;
}

std::optional<Result> read_result(std::string_view text) {
  const bool ok = !take(text, "not ok");
  if (ok && !take(text, "ok")) return std::nullopt;
  if (!text.empty() && !is_space(text[0])) return std::nullopt;
  text = trim(text);
  Result result;
  result.number = take_number(text);
  if (text == "-" || text.starts_with("- ")) text.remove_prefix(1);
  const Comment comment = comment_of(text);
  const Subtest::Status status = status_of(ok, comment.directive);
  result.subtest.status = status;
  result.subtest.name = to_name(trim(text.substr(0, find_comment(text))));
  // kselftest.h: ksft_test_result_skip("name\n") prints "ok 3 # SKIP name".
  if (result.subtest.name.empty() && comment.directive != Directive::none)
    result.subtest.name = to_name(comment.text);
  if (status == Subtest::Status::failed) result.subtest.reason = printable_line(comment.whole);
  if (status == Subtest::Status::skipped || status == Subtest::Status::expected_failure) {
    result.subtest.reason = printable_line(comment.text);
  }
  return result;
}

std::optional<Plan> read_plan(std::string_view text) {
  if (!take(text, "1..")) return std::nullopt;
  const std::optional<std::uint64_t> count = take_number(text);
  if (!count) return std::nullopt;
  return Plan{*count, printable_line(comment_of(text).text)};
}

std::optional<Totals> read_totals(std::string_view text) {
  if (!take(text, "Totals: ")) return std::nullopt;
  Totals totals;
  for (std::string_view field : split(text, ' ')) {
    if (field.starts_with("total:")) continue;  // KUnit's own sum
    field.remove_prefix(std::min(field.find(':') + 1, field.size()));
    totals.count += take_number(field).value_or(0);
  }
  return totals;
}

bool is_version(std::string_view text) {
  take(text, "K");
  return take(text, "TAP version ") && !text.empty() && is_digit(text[0]);
}

}  // namespace

Line read_line(std::string_view line) {
  std::string_view text = without_timestamp(line);
  Line read;
  read.column = take_nesting(text);
  text = trim(text);
  if (is_version(text)) {
    read.content = Version{};
  } else if (take(text, subtest_header)) {
    read.content = SubtestHeader{to_name(text)};
  } else if (take(text, "Bail out!")) {
    read.content = BailOut{printable_line(text)};
  } else if (auto plan = read_plan(text)) {
    read.content = *std::move(plan);
  } else if (const auto totals = read_totals(text)) {
    read.content = *totals;
  } else if (auto result = read_result(text)) {
    read.content = *std::move(result);
  }
  return read;
}

}  // namespace ffci::ktap
