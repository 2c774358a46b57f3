#include "model/exit_status.hpp"

#include <fmt/format.h>
#include <string.h>
#include <sys/wait.h>

namespace ffci {

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
}

ExitStatus exit_status_from_wait(int wait_status) {
  if (WIFSIGNALED(wait_status)) return {ExitStatus::Kind::signaled, WTERMSIG(wait_status)};
  return {ExitStatus::Kind::exited, WEXITSTATUS(wait_status)};
}

std::string describe(ExitStatus status) {
  if (status.kind == ExitStatus::Kind::signaled) return "killed by " + signal_name(status.value);
  switch (status.value) {
    case 126:
      return "exit status 126 (not executable)";
    case 127:
      return "exit status 127 (command not found)";
    default:
      break;
  }
  // A shell reports the death of its command by signal N as 128+N.
  if (status.value > 128 && ::sigabbrev_np(status.value - 128) != nullptr) {
    return fmt::format("exit status {} ({})", status.value, signal_name(status.value - 128));
  }
  return fmt::format("exit status {}", status.value);
}

}  // namespace ffci
