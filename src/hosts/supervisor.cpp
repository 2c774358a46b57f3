#include "hosts/supervisor.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <initializer_list>
#include <iterator>

namespace ffci {
namespace {

// Where the plan's descriptors stand in the supervisor, so that all others can be closed at one
// stroke.
enum : int { report_fd = 3, control_fd, child_signal_fd, scope_fd, first_unused_fd };

std::int64_t microseconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

void tell(const SupervisorReport& report, int to = report_fd) {
  while (::write(to, &report, sizeof report) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void give_up(const char* what, int to = report_fd) {
  SupervisorReport report;
  report.status = errno;
  std::strncpy(report.what, what, sizeof report.what - 1);
  tell(report, to);
  ::_exit(1);
}

long parse_number(const char* text) {
  long number = 0;
  while (*text >= '0' && *text <= '9')
    number = number * 10 + (*text++ - '0');
  return number;
}

// The parent of a process, from /proc/PID/stat: "pid (any name) state ppid …". 0: it is gone.
long parent_of(const char* pid) {
  char path[64] = "/proc/";
  std::strncat(path, pid, 20);
  std::strcat(path, "/stat");
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char stat[512];
  const ssize_t length = ::read(fd, stat, sizeof stat - 1);
  ::close(fd);
  if (length <= 0) return 0;
  stat[length] = '\0';
  const char* name_end = std::strrchr(stat, ')');
  return name_end != nullptr && std::strlen(name_end) > 4 ? parse_number(name_end + 4) : 0;
}

struct Process {
  pid_t pid, parent;
  bool descendant;
};

// Signals every process below this one. As their subreaper it has them all below it, however often
// they forked away.
void signal_descendants(int signal) {
  constexpr size_t most = 1 << 16;
  static Process processes[most];
  size_t count = 0;
  const int proc = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return;
  alignas(8) static char entries[32768];
  for (;;) {
    const long got = ::syscall(SYS_getdents64, proc, entries, sizeof entries);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      unsigned short length =
          0;  // linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name
      std::memcpy(&length, entries + at + 16, sizeof length);
      const char* name = entries + at + 19;
      if (*name >= '1' && *name <= '9' && count < most) {
        processes[count++] = {static_cast<pid_t>(parse_number(name)),
                              static_cast<pid_t>(parent_of(name)), false};
      }
      at += length;
    }
  }
  ::close(proc);
  const pid_t self = ::getpid();
  for (bool found = true; found;) {
    found = false;
    for (size_t i = 0; i < count; ++i) {
      if (processes[i].descendant) continue;
      bool below = processes[i].parent == self;
      for (size_t j = 0; j < count && !below; ++j)
        below = processes[j].descendant && processes[j].pid == processes[i].parent;
      if (below) found = processes[i].descendant = true;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (processes[i].descendant) ::kill(processes[i].pid, signal);
  }
}

class Supervisor {
 public:
  explicit Supervisor(const SupervisorPlan& plan) : plan_(plan) {}

  [[noreturn]] void run() {
    prepare();
    bool ready = true;
    if (plan_.setup != nullptr) ready = run_step(SupervisorReport::setup, plan_.setup, 0);
    if (ready && plan_.command == nullptr) {
      while (!told_to_end())
        wait_for_event(-1);
    } else if (ready && !told_to_end()) {
      run_step(SupervisorReport::command, plan_.command, 0);
    } else if (ready) {
      SupervisorReport never_begun;
      never_begun.step = SupervisorReport::command;
      never_begun.status = SIGTERM;
      never_begun.stopped = 1;
      tell(never_begun);
    }
    if (plan_.teardown != nullptr && !kill_ordered_) {
      end_ordered_ = false;
      run_step(SupervisorReport::teardown, plan_.teardown, plan_.teardown_limit_ms);
    }
    kill_the_rest();
    ::_exit(0);
  }

 private:
  void prepare() {
    place_descriptors();
    ::prctl(PR_SET_NAME, "ff-ci-supervise");
    if (plan_.isolated) {
      enter_namespaces();
    } else {
      ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    }
  }

  void place_descriptors() {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    struct sigaction ordinary {};
    ordinary.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &ordinary, nullptr);  // an ignored SIGCHLD would reap behind our back
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);

    // First out of the way of the places they go to.
    const int from[] = {::open("/dev/null", O_RDWR),
                        plan_.standard_output,
                        plan_.standard_error,
                        plan_.report,
                        plan_.control,
                        ::signalfd(-1, &child, 0),
                        plan_.scope < 0 ? plan_.control : plan_.scope};
    constexpr int to[] = {STDIN_FILENO, STDOUT_FILENO,   STDERR_FILENO, report_fd,
                          control_fd,   child_signal_fd, scope_fd};
    int aside[std::size(from)];
    for (size_t i = 0; i < std::size(from); ++i) {
      aside[i] = ::fcntl(from[i], F_DUPFD, first_unused_fd);
      if (aside[i] < 0) give_up("have enough open files", plan_.report);
    }
    for (size_t i = 0; i < std::size(from); ++i) {
      if (::dup3(aside[i], to[i], to[i] > STDERR_FILENO ? O_CLOEXEC : 0) < 0) ::_exit(1);
    }
    ::syscall(SYS_close_range, first_unused_fd, ~0U, 0);
  }

  void enter_namespaces() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (plan_.scope >= 0 && ::setns(scope_fd, CLONE_NEWNS) != 0) give_up("join the suite's mounts");
    if (::unshare(CLONE_NEWNS) != 0) give_up("make a mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      give_up("make the mounts private");
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
      give_up("mount /proc");
    if (plan_.first_pid <= 0) return;
    // Commands of different slots get different pids, so that what they call after their pid
    // (/tmp/$$) does not collide.
    const int last_pid = ::open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (last_pid < 0) return;  // where /proc/sys is read-only they may collide
    char digits[24];
    size_t at = sizeof digits;
    for (long left = plan_.first_pid; left > 0; left /= 10)
      digits[--at] = static_cast<char>('0' + left % 10);
    if (::write(last_pid, digits + at, sizeof digits - at) < 0) {
    }
    ::close(last_pid);
  }

  // Runs one text to its end, or until it is told to end or has taken `limit_ms` (0: no limit).
  // Returns whether it succeeded.
  bool run_step(SupervisorReport::Step step, const char* text, int limit_ms) {
    const std::int64_t began = microseconds_now();
    const pid_t child = ::_Fork();  // the async-signal-safe one
    if (child == 0) execute(text);
    if (child < 0) {
      const int error = errno;
      kill_the_rest();
      errno = error;
      give_up("fork");
    }
    step_child_ = child;
    step_ended_ = false;
    std::int64_t kill_at = 0;  // 0: not stopped yet
    bool killed = false;
    while (!step_ended_) {
      const std::int64_t now = microseconds_now();
      const bool too_long = limit_ms > 0 && now - began >= std::int64_t{limit_ms} * 1000;
      if (kill_at == 0 && (end_ordered_ || too_long) && !kill_ordered_) {
        signal_all(SIGTERM);
        signal_all(SIGCONT);
        kill_at = now + std::int64_t{plan_.kill_after_ms} * 1000;
      }
      if (!killed && (kill_ordered_ || (kill_at != 0 && now >= kill_at))) {
        signal_all(SIGKILL);
        killed = true;
      }
      std::int64_t wait_until = -1;
      if (kill_at == 0 && limit_ms > 0) wait_until = began + std::int64_t{limit_ms} * 1000;
      if (kill_at != 0 && !killed) wait_until = kill_at;
      wait_for_event(wait_until < 0 ? -1 : static_cast<int>((wait_until - now + 999) / 1000));
    }
    // What the command started has as long as the command itself to end when it is stopped.
    while (kill_at != 0 && !killed && has_children()) {
      const std::int64_t now = microseconds_now();
      if (now >= kill_at || kill_ordered_) break;
      wait_for_event(static_cast<int>((kill_at - now + 999) / 1000));
    }
    if (kill_at != 0 || kill_ordered_) kill_the_rest();
    SupervisorReport report;
    report.step = step;
    report.status = step_status_;
    report.stopped = kill_at != 0 || kill_ordered_;
    report.microseconds = step_ended_at_ - began;
    tell(report);
    return report.stopped == 0 && WIFEXITED(step_status_) && WEXITSTATUS(step_status_) == 0;
  }

  [[noreturn]] void execute(const char* text) {
    ::setsid();
    ::setrlimit(RLIMIT_NOFILE, &plan_.open_files);
    struct sigaction ordinary {};
    ordinary.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal)
      ::sigaction(signal, &ordinary, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (plan_.directory != nullptr && ::chdir(plan_.directory) != 0)
      fail_to_execute("cannot enter the test's directory: ");
    const char* const arguments[] = {"sh", "-c", text, nullptr};
    ::execve("/bin/sh", const_cast<char* const*>(arguments), plan_.environment);
    fail_to_execute("cannot run /bin/sh: ");
  }

  [[noreturn]] static void fail_to_execute(const char* what) {
    const char* why = ::strerrordesc_np(errno);
    for (const char* part : {"ff-ci: ", what, why != nullptr ? why : "", "\n"}) {
      if (::write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
    }
    ::_exit(126);
  }

  [[nodiscard]] bool told_to_end() const { return end_ordered_ || kill_ordered_; }

  // Sleeps until a child ended, an order came, or `timeout_ms` has passed (-1: never).
  void wait_for_event(int timeout_ms) {
    pollfd watched[] = {{child_signal_fd, POLLIN, 0}, {control_fd, POLLIN, 0}};
    // After a kill order nothing but the children's end matters.
    if (::poll(watched, kill_ordered_ ? 1 : 2, timeout_ms) < 0) return;
    if (watched[0].revents != 0) {
      signalfd_siginfo info;
      if (::read(child_signal_fd, &info, sizeof info) < 0) return;
      reap();
    }
    if (watched[1].revents != 0) {
      char order = 0;
      const ssize_t got = ::read(control_fd, &order, 1);
      if (got == 0 || order == order_kill) kill_ordered_ = true;
      if (got == 1 && order == order_end) end_ordered_ = true;
    }
  }

  void reap() {
    int status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid != step_child_) continue;
      step_status_ = status;
      step_ended_at_ = microseconds_now();
      step_ended_ = true;
    }
  }

  static bool has_children() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
  }

  void signal_all(int signal) const {
    if (plan_.isolated) {
      ::kill(-1, signal);  // all of the namespace but its pid 1
    } else {
      if (!step_ended_) ::kill(-step_child_, signal);  // also where /proc is hidden
      signal_descendants(signal);
    }
  }

  void kill_the_rest() {
    while (has_children()) {
      signal_all(SIGKILL);
      // Without a namespace, what a dying process had forked shows up only once it is our child.
      wait_for_children(plan_.isolated ? -1 : 20);
    }
  }

  void wait_for_children(int timeout_ms) {
    pollfd watched{child_signal_fd, POLLIN, 0};
    reap();
    if (!has_children() || ::poll(&watched, 1, timeout_ms) <= 0) return;
    signalfd_siginfo info;
    if (::read(child_signal_fd, &info, sizeof info) < 0) return;
    reap();
  }

  const SupervisorPlan& plan_;
  bool end_ordered_ = false, kill_ordered_ = false;
  pid_t step_child_ = 0;
  bool step_ended_ = true;
  int step_status_ = 0;
  std::int64_t step_ended_at_ = 0;
};

}  // namespace

void supervise(const SupervisorPlan& plan) {
  Supervisor(plan).run();
}

}  // namespace ffci
