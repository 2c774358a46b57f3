// How a plan is split among machines, and what proves that the parts are the whole.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>

#include "engine/shards.hpp"
#include "engine_driver.hpp"
#include "model/shard.hpp"
#include "store/plan_digest.hpp"

using namespace ffci;
using namespace ffci::test;
using namespace std::chrono_literals;

namespace {

std::vector<Duration> loads(const EnginePlan& plan, const std::vector<int>& shards, int count) {
  std::vector<Duration> loads(static_cast<size_t>(count));
  for (size_t i = 0; i < shards.size(); ++i)
    loads[static_cast<size_t>(shards[i] - 1)] += plan.tests[i].expected.value_or(Duration{});
  return loads;
}

}  // namespace

TEST_CASE("shards are expected to take about the same time") {
  std::mt19937 random(1);
  for (const int count : {2, 3, 7, 20}) {
    std::vector<TestCase> tests;
    for (int i = 0; i < 400; ++i)
      tests.push_back(test_case(fmt::format("t{}", i), Duration(100 + random() % 20'000)));
    const EnginePlan plan = plan_of(tests);
    const std::vector<Duration> all = loads(plan, shards_of(plan, count), count);
    const auto [least, most] = std::minmax_element(all.begin(), all.end());
    CHECK(*most - *least <= 1s);
  }
}

TEST_CASE("where nothing is known of the tests their number is split") {
  const EnginePlan plan = plan_of({test_case("a"), test_case("b"), test_case("c"), test_case("d")});
  CHECK(shards_of(plan, 2) == std::vector<int>{1, 2, 1, 2});
  const EnginePlan zero = plan_of({test_case("a", 0ms), test_case("b", 0ms)});
  CHECK(shards_of(zero, 2) == std::vector<int>{1, 2});
}

TEST_CASE("the split depends on nothing but the tests and their durations") {
  EnginePlan plan = plan_of({test_case("a", 3s), test_case("b", 2s), test_case("c", 2s)});
  const std::vector<int> shards = shards_of(plan, 2);
  CHECK(shards == std::vector<int>{1, 2, 2});
  plan.seed = 99, plan.order = Order::random, plan.hosts = {{"a", 4}, {"b", 2}};
  CHECK(shards_of(plan, 2) == shards);
}

TEST_CASE("more shards than tests leave some without any") {
  const EnginePlan plan = plan_of({test_case("a", 1s), test_case("b", 1s)});
  CHECK(shards_of(plan, 5) == std::vector<int>{1, 2});
}

TEST_CASE("a plan's digest covers each test and its shard") {
  const std::vector<PlannedTest> plan{{{"s", "c", "a", 1}, 1}, {{"s", "", "b", 2}, 2}};
  const std::string digest = plan_digest(plan, 2);
  CHECK(digest.size() == 7 + 64);
  CHECK(plan_digest(plan, 2) == digest);
  std::set<std::string> digests{digest, plan_digest(plan, 3)};
  const auto changed = [&](auto change) {
    std::vector<PlannedTest> other = plan;
    change(other);
    digests.insert(plan_digest(other, 2));
  };
  changed([](auto& tests) { tests[0].id.suite = "t"; });
  changed([](auto& tests) { tests[0].id.configuration = "d"; });
  changed([](auto& tests) { tests[0].id.name = "b"; });
  changed([](auto& tests) { tests[0].id.iteration = 2; });
  changed([](auto& tests) { tests[0].shard = 2; });
  changed([](auto& tests) { tests.pop_back(); });
  changed([](auto& tests) { std::swap(tests[0], tests[1]); });
  // What could be taken for the end of one text and the beginning of the next.
  changed([](auto& tests) { tests[0].id.suite = "s1:c", tests[0].id.configuration = ""; });
  CHECK(digests.size() == 10);
}

TEST_CASE("a shard is written INDEX/COUNT, in one way only") {
  CHECK(parse_shard("2/4") == ShardSpec{2, 4});
  CHECK(parse_shard("1/1") == ShardSpec{1, 1});
  for (const char* const wrong :
       {"", "/", "1", "1/", "/4", "0/4", "5/4", "-1/4", "+1/4", " 1/4", "1/4 ", "01/4", "1/04",
        "1/4/2", "1/1001", "1/99999999999999999999"}) {
    CAPTURE(wrong);
    CHECK(!parse_shard(wrong));
  }
}
