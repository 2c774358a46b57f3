// How the tests of a plan are split among machines that know nothing of each other.
#pragma once

#include <vector>

#include "engine/engine_plan.hpp"

namespace ffci {

// By place in plan.tests: the shard that runs the test, from 1. The shards are expected to take
// about the same time: the slowest test first, each to the shard that has the least so far. Depends
// on nothing but the tests, in their order, and their expected durations.
[[nodiscard]] std::vector<int> shards_of(const EnginePlan& plan, int count);

}  // namespace ffci
