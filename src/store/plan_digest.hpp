// The digest that the shards of a plan have in common. It covers what decides which shard runs
// what, so shards whose digests are equal are shards of the same plan; and as each test stands in
// it with its shard, shards that have all of it have every test, once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "model/test_id.hpp"

namespace ffci {

struct PlannedTest {
  TestId id;
  std::optional<Duration> expected;
  int shard = 1;
};

// "sha256:" and 64 hexadecimal digits. `tests` are the whole plan, in its order.
[[nodiscard]] std::string plan_digest(const std::vector<PlannedTest>& tests, int shards);

}  // namespace ffci
