// Scenario: all that is drawn from a seed before a simulated run begins: the plan, what each test
// and each host is going to do, and what happens that nobody asked for.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "engine/engine_plan.hpp"

namespace ffci::test {

using Milliseconds = std::int64_t;

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::uint64_t any() { return random_(); }
  Milliseconds between(Milliseconds low, Milliseconds high) {
    return low + static_cast<Milliseconds>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  int number(int low, int high) { return static_cast<int>(between(low, high)); }
  bool chance(int percent) { return between(1, 100) <= percent; }
  size_t index(size_t size) { return static_cast<size_t>(random_() % size); }

 private:
  std::mt19937_64 random_;
};

struct TestFate {
  enum class Kind {
    passes,
    fails,
    flaky,
    skips,
    cannot_be_set_up,
    says_nothing,   // its command ends without a result
    never_begins,   // its command does not know it
    spoils,         // it passes, and its batch can't go on
    blames_others,  // it fails when there are others on its host
    oopses,         // and the host survives
    hangs,
    kills_host,
  };
  Kind kind = Kind::passes;
  Milliseconds takes = 1;
  bool seen = false;  // kills_host: and the kernel's last words say so
};

enum class SetUpFate { works, fails, hangs, kills_host };

struct HostFault {
  enum class Kind { dies, hangs, cut_off };
  Milliseconds at = 0;
  Kind kind = Kind::dies;
  Milliseconds lasts = 0;  // cut_off
};

struct HostFate {
  Milliseconds reachable_from = 0;
  bool refused = false;  // it is lost for good when it is started
  int bad_starts = 0;    // percent
  bool kills_tests = false;
  int broken_slot = 0;  // what it takes of a suite with batches comes to nothing; 0: none
  std::vector<HostFault> faults;
  std::vector<Milliseconds> wears;  // when it wants to be replaced
  std::vector<SetUpFate> set_ups;   // by suite

  [[nodiscard]] bool is_good() const {
    return reachable_from == 0 && !refused && bad_starts == 0 && !kills_tests && broken_slot == 0 &&
           faults.empty();
  }
};

struct Scenario {
  EnginePlan plan;
  std::vector<TestFate> tests;  // as in the plan
  std::vector<HostFate> hosts;
  std::vector<Milliseconds> signals;
  std::optional<Milliseconds> disk_full;
  std::vector<std::pair<Milliseconds, Milliseconds>> leaps;  // of the clock: when, how far

  // How the driver is, in percent.
  int tells_before_loss = 0;  // ends a lost host's tests itself
  int late_inputs = 0;        // about what is lost
  int repeats = 0;            // says it twice
  int slow_begin = 0;         // a test begins a while after its batch was started
  int unkillable = 0;         // what was stopped may not go away
  int bad_ends = 0;           // a teardown, or the end of a host, may cost the host
  int rerun_rounds = 0;       // how often the gate orders reruns, at most
  // Before, between and after the tests of a batch: its command hangs, or ends.
  int command_hangs = 0, command_ends = 0;

  [[nodiscard]] bool may_end_early() const {
    return plan.deadline || plan.stop_after_failures > 0 || !signals.empty() || disk_full;
  }
  [[nodiscard]] bool set_ups_work() const {
    return std::all_of(hosts.begin(), hosts.end(), [](const HostFate& host) {
      return std::all_of(host.set_ups.begin(), host.set_ups.end(),
                         [](SetUpFate fate) { return fate == SetUpFate::works; });
    });
  }
  [[nodiscard]] long count(TestFate::Kind kind) const {
    return std::count_if(tests.begin(), tests.end(),
                         [&](const TestFate& test) { return test.kind == kind; });
  }
  [[nodiscard]] bool batches_may_come_to_nothing() const {
    using Kind = TestFate::Kind;
    return std::any_of(plan.suites.begin(), plan.suites.end(),
                       [](const SuitePlan& suite) { return suite.batches; }) &&
           command_hangs + command_ends + count(Kind::cannot_be_set_up) +
                   count(Kind::says_nothing) + count(Kind::never_begins) + broken_slots() >
               0;
  }
  [[nodiscard]] long broken_slots() const {
    return std::count_if(hosts.begin(), hosts.end(),
                         [](const HostFate& host) { return host.broken_slot > 0; });
  }
  [[nodiscard]] long ordinary_hosts() const {
    return std::count_if(plan.hosts.begin(), plan.hosts.end(),
                         [](const HostPlan& host) { return !host.base; });
  }
  [[nodiscard]] long bad_hosts() const {
    return std::count_if(hosts.begin(), hosts.end(),
                         [](const HostFate& host) { return !host.is_good(); });
  }
};

inline EnginePlan draw_plan(Dice& dice) {
  EnginePlan plan;
  for (int suite = dice.number(1, 4); suite > 0; --suite) {
    plan.suites.push_back({fmt::format("s{}", suite), dice.chance(40),
                           dice.chance(60) ? 0 : dice.number(1, 3), dice.chance(50),
                           dice.chance(30)});
  }
  const int size = dice.number(1, 200);
  const int hosts = size > 3    ? dice.number(1, 6)
                    : size == 3 ? 0
                    : size == 2 ? dice.number(7, 40)
                                : dice.number(41, 300);
  for (int host = 1; host <= hosts; ++host) {
    const int slots = dice.number(1, 4);
    plan.hosts.push_back({fmt::format("h{}", host), slots, dice.number(1, slots)});
  }
  plan.gated = dice.chance(20);
  for (int base = dice.chance(plan.gated ? 60 : 5) ? dice.number(1, 3) : 0; base > 0; --base) {
    const int slots = dice.number(1, 3);
    plan.hosts.push_back(
        {fmt::format("h{}", plan.hosts.size() + 1), slots, dice.number(1, slots), true});
  }
  if (dice.chance(30)) {
    for (HostPlan& host : plan.hosts)
      host.renewable = dice.chance(80);
  }
  std::map<TestId, int> iterations;
  for (int test = 1, tests = dice.number(0, 60) + (hosts > 6 ? 2 * hosts : 0); test <= tests;
       ++test) {
    TestId id{plan.suites[dice.index(plan.suites.size())].name,
              dice.chance(70) ? "" : fmt::format("c{}", dice.number(1, 2)),
              fmt::format("t{}", test), 1};
    if (!plan.tests.empty() && dice.chance(20)) id = plan.tests[dice.index(plan.tests.size())].id;
    id.iteration = 1;
    id.iteration = ++iterations[id];
    plan.tests.emplace_back().id = std::move(id);
    plan.tests.back().alone = dice.chance(5);
  }
  plan.order = static_cast<Order>(dice.number(0, 2));
  plan.seed = dice.any();
  plan.test_timeout = Duration(dice.between(5'000, 90'000));
  if (dice.chance(75)) plan.batch_target = Duration(dice.between(0, 60'000));
  plan.retry_failures = dice.number(0, 3);
  plan.retry_setups = dice.number(0, 1);
  plan.max_host_restarts = dice.number(0, 3);
  plan.host_starts = dice.chance(80) ? 4 : dice.number(1, 6);
  const Duration return_within(dice.chance(50) ? 0 : dice.between(1, 120'000));
  for (HostPlan& host : plan.hosts)
    host.return_within = return_within;
  return plan;
}

inline void draw_tests(Dice& dice, Scenario& scenario, int killers, int hanging) {
  using Kind = TestFate::Kind;
  const int failing = dice.chance(50) ? 20 : 3;
  for (TestCase& test : scenario.plan.tests) {
    TestFate& fate = scenario.tests.emplace_back();
    fate.takes = dice.chance(80) ? dice.between(1, 2'000) : dice.between(1, 60'000);
    if (dice.chance(70)) test.expected = Duration(fate.takes * dice.between(50, 150) / 100);
    const int kind = dice.number(1, 100);
    fate.kind = kind <= killers             ? Kind::kills_host
                : kind <= killers + hanging ? Kind::hangs
                : kind <= killers + hanging + failing
                    ? static_cast<Kind>(dice.number(1, static_cast<int>(Kind::oopses)))
                    : Kind::passes;
    fate.seen = dice.chance(30);
    // What passes has the time for it; the others may find out what happens when they have not.
    if (dice.chance(20)) test.timeout = Duration(dice.between(1, 20'000));
    if (fate.kind == Kind::passes &&
        fate.takes >= test.timeout.value_or(scenario.plan.test_timeout).count())
      test.timeout = dice.chance(50) ? Duration{} : Duration(fate.takes + 1);
  }
}

inline void draw_host_faults(Dice& dice, HostFate& host) {
  if (dice.chance(20)) host.bad_starts = dice.number(1, 100);
  if (dice.chance(10)) host.kills_tests = true;
  if (dice.chance(10)) host.reachable_from = dice.between(1, 200'000);
  if (dice.chance(5)) host.reachable_from = std::numeric_limits<Milliseconds>::max();
  if (dice.chance(5)) host.refused = true;
  for (int faults = dice.chance(60) ? dice.number(1, 3) : dice.number(5, 20); faults > 0;
       --faults) {
    host.faults.push_back({dice.between(0, 200'000),
                           static_cast<HostFault::Kind>(dice.number(0, 2)),
                           dice.between(0, 90'000)});
  }
}

inline void draw_set_ups(Dice& dice, Scenario& scenario) {
  for (HostFate& host : scenario.hosts) {
    for (SetUpFate& fate : host.set_ups) {
      if (dice.chance(25)) fate = static_cast<SetUpFate>(dice.number(1, 3));
    }
  }
}

inline void draw_partitions(Dice& dice, Scenario& scenario) {
  for (int partitions = dice.number(1, 3); partitions > 0; --partitions) {
    const HostFault cut{dice.between(0, 100'000), HostFault::Kind::cut_off,
                        dice.between(0, 120'000)};
    for (HostFate& host : scenario.hosts) {
      if (dice.chance(60)) host.faults.push_back(cut);
    }
  }
}

inline Scenario draw_scenario(Dice& dice) {
  Scenario scenario;
  scenario.plan = draw_plan(dice);
  scenario.hosts.resize(scenario.plan.hosts.size());
  for (HostFate& host : scenario.hosts)
    host.set_ups.resize(scenario.plan.suites.size());

  enum class Mood { calm, killer_tests, one_bad_host, storm };
  const auto mood = static_cast<Mood>(std::min(3, dice.number(0, 5)));
  const bool storm = mood == Mood::storm;
  draw_tests(dice, scenario,
             mood == Mood::killer_tests || (storm && dice.chance(30)) ? dice.number(1, 10) : 0,
             storm && dice.chance(30) ? 5 : 0);
  if (mood == Mood::one_bad_host && !scenario.hosts.empty())
    draw_host_faults(dice, scenario.hosts[dice.index(scenario.hosts.size())]);
  if (storm && dice.chance(30)) draw_set_ups(dice, scenario);
  if (storm && dice.chance(25)) draw_partitions(dice, scenario);
  if (const int bad_hosts = storm && dice.chance(50) ? dice.number(1, 100) : 0; bad_hosts > 0) {
    for (HostFate& host : scenario.hosts) {
      if (dice.chance(bad_hosts)) draw_host_faults(dice, host);
    }
  }

  if (dice.chance(storm ? 20 : 5)) scenario.plan.deadline = Duration(dice.between(1, 300'000));
  if (dice.chance(storm ? 15 : 2)) scenario.plan.stop_after_failures = dice.number(1, 5);
  if (dice.chance(storm ? 15 : 3)) {
    scenario.signals.push_back(dice.between(0, 100'000));
    if (dice.chance(50)) scenario.signals.push_back(scenario.signals[0] + dice.between(0, 3'000));
  }
  if (dice.chance(storm ? 5 : 1)) scenario.disk_full = dice.between(0, 100'000);
  if (dice.chance(10))
    scenario.leaps.emplace_back(dice.between(0, 60'000), dice.between(1, 3'600'000));

  for (size_t host = 0; host < scenario.hosts.size(); ++host) {
    if (!scenario.plan.hosts[host].renewable) continue;
    for (int times = dice.number(0, 3); times > 0; --times)
      scenario.hosts[host].wears.push_back(dice.between(0, 100'000));
  }
  scenario.tells_before_loss = dice.chance(30) ? 0 : dice.number(1, 100);
  scenario.late_inputs = dice.chance(50) ? 0 : dice.number(1, 50);
  scenario.repeats = dice.chance(50) ? 0 : dice.number(1, 10);
  scenario.slow_begin = dice.chance(50) ? 0 : dice.number(1, 50);
  scenario.unkillable = storm ? 10 : 0;
  scenario.bad_ends = storm ? 5 : 0;
  scenario.rerun_rounds = dice.number(0, 3);
  scenario.command_hangs = storm && dice.chance(50) ? dice.number(1, 20) : 0;
  scenario.command_ends = storm && dice.chance(50) ? dice.number(1, 20) : 0;
  const int broken_slots = dice.chance(storm ? 30 : 5) ? dice.number(1, 100) : 0;
  for (size_t host = 0; host < scenario.hosts.size() && broken_slots > 0; ++host) {
    if (dice.chance(broken_slots))
      scenario.hosts[host].broken_slot = dice.number(1, scenario.plan.hosts[host].slots);
  }
  return scenario;
}

}  // namespace ffci::test
