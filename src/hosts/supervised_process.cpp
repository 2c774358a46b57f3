#include "hosts/supervised_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "base/fd.hpp"
#include "hosts/open_files.hpp"
#include "hosts/orphans.hpp"
#include "hosts/supervisor.hpp"

namespace ffci {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

// How long after the last order everything must be gone, beyond the times the supervisor itself
// allows.
constexpr Duration order_grace = std::chrono::seconds(10);
constexpr Duration kill_grace = std::chrono::seconds(20);

std::vector<std::string> environment_of(const Command& command) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : command.environment)
    variables[name] = value;
  std::vector<std::string> entries;
  for (const auto& [name, value] : variables)
    entries.push_back(fmt::format("{}={}", name, value));
  return entries;
}

const char* text_or_none(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

int milliseconds(Duration d) {
  return static_cast<int>(std::min<std::int64_t>(d.count(), 1'000'000'000));
}

struct Ends {
  Fd ours, theirs;
};

Result<Ends> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) == 0) return Ends{Fd(ends[0]), Fd(ends[1])};
  return fail(ErrorKind::internal, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
}

// Keeps records whole, and can't be opened again through /proc by what runs below the supervisor.
Result<Ends> make_packet_channel() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0)
    return Ends{Fd(ends[0]), Fd(ends[1])};
  return fail(ErrorKind::internal, fmt::format("cannot make a socket: {}", std::strerror(errno)));
}

// The process id in the parent; 0 in the child. A negative errno when it can't be made.
pid_t clone_supervisor(bool pid_namespace, int& pidfd) {
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD | (pid_namespace ? CLONE_NEWPID : 0U);
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const long made = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (made >= 0) return static_cast<pid_t>(made);
  if (pid_namespace || errno != ENOSYS) return -errno;
  // Containers may forbid clone3.
  const pid_t forked = ::_Fork();
  if (forked > 0) pidfd = static_cast<int>(::syscall(SYS_pidfd_open, forked, 0));
  return forked >= 0 ? forked : -errno;
}

}  // namespace

struct SupervisedProcess::State : std::enable_shared_from_this<State> {
  State(asio::io_context& loop, Callbacks callbacks_in)
      : output{Descriptor(loop), Descriptor(loop)},
        report(loop),
        process(loop),
        watchdog(loop),
        callbacks(std::move(callbacks_in)) {}

  void watch() {
    read_output(Stream::standard_output);
    read_output(Stream::standard_error);
    read_reports();
    await_exit();
  }

  void await_exit() {
    process.async_wait(Descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         if (!error) self->on_exit();
                       });
  }

  Descriptor& descriptor(Stream stream) {
    return output[stream == Stream::standard_output ? 0 : 1];
  }

  void read_output(Stream stream) {
    descriptor(stream).async_wait(
        Descriptor::wait_read,
        [self = shared_from_this(), stream](const boost::system::error_code& error) {
          // A bounded share of the loop's time, then the others' turn.
          if (!error && self->drain(stream, 16)) self->read_output(stream);
        });
  }

  // Passes on what is there, at most `pieces` of it. Returns false at the end of the stream.
  bool drain(Stream stream, int pieces) {
    static std::array<char, 65536> buffer;
    for (; pieces > 0 && descriptor(stream).is_open(); --pieces) {
      const ssize_t got = ::read(descriptor(stream).native_handle(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno == EAGAIN;
      if (got == 0) return false;
      if (callbacks.on_output)
        callbacks.on_output(stream, {buffer.data(), static_cast<size_t>(got)});
    }
    return descriptor(stream).is_open();
  }

  void read_reports() {
    report.async_wait(Descriptor::wait_read,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        if (!error && self->drain_reports()) self->read_reports();
                      });
  }

  bool drain_reports() {
    while (report.is_open()) {
      SupervisorReport said;
      const ssize_t got = ::read(report.native_handle(), &said, sizeof said);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return got < 0 && errno == EAGAIN;
      if (got == sizeof said) take(said);
    }
    return false;
  }

  void take(const SupervisorReport& said) {
    const ExitStatus status = exit_status_from_wait(said.status);
    end.stopped |= said.stopped != 0 && said.step != SupervisorReport::teardown;
    switch (said.step) {
      case SupervisorReport::setup:
        end.setup = status;
        if (status.success() && said.stopped == 0 && callbacks.on_set_up) callbacks.on_set_up();
        break;
      case SupervisorReport::command:
        if (end.command) trouble = "its end was reported twice";
        end.command = status;
        end.duration = Duration(said.microseconds / 1000);
        break;
      case SupervisorReport::teardown:
        end.teardown = status;
        break;
      case SupervisorReport::failure:
        trouble = fmt::format("could not {}: {}",
                              std::string(said.what, ::strnlen(said.what, sizeof said.what)),
                              std::strerror(said.status));
        break;
      default:
        break;
    }
  }

  void on_exit() {
    siginfo_t info{};
    const int waited =
        ::waitid(P_PIDFD, static_cast<id_t>(process.native_handle()), &info, WEXITED | WNOHANG);
    // A wake-up for nothing: asio leaves it to close(2) to take a descriptor out of its epoll set,
    // and that waits for the copy that a supervisor holds until it has closed what it does not
    // need.
    if (waited == 0 && info.si_pid == 0) return await_exit();
    const bool killed = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
    // Its namespace is gone and with it all writers. Without one something may have escaped and
    // write on.
    const int pieces = isolated ? std::numeric_limits<int>::max() : 64;
    drain(Stream::standard_output, pieces);
    drain(Stream::standard_error, pieces);
    drain_reports();
    if (killed) end.stopped |= ordered;
    if (killed && !isolated)
      return finish("its supervisor was killed, and what it started may still run");
    finish({});
  }

  void finish(std::optional<std::string> unkillable) {
    close();
    if (trouble) end.command.reset();
    const Callbacks last = std::exchange(callbacks, {});
    if (last.on_end) last.on_end(end, std::move(unkillable), trouble);
  }

  void close() {
    boost::system::error_code ignored;
    for (Descriptor& stream : output)
      stream.close(ignored);
    report.close(ignored);
    process.close(ignored);
    forget_own_child(pid);
    control.reset();
    watchdog.cancel();
  }

  void stop(Urgency urgency) {
    if (!process.is_open()) return;
    ordered = true;
    const char order = urgency == Urgency::in_order ? order_end : order_kill;
    if (::write(control.get(), &order, 1) < 0) {
    }
    kill_unless_gone(urgency == Urgency::in_order ? kill_after + teardown_limit + order_grace
                                                  : order_grace);
  }

  void kill_unless_gone(Duration within) {
    watchdog.expires_after(within);
    watchdog.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error || !self->process.is_open()) return;
      ::syscall(SYS_pidfd_send_signal, self->process.native_handle(), SIGKILL, nullptr, 0);
      self->watchdog.expires_after(kill_grace);
      self->watchdog.async_wait([self](const boost::system::error_code& cancelled) {
        if (cancelled || !self->process.is_open()) return;
        self->finish(fmt::format("its processes are still there {} after SIGKILL",
                                 human_duration(kill_grace)));
      });
    });
  }

  std::array<Descriptor, 2> output;
  Descriptor report, process;
  Fd control;
  pid_t pid = 0;
  asio::steady_timer watchdog;
  Callbacks callbacks;
  Duration kill_after{}, teardown_limit{};
  CommandEnd end;
  std::optional<std::string> trouble;
  bool isolated = false;
  bool ordered = false;
};

Result<std::unique_ptr<SupervisedProcess>> SupervisedProcess::start(
    asio::io_context& loop, const Command& command, const SupervisedOptions& options,
    Callbacks callbacks) {
  auto output = make_pipe();
  auto error = make_pipe();
  auto report = make_packet_channel();
  auto control = make_packet_channel();
  for (const auto* made : {&output, &error, &report, &control}) {
    if (!*made) return tl::unexpected(made->error());
  }

  const std::vector<std::string> environment = environment_of(command);
  std::vector<char*> entries;
  for (const std::string& entry : environment)
    entries.push_back(const_cast<char*>(entry.c_str()));
  entries.push_back(nullptr);

  SupervisorPlan plan;
  plan.setup = text_or_none(command.setup);
  plan.command = options.hold ? nullptr : command.command.c_str();
  plan.teardown = text_or_none(command.teardown);
  plan.directory = text_or_none(command.directory);
  plan.environment = entries.data();
  plan.standard_output = output->theirs.get();
  plan.standard_error = error->theirs.get();
  plan.report = report->theirs.get();
  plan.control = control->theirs.get();
  plan.isolated = options.isolation == Isolation::namespaces;
  if (options.scope != nullptr) plan.scope = options.scope->state_->process.native_handle();
  plan.open_files = open_files_at_start();
  plan.first_pid = options.first_pid;
  plan.kill_after_ms = milliseconds(options.kill_after);
  plan.teardown_limit_ms = milliseconds(options.teardown_limit);

  int pidfd = -1;
  const pid_t pid = clone_supervisor(plan.isolated, pidfd);
  if (pid == 0) supervise(plan);
  if (pid < 0)
    return fail(ErrorKind::internal, fmt::format("cannot make a process: {}", std::strerror(-pid)));
  remember_own_child(pid);

  for (const int fd : {output->ours.get(), error->ours.get(), report->ours.get()})
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
  auto state = std::make_shared<State>(loop, std::move(callbacks));
  state->output[0].assign(output->ours.release());
  state->output[1].assign(error->ours.release());
  state->report.assign(report->ours.release());
  state->process.assign(pidfd);
  state->control = std::move(control->ours);
  state->pid = pid;
  state->isolated = plan.isolated;
  state->kill_after = options.kill_after;
  state->teardown_limit = options.teardown_limit;
  state->watch();
  return std::unique_ptr<SupervisedProcess>(new SupervisedProcess(std::move(state)));
}

SupervisedProcess::SupervisedProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}

SupervisedProcess::~SupervisedProcess() {
  state_->callbacks = {};
  if (!state_->process.is_open()) return;
  const char order = order_kill;
  if (::write(state_->control.get(), &order, 1) < 0) {
  }
  state_->close();
}

void SupervisedProcess::stop(Urgency urgency) {
  state_->stop(urgency);
}

bool SupervisedProcess::is_running() const {
  return state_->process.is_open();
}

}  // namespace ffci
