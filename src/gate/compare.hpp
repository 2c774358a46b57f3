// compare_runs says test by test what changed from run a to run b. Pure; statistics over many runs
// come on top of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/run.hpp"

namespace ffci {

enum class Change {
  regression,     // was good (passed, flaky), is bad
  fixed,          // was bad, is good
  known_failure,  // was bad, is bad
  new_failure,    // is bad, was not there or had said nothing (skipped, error, not_run)
  vanished,       // was selected, is not
  added,          // was not selected, is and is not bad
  skip_to_run,    // was skipped, is good
  run_to_skip,    // was good or bad, is skipped
  incomplete,     // is error or not_run
  completed,      // was error or not_run, is good or skipped
  unchanged,
};

[[nodiscard]] std::string_view change_name(Change change);

struct TestChange {
  TestId id;
  Change change = Change::unchanged;
  std::optional<Verdict> before, after;  // none: not in that run
  Duration duration_before{}, duration_after{};
  std::string reason;  // of the later run's verdict
};

struct RunComparison {
  std::string run_a, run_b;       // run ids
  std::vector<TestChange> tests;  // in b's order, then what vanished in a's order
};

[[nodiscard]] RunComparison compare_runs(const Run& a, const Run& b);

}  // namespace ffci
