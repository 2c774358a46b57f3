// Baseline: what is known of the tests before the change, from one run or from many. Pure.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "model/judgement.hpp"
#include "model/past_runs.hpp"
#include "model/run.hpp"

namespace ffci {

struct BaselineTest {
  Trials trials;                             // all attempts that said something
  int worst = 0;                             // badness of its worst attempt
  std::optional<Verdict> otherwise;          // where none did: skipped, error, not_run
  std::vector<Duration> durations;           // of passes
  std::set<std::string> failure_signatures;  // of broken file systems and the like: its own
};

struct Baseline {
  std::unordered_map<TestId, BaselineTest> tests;  // without_iteration
  std::unordered_set<std::string> signatures;      // all that any kernel reported
};

// failed 1, timed_out 2, crashed 3, others 0: a worse failure is another one.
[[nodiscard]] int badness(Verdict verdict);
[[nodiscard]] int badness(const Outcome& outcome);

// Tests that ran on another architecture than `arch` are left out; an empty one, on either side, is
// any.
[[nodiscard]] Baseline baseline_of(const Run& run, const std::string& arch);
[[nodiscard]] Baseline baseline_of(std::span<const TestHistory> histories,
                                   std::span<const PastSignature> signatures);

// What the baseline says as a whole: bad where all trials were, passed where any was not.
[[nodiscard]] std::optional<Verdict> verdict_of(const BaselineTest& test);

}  // namespace ffci
