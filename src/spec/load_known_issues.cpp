#include "spec/load_known_issues.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>

#include "spec/complaints.hpp"
#include "spec/field.hpp"
#include "spec/yaml_document.hpp"

namespace ffci {
namespace {

using namespace spec;

// "2026-03-31". nullopt: anything else, or a day that no calendar has.
std::optional<std::chrono::year_month_day> parse_date(std::string_view text) {
  constexpr std::string_view form = "0000-00-00";
  if (text.size() != form.size()) return std::nullopt;
  for (size_t i = 0; i < form.size(); ++i) {
    const bool fits = form[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i];
    if (!fits) return std::nullopt;
  }
  const auto number = [&](size_t at, size_t length) {
    int value = 0;
    std::from_chars(text.data() + at, text.data() + at + length, value);
    return value;
  };
  const std::chrono::year_month_day date(std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2))));
  return date.ok() ? std::optional(date) : std::nullopt;
}

std::chrono::year_month_day read_date(const Field& field) {
  const std::optional<std::string> text = field.text();
  if (!text) return {};
  const auto date = parse_date(*text);
  if (!date) field.expected("a day as YYYY-MM-DD, such as 2026-03-31");
  return date.value_or(std::chrono::year_month_day{});
}

bool is_web_address(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    const std::string_view rest = text.substr(scheme.size());
    return !rest.empty() && rest[0] != '/' && rest.find(' ') == std::string_view::npos;
  }
  return false;
}

std::string read_link(const Field& field) {
  const std::optional<std::string> link = field.line();
  if (link && !is_web_address(*link))
    field.expected("an address that begins with http:// or https://");
  return link.value_or("");
}

KnownIssue read_issue(const Field& field) {
  KnownIssue issue;
  Fields fields(field);
  const auto pattern = [&](std::string_view key) {
    return fields.optional(key).title().value_or("");
  };
  issue.suite = pattern("suite");
  issue.test = pattern("test");
  issue.configuration = pattern("configuration");
  issue.message = pattern("message");
  issue.signature = pattern("signature");
  if (fields.is_map() && !fields.optional("test").present() &&
      !fields.optional("signature").present())
    field.complain(fmt::format("'{}' needs 'test' or 'signature', to say which failures are known",
                               field.name()));
  issue.reason = fields.required("reason").title().value_or("");
  issue.link = read_link(fields.required("link"));
  issue.expires = read_date(fields.required("expires"));
  issue.where = to_string(field.where());
  fields.finish();
  return issue;
}

// All that a user writes of it.
auto written(const KnownIssue& issue) {
  return std::tuple(issue.suite, issue.test, issue.configuration, issue.message, issue.signature,
                    issue.reason, issue.link, issue.expires);
}

std::vector<KnownIssue> read_issues(const Field& document) {
  std::vector<KnownIssue> issues;
  std::map<decltype(written({})), std::string> first;  // where it is
  Fields fields(document);
  static_cast<void>(fields.required("version").whole(1, 1));
  for (const Field& item : fields.required("issues").any_items()) {
    KnownIssue issue = read_issue(item);
    const auto [known, fresh] = first.emplace(written(issue), issue.where);
    // What is not read as it stands is no repetition.
    if (!fresh && issue.expires.ok()) {
      item.complain(fmt::format("'{}' repeats the issue at {}; remove one of them", item.name(),
                                known->second));
    }
    issues.push_back(std::move(issue));
  }
  fields.finish();
  return issues;
}

}  // namespace

tl::expected<std::vector<KnownIssue>, std::vector<SpecComplaint>> load_known_issues(
    const std::string& text, const std::string& shown_name) {
  Origin file;
  file.shown_name = shown_name;
  file.document = "known-issues file";
  std::vector<KnownIssue> issues;
  Complaints complaints;
  const std::optional<Value> document = parse_yaml(text, file, complaints);
  if (document && document->kind == Value::Kind::null) {
    complaints.add(document->at, "the known-issues file is empty; it begins with 'version: 1'");
  } else if (document) {
    issues = read_issues(Field(&*document, "", complaints));
  }
  if (!complaints.empty()) return tl::unexpected(complaints.sorted());
  return issues;
}

}  // namespace ffci
