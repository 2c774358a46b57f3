// The digest that the shards of a plan have in common: of every test with its shard. So shards that
// have all that it covers are the whole plan, and each test is in one of them.
#pragma once

#include <string>
#include <vector>

#include "model/test_id.hpp"

namespace ffci {

struct PlannedTest {
  TestId id;
  int shard = 1;
};

// "sha256:" and 64 hexadecimal digits. `tests` are the whole plan, in its order.
[[nodiscard]] std::string plan_digest(const std::vector<PlannedTest>& tests, int shards);

}  // namespace ffci
