// The process between ff-ci and one command on this machine. It is cloned from ff-ci, never
// executes another program itself, and is what makes a command's end certain: as pid 1 of a private
// pid namespace (root), or as the subreaper of whatever the command starts (others), it runs
// set-up, command and teardown one after the other, reports how each ended, and leaves no process
// behind. It ends when ff-ci does.
//
// Everything here runs between clone and _exit in a copy of a process that may have had threads:
// async-signal-safe calls only, no allocation; all memory is prepared by the parent.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>

namespace ffci {

struct SupervisorPlan {
  const char* setup = nullptr;    // texts for /bin/sh -c; nullptr: none
  const char* command = nullptr;  // nullptr: hold what set-up made until told to end
  const char* teardown = nullptr;
  const char* directory = nullptr;
  char* const* environment = nullptr;
  int standard_output = -1, standard_error = -1;
  int report = -1;        // SupervisorReports are written here
  int control = -1;       // orders are read here; its end means that ff-ci is gone
  bool isolated = false;  // it is pid 1 of a new pid namespace, and makes a mount namespace
  int scope = -1;      // pidfd of the suite's supervisor, whose mounts to start from; -1: ff-ci's
  long first_pid = 0;  // where the pids of the namespace start; 0: as the kernel likes
  int kill_after_ms = 0;  // from SIGTERM to SIGKILL
  int teardown_limit_ms = 0;
  rlimit open_files{};  // that commands get
};

// Orders, one byte each.
inline constexpr char order_end =
    'E';  // stop the command (or the holding) in order, then tear down
inline constexpr char order_kill = 'K';  // kill everything at once, no teardown

struct SupervisorReport {
  enum Step : std::int32_t { setup, command, teardown, failure };
  std::int32_t step = failure;
  std::int32_t status = 0;   // of wait(2); of `failure`: errno
  std::int32_t stopped = 0;  // we were told to end it, or it took too long
  std::int64_t microseconds = 0;
  char what[48] = {};  // of `failure`: what could not be done
};

// Runs in the clone.
[[noreturn]] void supervise(const SupervisorPlan& plan);

}  // namespace ffci
