// A job made ready: its spec read, its suites loaded, its tests selected. `run` and `list` begin
// here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/early_hosts.hpp"
#include "engine/engine_plan.hpp"
#include "model/job_spec.hpp"
#include "suites/suite.hpp"

namespace ffci {

struct Job {
  JobSpec spec;
  std::vector<std::unique_ptr<Suite>> suites;
  EnginePlan plan;        // hosts are not in it yet
  std::string durations;  // where the expected ones came from; empty: there are none
};

// Reads the spec file ("-": stdin). Errors: every complaint, one a line; bad_spec, or usage when
// only the command line is to blame.
[[nodiscard]] Result<JobSpec> read_job_spec(const std::string& path,
                                            const std::vector<SpecOverride>& overrides);

// `hosts` come up when one of them must be asked for what the job names.
[[nodiscard]] Result<Job> load_job(const JobChoices& choices, EarlyHosts& hosts);

}  // namespace ffci
