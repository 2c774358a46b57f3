#include "store/read_durations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <pugixml.hpp>
#include <vector>

#include "base/text.hpp"
#include "store/read_summary.hpp"

namespace ffci {
namespace {

constexpr double longest_seconds = 10.0 * 365 * 24 * 3600;

std::optional<Duration> seconds_from(std::string_view text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || !(seconds >= 0 && seconds <= longest_seconds)) return std::nullopt;
  return from_seconds(seconds);
}

template <class Map, class Key>
void keep_longest(Map& durations, const Key& key, Duration duration) {
  Duration& longest = durations[key];
  longest = std::max(longest, duration);
}

Result<ExpectedDurations> read_check_time(std::string_view text, const std::string& shown) {
  ExpectedDurations durations;
  int number = 0;
  for (const std::string_view whole_line : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(whole_line);
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t space = line.find_first_of(" \t");
    const auto seconds =
        space == std::string_view::npos ? std::nullopt : seconds_from(trim(line.substr(space)));
    if (!seconds) {
      return fail(ErrorKind::data,
                  fmt::format("{}:{}: expected a test and its seconds, as in check.time; a "
                              "summary.json or a JUnit XML file would do, too",
                              shown, number));
    }
    keep_longest(durations.by_name, std::string(line.substr(0, space)), *seconds);
  }
  return durations;
}

// JUnit. Ours say so, and hold names as junit.cpp writes them.

bool is_ours(const pugi::xml_node& suite) {
  for (const pugi::xml_node& property : suite.child("properties").children("property")) {
    if (std::string_view(property.attribute("name").value()) == "ff_ci_version") return true;
  }
  return false;
}

// "generic/001 #2" is the second iteration of generic/001.
std::string_view without_iteration(std::string_view name) {
  const std::size_t mark = name.rfind(" #");
  if (mark == std::string_view::npos || mark + 2 == name.size()) return name;
  const bool digits = name.find_first_not_of("0123456789", mark + 2) == std::string_view::npos;
  return digits ? name.substr(0, mark) : name;
}

// The name of a suite may hold a dot, so that "a.b" is the suite a.b or the configuration b of a.
void add_ours(ExpectedDurations& durations, const pugi::xml_node& test, Duration took) {
  const std::string suite = test.attribute("classname").value();
  const std::string name(without_iteration(test.attribute("name").value()));
  keep_longest(durations.by_test, TestId{suite, "", name, 1}, took);
  for (std::size_t dot = suite.find('.'); dot != std::string::npos;
       dot = suite.find('.', dot + 1)) {
    const TestId id{suite.substr(0, dot), suite.substr(dot + 1), name, 1};
    keep_longest(durations.by_test, id, took);
  }
}

// fstests' own has the whole test as the name ("generic/001"); others put a part of it, or all
// folders, into the class: generic + 001, xfstests.generic + 001, tests.a + test_b.
void add_foreign(ExpectedDurations& durations, const pugi::xml_node& test, Duration took) {
  const std::string group = test.attribute("classname").value();
  const std::string name = test.attribute("name").value();
  keep_longest(durations.by_name, name, took);
  if (group.empty()) return;
  for (const char* separator : {"/", ".", ":"})
    keep_longest(durations.by_name, group + separator + name, took);
  if (const std::size_t dot = group.rfind('.'); dot != std::string::npos)
    keep_longest(durations.by_name, group.substr(dot + 1) + "/" + name, took);
}

// Without a time, or skipped at once, or never really begun: it tells nothing.
std::optional<Duration> time_of(const pugi::xml_node& test, bool ours) {
  const auto took = seconds_from(trim(test.attribute("time").value()));
  if (!took || (ours && test.child("error"))) return std::nullopt;
  const bool nothing = took->count() == 0 && (test.child("skipped") || test.child("error"));
  return nothing ? std::nullopt : took;
}

Result<ExpectedDurations> read_junit(std::string_view text, const std::string& shown) {
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size());
  if (!parsed) {
    const auto at = static_cast<std::size_t>(std::max<std::ptrdiff_t>(parsed.offset, 0));
    const std::string_view before = text.substr(0, std::min(at, text.size()));
    return fail(ErrorKind::data,
                fmt::format("{}:{}: {}", shown, 1 + std::count(before.begin(), before.end(), '\n'),
                            parsed.description()));
  }
  ExpectedDurations durations;
  bool any_suite = false;
  std::vector<pugi::xml_node> waiting{document.document_element()};
  while (!waiting.empty()) {
    const pugi::xml_node node = waiting.back();
    waiting.pop_back();
    const std::string_view name = node.name();
    if (name != "testsuites" && name != "testsuite") continue;
    any_suite = true;
    const bool ours = is_ours(node);
    for (const pugi::xml_node& child : node.children()) {
      if (std::string_view(child.name()) != "testcase") {
        waiting.push_back(child);
      } else if (const auto took = time_of(child, ours)) {
        ours ? add_ours(durations, child, *took) : add_foreign(durations, child, *took);
      }
    }
  }
  if (any_suite) return durations;
  return fail(ErrorKind::data,
              fmt::format("{}: is no JUnit file: its root is <{}>, not <testsuites>", shown,
                          printable_line(document.document_element().name(), 60)));
}

}  // namespace

Result<ExpectedDurations> read_durations(std::string_view text, const std::string& shown) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  std::string_view content = text;
  if (content.starts_with(byte_order_mark)) content.remove_prefix(byte_order_mark.size());
  content = trim(content);
  Result<ExpectedDurations> durations;
  if (content.starts_with('{') || content.starts_with('[')) {
    const auto run = read_summary(text, shown);
    if (!run) return tl::unexpected(run.error());
    durations = durations_of(*run);
  } else {
    durations = content.starts_with('<') ? read_junit(text, shown) : read_check_time(text, shown);
  }
  if (durations && (!durations->by_test.empty() || !durations->by_name.empty()))
    durations->source = shown;
  return durations;
}

}  // namespace ffci
