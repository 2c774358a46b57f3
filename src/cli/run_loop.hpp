// RunLoop plays a run: it carries the engine's actions to the hosts and what happens there back to
// the engine, on one thread. Every event goes to the sinks, the journal first, before anything that
// depends on it is done.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "cli/batch_run.hpp"
#include "engine/engine.hpp"
#include "gate/gate.hpp"
#include "hosts/host.hpp"
#include "store/journal.hpp"
#include "suites/suite.hpp"

namespace ffci {

struct RunLoopOptions {
  std::filesystem::path run_folder;
  std::uint64_t output_limit = 0;  // bytes kept of each stream of an attempt; 0: all
  std::uint64_t files_limit = 0;   // bytes kept of the files of an attempt
  std::vector<KernelLogAllowance> kernel_log_allowed;
  Duration heartbeat{};                            // zero: none
  std::function<void(Duration now)> on_heartbeat;  // `now`: since the run began
  // As Gate::ask, of the run as the sinks know it; for a gated plan.
  std::function<GateAnswer(const std::string& why_final)> ask_gate;
};

class RunLoop {
 public:
  // `suites` and `hosts` stand in the order of the plan's.
  RunLoop(boost::asio::io_context& loop, const Clock& clock, EnginePlan plan,
          std::vector<std::unique_ptr<Suite>> suites, std::vector<std::unique_ptr<Host>> hosts,
          JournalWriter& journal, std::vector<EventSink*> sinks, RunLoopOptions options);
  ~RunLoop();

  // Returns when the run is over and nothing of it is running. Error (io): results could not be
  // kept; the sinks were told all the same.
  [[nodiscard]] Result<void> run(RunStarted header);
  // Goes on with the plan's earlier run; `since`: the time since that began.
  [[nodiscard]] Result<void> resume(RunResumed fact, Duration since);

 private:
  class HostLink;
  struct RunningBatch {
    std::size_t host = 0;
    std::shared_ptr<BatchRun> run;
  };

  [[nodiscard]] Result<void> play(Input first, Duration since);
  void tell(Input input);
  void work_off_inputs();
  void perform(const action::Record& record);
  void perform(const action::StartHost& start);
  void perform(const action::StopHost& stop);
  void perform(const action::SetUpSuite& set_up);
  void perform(const action::TearDownSuite& tear_down);
  void perform(const action::StopScope& stop);
  void perform(const action::StartBatch& start);
  void perform(const action::StopBatch& stop);
  void perform(const action::JudgeRun& judge);
  void perform(const action::WakeAt& wake);
  void perform(const action::Finish& finish);

  void watch_signals();
  void await_signal();
  void schedule_heartbeat();
  void lose_batches(std::size_t host, const std::string& why);
  void results_unwritable(const Error& error);
  [[nodiscard]] Duration now() const { return clock_.monotonic() - began_; }

  boost::asio::io_context& loop_;
  const Clock& clock_;
  Duration began_;
  Engine engine_;
  std::vector<std::unique_ptr<Suite>> suites_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<HostLink>> links_;
  JournalWriter& journal_;
  std::vector<EventSink*> sinks_;
  RunLoopOptions options_;

  std::deque<Input> inputs_;
  bool working_ = false;
  bool over_ = false;
  std::map<BatchNumber, RunningBatch> batches_;
  std::vector<std::function<void()>> starts_;  // of commands, behind the events that say so
  std::optional<Error> trouble_;
  boost::asio::steady_timer wake_, heartbeat_;
  boost::asio::signal_set signals_;
  boost::asio::thread_pool background_{1};
};

}  // namespace ffci
