#include "hosts/child_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "hosts/deadline.hpp"
#include "hosts/orphans.hpp"

namespace ffci {
namespace {

constexpr Duration time_to_die = std::chrono::seconds(10);  // of SIGKILL

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

// All that the child needs, made before it: between fork and exec nothing may be allocated.
struct Plan {
  std::string program, directory;
  std::vector<std::string> environment;
  std::vector<char*> arguments, variables;
  int output = -1, input = -1;
  std::vector<int> descriptors;
  std::vector<int> aside;  // room for as many
  pid_t parent = 0;
  bool outlives = false;
};

// On its stderr.
[[noreturn]] void give_up(const char* what, int error) {
  for (const char* text : {"cannot run ", what, ": ", ::strerrordesc_np(error), "\n"}) {
    if (text != nullptr && ::write(STDERR_FILENO, text, std::strlen(text)) < 0) break;
  }
  ::_exit(127);
}

[[noreturn]] void become(Plan& plan) {
  if (!plan.outlives) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) ::_exit(127);
  }
  ::setsid();
  const int clear_of = first_inherited + static_cast<int>(plan.descriptors.size());
  for (size_t i = 0; i < plan.descriptors.size(); ++i)
    plan.aside[i] = ::fcntl(plan.descriptors[i], F_DUPFD_CLOEXEC, clear_of);
  ::dup2(plan.input, STDIN_FILENO);
  ::dup2(plan.output, STDOUT_FILENO);
  ::dup2(plan.output, STDERR_FILENO);
  for (size_t i = 0; i < plan.aside.size(); ++i)
    ::dup2(plan.aside[i], first_inherited + static_cast<int>(i));
  ::syscall(SYS_close_range, clear_of, ~0U, 0);
  if (::chdir(plan.directory.c_str()) != 0) give_up(plan.directory.c_str(), errno);
  ::execve(plan.program.c_str(), plan.arguments.data(), plan.variables.data());
  give_up(plan.program.c_str(), errno);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const std::string& text : texts)
    all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

}  // namespace

std::string find_program(const std::string& name) {
  const auto is_program = [](const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) return is_program(name) ? name : std::string();
  const char* path = std::getenv("PATH");
  for (const std::string_view folder : split(path != nullptr ? path : "/usr/bin:/bin", ':')) {
    const std::string candidate = fmt::format("{}/{}", folder, name);
    if (folder.starts_with('/') && is_program(candidate)) return candidate;
  }
  return {};
}

struct ChildProgram::State : std::enable_shared_from_this<State> {
  explicit State(asio::io_context& loop) : process(loop), patience(loop) {}

  void await_exit() {
    process.async_wait(
        Descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
          if (error) return;
          siginfo_t ended{};
          ::waitid(P_PID, static_cast<id_t>(self->pid), &ended, WEXITED | WNOHANG | WNOWAIT);
          if (ended.si_pid == 0)
            return self->await_exit();  // a wake-up for nothing; see supervised_process.cpp
          self->signal(SIGKILL);
          int status = 0;
          ::waitpid(self->pid, &status, 0);
          forget_own_child(self->pid);
          self->end(exit_status_from_wait(status));
        });
  }

  void end(const std::optional<ExitStatus>& status) {
    patience.cancel();
    boost::system::error_code ignored;
    process.close(ignored);
    if (const auto tell = std::exchange(on_exit, {})) tell(status);
  }

  void kill() {
    if (!process.is_open()) return;
    signal(SIGKILL);
    if (on_exit) patience.set(time_to_die, [self = shared_from_this()] { self->end({}); });
  }

  // Its group is its own as long as nobody has waited for it, once it has made it.
  void signal(int number) const {
    if (process.is_open() && ::kill(-pid, number) != 0) ::kill(pid, number);
  }

  Descriptor process;
  pid_t pid = 0;
  bool left_alone = false;
  OnExit on_exit;
  Deadline patience;
};

Result<std::unique_ptr<ChildProgram>> ChildProgram::start(asio::io_context& loop,
                                                          const ChildProgramOptions& options,
                                                          OnExit on_exit) {
  Plan plan;
  plan.program = find_program(options.arguments.front());
  if (plan.program.empty()) {
    return fail(ErrorKind::unavailable,
                fmt::format("there is no program {}", options.arguments.front()));
  }
  plan.directory = options.directory;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::strncmp(*variable, "TMPDIR=", 7) != 0) plan.environment.emplace_back(*variable);
  }
  plan.environment.push_back("TMPDIR=" + options.directory);
  plan.arguments = pointers(options.arguments);
  plan.variables = pointers(plan.environment);
  const Fd output(::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const Fd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!output || !input) {
    return fail(ErrorKind::io,
                fmt::format("cannot write {}: {}", options.output, std::strerror(errno)));
  }
  plan.output = output.get();
  plan.input = input.get();
  plan.descriptors = options.descriptors;
  plan.aside.resize(plan.descriptors.size());
  plan.parent = ::getpid();
  plan.outlives = options.outlives == Outlives::yes;

  const pid_t pid = ::_Fork();
  if (pid == 0) become(plan);
  if (pid < 0)
    return fail(ErrorKind::internal,
                fmt::format("cannot make a process: {}", std::strerror(errno)));
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    const int error = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return fail(ErrorKind::internal,
                fmt::format("cannot watch {}: {}", plan.program, std::strerror(error)));
  }
  remember_own_child(pid);
  auto state = std::make_shared<State>(loop);
  state->pid = pid;
  state->on_exit = std::move(on_exit);
  state->process.assign(pidfd);
  state->await_exit();
  return std::unique_ptr<ChildProgram>(new ChildProgram(std::move(state)));
}

ChildProgram::ChildProgram(std::shared_ptr<State> state) : state_(std::move(state)) {}

ChildProgram::~ChildProgram() {
  state_->on_exit = {};
  if (!state_->left_alone) {
    kill();
    return;
  }
  boost::system::error_code ignored;
  state_->process.close(ignored);
}

void ChildProgram::kill() {
  state_->kill();
}

void ChildProgram::ask_to_end() {
  state_->signal(SIGTERM);
}

void ChildProgram::leave_alone() {
  state_->left_alone = true;
}

}  // namespace ffci
