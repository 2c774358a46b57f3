// A job made ready: its spec read, its suites loaded, its tests selected. `run` and `list` begin
// here.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/early_hosts.hpp"
#include "engine/engine_plan.hpp"
#include "model/job_spec.hpp"
#include "suites/suite.hpp"

namespace ffci {

// The text of a job spec, and what it is relative to.
struct SpecText {
  std::string text;
  std::string path;                         // as it was given; "-": stdin
  std::filesystem::path working_directory;  // absolute
};

struct BrokenOffRun;

struct Job {
  SpecText text;
  JobSpec spec;
  std::vector<std::unique_ptr<Suite>> suites;
  EnginePlan plan;        // hosts are not in it yet
  std::string durations;  // where the expected ones came from; empty: there are none
  std::optional<std::string>
      baseline_token;  // out of the environment, before anything could see it
  std::optional<Shard> shard;
  std::vector<TestId> selectable;  // for the baseline: all tests that the job selects by itself, or
                                   // the command line; without iterations
  std::vector<std::optional<Duration>> typical;  // by place in plan.tests: what is rather to be
                                                 // expected than feared
  std::string nothing_selected = "no test was selected";  // why, when there is none
};

// Of the hosts: this machine's, unless the spec says that of the others.
[[nodiscard]] std::string architecture_of(const JobSpec& spec);

// Error (no_input): it can't be read.
[[nodiscard]] Result<SpecText> read_spec_text(const std::string& path);

// Errors: every complaint, one a line; bad_spec, or usage when only the command line is to blame.
[[nodiscard]] Result<JobSpec> parse_job_spec(const SpecText& text,
                                             const std::vector<SpecOverride>& overrides);

// `hosts` come up when one of them must be asked for what the job names.
[[nodiscard]] Result<Job> load_job(const JobChoices& choices, EarlyHosts& hosts);

// The job of a run that goes on: its tests are those of the run, wherever the job would find others
// now. Error (usage): the job has not all of them any more.
[[nodiscard]] Result<Job> load_job_of(const BrokenOffRun& run, EarlyHosts& hosts);

}  // namespace ffci
