#include "model/exit_code.hpp"

#include <csignal>

namespace ffci {

std::span<const ExitCodeMeaning> exit_code_table() {
  static constexpr ExitCodeMeaning table[] = {
      {ExitCode::ok, "everything ran, and nothing regressed (without a baseline: none failed)"},
      {ExitCode::regression,
       "the gate found a regression (without a baseline: tests failed, timed out or crashed); "
       "`compare`: regressions or new failures; beats all below"},
      {ExitCode::drift,
       "drift from the baseline other than regressions (fixed or vanished tests), only with "
       "`--strict-baseline`"},
      {ExitCode::nothing_run, "nothing was selected, or nothing ran (all skipped)"},
      {ExitCode::incomplete,
       "incomplete or inconclusive, and no regression: tests did not run or met infrastructure "
       "errors, a suspect could not be confirmed, or nothing can be compared"},
      {ExitCode::flaky, "tests were flaky, only with `--fail-on-flaky`"},
      {ExitCode::usage, "wrong command line"},
      {ExitCode::data, "malformed input data"},
      {ExitCode::no_input, "an input file is missing or unreadable"},
      {ExitCode::no_hosts, "no usable host, or a URL can't be read"},
      {ExitCode::internal, "internal error"},
      {ExitCode::io, "the results or a report could not be written"},
      {ExitCode::temporary,
       "not possible at this time (another ff-ci uses the results directory); try again"},
      {ExitCode::bad_spec, "bad job spec, or a bad file of known issues"},
      {ExitCode::interrupted, "interrupted (SIGINT), reports written"},
      {ExitCode::terminated, "terminated (SIGTERM), reports written"},
  };
  return table;
}

int bisect_code(ExitCode code) {
  switch (code) {
    case ExitCode::ok:
    case ExitCode::regression:
      return static_cast<int>(code);
    case ExitCode::nothing_run:
    case ExitCode::incomplete:
    case ExitCode::no_hosts:
    case ExitCode::temporary:
      return 125;
    default:
      return static_cast<int>(code) | 128;
  }
}

ExitCode exit_code_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return ExitCode::usage;
    case ErrorKind::data:
      return ExitCode::data;
    case ErrorKind::no_input:
      return ExitCode::no_input;
    case ErrorKind::bad_spec:
      return ExitCode::bad_spec;
    case ErrorKind::unavailable:
      return ExitCode::no_hosts;
    case ErrorKind::internal:
      return ExitCode::internal;
    case ErrorKind::io:
      return ExitCode::io;
    case ErrorKind::temporary:
      return ExitCode::temporary;
    case ErrorKind::interrupted:
      return ExitCode::interrupted;
    case ErrorKind::terminated:
      return ExitCode::terminated;
  }
  return ExitCode::internal;
}

ExitCode exit_code_for(const Run& run) {
  switch (result_of(run)) {
    case RunResult::passed:
      return ExitCode::ok;
    case RunResult::failed:
    case RunResult::regression:
      return ExitCode::regression;
    case RunResult::flaky:
      return ExitCode::flaky;
    case RunResult::drift:
      return ExitCode::drift;
    case RunResult::incomplete:
      return ExitCode::incomplete;
    case RunResult::nothing_run:
      return ExitCode::nothing_run;
    case RunResult::no_hosts:
      return ExitCode::no_hosts;
    case RunResult::interrupted:
      return run.finish()->signal == SIGTERM ? ExitCode::terminated : ExitCode::interrupted;
  }
  return ExitCode::internal;
}

}  // namespace ffci
