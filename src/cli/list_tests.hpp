// The tests that a job would run, one a line: `ff-ci list` and `ff-ci run --list`.
#pragma once

#include "cli/job.hpp"
#include "model/exit_code.hpp"

namespace ffci {

[[nodiscard]] ExitCode list_tests(const Job& job, const JobChoices& choices);

}  // namespace ffci
