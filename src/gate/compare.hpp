// compare_runs says test by test what changed from run a to run b, which signatures of the kernel
// are new, and what all of it comes to. Pure; statistics over many runs come on top of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/change.hpp"
#include "model/judgement.hpp"
#include "model/run.hpp"

namespace ffci {

// All that a comparison of two runs finds.
inline constexpr Change compared_changes[] = {
    Change::regression, Change::new_failure, Change::known_failure, Change::fixed,
    Change::incomplete, Change::completed,   Change::run_to_skip,   Change::skip_to_run,
    Change::added,      Change::vanished,    Change::unchanged};

// Of a test that is in both runs.
enum class FlakyChange { none, flaky_now, no_longer_flaky };
enum class DurationChange { none, slower, faster };

// A duration has changed when it differs by both: small ones jitter by far more than a quarter, and
// long ones by more than a second.
inline constexpr Duration least_duration_change = std::chrono::seconds(1);
inline constexpr double least_duration_ratio = 1.25;

struct TestChange {
  TestId id;
  Change change = Change::unchanged;
  FlakyChange flaky = FlakyChange::none;
  DurationChange duration = DurationChange::none;  // only where it has run in both
  std::optional<Verdict> before, after;            // none: not in that run
  Duration duration_before{}, duration_after{};
  std::string reason;                       // of the later run's verdict
  std::vector<std::string> new_signatures;  // of its attempts in b, and in no attempt of a
};

struct RunSide {
  std::string run_id, job;
  std::string shown;      // what the user calls it
  bool finished = false;  // false: it is still going, or was broken off
  RunResult result = RunResult::incomplete;
  VerdictCounts counts;
  std::size_t tests = 0;
  Duration test_time{};              // of the deciding attempts
  std::size_t crashed_attempts = 0;  // also of tests that passed in the end
  std::size_t retries = 0;           // beyond each test's first attempt
};

struct RunComparison {
  RunSide a, b;
  std::vector<TestChange> tests;             // in b's order, then what vanished in a's order
  std::vector<NewSignature> new_signatures;  // in the order of b's tests
};

[[nodiscard]] RunComparison compare_runs(const Run& a, const Run& b);

[[nodiscard]] std::size_t count_of(const RunComparison& comparison, Change change);

// What the comparison comes to, the worst first.
enum class ComparisonResult {
  regression,  // regressions or new failures
  incomplete,  // b has no result of some tests, or nothing can be compared
  drift,       // tests are fixed or vanished: the baseline is out of date
  no_change,   // nothing of these
};

[[nodiscard]] std::string_view comparison_result_name(ComparisonResult result);

struct ComparisonVerdict {
  ComparisonResult result = ComparisonResult::no_change;
  std::string why;  // "2 regressions, 1 new failure"
};

[[nodiscard]] ComparisonVerdict verdict_of(const RunComparison& comparison);

}  // namespace ffci
