// A run in virtual time: the engine itself, with hosts, set-ups and tests that all go well and take
// as long as they are said to. `ff-ci plan` predicts with it, and tests measure the schedule by it.
// Nothing fails in it, so it has no retries; limits of tests are for what goes wrong, and don't
// count. Pure: no clock, and the same result each time.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/engine_plan.hpp"
#include "engine/workload.hpp"

namespace ffci {

// What a run costs beside its tests. The defaults are what is believed without any history.
struct VirtualCosts {
  struct Suite {
    Duration set_up{}, tear_down{};  // on each host, if the suite has a set-up or teardown
    // Of a command that can run several tests: before its first test, and after its last.
    Duration call_before = part_before(usual_call_cost),
             call_after = usual_call_cost - part_before(usual_call_cost);
    Duration per_test{};  // of each test, before it begins

    // ./check spends seven tenths of what a call costs before its first test.
    static constexpr Duration part_before(Duration call) { return call * 7 / 10; }
    void set_call(Duration call) {
      call_before = part_before(call);
      call_after = call - call_before;
    }
  };
  Duration host_start{}, host_stop{};
  std::vector<Suite> suites;  // by place in plan.suites; for those beyond its end, the defaults

  [[nodiscard]] Suite of(std::size_t suite) const {
    return suite < suites.size() ? suites[suite] : Suite{};
  }
};

struct VirtualRun {
  Duration wall{};            // until everything was over, hosts and all
  Duration testing{};         // that tests ran, over all slots
  std::size_t tests_run = 0;  // to their ends; the deadline cuts off the others
  std::size_t commands = 0;
};

// `takes`: what each test takes, by place in plan.tests.
[[nodiscard]] VirtualRun play(EnginePlan plan, const VirtualCosts& costs,
                              const std::vector<Duration>& takes);

// The shortest time in which a run can run this one test, by its place in the plan: no number of
// hosts makes a run with it shorter.
[[nodiscard]] Duration wall_of_one_test(const EnginePlan& plan, const VirtualCosts& costs,
                                        std::size_t test, Duration takes);

}  // namespace ffci
