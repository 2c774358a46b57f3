// Which tests of a job run: those that are named, without the excluded ones, or those that failed
// before; and of these the tests of one shard.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "cli/command_line.hpp"
#include "engine/engine_plan.hpp"
#include "model/job_spec.hpp"
#include "model/shard.hpp"
#include "model/test_case.hpp"

namespace ffci {

// The tests of the job's suites, and those that they leave out.
struct JobTests {
  std::vector<TestCase> all, others;
};

// Once each; a test that the job leaves out may be named, too. Error (usage): a pattern matches
// nothing; names the nearest test.
[[nodiscard]] Result<std::vector<TestCase>> selected_tests(const JobTests& tests,
                                                           const JobChoices& choices);

// Leaves the tests that failed in the run that `source` names. Returns why none is left; empty:
// some are. Errors: those of load_source.
[[nodiscard]] Result<std::string> leave_failures(const JobSpec& spec, const std::string& source,
                                                 const std::vector<TestCase>& all,
                                                 std::vector<TestCase>& selected);

// As the spec says, or else the CI system's variables, which stderr is told of. 1/1: all tests.
// Error (usage): the variables make no sense.
[[nodiscard]] Result<ShardSpec> chosen_shard(const RunSpec& run);

// Leaves the tests of one shard, with their places in the whole plan.
[[nodiscard]] Shard leave_shard(EnginePlan& plan, const ShardSpec& chosen);

}  // namespace ffci
