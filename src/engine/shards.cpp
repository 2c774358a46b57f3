#include "engine/shards.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>
#include <utility>

#include "engine/expectation.hpp"

namespace ffci {

std::vector<int> shards_of(const EnginePlan& plan, int count) {
  std::map<std::string, Duration> usual;
  for (const SuitePlan& suite : plan.suites)
    usual[suite.name] = usual_duration(plan, suite.name);
  std::vector<Duration> weights;
  for (const TestCase& test : plan.tests) {
    // Where nothing takes any time, their number is split.
    weights.push_back(std::max(Duration(1), test.expected.value_or(usual[test.id.suite])));
  }
  std::vector<size_t> slowest_first(weights.size());
  std::iota(slowest_first.begin(), slowest_first.end(), size_t{0});
  std::stable_sort(slowest_first.begin(), slowest_first.end(),
                   [&](size_t a, size_t b) { return weights[a] > weights[b]; });

  using Load = std::pair<Duration, int>;  // of a shard
  std::priority_queue<Load, std::vector<Load>, std::greater<>> least;
  for (int shard = 1; shard <= count; ++shard)
    least.push({Duration{}, shard});
  std::vector<int> shards(weights.size());
  for (const size_t test : slowest_first) {
    const auto [load, shard] = least.top();
    least.pop();
    shards[test] = shard;
    least.push({load + weights[test], shard});
  }
  return shards;
}

}  // namespace ffci
