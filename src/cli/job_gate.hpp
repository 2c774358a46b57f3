// What a job is judged by, made ready before anything runs: its baseline, wherever that is, and its
// known issues.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "cli/job.hpp"
#include "gate/gate.hpp"
#include "model/run.hpp"

namespace ffci {

struct JobGate {
  Gate gate;
  std::optional<BaselineFact> baseline;  // none: there is none, or none yet
};

// nullopt: the job has no gate. `earlier`: the run that goes on, which keeps the baseline that it
// began with. Errors: as those of load_source and read_known_issues; no_input, too: the history
// knows none of the tests.
[[nodiscard]] Result<std::optional<JobGate>> load_gate(const Job& job, const Run* earlier);

}  // namespace ffci
