// How a process ended, as wait(2) tells it.
#pragma once

#include <string>

namespace ffci {

struct ExitStatus {
  enum class Kind { exited, signaled };
  Kind kind = Kind::exited;
  int value = 0;  // exit code, or signal number

  [[nodiscard]] bool success() const { return kind == Kind::exited && value == 0; }
  bool operator==(const ExitStatus&) const = default;
};

// From a wait status of this machine.
[[nodiscard]] ExitStatus exit_status_from_wait(int wait_status);

// "SIGSEGV", or "signal 35" where it has no name.
[[nodiscard]] std::string signal_name(int signal);

// "exit status 3", "exit status 127 (command not found)", "exit status 139 (SIGSEGV)", "killed by
// SIGKILL".
[[nodiscard]] std::string describe(ExitStatus status);

}  // namespace ffci
