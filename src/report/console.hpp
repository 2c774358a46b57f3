// The log that nobody watches live and everybody reads afterwards: one line per finished test that
// is not a plain pass, a heartbeat, and at the end everything that needs attention. Fed the events
// of a run, live or from the journal; writes text to a callback. No cursor movement; colour only
// when asked. Text of guests is shown so that neither a terminal nor a CI system obeys it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/run.hpp"
#include "model/run_event.hpp"
#include "report/console_options.hpp"

namespace ffci {

class ConsoleReport final : public EventSink {
 public:
  using Write = std::function<void(std::string_view)>;  // of whole lines

  ConsoleReport(ConsoleOptions options, Write write);

  // Constant time per event, whatever the size of the run.
  void on_event(const RunEvent& event) override;

  // In the place of the events so far, when the run goes on after a break.
  void resume(const Run& run);

  // One line: done, running (the longest with how long), and how long the rest may take. `now`:
  // since the run began.
  void heartbeat(Duration now);

  // Writes console_summary().
  void summary(const Run& run);

 private:
  struct Running {
    TestId test;
    Duration started{};
    Purpose purpose = Purpose::verdict;
  };
  using Place = std::pair<std::string, int>;  // host and slot

  void on(const RunStarted& fact);
  void on(const TestSelected& fact);
  void on(const HostReady& fact);
  void on(const HostLostFact& fact);
  void on(const HostReplaced& fact);
  void on(const HostRetired& fact);
  void on(const SlotRetired& fact);
  void on(const SuiteSetUp& fact);
  void on(const SuiteTornDown& fact);
  void on(const AttemptStarted& fact);
  void on(const AttemptFinished& fact);
  void on(const FilesKept&) {}
  void on(const RunResumed&) {}
  void on(const RerunsOrdered& fact);
  void on(const RunJudged&) {}
  void on(const TestFinished& fact);
  void on(const RunStopping& fact);
  void on(const RunFinished& fact);

  void line(std::string_view text) const;
  void warn(std::string_view text) const;
  void announce_tests();
  void tell_retries();
  void tell_rerun(const TestId& test, const Attempt& attempt);
  [[nodiscard]] std::string running_tests(Duration now) const;
  [[nodiscard]] std::string estimate(Duration now) const;

  ConsoleOptions options_;
  Write write_;

  Duration now_{};                                     // of the last event
  std::string durations_;                              // where the expected ones came from
  bool announced_ = false;                             // how many tests there are
  std::unordered_map<TestId, TestResult> unfinished_;  // without the output of their attempts
  std::map<Place, Running> running_;
  std::unordered_map<std::string, int> slots_;  // of each host that is ready
  std::map<std::string, std::string> boots_;    // of the hosts that were up: their boot id
  // Tests whose attempt went wrong. One whose test finishes at the same time is not retried, so
  // they wait for time to pass.
  std::vector<TestId> undecided_;
  std::size_t selected_ = 0, done_ = 0, bad_ = 0;
  std::size_t reruns_ordered_ = 0, reruns_done_ = 0;
  Duration expected_left_{};         // of the unfinished tests
  std::size_t unexpected_left_ = 0;  // unfinished tests with no expected duration
};

}  // namespace ffci
