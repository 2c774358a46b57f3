#include "hosts/remote_script.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <set>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace ffci {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 60s;  // these machines may be busy
constexpr uid_t nobody = 65534;

std::string path_of(const std::string& program) {
  const char* path = std::getenv("PATH");
  for (const std::string_view folder : split(path != nullptr ? path : "/usr/bin:/bin", ':')) {
    const std::string file = fmt::format("{}/{}", folder, program);
    if (::access(file.c_str(), X_OK) == 0) return std::filesystem::canonical(file);
  }
  return {};
}

// Says it once.
void not_tested(const std::string& why) {
  static std::set<std::string> said;
  if (said.insert(why).second) MESSAGE(why);
}

// Where shells run. An isolated one has a /run, a /tmp and a /dev/kmsg of its own, and the shell of
// choice as /bin/sh.
class Machine {
 public:
  // An empty shell: the system's.
  static std::unique_ptr<Machine> isolated(const std::string& shell = {}) {
    std::unique_ptr<Machine> machine(new Machine);
    int to_us[2], to_child[2];
    if (::geteuid() != 0 || ::pipe2(to_us, O_CLOEXEC) != 0 || ::pipe2(to_child, O_CLOEXEC) != 0)
      return nullptr;
    const pid_t child = ::fork();
    if (child == 0) {
      char ok = isolate(shell.c_str()) ? 'y' : 'n';
      if (::write(to_us[1], &ok, 1) != 1 || ::read(to_child[0], &ok, 1) != 1) ::_exit(1);
      ::_exit(0);
    }
    const Fd from_child(to_us[0]), go(to_child[1]);
    ::close(to_us[1]);
    ::close(to_child[0]);
    char ok = 'n';
    if (child > 0 && ::read(from_child.get(), &ok, 1) == 1 && ok == 'y') {
      machine->mounts_.reset(
          ::open(fmt::format("/proc/{}/ns/mnt", child).c_str(), O_RDONLY | O_CLOEXEC));
    }
    if (child > 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    if (!machine->mounts_) return nullptr;
    machine->scratch_ = "/tmp/scratch";
    return machine;
  }

  // With this computer's /tmp and shell.
  static std::unique_ptr<Machine> plain() {
    std::unique_ptr<Machine> machine(new Machine);
    machine->scratch_ = std::filesystem::temp_directory_path() / "ff-ci-test.XXXXXX";
    REQUIRE(::mkdtemp(machine->scratch_.data()) != nullptr);
    return machine;
  }

  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine() {
    std::error_code ignored;
    if (!mounts_ && !scratch_.empty()) std::filesystem::remove_all(scratch_, ignored);
  }

  [[nodiscard]] bool is_isolated() const { return static_cast<bool>(mounts_); }
  // A directory for tests.
  [[nodiscard]] const std::string& scratch() const { return scratch_; }
  // Called between fork and exec.
  [[nodiscard]] bool enter() const {
    return !mounts_ || (::setns(mounts_.get(), CLONE_NEWNS) == 0 && ::chdir("/") == 0);
  }

 private:
  Machine() = default;

  static bool isolate(const char* shell) {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           (*shell == '\0' || ::mount(shell, "/bin/sh", nullptr, MS_BIND, nullptr) == 0) &&
           ::mount("run", "/run", "tmpfs", 0, "mode=755,size=16m") == 0 &&
           ::mount("tmp", "/tmp", "tmpfs", 0, "mode=1777,size=64m") == 0 &&
           ::mkdir("/tmp/scratch", 0777) == 0 && ::chmod("/tmp/scratch", 0777) == 0 &&
           ::close(::open("/run/kmsg", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0 &&
           ::mount("/run/kmsg", "/dev/kmsg", nullptr, MS_BIND, nullptr) == 0;
  }

  Fd mounts_;
  std::string scratch_;
};

// A shell that reads a script from a pipe, as it does behind sshd, in a session of its own.
class Shell {
 public:
  explicit Shell(const Machine& machine, uid_t user = ::geteuid()) {
    int from[2], to_out[2], to_err[2];
    REQUIRE(::pipe2(from, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(to_out, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(to_err, O_CLOEXEC) == 0);
    const char* path = std::getenv("PATH");
    std::string path_variable = fmt::format("PATH={}", path != nullptr ? path : "/usr/bin:/bin");
    char* environment[] = {path_variable.data(), nullptr};
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::setsid();
      ::signal(SIGPIPE, SIG_DFL);
      ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
      if (!machine.enter() || ::dup2(from[0], 0) < 0 || ::dup2(to_out[1], 1) < 0 ||
          ::dup2(to_err[1], 2) < 0 || ::getppid() != parent)
        ::_exit(99);
      if (user != ::geteuid() && (::setgid(user) != 0 || ::setuid(user) != 0)) ::_exit(99);
      ::execle("/bin/sh", "/bin/sh", static_cast<char*>(nullptr), environment);
      ::_exit(99);
    }
    in_.reset(from[1]);
    out_.reset(to_out[0]);
    err_.reset(to_err[0]);
    for (const int fd : {from[0], to_out[1], to_err[1]})
      ::close(fd);
    for (const Fd* fd : {&in_, &out_, &err_})
      ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
    process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    REQUIRE(process_);
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  ~Shell() {
    if (status_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void write(std::string_view script) { unwritten_ += script; }
  void end_input() { input_ends_ = true; }

  // Reads and writes until then. False: it took too long, or nothing more can come.
  bool await(const std::function<bool()>& then) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!then()) {
      if (in_ && input_ends_ && unwritten_.empty()) in_.reset();
      pollfd fds[] = {{in_ && !unwritten_.empty() ? in_.get() : -1, POLLOUT, 0},
                      {out_.get(), POLLIN, 0},
                      {err_.get(), POLLIN, 0},
                      {status_ ? -1 : process_.get(), POLLIN, 0}};
      if (fds[1].fd < 0 && fds[2].fd < 0 && fds[3].fd < 0) return false;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      if (left <= 0ms || ::poll(fds, std::size(fds), static_cast<int>(left.count())) < 0)
        return false;
      if (fds[0].revents != 0) write_some();
      if (fds[1].revents != 0) read_some(out_, out);
      if (fds[2].revents != 0) read_some(err_, err);
      if (fds[3].revents != 0) {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        status_ = status;
      }
    }
    return true;
  }
  bool await_output(std::string_view text) {
    return await([&] { return out.find(text) != std::string::npos; });
  }
  // Until it has ended and nobody writes to its streams.
  bool await_end() {
    end_input();
    return await([this] { return status_ && !out_ && !err_; });
  }

  [[nodiscard]] bool has_ended() const { return status_.has_value(); }
  [[nodiscard]] pid_t pid() const { return pid_; }

  std::string out, err;

 private:
  void write_some() {
    const ssize_t wrote = ::write(in_.get(), unwritten_.data(), unwritten_.size());
    if (wrote > 0) unwritten_.erase(0, static_cast<size_t>(wrote));
    if (wrote < 0 && errno == EPIPE) in_.reset();
  }
  static void read_some(Fd& from, std::string& to) {
    char bytes[65536];
    const ssize_t got = ::read(from.get(), bytes, sizeof bytes);
    if (got > 0) to.append(bytes, static_cast<size_t>(got));
    if (got == 0) from.reset();
  }

  pid_t pid_ = -1;
  Fd in_, out_, err_, process_;
  std::string unwritten_;
  bool input_ends_ = false;
  std::optional<int> status_;
};

// What a script writes to its standard output.
std::string said_by(const Machine& machine, const std::string& script) {
  Shell shell(machine);
  shell.write(script);
  REQUIRE(shell.await_end());
  CHECK(shell.err == "");
  return shell.out;
}

std::vector<std::string> shells() {
  std::vector<std::string> found;
  for (const char* name : {"dash", "bash", "busybox", "mksh"}) {
    if (const std::string path = path_of(name); !path.empty()) found.push_back(path);
  }
  return found;
}

void in_every_shell(const std::function<void(const Machine&)>& test) {
  // A shell that writes to one that is gone must not end the tests.
  ::signal(SIGPIPE, SIG_IGN);
  bool none = true;
  for (const std::string& shell : shells()) {
    const auto machine = Machine::isolated(shell);
    if (!machine) continue;
    none = false;
    INFO("/bin/sh is ", shell);
    test(*machine);
  }
  if (!none) return;
  not_tested("not in other shells than the system's: that needs root and mount namespaces");
  test(*Machine::plain());
}

// With a /run and a /tmp of its own.
void in_every_isolated_shell(const std::function<void(const Machine&)>& test) {
  in_every_shell([&](const Machine& machine) {
    if (machine.is_isolated()) return test(machine);
    not_tested("not tested: that needs root and mount namespaces");
  });
}

// For what takes long.
void in_an_isolated_shell(const std::function<void(const Machine&)>& test) {
  if (const auto machine = Machine::isolated()) return test(*machine);
  not_tested("not tested: that needs root and mount namespaces");
}

bool has_private_namespaces(const Machine& machine) {
  return said_by(machine,
                 "unshare -p -m -f --kill-child --mount-proc true 2>/dev/null && echo yes") ==
         "yes\n";
}

const char* name_of(RemotePrivacy privacy) {
  return privacy == RemotePrivacy::session ? "session" : "namespaces";
}

struct Place {
  const Machine& machine;
  RemotePrivacy privacy;

  [[nodiscard]] RemoteRun remote() const {
    RemoteRun run;
    run.nonce = make_nonce();
    run.mark = make_nonce() + ".1";
    run.privacy = privacy;
    run.directory = "/";
    return run;
  }
};

void in_every_place(const std::function<void(const Place&)>& test) {
  in_every_shell([&](const Machine& machine) {
    for (const RemotePrivacy privacy : {RemotePrivacy::session, RemotePrivacy::namespaces}) {
      if (privacy == RemotePrivacy::namespaces && !has_private_namespaces(machine)) {
        not_tested("not in private namespaces: they can't be made here");
        continue;
      }
      INFO("privacy: ", std::string(name_of(privacy)));
      test({machine, privacy});
    }
  });
}

Command command_of(std::string text) {
  Command command;
  command.command = std::move(text);
  return command;
}

// A run, from its script to its last word.
class Run {
 public:
  Run(const Machine& machine, const RemoteRun& remote, const Command& command,
      uid_t user = ::geteuid())
      : shell(machine, user), said(remote.nonce), mark_(remote.mark) {
    shell.write(run_script(remote, command));
    shell.end_input();
  }

  bool await(const std::function<bool()>& then) {
    return shell.await([&] {
      said.feed(Stream::standard_output, std::exchange(shell.out, {}), out);
      said.feed(Stream::standard_error, std::exchange(shell.err, {}), err);
      return then();
    });
  }
  bool await_output(std::string_view text) {
    return await([&] { return out.find(text) != std::string::npos; });
  }
  bool await_completion() {
    return await([this] { return said.is_complete(); });
  }
  // Of set-up, command and teardown: "0 3 -".
  [[nodiscard]] std::string statuses() const {
    std::string text;
    for (const auto& status : {said.end().setup, said.end().command, said.end().teardown})
      text += (text.empty() ? "" : " ") + (status ? fmt::format("{}", status->value) : "-");
    return text;
  }

  [[nodiscard]] const std::string& mark() const { return mark_; }

  Shell shell;
  RemoteRunOutput said;
  std::string out, err;

 private:
  std::string mark_;
};

std::unique_ptr<Run> finished_run(const Machine& machine, const RemoteRun& remote,
                                  const Command& command) {
  auto run = std::make_unique<Run>(machine, remote, command);
  REQUIRE(run->await_completion());
  REQUIRE(run->await([&] { return run->shell.has_ended(); }));
  return run;
}

std::unique_ptr<Run> finished_run(const Place& place, const Command& command) {
  auto run = finished_run(place.machine, place.remote(), command);
  CHECK(run->said.left() == "");
  CHECK(run->said.trouble() == "");
  return run;
}

// As much as can be read: a process may end meanwhile.
std::string file_text(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char bytes[4096];
  ssize_t got = 0;
  while (fd && (got = ::read(fd.get(), bytes, sizeof bytes)) > 0)
    text.append(bytes, static_cast<size_t>(got));
  return text;
}

// The processes with this in a file of theirs in /proc.
std::vector<pid_t> processes_with(const std::string& text, const std::string& file) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && file_text(entry.path() / file).find(text) != std::string::npos)
      found.push_back(pid);
  }
  return found;
}

std::vector<pid_t> marked(const std::string& mark) {
  return processes_with("FFCI_MARK=" + mark, "environ");
}

// A command line that runs a text with this mark.
std::string with_mark(const std::string& mark, const std::string& text) {
  return fmt::format("FFCI_MARK={}: sh -c {} ", mark, shell_quote(text));
}

// A duration for sleep that nobody else uses, to be found by.
std::string long_time() {
  return "300." + std::to_string(std::strtoull(make_nonce().substr(0, 12).c_str(), nullptr, 16));
}

[[nodiscard]] bool runs(const std::string& argument) {
  return !processes_with(argument, "cmdline").empty();
}

}  // namespace

TEST_SUITE("remote runs") {
  TEST_CASE("a command's output, its status and its time are told") {
    in_every_place([](const Place& place) {
      const auto run = finished_run(place, command_of("echo out; echo err >&2; exit 7"));
      CHECK(run->out == "out\n");
      CHECK(run->err == "err\n");
      CHECK(run->statuses() == "- 7 -");
      REQUIRE(run->said.took());
      CHECK(*run->said.took() < patience);
      const auto slow = finished_run(place, command_of("sleep 0.3"));
      CHECK(slow->said.took().value_or(0ms) >= 280ms);
    });
  }

  TEST_CASE("every end of a command is told as the shell tells it") {
    in_every_place([](const Place& place) {
      const auto status_of = [&](const char* text) {
        return finished_run(place, command_of(text))->statuses();
      };
      CHECK(status_of("exit 255") == "- 255 -");
      CHECK(status_of("true") == "- 0 -");
      CHECK(status_of("kill -TERM $$") == "- 143 -");
      CHECK(status_of("kill -KILL $$") == "- 137 -");
      CHECK(status_of("sh -c 'kill -INT $$'; true") == "- 0 -");
      CHECK(status_of("no-such-program 2>/dev/null") == "- 127 -");
      CHECK(status_of("if") != "- 0 -");
    });
  }

  TEST_CASE("bytes come through a real shell as they are") {
    in_every_place([](const Place& place) {
      CHECK(finished_run(place, command_of("printf 'no newline'"))->out == "no newline");
      CHECK(finished_run(place, command_of("printf 'a\\000\\377\\r\\n\\000'"))->out ==
            std::string("a\0\xFF\r\n\0", 6));
      CHECK(finished_run(place, command_of(""))->statuses() == "- - -");
    });
  }

  TEST_CASE("megabytes on both streams at once come through whole") {
    in_every_place([](const Place& place) {
      const auto run = finished_run(
          place, command_of("head -c 5000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait"));
      CHECK(run->out == std::string(5'000'000, '\0'));
      CHECK(run->err == std::string(5'000'000, '\0'));
      CHECK(run->statuses() == "- 0 -");
    });
  }

  TEST_CASE("set-up comes first, teardown last, whatever the command does") {
    in_every_place([](const Place& place) {
      Command command = command_of("echo run; exit 5");
      command.setup = "echo set up";
      command.teardown = "echo tear down; exit 6";
      const auto run = finished_run(place, command);
      CHECK(run->out == "set up\nrun\ntear down\n");
      CHECK(run->statuses() == "0 5 6");
      command.command = "kill -9 $$";
      CHECK(finished_run(place, command)->statuses() == "0 137 6");
    });
  }

  TEST_CASE("a command whose set-up fails is not started; teardown runs all the same") {
    in_every_place([](const Place& place) {
      Command command = command_of("echo run");
      command.setup = "echo set up; exit 3";
      command.teardown = "echo tear down";
      const auto run = finished_run(place, command);
      CHECK(run->out == "set up\ntear down\n");
      CHECK(run->statuses() == "3 - 0");
    });
  }

  TEST_CASE("a directory that can't be entered is said, and is no end of the command") {
    in_every_place([](const Place& place) {
      RemoteRun remote = place.remote();
      remote.directory = "/no such/'directory";
      const auto run = finished_run(place.machine, remote, command_of("echo run"));
      CHECK(run->out == "");
      CHECK(run->said.trouble() == "cannot enter the directory /no such/'directory there");
      CHECK(run->statuses() == "- - -");
    });
  }

  TEST_CASE("a command runs in its directory, whatever that is called") {
    in_every_place([](const Place& place) {
      for (const char* name : {"a b", "-P", "it's $(x) \\n `y` \"z\"", "two\nlines", "*"}) {
        RemoteRun remote = place.remote();
        remote.directory = place.machine.scratch() + "/" + name;
        said_by(place.machine, "mkdir -p -- " + shell_quote(remote.directory));
        CAPTURE(name);
        CHECK(finished_run(place.machine, remote, command_of("pwd"))->out ==
              remote.directory + "\n");
      }
    });
  }

  TEST_CASE("the environment's values arrive as they were written") {
    in_every_place([](const Place& place) {
      Command command = command_of("printf '%s|' \"$A\" \"$B\" \"$C\" \"$D\" \"$E\" \"$F\"");
      command.environment = {{"A", "it's \"quoted\" `echo x` $(echo y) $HOME \\ \\n"},
                             {"B", "two\nlines\n"},
                             {"C", ""},
                             {"D", "* ? [a-z] ~ ; & | > /dev/null"},
                             {"E", "gr\xC3\xBC\xC3\x9F \xFF\x81\x88"},
                             {"F", "-n"}};
      std::string expected;
      for (const auto& [name, value] : command.environment)
        expected += value + "|";
      CHECK(finished_run(place, command)->out == expected);
    });
  }

  TEST_CASE("no name in the environment is in the way of the scripts") {
    in_every_place([](const Place& place) {
      Command command = command_of("/usr/bin/env");
      command.setup = "true";
      for (const char* name :
           {"n",       "m",       "d",        "t",     "r",     "p",    "s",     "b",     "e",
            "f",       "first",   "prologue", "left",  "line",  "ok",   "setup", "found", "name",
            "command", "trouble", "why",      "tries", "files", "text", "u",     "count", "setsid"})
        command.environment.emplace_back(name, fmt::format("'{}' \n7 ", name));
      command.environment.emplace_back("PATH", "/nowhere");
      command.environment.emplace_back("LD_PRELOAD", "");
      RemoteRun remote = place.remote();
      remote.temporary = place.machine.scratch() + "/t";
      const auto run = finished_run(place.machine, remote, command);
      CHECK(run->statuses() == "0 0 -");
      CHECK(run->err == "");
      for (const auto& variable : command.environment) {
        CAPTURE(variable.first);
        CHECK(("\n" + run->out).find(fmt::format("\n{}={}\n", variable.first, variable.second)) !=
              std::string::npos);
      }
      CHECK(run->out.find("TMPDIR=" + remote.temporary + "\n") != std::string::npos);
      CHECK(run->said.left() == "");
    });
  }

  TEST_CASE("a command's standard input is empty, and no descriptor of ours is open") {
    in_every_place([](const Place& place) {
      const auto run =
          finished_run(place, command_of("readlink /proc/self/fd/0; cat; exec ls /proc/self/fd"));
      CHECK(run->out == "/dev/null\n0\n1\n2\n3\n");  // 3 is that of ls
      Command command = command_of("true");
      command.teardown = "exec ls /proc/self/fd";
      CHECK(finished_run(place, command)->out == "0\n1\n2\n3\n");
    });
  }

  TEST_CASE("signals are not blocked or ignored in a command") {
    in_every_place([](const Place& place) {
      const auto run =
          finished_run(place, command_of("exec grep -E '^Sig(Blk|Ign)' /proc/self/status"));
      CHECK(run->out == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    });
  }

  TEST_CASE("the nonce is nowhere where other processes could read it") {
    in_every_place([](const Place& place) {
      const RemoteRun remote = place.remote();
      Run run(place.machine, remote, command_of("echo ready; sleep " + long_time()));
      REQUIRE(run.await_output("ready"));
      CHECK(processes_with(remote.nonce, "cmdline").empty());
      CHECK(processes_with(remote.nonce, "environ").empty());
      for (const pid_t pid : marked(remote.mark))
        ::kill(pid, SIGKILL);
      CHECK(run.await_completion());
    });
  }

  TEST_CASE("TMPDIR is there and empty for each run, and is emptied behind it") {
    in_every_place([](const Place& place) {
      RemoteRun remote = place.remote();
      remote.temporary = place.machine.scratch() + "/tmp dir's";
      Command command = command_of(
          "cd -- \"$TMPDIR\" && stat -c %a . && ls -A && touch file .dot ..two -- -rf 'a b' '*' && "
          "mkdir -p a/.b && ln -s /etc link && ln -s /nowhere dangling && ls -A | wc -l");
      for (int i = 0; i < 2; ++i) {
        const auto run = finished_run(place.machine, remote, command);
        CHECK(run->out == "700\n9\n");
        CHECK(run->err == "");
        CHECK(run->said.trouble() == "");
        CHECK(said_by(place.machine, "ls -A " + shell_quote(remote.temporary) + " 2>/dev/null") ==
              "");
      }
      for (const char* name : {".dot", "..two", "-rf", "*"}) {
        command.command = fmt::format("touch -- \"$TMPDIR\"/{}", shell_quote(name));
        finished_run(place.machine, remote, command);
        CHECK(said_by(place.machine, "ls -A " + shell_quote(remote.temporary) + " 2>/dev/null") ==
              "");
      }
      CHECK(said_by(place.machine, "[ -d /etc ] && echo there") == "there\n");
    });
  }

  TEST_CASE("a TMPDIR that a command puts something else in place of is a new one for the next") {
    in_every_place([](const Place& place) {
      RemoteRun remote = place.remote();
      remote.temporary = place.machine.scratch() + "/t";
      const std::string outside = place.machine.scratch() + "/outside";
      said_by(place.machine, fmt::format("mkdir -p {0} && touch {0}/file", outside));
      const char* replacements[] = {
          "rm -rf \"$TMPDIR\"",
          "rm -rf \"$TMPDIR\"; touch \"$TMPDIR\"",
          "rm -rf \"$TMPDIR\"; ln -s ../scratch/outside \"$TMPDIR\"",
          "rm -rf \"$TMPDIR\"; ln -s /nowhere \"$TMPDIR\"",
          "chmod 0 \"$TMPDIR\"",
      };
      for (const char* replacement : replacements) {
        CAPTURE(replacement);
        finished_run(place.machine, remote, command_of(replacement));
        const auto run = finished_run(place.machine, remote,
                                      command_of("ls -A \"$TMPDIR\" && touch \"$TMPDIR/file\""));
        CHECK(run->statuses() == "- 0 -");
        CHECK(run->out == "");
        CHECK(run->said.trouble() == "");
      }
      CHECK(said_by(place.machine, "ls " + outside) == "file\n");
    });
  }

  TEST_CASE("a TMPDIR that can't be made is said, and the command runs") {
    in_every_place([](const Place& place) {
      RemoteRun remote = place.remote();
      remote.temporary = "/proc/nothing/here";
      const auto run = finished_run(place.machine, remote, command_of("echo run"));
      CHECK(run->out == "run\n");
      CHECK(run->statuses() == "- 0 -");
      CHECK(run->said.trouble().starts_with("no TMPDIR: "));
    });
  }

  TEST_CASE("what is mounted in a TMPDIR is not removed with it") {
    in_every_isolated_shell([](const Machine& machine) {
      RemoteRun remote = Place{machine, RemotePrivacy::session}.remote();
      remote.temporary = machine.scratch() + "/t";
      // A bind mount of the same file system is what rm takes for a directory like any other.
      const auto run = finished_run(machine, remote,
                                    command_of("mkdir /tmp/precious && touch /tmp/precious/file && "
                                               "mkdir \"$TMPDIR/m\" && "
                                               "mount --bind /tmp/precious \"$TMPDIR/m\""));
      CHECK(run->statuses() == "- 0 -");
      CHECK(run->said.trouble() == "");
      CHECK(said_by(machine, "ls /tmp/precious; rm -r /tmp/precious; ls /tmp/scratch") == "file\n");
    });
  }

  TEST_CASE("nothing that a command has started outlives it") {
    in_every_place([](const Place& place) {
      const RemoteRun remote = place.remote();
      const std::string time = long_time();
      Command command = command_of(fmt::format(
          "sleep {0} & setsid sleep {0} & (setsid setsid sleep {0} >/dev/null 2>&1 </dev/null &)\n"
          "env -i sleep {0} & (trap '' TERM HUP INT; sleep {0}) & \n"
          "sh -c 'kill -STOP $$; sleep {0}' & nohup sleep {0} >/dev/null 2>&1 & {1} echo started",
          time,
          place.privacy == RemotePrivacy::namespaces ? fmt::format("env -i setsid sleep {} &", time)
                                                     : ""));
      command.setup = fmt::format("sleep {0} & env -i sleep {0} & true", time);
      command.teardown = fmt::format("sleep {0} & env -i sleep {0} & true", time);
      Run run(place.machine, remote, command);
      REQUIRE(run.await_completion());
      CHECK_FALSE(runs(time));
      CHECK(marked(remote.mark).empty());
      CHECK(run.out == "started\n");
      CHECK(run.statuses() == "0 0 0");
      CHECK(run.said.left() == "");
      CHECK(run.shell.await_end());
      CHECK(run.err == "");
    });
  }

  TEST_CASE("processes with misleading names are found, and bystanders with such names are not") {
    const std::string bash = path_of("bash");
    if (bash.empty()) {
      not_tested("not tested: there is no bash to take names");
      return;
    }
    const char* names[] = {
        "a) b (c",         "x\\ny", ") S 1 1 1 1 ", "\\n", "x) S 1\\n", "\\n\\n9) R 1 1 1",
        "* ? \\\\ [a] $x", "-9"};
    const auto named = [&](const std::string& name, const std::string& then) {
      return shell_quote(bash) + " -c " +
             shell_quote(fmt::format("printf %b {} >/proc/self/comm; {}", shell_quote(name), then));
    };
    in_every_place([&](const Place& place) {
      const std::string time = long_time();
      std::vector<std::unique_ptr<Shell>> bystanders;
      const std::string fifo = place.machine.scratch() + "/fifo";
      std::string text = "exec 8<>" + fifo + "\n";
      said_by(place.machine, "mkfifo " + fifo);
      for (const char* name : names) {
        bystanders.push_back(std::make_unique<Shell>(place.machine));
        bystanders.back()->write(named(name, "echo ready; read -r line; echo alive") + "\n");
        REQUIRE(bystanders.back()->await_output("ready\n"));
        text +=
            fmt::format("env -i {} &\n",
                        named(name, fmt::format("echo named >{}; sleep {} & wait", fifo, time)));
      }
      for (size_t i = 0; i < std::size(names); ++i)
        text += "read -r line <&8\n";
      Run run(place.machine, place.remote(), command_of(text));
      REQUIRE(run.await_completion());
      CHECK_FALSE(runs(time));
      CHECK(run.statuses() == "- 0 -");
      CHECK(run.said.left() == "");
      CHECK(run.err == "");
      for (const auto& bystander : bystanders) {
        bystander->write("\n");
        CHECK(bystander->await_output("alive\n"));
      }
      said_by(place.machine, "rm " + fifo);
    });
  }

  TEST_CASE("what has ended, and is only not waited for, is not left") {
    in_every_shell([](const Machine& machine) {
      const Place place{machine, RemotePrivacy::session};
      const std::string time = long_time();
      // The one that does not wait leaves the session and the mark behind: that much it can.
      const auto started = std::chrono::steady_clock::now();
      const auto run =
          finished_run(place, command_of("(exec 2>/dev/null >&2; true & exec env -i setsid sleep " +
                                         time + ") &\nsleep 0.1"));
      CHECK(run->statuses() == "- 0 -");
      CHECK(std::chrono::steady_clock::now() - started < 5s);
      for (const pid_t pid : processes_with(time, "cmdline"))
        ::kill(pid, SIGKILL);
    });
  }

  TEST_CASE("what forks faster than it can be looked for is gone, too") {
    in_every_place([](const Place& place) {
      const std::string stop = place.machine.scratch() + "/stop";
      Run run(
          place.machine, place.remote(),
          command_of(fmt::format(
              "chain() {{ [ -e {} ] || (chain &) ; }}\n(chain &)\n(chain &)\necho started", stop)));
      CHECK(run.await_completion());
      CHECK(run.statuses() == "- 0 -");
      CHECK(run.said.left() == "");
      CHECK(marked(run.mark()).empty());
      said_by(place.machine, "touch " + stop);  // if it is not
      said_by(place.machine, "sleep 0.2; rm " + stop);
    });
  }

  TEST_CASE("what an unprivileged user can't kill is told, by name") {
    in_an_isolated_shell([](const Machine& machine) {
      const std::string setpriv = path_of("setpriv"), sleep = path_of("sleep");
      if (setpriv.empty()) {
        not_tested("not tested: there is no setpriv");
        return;
      }
      said_by(machine, fmt::format("cp {} {}/sudo && chmod 4755 {}/sudo", setpriv,
                                   machine.scratch(), machine.scratch()));
      const std::string time = long_time();
      Run run(machine, Place{machine, RemotePrivacy::session}.remote(),
              command_of(fmt::format("{}/sudo --reuid 0 {} {} &\n"
                                     "until grep -qs sleep /proc/$!/comm; do :; done",
                                     machine.scratch(), sleep, time)),
              nobody);
      REQUIRE(run.await_completion());
      const std::vector<pid_t> left = processes_with(time, "cmdline");
      REQUIRE(left.size() == 1);
      CHECK(run.said.left() == fmt::format("{} (sleep)", left[0]));
      CHECK(run.statuses() == "- 0 -");
      ::kill(left[0], SIGKILL);
    });
  }

  TEST_CASE("a command may kill its own group, and what it can of us") {
    in_every_place([](const Place& place) {
      Command command = command_of("kill -9 0; echo not reached");
      command.teardown = "echo torn down";
      auto run = finished_run(place, command);
      CHECK(run->out == "torn down\n");
      CHECK(run->statuses() == "- 137 0");
      CHECK(run->err == "");
      command.command =
          "kill -TERM $PPID; kill -HUP $PPID; kill -INT $PPID; kill -QUIT $PPID; exit 5";
      run = finished_run(place, command);
      CHECK(run->out == "torn down\n");
      CHECK(run->statuses() == "- 5 0");
      CHECK(run->err == "");
    });
  }

  TEST_CASE("a command that kills the process that watches over it has no result, and is gone") {
    in_every_shell([](const Machine& machine) {
      const Place place{machine, RemotePrivacy::session};
      const std::string time = long_time();
      Command command = command_of("kill -9 $PPID; sleep " + time);
      command.teardown = "echo torn down";
      Run run(machine, place.remote(), command);
      REQUIRE(run.await_completion());
      CHECK(run.statuses() == "- - -");
      CHECK(run.said.left() == "");
      CHECK_FALSE(runs(time));
    });
  }

  TEST_CASE("a report that a command forges makes its own worthless") {
    in_every_shell([](const Machine& machine) {
      if (::geteuid() != 0) return;  // only root may
      const Place place{machine, RemotePrivacy::session};
      Run run(machine, place.remote(),
              command_of("echo 'command 0 1.00 2.00' >/proc/$PPID/fd/3; exit 1"));
      REQUIRE(run.await_completion());
      CHECK(run.statuses() == "- - -");
      CHECK(run.said.trouble().find("reported twice") != std::string::npos);
    });
  }

  TEST_CASE("what a suite's set-up starts stays, until it is swept away") {
    in_every_shell([](const Machine& machine) {
      RemoteRun remote = Place{machine, RemotePrivacy::session}.remote();
      remote.keep = true;
      Command command;
      command.setup = "echo ready; (sleep " + long_time() + "; echo not reached) & exit 0";
      Run run(machine, remote, command);
      REQUIRE(run.await_completion());
      CHECK(run.statuses() == "0 - -");
      CHECK(run.out == "ready\n");
      CHECK_FALSE(marked(remote.mark).empty());
      Shell sweeper(machine);
      RemoteRunOutput swept("nonce");
      sweeper.write(sweep_script("nonce", remote.mark));
      REQUIRE(sweeper.await_end());
      std::string none;
      swept.feed(Stream::standard_output, sweeper.out, none);
      CHECK(swept.is_told());
      CHECK(swept.left() == "");
      CHECK(marked(remote.mark).empty());
      REQUIRE(run.await([&] { return run.shell.has_ended(); }));
      CHECK(run.out == "ready\n");
      CHECK(run.err == "");
    });
  }

  TEST_CASE("the kernel's log says when a run begins and ends, whatever it is called") {
    in_every_isolated_shell([](const Machine& machine) {
      RemoteRun remote = Place{machine, RemotePrivacy::session}.remote();
      remote.write_log = true;
      remote.title = "a \\n \\c \\045 $(echo b) 'c' %s\nd";
      const auto run = finished_run(machine, remote, command_of("cat /dev/kmsg"));
      CHECK(run->out == "<6>ff-ci: run a \\n \\c \\045 $(echo b) 'c' %s d\n");
      CHECK(said_by(machine, "cat /dev/kmsg") == "<6>" + end_of_log(remote.mark) + "\n");
    });
  }

  TEST_CASE("a tracer outlives the run beside it, and is found by its own mark") {
    in_every_isolated_shell([](const Machine& machine) {
      const RemoteRun remote = Place{machine, RemotePrivacy::session}.remote();
      said_by(
          machine,
          "mkdir /tmp/bin; cat >/tmp/bin/bpftrace <<'END'\n#!/bin/sh\nprintf '%s\\n' \"$*\"\ncat\n"
          "echo attached >&2\nexec sleep 300\nEND\nchmod +x /tmp/bin/bpftrace");
      Shell tracer(machine);
      const std::string program = "BEGIN { printf(\"it's %d\\n\", 1); } // $(x) `y`";
      tracer.write("PATH=/tmp/bin:$PATH\n" + trace_script(remote.mark + ".trace", program));
      REQUIRE(tracer.await_output("attached\n"));
      CHECK(tracer.out == "-e " + program + "\nattached\n");
      finished_run(machine, remote, command_of("sleep 300 & true"));
      CHECK(marked(remote.mark) == std::vector<pid_t>{tracer.pid()});
    });
  }
}

namespace {

// An answer for each order: the number is the order's.
class Control {
 public:
  explicit Control(const Machine& machine, RemoteHello greeting = {}, uid_t user = ::geteuid())
      : hello(std::move(greeting)), shell(machine, user), answers_(complete(hello)) {
    shell.write(hello_script(hello));
  }

  bool await(std::uint64_t number, std::string_view word) {
    return shell.await([&] {
      for (RemoteAnswer& answer : answers_.feed(std::exchange(shell.out, {})))
        heard.push_back(std::move(answer));
      return find(number, word) != nullptr;
    });
  }
  bool await_ready() { return await(0, "ready"); }
  // The rest of an answer; "none".
  [[nodiscard]] std::string said(std::uint64_t number, std::string_view word) const {
    const RemoteAnswer* answer = find(number, word);
    return answer != nullptr ? answer->rest : "none";
  }
  // The pids that got it.
  std::vector<pid_t> signal(const std::string& mark, const char* signal, AlsoFirst first) {
    shell.write(signal_order(++orders_, mark, signal, first));
    REQUIRE(await(orders_, "signalled"));
    std::vector<pid_t> pids;
    const std::string text = said(orders_, "signalled");
    for (const std::string_view pid : split(text, ' ')) {
      if (!pid.empty()) pids.push_back(std::atoi(std::string(pid).c_str()));
    }
    pids.erase(pids.begin());  // when it was
    return pids;
  }
  bool say_goodbye() {
    shell.write(goodbye_order(++orders_));
    return await(orders_, "bye");
  }

  RemoteHello hello;
  Shell shell;
  std::vector<RemoteAnswer> heard;

 private:
  static const std::string& complete(RemoteHello& hello) {
    hello.nonce = make_nonce();
    hello.token = make_nonce();
    if (hello.process.empty()) hello.process = make_nonce();
    if (hello.owner.empty()) hello.owner = "ff-ci of a test";
    return hello.nonce;
  }
  [[nodiscard]] const RemoteAnswer* find(std::uint64_t number, std::string_view word) const {
    for (const RemoteAnswer& answer : heard) {
      if (answer.number == number && answer.word == word) return &answer;
    }
    return nullptr;
  }

  RemoteAnswers answers_;
  std::uint64_t orders_ = 0;
};

}  // namespace

TEST_SUITE("control shell") {
  TEST_CASE("a machine tells what it is, answers, and keeps nothing behind a goodbye") {
    in_every_isolated_shell([](const Machine& machine) {
      Control control(machine);
      REQUIRE(control.await_ready());
      utsname system{};
      ::uname(&system);
      CHECK(control.said(0, "kernel") == system.release);
      CHECK(control.said(0, "arch") == system.machine);
      CHECK(control.said(0, "boot") + "\n" == file_text("/proc/sys/kernel/random/boot_id"));
      CHECK((control.said(0, "namespaces") == "") == has_private_namespaces(machine));
      CHECK(control.said(0, "log") == "");
      CHECK(control.said(0, "path") == "none");
      const std::string temporary = control.said(0, "temporary");
      CHECK(said_by(machine, "stat -c %a " + temporary) == "700\n");
      control.shell.write(probe_order(41) + probe_order(42));
      CHECK(control.await(42, "alive"));
      CHECK(control.said(41, "alive") == "");
      CHECK(control.say_goodbye());
      CHECK(said_by(machine, "ls -A /tmp; cd /run/ff-ci && ls -A") == "scratch\nlock\nowner\n");
      REQUIRE(control.shell.await_end());
      CHECK(control.shell.err == "");
    });
  }

  TEST_CASE(
      "what is to be done first is done before anything else, and says what it could not do") {
    in_every_isolated_shell([](const Machine& machine) {
      RemoteHello hello;
      hello.prologue = "n=x; mkdir /tmp/here; echo 'cannot set the time'; echo no >&2; exit 1";
      Control control(machine, hello);
      REQUIRE(control.await_ready());
      CHECK(control.said(0, "prologue") == "cannot set the time");
      CHECK(said_by(machine, "rmdir /tmp/here && echo it was here") == "it was here\n");
      CHECK(control.shell.err == "");
      CHECK(control.say_goodbye());
      REQUIRE(control.shell.await_end());
      hello.prologue = "echo done";
      Control next(machine, hello);
      REQUIRE(next.await_ready());
      CHECK(next.said(0, "prologue") == "none");
    });
  }

  TEST_CASE("a connection that is cut is cleared away") {
    in_every_isolated_shell([](const Machine& machine) {
      Control control(machine);
      REQUIRE(control.await_ready());
      const std::string time = long_time();
      Shell orphan(machine);
      orphan.write(with_mark(control.hello.token + ".7", "echo ready; sleep " + time) + "\n");
      REQUIRE(orphan.await_output("ready\n"));
      said_by(machine, fmt::format("mkdir {0}/3; touch {0}/3/file", control.said(0, "temporary")));
      control.shell.end_input();
      REQUIRE(control.shell.await_end());
      CHECK_FALSE(runs(time));
      CHECK(said_by(machine, "ls -A /tmp; cd /run/ff-ci && ls -A") == "scratch\nlock\nowner\n");
      Control next(machine);
      CHECK(next.await_ready());
    });
  }

  TEST_CASE("a machine that another ff-ci uses is busy, and says with whom") {
    in_an_isolated_shell([](const Machine& machine) {
      Control one(machine, {"", "", "ff-ci 1.0 of me@here, run 'x' $(y)", "", ""});
      REQUIRE(one.await_ready());
      Control other(machine);
      REQUIRE(other.await(0, "busy"));
      CHECK(other.said(0, "busy") == fmt::format("ff-ci 1.0 of me@here, run 'x' $(y) (process {} "
                                                 "there)",
                                                 one.shell.pid()));
      REQUIRE(other.shell.await_end());
      CHECK(other.said(0, "temporary") == "none");
      one.shell.write(probe_order(1));
      CHECK(one.await(1, "alive"));
      CHECK(one.say_goodbye());
      REQUIRE(one.shell.await_end());
      Control next(machine);
      CHECK(next.await_ready());
    });
  }

  TEST_CASE("what an earlier connection of the same ff-ci holds is taken over") {
    in_every_isolated_shell([](const Machine& machine) {
      Control one(machine);
      REQUIRE(one.await_ready());
      const RemoteRun remote = [&] {
        RemoteRun run = Place{machine, RemotePrivacy::session}.remote();
        run.mark = one.hello.token + ".1";
        return run;
      }();
      Run run(machine, remote, command_of("echo ready; sleep 300"));
      REQUIRE(run.await_output("ready\n"));
      Control again(machine, {"", one.hello.process, "", "", ""});
      REQUIRE(again.await_ready());
      REQUIRE(one.shell.await([&] { return one.shell.has_ended(); }));
      CHECK(marked(one.hello.token).empty());
      CHECK(said_by(machine, "ls -A /tmp; ls -A /run/ff-ci") ==
            fmt::format("ff-ci-ssh.{0}\nscratch\nlock\nowner\ntoken.{0}\n", again.hello.token));
    });
  }

  TEST_CASE("what an ff-ci that died has left is killed at the next hello") {
    in_every_isolated_shell([](const Machine& machine) {
      const std::string old = make_nonce(), other = make_nonce();
      said_by(machine, fmt::format("mkdir -p /run/ff-ci /tmp/ff-ci-ssh.{0}/1/2\n"
                                   "touch /run/ff-ci/token.{0} /tmp/ff-ci-ssh.{0}/1/-rf\n"
                                   "mkdir /tmp/ff-ci-ssh.{1}",
                                   old, other));
      Shell left(machine), alien(machine);
      left.write(with_mark(old + ".12", "echo ready; sleep 300") + "\n");
      alien.write(with_mark(other + ".12", "echo ready; sleep 300") + "\n");
      REQUIRE(left.await_output("ready\n"));
      REQUIRE(alien.await_output("ready\n"));
      Control control(machine);
      REQUIRE(control.await_ready());
      CHECK(marked(old).empty());
      CHECK_FALSE(marked(other).empty());
      CHECK(said_by(machine, "ls -A /tmp; ls -A /run/ff-ci") ==
            fmt::format("{}\nscratch\nlock\nowner\ntoken.{}\n",
                        fmt::join(std::set<std::string>{"ff-ci-ssh." + control.hello.token,
                                                        "ff-ci-ssh." + other},
                                  "\n"),
                        control.hello.token));
      CHECK(control.shell.err == "");
    });
  }

  TEST_CASE("a path that is not there, or is no directory, is told") {
    in_every_isolated_shell([](const Machine& machine) {
      const auto told_of = [&](const std::string& path) {
        Control control(machine, {"", "", "", "", path});
        REQUIRE(control.await_ready());
        CHECK(control.say_goodbye());
        REQUIRE(control.shell.await_end());
        return control.said(0, "path");
      };
      CHECK(told_of("/no such/'path") == "/no such/'path does not exist");
      CHECK(told_of("/etc/passwd") == "/etc/passwd is no directory");
      CHECK(told_of("/usr") == "none");
    });
  }

  TEST_CASE("an unprivileged user's machine is used in sessions, from /tmp") {
    in_every_isolated_shell([](const Machine& machine) {
      said_by(machine, "mkdir -m 700 /tmp/scratch/private");
      Control control(machine, {"", "", "", "", "/tmp/scratch/private"}, nobody);
      REQUIRE(control.await_ready());
      CHECK(control.said(0, "session") == "not root there");
      CHECK(control.said(0, "log") == "none");
      CHECK(control.said(0, "path") == "/tmp/scratch/private can't be entered");
      CHECK(said_by(machine, "stat -c '%u %a' /tmp/ff-ci-65534") == "65534 700\n");
      Run run(machine, Place{machine, RemotePrivacy::session}.remote(),
              command_of("id -u; sleep 300 & true"), nobody);
      REQUIRE(run.await_completion());
      CHECK(run.out == "65534\n");
      CHECK(run.said.left() == "");
      CHECK(control.say_goodbye());
      CHECK(control.shell.err == "");
    });
  }

  TEST_CASE("a directory for locks that somebody else has made is not used") {
    in_every_isolated_shell([](const Machine& machine) {
      const auto trouble = [&](const std::string& preparation, uid_t user) {
        said_by(machine, preparation);
        Control control(machine, {}, user);
        REQUIRE(control.await(0, "trouble"));
        REQUIRE(control.shell.await_end());
        return control.said(0, "trouble");
      };
      const std::string alien = " belongs to somebody else";
      CHECK(trouble("mkdir -m 777 /tmp/ff-ci-65534", nobody) == "/tmp/ff-ci-65534" + alien);
      CHECK(trouble("cd /tmp && mv ff-ci-65534 mine && chown 65534 mine && ln -s mine ff-ci-65534",
                    nobody) == "/tmp/ff-ci-65534" + alien);
      CHECK(
          trouble("rm /tmp/ff-ci-65534; touch /tmp/ff-ci-65534", nobody).find("/tmp/ff-ci-65534") !=
          std::string::npos);
      CHECK(trouble("mkdir /run/ff-ci; chown 65534 /run/ff-ci", 0) == "/run/ff-ci" + alien);
      CHECK(trouble("rmdir /run/ff-ci; mkdir /run/other; ln -s other /run/ff-ci", 0) ==
            "/run/ff-ci" + alien);
    });
  }

  TEST_CASE("nobody else can take the lock") {
    in_every_isolated_shell([](const Machine& machine) {
      Control control(machine);
      REQUIRE(control.await_ready());
      CHECK(control.say_goodbye());
      REQUIRE(control.shell.await_end());
      Shell shell(machine, nobody);
      shell.write("exec 2>/dev/null; flock -n /run/ff-ci/lock echo taken; ls /run/ff-ci");
      REQUIRE(shell.await_end());
      CHECK(shell.out == "");
    });
  }

  TEST_CASE("a full /run is told; a full /tmp costs the TMPDIR only") {
    in_every_isolated_shell([](const Machine& machine) {
      said_by(machine,
              "mkdir -p /tmp/d; cd /tmp/d && mount -o remount,nr_inodes=10 /tmp && "
              "i=0; while mkdir $i 2>/dev/null; do i=$((i + 1)); done");
      Control poor(machine);
      REQUIRE(poor.await_ready());
      CHECK(poor.said(0, "temporary") == "");
      CHECK(poor.say_goodbye());
      REQUIRE(poor.shell.await_end());
      // /run/ff-ci is there, and its lock.
      said_by(machine,
              "cd /run && mount -o remount,nr_inodes=20 /run && "
              "i=0; while mkdir $i 2>/dev/null; do i=$((i + 1)); done");
      Control full(machine);
      REQUIRE(full.await(0, "trouble"));
      CHECK(full.said(0, "trouble").find("No space left on device") != std::string::npos);
      REQUIRE(full.shell.await_end());
      said_by(machine, "rm -rf /run/ff-ci/lock; mkdir /run/again");
      Control still_full(machine);
      REQUIRE(still_full.await(0, "trouble"));
      CHECK(still_full.said(0, "trouble").find("No space left on device") != std::string::npos);
    });
  }

  TEST_CASE("a program that is not there is named") {
    in_every_isolated_shell([](const Machine& machine) {
      RemoteHello hello{make_nonce(), make_nonce(), "a test", make_nonce(), ""};
      said_by(machine, "mkdir /tmp/bin; ln -s " + path_of("printf") + " /tmp/bin/printf");
      Shell shell(machine);
      shell.write("PATH=/tmp/bin\n" + hello_script(hello));
      REQUIRE(shell.await_end());
      CHECK(shell.out == hello.nonce + " 0 trouble there is no flock\n");
    });
  }

  TEST_CASE("SIGTERM reaches all that a run has started, once, and not what watches over it") {
    in_every_place([](const Place& place) {
      if (!place.machine.is_isolated()) return;
      Control control(place.machine);
      REQUIRE(control.await_ready());
      const auto stays = [](const char* name) {
        return shell_quote(fmt::format(
            "trap 'echo TERM' TERM; echo {}; while :; do sleep 0.1; done 2>/dev/null", name));
      };
      Command command = command_of(
          fmt::format("setsid sh -c {} &\nenv -i sh -c {} &\n"
                      "sh -c 'trap \"echo TERM; exit\" TERM; echo three; kill -STOP $$' &\n"
                      "exec sh -c {}",
                      stays("one"), stays("two"), stays("four")));
      command.teardown = "echo torn down";
      RemoteRun remote = place.remote();
      remote.mark = control.hello.token + ".1";
      Run run(place.machine, remote, command);
      REQUIRE(run.await_output("one\n"));
      REQUIRE(run.await_output("two\n"));
      REQUIRE(run.await_output("three\n"));
      REQUIRE(run.await_output("four\n"));
      const auto times_told = [&] {
        size_t times = 0;
        for (const std::string_view line : split(run.out, '\n'))
          if (line == "TERM") ++times;
        return times;
      };
      CHECK(control.signal(remote.mark, "TERM", AlsoFirst::no).size() >= 4);
      REQUIRE(run.await([&] { return times_told() == 4; }));
      control.signal(remote.mark, "KILL", AlsoFirst::no);
      REQUIRE(run.await_completion());
      CHECK(times_told() == 4);
      CHECK(run.statuses() == "- 137 0");
      CHECK(run.out.ends_with("torn down\n"));
      CHECK(run.said.left() == "");
      CHECK(control.say_goodbye());
    });
  }

  TEST_CASE("SIGKILL for the watching process, too, ends a run at once and without teardown") {
    in_every_place([](const Place& place) {
      if (!place.machine.is_isolated()) return;
      Control control(place.machine);
      REQUIRE(control.await_ready());
      const std::string time = long_time();
      Command command = command_of(fmt::format("setsid sleep {0} & echo ready; sleep {0}", time));
      command.teardown = "echo torn down";
      RemoteRun remote = place.remote();
      remote.mark = control.hello.token + ".1";
      RemoteRun other = place.remote();
      other.mark = control.hello.token + ".11";
      said_by(place.machine, "mkfifo " + place.machine.scratch() + "/fifo");
      Run run(place.machine, remote, command);
      Run beside(
          place.machine, other,
          command_of("echo ready; read -r line <" + place.machine.scratch() + "/fifo; echo $line"));
      REQUIRE(run.await_output("ready\n"));
      REQUIRE(beside.await_output("ready\n"));
      control.signal(remote.mark, "KILL", AlsoFirst::yes);
      REQUIRE(run.await_completion());
      CHECK(run.statuses() == "- - -");
      CHECK(run.out == "ready\n");
      CHECK(run.said.left() == "");
      CHECK_FALSE(runs(time));
      said_by(place.machine,
              fmt::format("echo went on >{0}/fifo; rm {0}/fifo", place.machine.scratch()));
      REQUIRE(beside.await_completion());
      CHECK(beside.out == "ready\nwent on\n");
      CHECK(control.say_goodbye());
    });
  }

  TEST_CASE("an order names those that were signalled, and nobody else") {
    in_every_isolated_shell([](const Machine& machine) {
      Control control(machine);
      REQUIRE(control.await_ready());
      const std::string mark = control.hello.token + ".1";
      CHECK(control.signal(mark, "TERM", AlsoFirst::no).empty());
      CHECK(control.signal(mark, "TERM", AlsoFirst::yes).empty());
      // Two with the mark of the first process, as in the moment in which that forks, and one that
      // begins as a step.
      Shell shell(machine);
      const std::string wait = "echo started; read -r l </tmp/fifo";
      const std::string first = "FFCI_FIRST=" + mark + ": " + with_mark(mark, wait);
      shell.write("mkfifo /tmp/fifo\n" + first + "&\n" + first + "&\n");
      REQUIRE(shell.await_output("started\nstarted\n"));
      CHECK(control.signal(mark, "KILL", AlsoFirst::no).empty());
      CHECK(control.signal(mark, "TERM", AlsoFirst::no).empty());
      shell.write(with_mark(mark, wait) + "&\n");
      REQUIRE(shell.await_output("started\nstarted\nstarted\n"));
      const auto step = control.signal(mark, "KILL", AlsoFirst::no);
      REQUIRE(step.size() == 1);
      auto others = control.signal(mark, "KILL", AlsoFirst::yes);
      std::erase(others, step[0]);  // it may not have ended yet
      CHECK(others.size() == 2);
      shell.write("echo still here\n");
      REQUIRE(shell.await_output("still here\n"));
    });
  }
}

namespace {

// The names in a tar, in their order.
std::vector<std::string> names_in(const std::string& tar) {
  std::vector<std::string> names;
  for (size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    names.emplace_back(tar.c_str() + at, ::strnlen(tar.c_str() + at, 100));
    const auto size = std::strtoull(tar.substr(at + 124, 11).c_str(), nullptr, 8);
    at += 512 + (size + 511) / 512 * 512;
  }
  return names;
}

std::vector<std::string> fetched(const Machine& machine, const std::vector<std::string>& globs,
                                 std::uint64_t limit = 1 << 20) {
  Shell shell(machine);
  shell.write(files_script(machine.scratch() + "/files of 'it", globs, limit));
  REQUIRE(shell.await_end());
  CHECK(shell.err == "");
  return names_in(shell.out);
}

void make_files(const Machine& machine, const std::vector<std::string>& names) {
  const std::string folder = shell_quote(machine.scratch() + "/files of 'it");
  std::string script = fmt::format("mkdir -p {0} && cd {0}\n", folder);
  for (const std::string& name : names)
    script += "touch -- " + shell_quote(name) + "\n";
  said_by(machine, script);
}

using Names = std::vector<std::string>;

}  // namespace

TEST_SUITE("fetching files") {
  TEST_CASE("names that match are fetched, and nothing else is made of them") {
    in_every_shell([](const Machine& machine) {
      const Names names = {
          "a b",        "it's",    "$(touch pwned)", "`x`", "back\\slash",        "-C",    "--help",
          "semi;colon", "a&b|c>d", "two\nlines",     "~",   "gr\xC3\xBC\xC3\x9F", "#hash", "{a,b}",
          "!bang",      "\"q\""};
      make_files(machine, names);
      for (const std::string& name : names) {
        CAPTURE(name);
        CHECK(fetched(machine, {name}) == Names{name});
      }
      CHECK(fetched(machine, {"a*"}) == Names{"a b", "a&b|c>d"});
      CHECK(fetched(machine, {"-*"}) == Names{"--help", "-C"});
      CHECK(fetched(machine, {"gr*"}).size() == 1);
      CHECK(fetched(machine, {"*'s", "* *", "back\\*", "[#!]*", "?C"}) ==
            Names{"it's", "$(touch pwned)", "a b", "back\\slash", "!bang", "#hash", "-C"});
      CHECK(fetched(machine, {"pwned", "$HOME"}).empty());
    });
  }

  TEST_CASE("hidden files come only when the glob says so") {
    in_every_shell([](const Machine& machine) {
      make_files(machine, {"seen", ".hidden"});
      CHECK(fetched(machine, {"*"}) == Names{"seen"});
      CHECK(fetched(machine, {".h*"}) == Names{".hidden"});
    });
  }

  TEST_CASE("whole folders, dangling links and patterns across folders are fetched") {
    in_every_shell([](const Machine& machine) {
      make_files(machine, {"x"});
      said_by(machine, "cd " + shell_quote(machine.scratch() + "/files of 'it") +
                           " && mkdir -p d/1 d/2 && touch d/1/log d/2/log && ln -s nowhere link");
      CHECK(fetched(machine, {"d/*/log", "link"}) == Names{"d/1/log", "d/2/log", "link"});
      CHECK(fetched(machine, {"d/2"}) == Names{"d/2/", "d/2/log"});
    });
  }

  TEST_CASE("when nothing matches, nothing is sent, and nothing is wrong") {
    in_every_shell([](const Machine& machine) {
      make_files(machine, {"x"});
      Shell shell(machine);
      shell.write(files_script(machine.scratch() + "/files of 'it", {"*.none", "no*", "[", "a[b"},
                               1 << 20));
      REQUIRE(shell.await_end());
      CHECK(shell.out == "");
      CHECK(shell.err == "");
      CHECK(fetched(machine, {}).empty());
    });
  }

  TEST_CASE("no more than the limit is sent") {
    in_every_shell([](const Machine& machine) {
      make_files(machine, {});
      said_by(machine, "cd " + shell_quote(machine.scratch() + "/files of 'it") +
                           " && head -c 3000000 /dev/zero >large");
      Shell shell(machine);
      shell.write(files_script(machine.scratch() + "/files of 'it", {"*"}, 1'000'000));
      REQUIRE(shell.await_end());
      CHECK(shell.out.size() == 1'000'000);
    });
  }

  TEST_CASE("many files are fetched in good time") {
    in_every_shell([](const Machine& machine) {
      make_files(machine, {});
      said_by(machine, "cd " + shell_quote(machine.scratch() + "/files of 'it") +
                           " && seq 10001 18000 | sed s/^/f/ | xargs touch");
      const auto began = std::chrono::steady_clock::now();
      CHECK(fetched(machine, {"none*", "f*", "neither"}, 1 << 30).size() == 8000);
      CHECK(std::chrono::steady_clock::now() - began < 5s);
    });
  }

  TEST_CASE("a directory that is not there is told") {
    in_every_shell([](const Machine& machine) {
      Shell shell(machine);
      shell.write(files_script("/no such/directory", {"*"}, 1 << 20));
      REQUIRE(shell.await_end());
      CHECK(shell.out == "");
      CHECK(shell.err.find("/no such/directory") != std::string::npos);
    });
  }
}

}  // namespace ffci
