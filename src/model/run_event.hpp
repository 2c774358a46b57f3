// RunEvent: the facts of a run, in the order they came to be known. Once written they are the only
// truth about it: the engine records them, the store keeps them, and every report is a fold over
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "model/attempt.hpp"
#include "model/judgement.hpp"
#include "model/shard.hpp"
#include "model/test_id.hpp"

namespace ffci {

struct RunStarted {
  std::string run_id;
  std::string job;
  std::string tool_version;
  WallTime at{};
  std::uint64_t seed = 0;    // of the random order
  std::string results_path;  // the run's folder, as a path a reader of the log can use
  std::string durations;     // where the expected durations came from; empty: there were none
  std::optional<Shard> shard = {};            // none: the whole plan
  std::vector<std::string> merged = {};       // the ids of the runs that this one was joined from
  bool gated = false;                         // a Judgement is to come
  std::optional<BaselineFact> baseline = {};  // that it is judged by; none: any failure counts
};
// Another ff-ci goes on with a run that was not over, at this time of its. Tests without a result
// are no longer finished.
struct RunResumed {
  WallTime at{};
  std::string tool_version;
};
// One for each selected test, in the order they were listed, before anything runs.
struct TestSelected {
  TestId test;
  std::optional<Duration> expected;
  std::size_t place = 0;  // in the plan that this run is a shard of, from 1; 0: it is none
};
struct HostReady {
  std::string host, kind;
  int slots = 1;
  std::string kernel, arch;  // uname -r, -m
  std::string isolation;     // how tests are kept apart there
  std::string boot_id = {};  // random_boot_id of the kernel; empty: not known
  std::string log_in = {};   // a command that reaches it; empty: it is this machine
};
struct HostLostFact {
  std::string host, why;
};
// It is started anew, through no fault of what ran there: nothing did at that moment.
struct HostReplaced {
  std::string host, why;
};
// Lost too often, or for good: nothing more runs there.
struct HostRetired {
  std::string host, why;
};
// Something a test left there could not be killed: nothing more runs in that slot.
struct SlotRetired {
  std::string host;
  int slot = 1;
  std::string why;
};
struct SuiteSetUp {
  std::string host, suite;
  Duration duration{};
  std::optional<std::string> failure;
};
struct SuiteTornDown {
  std::string host, suite;
  Duration duration{};
  std::optional<std::string> failure;
};
struct AttemptStarted {
  TestId test;
  int attempt = 1;
  std::string host;
  int slot = 0;
  std::string files;
  std::uint64_t batch = 0;  // which command ran it; 0: not known
  Purpose purpose = Purpose::verdict;
};
// `result.outcome` is set. An attempt whose suite could not be set up finishes without having
// started.
struct AttemptFinished {
  TestId test;
  Attempt result;
};
// Files of an attempt that had finished came back with the end of its batch.
struct FilesKept {
  TestId test;
  int attempt = 1;
  std::vector<std::string> kept_files;
  std::string files_problem;
  Purpose purpose = Purpose::verdict;
};
// The gate wants further runs of suspects.
struct RerunsOrdered {
  std::vector<RerunOrder> orders;
};
// The gate has said what it makes of the run.
struct RunJudged {
  Judgement judgement;
};
// No further attempt will be made. `not_run` says why, when there was none.
struct TestFinished {
  TestId test;
  std::optional<std::string> not_run;
};
// The run stops before everything ran, and why.
struct RunStopping {
  std::string why;
};
struct RunFinished {
  enum class How {
    completed,  // every test had its turn
    deadline,
    stopped_after_failures,
    no_hosts,
    interrupted,         // by `signal`
    results_unwritable,  // the results could not be kept
  };
  How how = How::completed;
  int signal = 0;
};

struct RunEvent {
  std::uint64_t sequence = 0;  // from 1, without gaps
  Duration time{};             // since the run began
  std::variant<RunStarted, TestSelected, HostReady, HostLostFact, HostReplaced, HostRetired,
               SuiteSetUp, SuiteTornDown, AttemptStarted, AttemptFinished, TestFinished,
               RunStopping, RunFinished, SlotRetired, FilesKept, RunResumed, RerunsOrdered,
               RunJudged>
      fact;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const RunEvent& event) = 0;
};

}  // namespace ffci
