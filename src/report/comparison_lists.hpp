// The lists of a comparison, in the order in which a reader wants to know: the same for text and
// Markdown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gate/compare.hpp"

namespace ffci {

struct ComparisonList {
  enum class Shows { verdicts, durations };
  std::string_view title;
  Shows shows = Shows::verdicts;
  std::vector<const TestChange*> tests;  // never empty
};

// They point into `comparison`.
[[nodiscard]] std::vector<ComparisonList> comparison_lists(const RunComparison& comparison);

// "passed -> timed out", or "failed" where it is in one run only.
[[nodiscard]] std::string shown_verdicts(const TestChange& test, std::string_view arrow);
// The reason of the verdict, or else which kernel report is new.
[[nodiscard]] std::string why(const TestChange& test);
// "4.00s -> 6.00s"
[[nodiscard]] std::string shown_durations(Duration before, Duration after, std::string_view arrow);
// What is to be known of the runs themselves: that one did not finish. Whole sentences; `shown`
// makes a run's name fit.
[[nodiscard]] std::vector<std::string> comparison_notes(const RunComparison& comparison,
                                                        std::string (*shown)(std::string_view));
// "12 tests, regressions: 1, unchanged: 11"
[[nodiscard]] std::string comparison_counts(const RunComparison& comparison);

}  // namespace ffci
