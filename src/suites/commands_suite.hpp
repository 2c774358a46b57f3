// Suites of commands: tests that are shell commands, executables found in a directory, the KVM
// selftests runner's JSON, or a kselftest-list.txt. The directory and the imported file are read
// here, once, before the run.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/job_spec.hpp"
#include "suites/suite.hpp"

namespace ffci {

struct LoadedSuites {
  // The spec's own, and one for each suite of an imported JSON file; none is empty.
  std::vector<std::unique_ptr<Suite>> suites;
  // Each "file:line:col: …". With any of these the job must not run.
  std::vector<std::string> complaints;
};

// Where the suite's tests run: only there must its directory exist, unless tests are to be found in
// it.
enum class RunsOn { this_machine, others_only };

// Tests and suites for another architecture than `arch` (uname -m) are left out.
[[nodiscard]] LoadedSuites load_commands_suites(const CommandsSuiteSpec& spec,
                                                std::string_view arch,
                                                RunsOn where = RunsOn::this_machine);

}  // namespace ffci
