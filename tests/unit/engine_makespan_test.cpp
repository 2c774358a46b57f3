// How long runs take in virtual time, with batches and without, against what no schedule can beat.
// FFCI_MAKESPANS=1 ./engine_test -tc="*makespan*" prints all of them.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <queue>
#include <random>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "engine/engine.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

// What the tests of fstests' quick group took on a RAM disk, as quantiles in milliseconds, at equal
// distances; half of them had nothing to do. The longest ones follow.
struct Durations {
  const char* name;
  size_t tests;
  std::vector<int> quantiles, longest;
};
const Durations ext4{"ext4",
                     672,
                     {480, 540, 580, 610, 640,  660,  690,  710,  740,  760,  780,  810,
                      840, 860, 910, 960, 1030, 1120, 1270, 1470, 1680, 1980, 2780, 4200},
                     {4680, 5100, 5600, 6520, 7300, 8200, 9100, 10000, 11140, 11250, 11530, 13960,
                      15970, 16060, 30210, 30650, 31590}};
const Durations btrfs{"btrfs",
                      913,
                      {500, 550, 590, 610, 630,  650,  680,  700,  740,  780,  800,  830,
                       860, 910, 940, 990, 1050, 1110, 1180, 1290, 1400, 1680, 2050, 3500},
                      {3870, 4500, 5200, 5860, 6500, 7400, 8600, 9900, 10800, 11530, 12620, 12620,
                       15940, 29710, 30320, 30710, 33050, 68590}};

enum class Known { exactly, roughly, no };

std::vector<Duration> drawn(const Durations& from) {
  std::vector<Duration> drawn;
  const size_t usual = from.tests - from.longest.size();
  for (size_t i = 0; i < usual; ++i) {
    const double at = static_cast<double>(i) / static_cast<double>(usual) *
                      static_cast<double>(from.quantiles.size() - 1);
    const auto below = static_cast<size_t>(at);
    const double part = at - static_cast<double>(below);
    drawn.emplace_back(
        static_cast<int>((1 - part) * from.quantiles[below] + part * from.quantiles[below + 1]));
  }
  for (const int longest : from.longest)
    drawn.emplace_back(longest);
  std::mt19937_64 random(drawn.size());
  for (size_t left = drawn.size(); left > 1; --left)
    std::swap(drawn[left - 1], drawn[random() % left]);
  return drawn;
}

struct Played {
  Duration makespan{};
  size_t calls = 0;
};

struct World {
  std::vector<Duration> takes;
  Known known = Known::exactly;
  size_t hosts = 1;
  Duration call{350};
  std::optional<Duration> target = 30s;
  int slots = 1;

  [[nodiscard]] Duration sum() const {
    Duration sum{};
    for (const Duration& each : takes)
      sum += each;
    return sum;
  }
  // Each slot makes a call at least.
  [[nodiscard]] Duration bound() const {
    const Duration longest = *std::max_element(takes.begin(), takes.end());
    return std::max(longest, sum() / static_cast<int>(hosts)) + call;
  }
  [[nodiscard]] EnginePlan plan() const {
    EnginePlan plan;
    std::mt19937_64 random(7);
    for (size_t i = 0; i < takes.size(); ++i) {
      TestCase test;
      test.id = {"s", "", fmt::format("t{}", i), 1};
      const auto percent = static_cast<int>(60 + random() % 100);
      if (known != Known::no)
        test.expected = known == Known::exactly ? takes[i] : takes[i] * percent / 100;
      plan.tests.push_back(std::move(test));
    }
    plan.suites = {{.name = "s", .batches = true}};
    for (size_t host = 0; host < hosts; ++host)
      plan.hosts.push_back({fmt::format("h{}", host), slots, slots});
    plan.test_timeout = 15min;
    plan.batch_target = target;
    return plan;
  }

  [[nodiscard]] Played play() const {
    std::unordered_map<std::string, Duration> by_name;
    for (size_t i = 0; i < takes.size(); ++i)
      by_name[fmt::format("t{}", i)] = takes[i];
    struct Later {
      Duration at;
      size_t order;
      Input what;
      bool operator<(const Later& other) const {
        return std::tie(at, order) > std::tie(other.at, other.order);
      }
    };
    std::priority_queue<Later> later;
    size_t order = 0;
    Engine engine(plan());
    Played played;
    const auto give = [&](Duration now, const Input& input) {
      for (const Action& action : engine.handle(now, input)) {
        const auto* start = std::get_if<action::StartBatch>(&action);
        if (start == nullptr) continue;
        ++played.calls;
        Duration at = now + call * 7 / 10;
        for (size_t i = 0; i < start->tests.size(); ++i) {
          later.push({at, ++order, input::BeginTest{start->batch, i, ""}});
          at += by_name.at(start->tests[i].name);
          Attempt passed;
          passed.outcome = Passed{};
          later.push({at, ++order, input::EndTest{start->batch, i, passed}});
        }
        later.push({at + call * 3 / 10, ++order, input::EndBatch{start->batch, {}}});
      }
    };
    give({}, input::Begin{});
    for (size_t host = 0; host < hosts; ++host)
      give({}, input::AcceptHost{host, HostReady{fmt::format("h{}", host), "", slots, "", "", ""}});
    while (!later.empty()) {
      const Later next = later.top();
      later.pop();
      played.makespan = next.at;
      give(next.at, next.what);
    }
    return played;
  }
};

double over(Duration makespan, Duration bound) {
  return to_seconds(makespan) / to_seconds(bound);
}

}  // namespace

TEST_CASE("the makespan with batches is near what no schedule can beat") {
  const bool print = std::getenv("FFCI_MAKESPANS") != nullptr;
  for (const Durations* const from : {&ext4, &btrfs}) {
    for (const Duration call : {350ms, 3000ms}) {
      for (const size_t hosts : {1u, 2u, 5u, 25u}) {
        for (const Known known : {Known::exactly, Known::roughly, Known::no}) {
          const World world{drawn(*from), known, hosts, call};
          World one_by_one = world;
          one_by_one.target.reset();
          const Played batches = world.play(), without = one_by_one.play();
          const double ratio = over(batches.makespan, world.bound());
          const std::string told = fmt::format(
              "{:5} call {:4.2f} s, {:2} hosts, {:7}: bound {:7.1f}, batches {:7.1f} ({:.3f}) in "
              "{:3} calls, without {:7.1f} ({:.3f})",
              from->name, to_seconds(call), hosts,
              known == Known::exactly   ? "known"
              : known == Known::roughly ? "roughly"
                                        : "unknown",
              to_seconds(world.bound()), to_seconds(batches.makespan), ratio, batches.calls,
              to_seconds(without.makespan), over(without.makespan, world.bound()));
          if (print) MESSAGE(told);
          CAPTURE(told);
          // A call is a tenth of a full batch here, and so are the batches' ends.
          const bool costly = call > 1s;
          if (known == Known::exactly) CHECK(ratio <= (costly ? 1.15 : 1.04));
          if (known == Known::roughly) CHECK(ratio <= (costly ? 1.23 : 1.06));
          if (known == Known::no && hosts <= 5) CHECK(ratio <= (costly ? 1.20 : 1.11));
          const double gain = to_seconds(without.makespan) / to_seconds(batches.makespan);
          if (known == Known::no) CHECK(gain >= (costly ? 1.6 : 1.08));
        }
      }
    }
  }
}

TEST_CASE("a single slot loses next to nothing between its batches") {
  const std::vector<Duration> few(30, 500ms);
  CHECK(World{few, Known::exactly}.play().calls == 1);
  CHECK(World{few, Known::no}.play().calls <= 2);
  for (const Known known : {Known::exactly, Known::roughly, Known::no}) {
    World world{drawn(ext4), known};
    CHECK(over(world.play().makespan, world.bound()) <= 1.03);
    world.call = 3s;
    world.target = 3min;
    CHECK(over(world.play().makespan, world.bound()) <= 1.03);
  }
}
