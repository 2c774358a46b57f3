// Judgement: what the gate makes of a run, with the numbers behind it. It is part of the run's
// facts, so that reports of a stored run say the same for ever, whatever became of the baseline.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "model/attempt.hpp"
#include "model/change.hpp"
#include "model/test_id.hpp"

namespace ffci {

// Attempts that said something (passed or bad), and how many of them were bad.
struct Trials {
  std::size_t bad = 0, runs = 0;

  bool operator==(const Trials&) const = default;
};

// What the run is compared with.
struct BaselineFact {
  std::string source;            // finds it again: a SOURCE, a URL without secrets, "history"
  std::string shown;             // for people
  std::vector<TestId> vanished;  // its tests that the job does not select; iteration is always 1

  bool operator==(const BaselineFact&) const = default;
};

// Whether a change makes the build red.
enum class Decision {
  regression,    // it does
  failure,       // it does: there is no baseline that it could be compared with
  flaky,         // no: the test fails no more often than before
  known,         // no: it failed before, or somebody knows the issue
  inconclusive,  // nobody can tell
  noted,         // no: this kind of change was not asked for
};

[[nodiscard]] std::string_view decision_name(Decision decision);
[[nodiscard]] std::optional<Decision> decision_from_name(std::string_view name);

// Of a test in all its iterations.
struct TestJudgement {
  TestId id;  // iteration is always 1
  Change change = Change::unchanged;
  Decision decision = Decision::noted;
  Trials change_runs;    // the runs made to confirm the change; what raised the suspicion is not in
  Trials baseline_runs;  // of the baseline and of the base hosts
  Trials base_host_runs;          // of these, those of the base hosts
  std::optional<double> p_value;  // Fisher's exact test, one-sided
  std::string why;                // "failed 4 of 4, baseline 0 of 20 (p=0.0001)"
  std::vector<std::string> new_signatures;
  std::string known_issue;                           // reason and link; empty: none
  std::optional<Duration> duration, usual_duration;  // where it counts as slower

  bool operator==(const TestJudgement&) const = default;
};

// Of a crash or another report of the kernel that the job does not allow.
struct NewSignature {
  std::string signature, title;
  std::vector<TestId> tests;

  bool operator==(const NewSignature&) const = default;
};

// An entry of the known issues that its owner should look at.
struct KnownIssueNote {
  enum class Kind {
    expired,          // it does not count any more
    unmatched,        // no test of this run is meant by it
    unexpected_pass,  // the tests that are meant passed
  };
  Kind kind = Kind::unmatched;
  std::string where;  // file:line:col
  std::string text;

  bool operator==(const KnownIssueNote&) const = default;
};

[[nodiscard]] std::string_view known_issue_note_name(KnownIssueNote::Kind kind);
[[nodiscard]] std::optional<KnownIssueNote::Kind> known_issue_note_from_name(std::string_view name);

// What it comes to, the worst first.
enum class GateResult {
  regression,    // something makes the build red
  failed,        // tests failed, and there is no baseline
  inconclusive,  // something could not be confirmed
  incomparable,  // no test has a result both here and in the baseline
  flaky,         // tests were flaky, and that was asked for
  drift,         // tests are fixed or vanished, and that was asked for
  passed,
};

[[nodiscard]] std::string_view gate_result_name(GateResult result);
[[nodiscard]] std::optional<GateResult> gate_result_from_name(std::string_view name);

struct Judgement {
  std::string baseline;  // as it is shown; empty: there is none
  GateResult result = GateResult::passed;
  std::string why;                   // "1 regression, 2 flaky"
  std::size_t compared = 0;          // tests with a result here and in the baseline
  std::vector<TestJudgement> tests;  // those of which there is something to say, in the run's order
  std::vector<NewSignature> new_signatures;
  std::vector<KnownIssueNote> known_issues;

  bool operator==(const Judgement&) const = default;
};

// Further runs of a suspect, or that it needs none.
struct RerunOrder {
  TestId test;
  std::size_t change = 0, base = 0;      // how many, on the change and on the base hosts
  std::optional<Decision> settled = {};  // what the runs so far have decided for good

  bool operator==(const RerunOrder&) const = default;
};

}  // namespace ffci
