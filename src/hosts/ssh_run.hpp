// SshRun: one command on a machine, from its start to the certainty that nothing of it is left.
// Output is passed on as it arrives; a tracer may run beside it; files are fetched behind it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hosts/control_shell.hpp"
#include "hosts/deadline.hpp"
#include "hosts/remote_script.hpp"
#include "hosts/remote_shell.hpp"
#include "hosts/ssh_session.hpp"

namespace ffci {

// A live connection, which outlives the runs that use it.
struct SshLink {
  boost::asio::io_context& loop;
  SshSession& session;
  ControlShell& control;
};

struct SshRunOptions {
  RemoteRun remote;
  Duration kill_after{};
  std::string tracer;               // a program for bpftrace; empty: none
  std::uint64_t archive_limit = 0;  // bytes
  bool await_log = false;           // the end comes with its last line in the kernel's log
};

class SshRun {
 public:
  struct Callbacks {
    std::function<void(Stream, std::string_view)> on_output;
    // The command itself is over; what goes with it may still come.
    std::function<void(const CommandEnd&)> on_over;
    // Once. `unusable`: something it started can't be killed, or that is not known.
    std::function<void(const CommandEnd&, const std::optional<std::string>& unusable)> on_end;
  };

  // `shell`: one that an earlier run has left; none: a new one.
  SshRun(const SshLink& link, std::unique_ptr<RemoteShell> shell, Command command,
         SshRunOptions options, Callbacks callbacks);
  ~SshRun();

  // The shell for the next run, after the end; none when it is not fit for that.
  [[nodiscard]] std::unique_ptr<RemoteShell> take_shell();

  void stop(Urgency urgency);
  // The kernel's log has come to the last line of this run.
  void on_end_of_log();

 private:
  enum class Phase { tracer_starting, running, sweeping, tracer_ending, log, files, over };
  enum class StopStage { none, terminate, kill, kill_first };

  void start_tracer();
  void start_command();
  void on_command_output(Stream stream, std::string_view bytes);
  void on_command_streams_end(const std::optional<std::string>& refused);
  void sweep();
  void finish_command();
  void end_tracer();
  void await_log();
  void fetch_files();
  [[nodiscard]] std::string fetching_script() const;
  void finish();

  void enter_stage(StopStage stage);
  void send_signals();
  void give_up(const std::string& why);

  SshLink link_;
  Command command_;
  SshRunOptions options_;
  Callbacks callbacks_;
  Phase phase_ = Phase::running;
  StopStage stage_ = StopStage::none;
  RemoteRunOutput output_;
  std::optional<RemoteRunOutput> swept_;
  std::chrono::steady_clock::time_point began_{}, completed_{};
  std::optional<Duration> stopped_at_;  // by the machine's clock
  SshChannelId tracer_ = 0, files_ = 0, sweeper_ = 0;
  bool tracer_runs_ = false;
  std::string buffer_;
  std::optional<std::string> unusable_;
  CommandEnd end_;
  std::unique_ptr<RemoteShell> shell_;
  Deadline phase_deadline_, stage_deadline_, signal_deadline_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ffci
