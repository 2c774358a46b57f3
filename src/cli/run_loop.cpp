#include "cli/run_loop.hpp"

#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <csignal>

#include "base/text.hpp"
#include "cli/stop_signals.hpp"
#include "store/attempt_files.hpp"
#include "store/results_tree.hpp"

namespace ffci {

// What one host says, with its number: the way back from a host to the engine.
class RunLoop::HostLink final : public HostObserver, public ScopeObserver {
 public:
  HostLink(RunLoop& run, size_t host, const HostPlan& plan)
      : run_(run),
        host_(host),
        name_(plan.name),
        slots_(plan.slots),
        // Behind what it logged before the run was resumed.
        log_(place() / "dmesg", run.options_.output_limit, Earlier::kept),
        console_(place() / "console", run.options_.output_limit, Earlier::kept),
        console_times_(place() / "console.times", run.options_.output_limit, Earlier::kept) {}

  [[nodiscard]] bool has_one_slot() const { return slots_ == 1; }

  void on_up(const HostReady& facts) override { run_.tell(input::AcceptHost{host_, facts}); }
  void on_lost(const std::string& why, bool for_good) override {
    scopes_.clear();
    run_.lose_batches(host_, why);
    run_.tell(input::LoseHost{host_, why, for_good});
  }
  void on_log(std::string_view line) override { write(log_, line); }
  // "SECONDS BYTES" for each piece, the time since the piece before: scriptreplay(1) plays it, but
  // for the first line.
  void on_console(std::string_view bytes) override {
    std::error_code none;
    if (console_.bytes() == 0 && !std::filesystem::exists(place() / "console", none))
      write(console_, "Console of " + name_ + "; scriptreplay -t console.times console\n");
    const Duration now = run_.now();
    if (console_times_.bytes() == 0) console_at_ = now;
    write(console_times_,
          fmt::format("{:.3f} {}\n", std::chrono::duration<double>(now - console_at_).count(),
                      bytes.size()));
    console_at_ = now;
    write(console_, bytes);
  }
  void on_worn(const std::string& why) override { run_.tell(input::ReplaceHost{host_, why}); }
  // It is about to be started, or started anew.
  void begin_life() {
    has_begun_ = true;
    scopes_.clear();
  }
  [[nodiscard]] bool has_begun() const { return has_begun_; }
  void on_down() override { run_.tell(input::FinishHost{host_}); }

  void close() {
    for (OutputFile* file : {&log_, &console_, &console_times_}) {
      if (const auto closed = file->close(); !closed) run_.results_unwritable(closed.error());
    }
  }

  void begin_scope(size_t suite) {
    const std::filesystem::path folder =
        run_.options_.run_folder / scope_folder(run_.suites_[suite]->plan().name, name_);
    auto files = AttemptFiles::create(folder, run_.options_.output_limit);
    if (!files) run_.results_unwritable(files.error());
    Scope& scope = scopes_[suite];
    if (files) scope.files = std::make_unique<AttemptFiles>(std::move(*files));
    scope.began = run_.now();
  }

  void begin_tear_down(size_t suite) { scopes_[suite].began = run_.now(); }

  void on_scope_output(size_t suite, Stream stream, std::string_view bytes) override {
    Scope& scope = scopes_[suite];
    if (const std::string line = printable_last_line(bytes, 200); !line.empty())
      scope.last_line = line;
    if (!scope.files) return;
    if (const auto written = scope.files->append(stream, bytes); !written)
      run_.results_unwritable(written.error());
  }

  void on_set_up(size_t suite, const std::optional<std::string>& failure) override {
    run_.tell(input::FinishSetUp{host_, suite, took(suite), with_last_line(suite, failure)});
    if (failure) scopes_.erase(suite);
  }

  void on_torn_down(size_t suite, const std::optional<std::string>& failure) override {
    run_.tell(input::FinishTearDown{host_, suite, took(suite), with_last_line(suite, failure)});
    scopes_.erase(suite);
  }

 private:
  struct Scope {
    std::unique_ptr<AttemptFiles> files;
    Duration began{};
    std::string last_line;
  };

  [[nodiscard]] std::filesystem::path place() const {
    return run_.options_.run_folder / host_folder(name_);
  }

  void write(OutputFile& file, std::string_view bytes) {
    if (file.bytes() == 0) {
      std::error_code ignored;  // of which writing will tell
      std::filesystem::create_directories(place(), ignored);
    }
    if (const auto written = file.append(bytes); !written) run_.results_unwritable(written.error());
  }

  [[nodiscard]] Duration took(size_t suite) { return run_.now() - scopes_[suite].began; }

  [[nodiscard]] std::optional<std::string> with_last_line(
      size_t suite, const std::optional<std::string>& failure) {
    const std::string& line = scopes_[suite].last_line;
    return failure && !line.empty() ? fmt::format("{}: {}", *failure, line) : failure;
  }

  RunLoop& run_;
  size_t host_;
  std::string name_;
  int slots_;
  bool has_begun_ = false;
  OutputFile log_;  // of its kernel
  OutputFile console_, console_times_;
  Duration console_at_{};
  std::map<size_t, Scope> scopes_;
};

RunLoop::RunLoop(boost::asio::io_context& loop, const Clock& clock, EnginePlan plan,
                 std::vector<std::unique_ptr<Suite>> suites,
                 std::vector<std::unique_ptr<Host>> hosts, JournalWriter& journal,
                 std::vector<EventSink*> sinks, RunLoopOptions options)
    : loop_(loop),
      clock_(clock),
      began_(clock.monotonic()),
      engine_(plan),
      suites_(std::move(suites)),
      hosts_(std::move(hosts)),
      journal_(journal),
      sinks_(std::move(sinks)),
      options_(std::move(options)),
      wake_(loop),
      heartbeat_(loop),
      signals_(loop) {
  for (size_t host = 0; host < hosts_.size(); ++host)
    links_.push_back(std::make_unique<HostLink>(*this, host, plan.hosts[host]));
}

RunLoop::~RunLoop() = default;

Result<void> RunLoop::run(RunStarted header) {
  return play(input::Begin{std::move(header)}, Duration{});
}

Result<void> RunLoop::resume(RunResumed fact, Duration since) {
  return play(input::Resume{std::move(fact)}, since);
}

Result<void> RunLoop::play(Input first, Duration since) {
  began_ = clock_.monotonic() - since;
  watch_signals();
  schedule_heartbeat();
  tell(std::move(first));
  loop_.run();
  for (const auto& link : links_)
    link->close();
  if (const auto closed = journal_.close(); !closed && !trouble_) trouble_ = closed.error();
  if (trouble_) return tl::unexpected(*trouble_);
  return {};
}

void RunLoop::tell(Input input) {
  inputs_.push_back(std::move(input));
  if (!working_) work_off_inputs();
}

// One input after the other; what an action brings about at once waits for its turn, so that events
// stay in order.
void RunLoop::work_off_inputs() {
  working_ = true;
  while (!inputs_.empty()) {
    const Input input = std::move(inputs_.front());
    inputs_.pop_front();
    for (const Action& action : engine_.handle(now(), input)) {
      std::visit([this](const auto& what) { this->perform(what); }, action);
    }
    if (!inputs_.empty()) continue;
    for (const auto& start : std::exchange(starts_, {}))
      start();
  }
  working_ = false;
}

void RunLoop::perform(const action::Record& record) {
  if (!trouble_) {
    if (const auto kept = journal_.append(record.event); !kept) results_unwritable(kept.error());
  }
  for (EventSink* sink : sinks_)
    sink->on_event(record.event);
}

void RunLoop::perform(const action::StartHost& start) {
  links_[start.host]->begin_life();
  hosts_[start.host]->start(*links_[start.host]);
}

void RunLoop::perform(const action::StopHost& stop) {
  hosts_[stop.host]->stop(stop.urgency);
}

void RunLoop::perform(const action::SetUpSuite& set_up) {
  links_[set_up.host]->begin_scope(set_up.suite);
  hosts_[set_up.host]->set_up(set_up.suite, suites_[set_up.suite]->scope(), *links_[set_up.host]);
}

void RunLoop::perform(const action::TearDownSuite& tear_down) {
  links_[tear_down.host]->begin_tear_down(tear_down.suite);
  hosts_[tear_down.host]->tear_down(tear_down.suite);
}

void RunLoop::perform(const action::StopScope& stop) {
  hosts_[stop.host]->stop_scope(stop.suite, stop.urgency);
}

void RunLoop::perform(const action::StartBatch& start) {
  const Suite& suite = *suites_[start.suite];
  RunningBatch& batch = batches_[start.batch];
  batch.host = start.host;
  BatchRunSetting setting;
  setting.run_folder = options_.run_folder;
  setting.output_limit = options_.output_limit;
  setting.files_limit = options_.files_limit;
  setting.allowed = &options_.kernel_log_allowed;
  setting.alone_on_host = links_[start.host]->has_one_slot();
  setting.now = [this] { return now(); };
  setting.tell = [this, number = start.batch](Input input) {
    if (const auto* abandon = std::get_if<input::Abandon>(&input)) {
      return results_unwritable({ErrorKind::io, abandon->why});
    }
    const bool over = std::holds_alternative<input::EndBatch>(input);
    tell(std::move(input));
    // It is on the stack: it goes with the loop's next turn.
    if (over)
      boost::asio::post(
          loop_,
          [gone = std::make_shared<decltype(batches_)::node_type>(batches_.extract(number))] {});
  };
  setting.in_background = [this](std::function<void()> work, std::function<void()> done) {
    boost::asio::post(background_, [this, work = std::move(work), done = std::move(done),
                                    busy = boost::asio::make_work_guard(loop_)] {
      work();
      boost::asio::post(loop_, done);
    });
  };
  batch.run = std::make_shared<BatchRun>(std::move(setting), suite, start);
  batch.run->begin();
  Command command = suite.command_for(start.tests);
  command.title = to_string(start.tests.front());
  if (start.tests.size() > 1) command.title += fmt::format(" and {} more", start.tests.size() - 1);
  starts_.push_back([this, start, command = std::move(command)] {
    const auto found = batches_.find(start.batch);
    if (found != batches_.end())
      hosts_[start.host]->run(start.batch, start.slot, start.suite, command, *found->second.run);
  });
}

// What ran on a host that is gone; nothing more comes from there.
void RunLoop::lose_batches(size_t host, const std::string& why) {
  std::vector<std::shared_ptr<BatchRun>> lost;
  for (auto batch = batches_.begin(); batch != batches_.end();) {
    if (batch->second.host == host) {
      lost.push_back(std::move(batch->second.run));
      batch = batches_.erase(batch);
    } else {
      ++batch;
    }
  }
  for (const auto& run : lost)
    run->lose_host(why);
  boost::asio::post(loop_, [lost = std::move(lost)] {});
}

void RunLoop::perform(const action::StopBatch& stop) {
  const auto found = batches_.find(stop.batch);
  if (found == batches_.end()) return;
  // Behind its start, should that still wait.
  starts_.push_back([this, stop, host = found->second.host] {
    hosts_[host]->stop_command(stop.batch, stop.urgency);
  });
}

void RunLoop::perform(const action::JudgeRun& judge) {
  GateAnswer answer = options_.ask_gate(judge.why_final);
  if (auto* orders = std::get_if<std::vector<RerunOrder>>(&answer)) {
    tell(input::OrderReruns{std::move(*orders)});
  } else {
    tell(input::AcceptJudgement{std::get<Judgement>(std::move(answer))});
  }
}

void RunLoop::perform(const action::WakeAt& wake) {
  wake_.expires_at(std::chrono::steady_clock::time_point(began_ + wake.time));
  wake_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tell(input::Tick{});
  });
}

void RunLoop::perform(const action::Finish&) {
  // Those that EarlyHosts has started, and that had nothing to do in the run.
  for (size_t host = 0; host < hosts_.size(); ++host) {
    if (!links_[host]->has_begun()) hosts_[host]->stop(Urgency::in_order);
  }
  wake_.cancel();
  heartbeat_.cancel();
  signals_.cancel();
  signals_.clear();
  // One more, of somebody impatient, must not come between a run and its reports; a second one may.
  struct sigaction once {};
  once.sa_handler = [](int) {};
  once.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM})
    ::sigaction(signal, &once, nullptr);
  over_ = true;
}

void RunLoop::watch_signals() {
  add_stop_signals(signals_);
  await_signal();
}

void RunLoop::await_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    tell(input::Interrupt{meaning_of_stop_signal(signal)});
    if (!over_) await_signal();
  });
}

void RunLoop::schedule_heartbeat() {
  if (options_.heartbeat.count() <= 0) return;
  heartbeat_.expires_after(options_.heartbeat);
  heartbeat_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    options_.on_heartbeat(now());
    schedule_heartbeat();
  });
}

void RunLoop::results_unwritable(const Error& error) {
  if (trouble_) return;
  trouble_ = error;
  tell(input::Abandon{error.message});
}

}  // namespace ffci
