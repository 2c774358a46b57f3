// In which order the tests should start, and how long each is expected to take.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/engine_plan.hpp"

namespace ffci {

// By place in plan.tests: how long the test is expected to take. One without a known duration gets
// the 90th percentile (nearest rank) of the known ones of its suite, or else of the job, so that an
// unknown long test can't end up last; zero when nothing is known.
[[nodiscard]] std::vector<Duration> expected_durations(const EnginePlan& plan);

// What a test of the suite without a known duration is believed to take: the mean of the known
// ones, or else three seconds.
[[nodiscard]] Duration usual_duration(const EnginePlan& plan, const std::string& suite);

// By place in plan.tests: its rank in the plan's order, 0 first. Equal durations stay as they were
// listed.
[[nodiscard]] std::vector<std::size_t> start_ranks(const EnginePlan& plan,
                                                   const std::vector<Duration>& expected);

}  // namespace ffci
