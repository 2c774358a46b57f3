// Run is what is known of a run: the fold of its events, complete or cut off anywhere. Reports,
// gate and history read it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/run_event.hpp"

namespace ffci {

struct TestResult {
  TestId id;
  std::optional<Duration> expected;
  std::size_t place = 0;            // in the plan that the run is a shard of, from 1; 0: it is none
  std::vector<Attempt> attempts;    // in order of their numbers
  std::vector<Attempt> reruns;      // of a suspect, for the gate; they change no verdict
  std::optional<Decision> settled;  // by reruns, while the gate still waits for those of others
  bool finished = false;            // no further attempt will be made, but for reruns
  std::optional<std::string> not_run;  // why there was no attempt

  [[nodiscard]] Verdict verdict() const;
  // Why the verdict is what it is: the reason of the attempt that decided it.
  [[nodiscard]] std::string reason() const;
  // The attempt that decided the verdict; nullptr: there was none.
  [[nodiscard]] const Attempt* deciding_attempt() const;
  // Of the deciding attempt; zero without one.
  [[nodiscard]] Duration duration() const;
};

struct HostRecord {
  std::string name, kind, kernel, arch, isolation;
  std::string boot_id;  // of the kernel it last came up with; empty: not known
  std::string log_in;   // a command that reaches it; empty: it is this machine
  int slots = 1;
  int restarts = 0;   // times it came back after a loss
  Duration busy{};    // summed over its attempts
  std::string state;  // "ready", "lost", "replaced", "retired"
};

using VerdictCounts = std::map<Verdict, int>;

class Run {
 public:
  // Facts about tests that were never selected, or out of order, are taken as far as they make
  // sense; nothing throws.
  void apply(const RunEvent& event);

  [[nodiscard]] const RunStarted& header() const { return header_; }
  [[nodiscard]] const std::vector<TestResult>& tests() const { return tests_; }
  [[nodiscard]] const TestResult* find(const TestId& id) const;
  [[nodiscard]] const std::vector<HostRecord>& hosts() const { return hosts_; }
  // What went wrong beside the tests: set-up and teardown failures, lost hosts.
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  // Why it stopped early, if it did.
  [[nodiscard]] const std::vector<std::string>& stops() const { return stops_; }
  [[nodiscard]] const std::optional<RunFinished>& finish() const { return finish_; }
  // Of the gate; none: there is no gate, or the run was broken off before.
  [[nodiscard]] const std::optional<Judgement>& judgement() const { return judgement_; }
  // Time of the last event.
  [[nodiscard]] Duration duration() const { return duration_; }
  // How much of it no ff-ci was there, before the run was resumed.
  [[nodiscard]] Duration paused() const { return paused_; }
  [[nodiscard]] std::uint64_t last_sequence() const { return last_sequence_; }
  [[nodiscard]] VerdictCounts counts() const;

 private:
  TestResult& test(const TestId& id);
  Attempt& attempt(const TestId& id, Purpose purpose, int number);
  HostRecord& host(const std::string& name);

  RunStarted header_;
  std::vector<TestResult> tests_;
  std::unordered_map<TestId, size_t> index_;
  std::vector<HostRecord> hosts_;
  std::vector<std::string> problems_;
  std::vector<std::string> stops_;
  std::optional<RunFinished> finish_;
  std::optional<Judgement> judgement_;
  Duration duration_{}, paused_{};
  std::uint64_t last_sequence_ = 0;
};

// What a run says as a whole. A run with a gate has failed or regressed only when its gate says so.
enum class RunResult {
  passed,
  failed,
  regression,
  incomplete,  // or inconclusive
  flaky,       // where the gate was asked to tell
  drift,       // from the baseline, where the gate was asked to tell
  nothing_run,
  no_hosts,
  interrupted,
};

[[nodiscard]] std::string_view run_result_name(RunResult result);
[[nodiscard]] RunResult result_of(const Run& run);

}  // namespace ffci
