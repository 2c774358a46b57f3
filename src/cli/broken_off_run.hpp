// A run that was killed or stopped before all of its tests had a result, and what it takes to go on
// with it: `ff-ci run --resume`.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/job.hpp"
#include "model/run.hpp"
#include "store/results_tree.hpp"

namespace ffci {

struct BrokenOffRun {
  ResultsTree results;  // no other ff-ci goes on with it meanwhile
  std::string results_directory;
  std::filesystem::path folder;
  std::shared_ptr<const Run> run;
  SpecText spec;                        // as the run began with it
  std::vector<SpecOverride> overrides;  // likewise
  std::optional<std::string> record;    // likewise: JobChoices::record
  Duration since{};                     // from its beginning to now
};

// Keeps in the run's folder what going on with it takes.
[[nodiscard]] Result<void> keep_command(const std::filesystem::path& folder, const SpecText& spec,
                                        const JobChoices& choices);

// Errors: usage: the run has ended, or what was typed beside --resume is not what it began with;
// no_input, data: there is no such run, or it can't be read; those of ResultsTree::open.
[[nodiscard]] Result<BrokenOffRun> find_broken_off_run(const JobChoices& choices, WallTime now);

}  // namespace ffci
