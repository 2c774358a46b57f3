// Command is what a suite asks a host to run for a batch of tests, and CommandEnd is what the host
// tells of how it went. Every kind of host can run it: three shell texts, one after the other, in
// one place that nothing outlives.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "model/exit_status.hpp"

namespace ffci {

enum class Urgency {
  in_order,  // SIGTERM, time to end, then SIGKILL; teardown runs
  at_once,   // SIGKILL
};

// What arrives while a command runs, each in the order it was written.
enum class Stream {
  standard_output,
  standard_error,
  kernel_log,  // lines as dmesg prints them, from whatever ran there at that time
  user_log,    // the same, of lines in the kernel's log that user space wrote
  trace,       // of the tracer beside it
  archive,     // a tar of the files to keep; only at the end
};

struct Command {
  std::string title;      // of what it runs, for people who look at the host
  std::string setup;      // for /bin/sh -c; empty: none
  std::string command;    // for /bin/sh -c; not started when setup fails
  std::string teardown;   // for /bin/sh -c; runs whenever setup was started, also after a timeout;
                          // empty: none
  std::string directory;  // on this machine
  std::string directory_in_tree;   // on a host that has a path of its own: relative to it
  std::vector<std::string> files;  // globs of the files to keep, relative to the directory
  std::optional<std::string> files_in_temporary;  // or to this one, below its $TMPDIR
  // It needs a set of them, see hosts/test_devices.hpp, and to know whether it has private
  // namespaces: FFCI_ISOLATION is "namespaces" or "session".
  bool test_devices = false;
  std::vector<std::pair<std::string, std::string>> environment;  // added to the host's own

  bool operator==(const Command&) const = default;
};

struct CommandEnd {
  std::optional<ExitStatus> setup, command,
      teardown;                    // none: that step did not run, or never ended
  Duration duration{};             // of `command` alone
  bool stopped = false;            // we ended it, before it ended by itself
  std::string trouble = {};        // why `command` did not run, or never told its end
  std::string files_problem = {};  // why not all of its files came back
};

}  // namespace ffci
