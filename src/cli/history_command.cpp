// ff-ci history: what is known from earlier runs, of the runs or of tests.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/earlier_runs.hpp"
#include "report/console_line.hpp"
#include "report/history_text.hpp"
#include "store/history.hpp"
#include "suites/selection.hpp"

namespace ffci {
namespace {

Result<ExitCode> rebuild(const HistoryChoices& choices) {
  const auto rebuilt = History::rebuild(choices.results);
  if (!rebuilt) return tl::unexpected(rebuilt.error());
  for (const std::string& note : rebuilt->notes)
    fmt::print(stderr, "ff-ci: {}\n", printable_line(note, 1000));
  fmt::print("the history was made anew from {}\n", counted(rebuilt->runs, "run"));
  if (!rebuilt->dropped.empty()) {
    std::vector<std::string> ids;
    for (const std::string& id : rebuilt->dropped)
      ids.push_back(printable_line(id));
    fmt::print("dropped, as the results are gone: {}\n", fmt::join(ids, ", "));
  }
  return ExitCode::ok;
}

// A pattern that no suite fits is taken for a test of any suite.
Result<std::vector<TestCase>> tests_like(const std::vector<TestCase>& known,
                                         const std::string& pattern) {
  auto selected = select_tests(known, {pattern});
  if (selected) return selected;
  auto in_any_suite = select_tests(known, {"*/" + pattern});
  return in_any_suite ? in_any_suite : selected;
}

Result<std::vector<TestHistory>> histories(History& history, const HistoryChoices& choices) {
  const auto known = history.tests();
  if (!known) return tl::unexpected(known.error());
  std::vector<TestCase> selected;
  for (const std::string& pattern : choices.patterns) {
    const auto like = tests_like(*known, pattern);
    if (!like) return fail(ErrorKind::no_input, like.error().message);
    selected.insert(selected.end(), like->begin(), like->end());
  }
  const auto by_id = [](const TestCase& a, const TestCase& b) { return a.id < b.id; };
  std::sort(selected.begin(), selected.end(), by_id);
  selected.erase(std::unique(selected.begin(), selected.end()), selected.end());
  return history.histories_of(selected);
}

}  // namespace

Result<ExitCode> history_command(const HistoryChoices& choices) {
  if (choices.rebuild) return rebuild(choices);
  auto history = complete_history(choices.results);
  if (!history) return tl::unexpected(history.error());
  if (choices.patterns.empty()) {
    const auto runs = history->runs(choices.most);
    tell_notes(*history);
    if (!runs) return tl::unexpected(runs.error());
    fmt::print("{}", choices.json ? history_json(*runs) : history_text(*runs));
    return ExitCode::ok;
  }
  const auto tests = histories(*history, choices);
  tell_notes(*history);
  if (!tests) return tl::unexpected(tests.error());
  fmt::print(
      "{}", choices.json ? history_json(*tests, choices.most) : history_text(*tests, choices.most));
  return ExitCode::ok;
}

}  // namespace ffci
