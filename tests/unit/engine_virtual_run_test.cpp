#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "engine/virtual_run.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

struct Virtual {
  EnginePlan plan;
  VirtualCosts costs{.suites = {{.call_before = 0ms, .call_after = 0ms}}};
  std::vector<Duration> takes;

  explicit Virtual(const SuitePlan& suite) {
    plan.suites = {suite};
    plan.batch_target = 30s;
    plan.test_timeout = 20min;
  }
  Virtual& hosts(int number, int slots = 1) {
    plan.hosts.clear();
    for (int host = 0; host < number; ++host)
      plan.hosts.push_back({fmt::format("h{}", host), slots, slots});
    return *this;
  }
  Virtual& tests(size_t number, Duration each) {
    for (size_t test = 0; test < number; ++test) {
      TestCase added;
      added.id = {"s", "", fmt::format("t{}", takes.size()), 1};
      added.expected = each;
      plan.tests.push_back(added);
      takes.push_back(each);
    }
    return *this;
  }
  [[nodiscard]] VirtualRun run() const { return play(plan, costs, takes); }
};

const SuitePlan commands{.name = "s"}, check{.name = "s", .batches = true},
    with_setup{.name = "s", .has_setup = true};

}  // namespace

TEST_CASE("a virtual run takes what its hosts, set-ups, calls and tests take") {
  Virtual one(SuitePlan{.name = "s", .has_setup = true, .batches = true});
  one.hosts(1).tests(1, 10s);
  one.costs = {.host_start = 1min,
               .host_stop = 1s,
               .suites = {{.set_up = 5s,
                           .tear_down = 2s,
                           .call_before = 300ms,
                           .call_after = 100ms,
                           .per_test = 50ms}}};
  const VirtualRun run = one.run();
  CHECK(run.wall == 60s + 5s + 300ms + 50ms + 10s + 100ms + 2s + 1s);
  CHECK(run.testing == 10s);
  CHECK(run.tests_run == 1);
  CHECK(run.commands == 1);
  CHECK(wall_of_one_test(one.plan, one.costs, 0, 10s) == run.wall);
}

TEST_CASE("a call's cost is paid once for a batch, and a test's each time") {
  Virtual batch(check);
  batch.hosts(1).tests(10, 1s);
  batch.costs.suites[0] = {.call_before = 300ms, .call_after = 100ms, .per_test = 10ms};
  CHECK(batch.run().wall == 10s + 400ms + 100ms);
  batch.plan.batch_target.reset();
  CHECK(batch.run().wall == 10s + 10 * 400ms + 100ms);
}

TEST_CASE("where a command is one test, calls cost nothing, and without a set-up neither does it") {
  Virtual plain(commands);
  plain.hosts(2).tests(4, 1s);
  plain.costs.suites[0] = {.set_up = 5s, .tear_down = 5s, .call_before = 3s, .call_after = 3s};
  CHECK(plain.run().wall == 2s);
}

TEST_CASE("by default a call costs what the engine believes, and nothing else costs anything") {
  Virtual one(check);
  one.costs = {};
  CHECK(one.hosts(1).tests(1, 1s).run().wall == 1s + usual_call_cost);
}

TEST_CASE("each host sets a suite up for itself") {
  Virtual two(with_setup);
  two.hosts(2).tests(4, 10s);
  two.costs.suites[0].set_up = 5s;
  CHECK(two.run().wall == 25s);
}

TEST_CASE("slots share a host, and a suite that must be alone leaves them idle") {
  CHECK(Virtual(commands).hosts(1, 4).tests(8, 1s).run().wall == 2s);
  CHECK(Virtual(SuitePlan{.name = "s", .parallel = 1}).hosts(1, 4).tests(8, 1s).run().wall == 8s);
  CHECK(Virtual(SuitePlan{.name = "s", .parallel = 1}).hosts(4).tests(8, 1s).run().wall == 2s);
}

TEST_CASE("what is expected makes the order, and what it takes makes the time") {
  Virtual wrong(commands);
  wrong.hosts(2).tests(2, 3s).tests(1, 1s);
  wrong.takes[2] = 6s;
  CHECK(wrong.run().wall == 9s);
}

TEST_CASE("the deadline leaves out what would end behind it, and cuts off what takes longer") {
  Virtual late(commands);
  late.hosts(1).tests(1, 5s).tests(5, 4s);
  late.plan.deadline = 10s;
  CHECK(late.run().tests_run == 2);
  CHECK(late.run().wall == 9s);
  late.takes[1] = 7s;
  CHECK(late.run().tests_run == 1);
  CHECK(late.run().wall == 10s);
  CHECK(late.run().testing == 10s);
  late.plan.suites[0].has_setup = true;
  late.costs.suites[0] = {.set_up = 1min, .tear_down = 3s};
  CHECK(late.run().tests_run == 0);
  CHECK(late.run().wall == 10s);
}

TEST_CASE("a test may take longer than its limit: limits are for what goes wrong") {
  Virtual longer(commands);
  longer.hosts(1).tests(2, 30min);
  longer.plan.tests[0].timeout = 1s;
  CHECK(longer.run().tests_run == 2);
  CHECK(longer.run().wall == 1h);
}

TEST_CASE("a run without hosts, or without tests, is over at once") {
  CHECK(Virtual(commands).tests(3, 1s).run().tests_run == 0);
  CHECK(Virtual(commands).hosts(2).run().wall == 0s);
}

TEST_CASE("whatever the plan, it is played to its end") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t limit) { return random() % limit; };
    CAPTURE(seed);
    EnginePlan plan;
    VirtualCosts costs{
        .host_start = 100ms * below(50), .host_stop = 100ms * below(20), .suites = {}};
    std::vector<Duration> takes;
    const size_t suites = 1 + below(3);
    for (size_t suite = 0; suite < suites; ++suite) {
      plan.suites.push_back({.name = fmt::format("s{}", suite),
                             .has_setup = below(2) == 0,
                             .parallel = static_cast<int>(below(3)),
                             .batches = below(2) == 0,
                             .test_devices = below(2) == 0});
      costs.suites.push_back({.set_up = 100ms * below(50),
                              .tear_down = 100ms * below(50),
                              .per_test = 10ms * below(10)});
    }
    const size_t tests = 1 + below(120);
    Duration sum{}, longest{};
    for (size_t place = 0; place < tests; ++place) {
      TestCase test;
      test.id = {plan.suites[below(suites)].name, below(2) == 0 ? "section" : "",
                 fmt::format("t{}", place / 2), 1 + static_cast<int>(place % 2)};
      takes.push_back(1ms * (1 + below(20'000)));
      if (below(3) > 0) test.expected = takes.back() * static_cast<int>(50 + below(100)) / 100;
      test.alone = below(20) == 0;
      sum += takes.back();
      longest = std::max(longest, takes.back());
      plan.tests.push_back(test);
    }
    int slots = 0;
    for (size_t host = 0; host <= below(6); ++host) {
      const int here = 1 + static_cast<int>(below(4));
      plan.hosts.push_back({fmt::format("h{}", host), here, 1 + static_cast<int>(below(4))});
      slots += here;
    }
    plan.test_timeout = 1s;
    if (below(4) > 0) plan.batch_target = 1s * (1 + below(40));
    plan.order = static_cast<Order>(below(3));

    const VirtualRun run = play(plan, costs, takes);
    CHECK(run.tests_run == tests);
    CHECK(run.testing == sum);
    CHECK(run.wall >= std::max(longest, sum / slots));
    CHECK(run.wall == play(plan, costs, takes).wall);

    plan.deadline = run.wall / 2;
    const VirtualRun cut = play(plan, costs, takes);
    CHECK(cut.tests_run <= tests);
    const Duration to_tear_down = 5s * static_cast<int>(suites), to_stop = 2s;
    CHECK(cut.wall <= std::max(*plan.deadline, costs.host_start) + to_tear_down + to_stop);
  }
}
