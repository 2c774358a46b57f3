#include "suites/selection.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace ffci {
namespace {

// A name matches as it is before it is taken for a glob, so that "sweep[slots=2]" can be typed;
// "sweep" means all its values.
bool name_matches(const std::string& pattern, const std::string& name) {
  return pattern == name || glob_matches(pattern, name) || name.starts_with(pattern + "[");
}

bool suite_matches(const std::string& pattern, const TestId& id) {
  const auto matches = [&](const std::string& suite) {
    return pattern == suite || glob_matches(pattern, suite);
  };
  return matches(id.suite) ||
         (!id.configuration.empty() && matches(id.suite + "@" + id.configuration));
}

bool is_selected(const std::string& pattern, const TestId& id, bool only_suite) {
  if (suite_matches(pattern, id)) return true;
  if (only_suite && name_matches(pattern, id.name)) return true;
  const std::size_t slash = pattern.find('/');
  return slash != std::string::npos && suite_matches(pattern.substr(0, slash), id) &&
         name_matches(pattern.substr(slash + 1), id.name);
}

std::vector<std::string> known_names(const std::vector<TestCase>& tests, bool only_suite) {
  std::set<std::string> names;
  for (const TestCase& test : tests) {
    names.insert(test.id.suite);
    names.insert(to_string(test.id));
    if (only_suite) names.insert(test.id.name);
  }
  return {names.begin(), names.end()};
}

}  // namespace

Result<std::vector<TestCase>> select_tests(const std::vector<TestCase>& all,
                                           const std::vector<std::string>& patterns) {
  if (patterns.empty()) return all;
  const bool only_suite = std::all_of(all.begin(), all.end(), [&](const TestCase& t) {
    return t.id.suite == all.front().id.suite;
  });

  std::vector<bool> selected(all.size());
  std::vector<std::string> unmatched;
  for (const std::string& pattern : patterns) {
    bool matched = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!is_selected(pattern, all[i].id, only_suite)) continue;
      selected[i] = true;
      matched = true;
    }
    if (!matched) unmatched.push_back(pattern);
  }
  if (!unmatched.empty()) {
    const std::vector<std::string> known = known_names(all, only_suite);
    std::vector<std::string> complaints;
    for (const std::string& pattern : unmatched) {
      complaints.push_back(
          fmt::format("no test matches '{}'{}", pattern, did_you_mean(pattern, known)));
    }
    return fail(ErrorKind::usage, fmt::format("{}", fmt::join(complaints, "\n")));
  }
  std::vector<TestCase> wanted;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (selected[i]) wanted.push_back(all[i]);
  }
  return wanted;
}

}  // namespace ffci
