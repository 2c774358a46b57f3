// The one table of exit codes: what a pipeline reads of a run, or of a command that could not do
// its work. Printed by `ff-ci --help`, repeated in the README. 2, 77, 99, 100-105 and 124-127 mean
// something to other tools and are never used.
#pragma once

#include <span>
#include <string_view>

#include "base/result.hpp"
#include "model/run.hpp"

namespace ffci {

enum class ExitCode {
  ok = 0,
  regression = 1,
  drift = 3,
  nothing_run = 4,
  incomplete = 5,
  flaky = 6,
  usage = 64,
  data = 65,
  no_input = 66,
  no_hosts = 69,
  internal = 70,
  io = 74,
  temporary = 75,
  bad_spec = 78,
  interrupted = 130,
  terminated = 143,
};

struct ExitCodeMeaning {
  ExitCode code;
  std::string_view meaning;
};

[[nodiscard]] std::span<const ExitCodeMeaning> exit_code_table();

[[nodiscard]] ExitCode exit_code_for(ErrorKind kind);

// As `git bisect run` wants it (git-bisect(1)): 0 is good, 1 bad, 125 can't be tested, and from 128
// on it stops.
[[nodiscard]] int bisect_code(ExitCode code);
[[nodiscard]] ExitCode exit_code_for(const Run& run);

}  // namespace ffci
