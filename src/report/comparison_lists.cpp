#include "report/comparison_lists.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "report/console_line.hpp"

namespace ffci {
namespace {

struct Kind {
  Change change;
  std::string_view title, counted_as;
};

constexpr Kind kinds[] = {
    {Change::regression, "Regressions", "regressions"},
    {Change::new_failure, "New failures", "new failures"},
    {Change::known_failure, "Still failing", "still failing"},
    {Change::fixed, "Fixed", "fixed"},
    {Change::incomplete, "Without a result now", "without a result"},
    {Change::completed, "Without a result before, fine now", "with a result now"},
    {Change::run_to_skip, "Skipped now", "skipped now"},
    {Change::skip_to_run, "No longer skipped", "no longer skipped"},
    {Change::added, "Added", "added"},
    {Change::vanished, "Vanished", "vanished"},
};

}  // namespace

std::vector<ComparisonList> comparison_lists(const RunComparison& comparison) {
  std::vector<ComparisonList> lists;
  const auto add = [&](std::string_view title, ComparisonList::Shows shows, const auto& wanted) {
    ComparisonList list{title, shows, {}};
    for (const TestChange& test : comparison.tests) {
      if (wanted(test)) list.tests.push_back(&test);
    }
    if (!list.tests.empty()) lists.push_back(std::move(list));
  };
  using Shows = ComparisonList::Shows;
  for (const Kind& kind : kinds) {
    add(kind.title, Shows::verdicts,
        [&](const TestChange& test) { return test.change == kind.change; });
  }
  add("Flaky now", Shows::verdicts,
      [](const TestChange& test) { return test.flaky == FlakyChange::flaky_now; });
  add("No longer flaky", Shows::verdicts,
      [](const TestChange& test) { return test.flaky == FlakyChange::no_longer_flaky; });
  add("Slower", Shows::durations,
      [](const TestChange& test) { return test.duration == DurationChange::slower; });
  add("Faster", Shows::durations,
      [](const TestChange& test) { return test.duration == DurationChange::faster; });
  return lists;
}

std::string shown_verdicts(const TestChange& test, std::string_view arrow) {
  std::string text;
  if (test.before && test.after) {
    text = fmt::format("{} {} {}", verdict_name(*test.before), arrow, verdict_name(*test.after));
  } else {
    text = verdict_name(test.after ? *test.after : *test.before);
  }
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string why(const TestChange& test) {
  if (!test.reason.empty() || test.new_signatures.empty()) return test.reason;
  return "new kernel report: " + test.new_signatures.front();
}

std::string shown_durations(Duration before, Duration after, std::string_view arrow) {
  return fmt::format("{} {} {}", human_duration(before), arrow, human_duration(after));
}

std::vector<std::string> comparison_notes(const RunComparison& comparison,
                                          std::string (*shown)(std::string_view)) {
  std::vector<std::string> notes;
  const auto add = [&](std::string_view which, const RunSide& side) {
    if (!side.finished) {
      notes.push_back(
          fmt::format("The {} run {} did not finish: it is still going, or was broken off.", which,
                      shown(side.shown)));
    } else if (side.result == RunResult::interrupted) {
      notes.push_back(fmt::format("The {} run {} was interrupted.", which, shown(side.shown)));
    } else if (side.result == RunResult::no_hosts) {
      notes.push_back(
          fmt::format("The {} run {} ended without a usable host.", which, shown(side.shown)));
    }
  };
  add("earlier", comparison.a);
  add("later", comparison.b);
  return notes;
}

std::string comparison_counts(const RunComparison& comparison) {
  std::string text = counted(comparison.tests.size(), "test");
  for (const Kind& kind : kinds) {
    if (const std::size_t number = count_of(comparison, kind.change); number > 0)
      text += fmt::format(", {}: {}", kind.counted_as, number);
  }
  return text + fmt::format(", unchanged: {}", count_of(comparison, Change::unchanged));
}

}  // namespace ffci
