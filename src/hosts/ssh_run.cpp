#include "hosts/ssh_run.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>

#include "base/text.hpp"
#include "hosts/local_host.hpp"

namespace ffci {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How long after SIGKILL everything must be gone.
constexpr Duration kill_grace = seconds(20);
// How often signals are sent again, to what was forked meanwhile.
constexpr Duration between_signals = milliseconds(500);
constexpr Duration tracer_start_limit = seconds(20);
constexpr Duration tracer_end_limit = seconds(10);
// The kernel's log comes over another channel, and mostly before the end does.
constexpr Duration log_limit = seconds(2);
constexpr Duration files_silence_limit = seconds(60);
// Of what is still to come behind the last word of a command's shell.
constexpr Duration streams_limit = seconds(5);

// Not one of the run's: the tracer outlives it, to say what it has counted.
std::string trace_mark(const std::string& mark) {
  return mark + "-trace";
}

}  // namespace

SshRun::SshRun(const SshLink& link, std::unique_ptr<RemoteShell> shell, Command command,
               SshRunOptions options, Callbacks callbacks)
    : link_(link),
      command_(std::move(command)),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      output_(options_.remote.nonce),
      shell_(std::move(shell)),
      phase_deadline_(link.loop),
      stage_deadline_(link.loop),
      signal_deadline_(link.loop) {
  if (options_.remote.sweep_only) {
    sweep();
  } else if (options_.tracer.empty()) {
    start_command();
  } else {
    start_tracer();
  }
}

SshRun::~SshRun() {
  for (const SshChannelId channel : {tracer_, files_, sweeper_})
    link_.session.close(channel);
}

std::unique_ptr<RemoteShell> SshRun::take_shell() {
  const bool fit = shell_ && shell_->is_open() && output_.is_complete() && !unusable_;
  if (shell_) shell_->listen({});
  return fit ? std::move(shell_) : nullptr;
}

// The command begins when the tracer says that it is attached, which is the first that it says.
void SshRun::start_tracer() {
  phase_ = Phase::tracer_starting;
  tracer_runs_ = true;
  SshSession::ChannelCallbacks callbacks;
  callbacks.on_output = [this](Stream, std::string_view bytes) {
    callbacks_.on_output(Stream::trace, bytes);
    if (phase_ == Phase::tracer_starting) start_command();
  };
  callbacks.on_end = [this](const std::optional<std::string>& refused) {
    tracer_runs_ = false;
    if (refused) callbacks_.on_output(Stream::trace, fmt::format("ff-ci: {}\n", *refused));
    if (phase_ == Phase::tracer_starting) start_command();
    if (phase_ == Phase::tracer_ending) await_log();
  };
  tracer_ = link_.session.open(std::string(remote_shell), std::move(callbacks));
  link_.session.write(tracer_, trace_script(trace_mark(options_.remote.mark), options_.tracer),
                      true);
  phase_deadline_.set(tracer_start_limit, [this] { start_command(); });
}

void SshRun::start_command() {
  phase_deadline_.cancel();
  phase_ = Phase::running;
  if (stage_ != StopStage::none) {
    end_.stopped = true;
    return finish_command();
  }
  SshSession::ChannelCallbacks callbacks;
  callbacks.on_output = [this](Stream stream, std::string_view bytes) {
    on_command_output(stream, bytes);
  };
  callbacks.on_end = [this](const std::optional<std::string>& refused) {
    on_command_streams_end(refused);
  };
  if (!shell_ || !shell_->is_open()) shell_ = std::make_unique<RemoteShell>(link_.session);
  shell_->listen(std::move(callbacks));
  shell_->say(run_script(options_.remote, command_));
}

void SshRun::on_command_output(Stream stream, std::string_view bytes) {
  const bool had_begun = output_.has_begun(), was_told = output_.is_told();
  buffer_.clear();
  output_.feed(stream, bytes, buffer_);
  if (!had_begun && output_.has_begun()) began_ = std::chrono::steady_clock::now();
  if (!buffer_.empty()) callbacks_.on_output(stream, buffer_);
  if (phase_ != Phase::running) return;
  if (!was_told && output_.is_told()) {
    completed_ = std::chrono::steady_clock::now();
    phase_deadline_.set(streams_limit, [this] { finish_command(); });
  }
  if (output_.is_complete()) finish_command();
}

void SshRun::on_command_streams_end(const std::optional<std::string>& refused) {
  if (phase_ != Phase::running) return;
  if (output_.is_told()) return finish_command();
  if (refused) {
    end_.trouble = unusable_.emplace(*refused + " (is sshd's MaxSessions large enough?)");
    return finish_command();
  }
  // Its shell was killed, or the server's process.
  end_.trouble = "the shell that watched over the command was killed";
  sweep();
}

// Kills what is left of a command whose shell can't do it any more.
void SshRun::sweep() {
  phase_ = Phase::sweeping;
  signal_deadline_.cancel();
  stage_deadline_.cancel();
  const std::string nonce = make_nonce();
  swept_.emplace(nonce);
  SshSession::ChannelCallbacks callbacks;
  callbacks.on_output = [this](Stream stream, std::string_view bytes) {
    std::string none;
    swept_->feed(stream, bytes, none);
  };
  callbacks.on_end = [this](const std::optional<std::string>& refused) {
    sweeper_ = 0;
    if (phase_ != Phase::sweeping) return;
    if (refused || !swept_->is_complete()) {
      unusable_ = "whether its processes are gone could not be found out";
    } else if (!swept_->left().empty()) {
      unusable_ = "processes that can't be killed:" + swept_->left();
    }
    finish_command();
  };
  sweeper_ = link_.session.open(std::string(remote_shell), std::move(callbacks));
  link_.session.write(sweeper_, sweep_script(nonce, options_.remote.mark), true);
  phase_deadline_.set(kill_grace, [this] {
    unusable_ = "whether its processes are gone could not be found out";
    finish_command();
  });
}

// The command is over, one way or the other.
void SshRun::finish_command() {
  phase_deadline_.cancel();
  stage_deadline_.cancel();
  signal_deadline_.cancel();
  const CommandEnd told = output_.end();
  end_.setup = told.setup, end_.command = told.command, end_.teardown = told.teardown;
  // What was stopped while its teardown ran had come to its end by itself.
  const bool ended_before = stopped_at_ && output_.ended_at() && *output_.ended_at() < *stopped_at_;
  end_.stopped |= stage_ != StopStage::none && !ended_before;
  if (!output_.trouble().empty()) end_.trouble = output_.trouble();
  if (!output_.left().empty()) unusable_ = "processes that can't be killed: " + output_.left();
  const bool alone = command_.setup.empty() && command_.teardown.empty();
  if (output_.is_told()) {
    const auto measured = std::chrono::duration_cast<Duration>(completed_ - began_);
    end_.duration = alone ? measured : output_.took().value_or(measured);
  }
  if (callbacks_.on_over && !unusable_) {
    CommandEnd over = end_;
    if (!command_.files.empty()) over.files_problem = "the host was lost before they came";
    callbacks_.on_over(over);
  }
  end_tracer();
}

void SshRun::end_tracer() {
  phase_ = Phase::tracer_ending;
  if (!tracer_runs_) return await_log();
  const std::string mark = trace_mark(options_.remote.mark);
  link_.control.signal(mark, "INT", AlsoFirst::yes, {});
  phase_deadline_.set(tracer_end_limit, [this, mark] {
    link_.control.signal(mark, "KILL", AlsoFirst::yes, {});
    await_log();
  });
}

void SshRun::await_log() {
  phase_ = Phase::log;
  if (!options_.await_log || !output_.is_told()) return fetch_files();
  phase_deadline_.set(log_limit, [this] { fetch_files(); });
}

void SshRun::on_end_of_log() {
  if (phase_ == Phase::log) {
    fetch_files();
  } else {
    options_.await_log = false;  // it came first
  }
}

void SshRun::fetch_files() {
  phase_deadline_.cancel();
  phase_ = Phase::files;
  const bool has_place = !command_.files_in_temporary || !options_.remote.temporary.empty();
  if (command_.files.empty() || unusable_ || !output_.has_begun() || !has_place) return finish();
  const auto give_up_after_silence = [this] {
    phase_deadline_.set(files_silence_limit, [this] {
      end_.files_problem =
          fmt::format("nothing came of them for {}", human_duration(files_silence_limit));
      finish();
    });
  };
  SshSession::ChannelCallbacks callbacks;
  callbacks.on_output = [this, give_up_after_silence](Stream stream, std::string_view bytes) {
    give_up_after_silence();
    if (stream == Stream::standard_output) {
      callbacks_.on_output(Stream::archive, bytes);
    } else {
      callbacks_.on_output(Stream::standard_error, bytes);
    }
  };
  callbacks.on_end = [this](const std::optional<std::string>& refused) {
    files_ = 0;
    if (refused) end_.files_problem = *refused;
    if (phase_ == Phase::files) finish();
  };
  files_ = link_.session.open(std::string(remote_shell), std::move(callbacks));
  link_.session.write(
      files_,
      fmt::format("export FFCI_MARK={}\n", shell_quote(options_.remote.mark + "-files.")) +
          fetching_script(),
      true);
  give_up_after_silence();
}

std::string SshRun::fetching_script() const {
  const std::string& temporary = options_.remote.temporary;
  if (!command_.files_in_temporary)
    return files_script(options_.remote.directory, command_.files, options_.archive_limit);
  return files_script(temporary + "/" + *command_.files_in_temporary, command_.files,
                      options_.archive_limit) +
         remove_script(temporary);
}

void SshRun::finish() {
  phase_ = Phase::over;
  phase_deadline_.cancel();
  link_.session.close(std::exchange(files_, 0));
  link_.session.close(std::exchange(tracer_, 0));
  link_.session.close(std::exchange(sweeper_, 0));
  if (const auto on_end = std::exchange(callbacks_.on_end, {})) on_end(end_, unusable_);
}

// Stopping.

void SshRun::stop(Urgency urgency) {
  const StopStage wanted =
      urgency == Urgency::in_order ? StopStage::terminate : StopStage::kill_first;
  if (phase_ == Phase::tracer_starting) {
    stage_ = std::max(stage_, wanted);
    return start_command();
  }
  if (phase_ == Phase::running && wanted > stage_ && !output_.is_told()) enter_stage(wanted);
  if (phase_ == Phase::files && urgency == Urgency::at_once) {
    link_.session.close(std::exchange(files_, 0));
    phase_deadline_.set(Duration{}, [this] {
      end_.files_problem = "they were not waited for";
      finish();
    });
  }
}

void SshRun::enter_stage(StopStage stage) {
  stage_ = stage;
  switch (stage) {
    case StopStage::none:
      return;
    case StopStage::terminate:
      stage_deadline_.set(options_.kill_after, [this] { enter_stage(StopStage::kill); });
      break;
    case StopStage::kill:
      // A teardown runs behind what was killed.
      stage_deadline_.set((command_.teardown.empty() ? Duration{} : teardown_limit) + kill_grace,
                          [this] { enter_stage(StopStage::kill_first); });
      break;
    case StopStage::kill_first:
      stage_deadline_.set(kill_grace, [this] {
        give_up(fmt::format("its processes are still there {} after SIGKILL",
                            human_duration(kill_grace)));
      });
      break;
  }
  send_signals();
}

void SshRun::send_signals() {
  const StopStage stage = stage_;
  link_.control.signal(
      options_.remote.mark, stage == StopStage::terminate ? "TERM" : "KILL",
      stage == StopStage::kill_first ? AlsoFirst::yes : AlsoFirst::no,
      [this, stage, alive = std::weak_ptr<bool>(alive_)](const std::string& answer) {
        if (alive.expired()) return;
        const RemoteSignalled signalled = read_signalled(answer);
        if (!stopped_at_) stopped_at_ = signalled.at;
        if (phase_ != Phase::running || stage_ != stage) return;
        // SIGTERM is sent once, when there is somebody to get it. What is killed before a teardown
        // must not take that with it.
        const bool once = stage == StopStage::terminate ||
                          (stage == StopStage::kill && !command_.teardown.empty());
        if (once && signalled.processes > 0) return;
        signal_deadline_.set(between_signals, [this] { send_signals(); });
      });
}

void SshRun::give_up(const std::string& why) {
  unusable_ = why;
  finish_command();
}

}  // namespace ffci
