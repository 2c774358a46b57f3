// How long runs take in virtual time, with batches and without, against what no schedule can beat.
// FFCI_MAKESPANS=1 ./engine_test -tc="*makespan*" prints all of them.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/virtual_run.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

// What the tests of fstests' quick group took on a RAM disk, in milliseconds: the longest ones as
// they were, and of the others the quantiles at equal distances, the shortest and the longest among
// them. Their sum is within 0.3 % of the real one. Half of them had nothing to do.
struct Durations {
  const char* name;
  size_t tests;
  std::vector<int> quantiles, longest;
};
const Durations ext4{
    "ext4",
    672,
    {507, 537, 570, 593, 613, 630,  644,  660,  689,  705,  726,  744,  757,  772,  789,  809, 829,
     846, 863, 894, 939, 984, 1030, 1084, 1163, 1289, 1415, 1592, 1688, 1970, 2289, 3260, 4775},
    {4806,  4816,  4855,  5039,  5183,  5253,  5906,  5914,  5954,  6360,  6407,
     6519,  6608,  8238,  9973,  10250, 10468, 10536, 10558, 10798, 10824, 11118,
     11121, 11140, 11248, 11530, 13957, 15967, 16062, 30208, 30651, 31588}};
const Durations btrfs{
    "btrfs",
    913,
    {493, 549, 578, 598, 614,  627,  645,  662,  679,  698,  727,  752,  777,  794,  812,  835, 859,
     881, 914, 943, 968, 1018, 1056, 1100, 1157, 1220, 1299, 1363, 1597, 1721, 2025, 3110, 5096},
    {5188,  5252,  5534,  5859,  5926,  6157,  6435,  6647,  6761,  6857,  7432,
     7823,  8107,  8461,  8918,  9600,  10667, 10762, 10894, 11145, 11166, 11498,
     11532, 12566, 12618, 12622, 15943, 29708, 30315, 30710, 33051, 68592}};

// Of ext4's, those that had something to do: on 25 hosts an even share of them is next to as long
// as the longest.
const Durations ext4_busy{
    "busy",
    339,
    {570,  626,  644,  671,  700,  728,  752,  777,  791,  831,  849,
     860,  896,  932,  952,  986,  1005, 1037, 1077, 1122, 1192, 1268,
     1330, 1406, 1518, 1642, 1767, 1980, 2151, 2528, 3123, 3623, 4691},
    {4775,  4806,  4816,  4855,  5039,  5183,  5253,  5914,  5954,  6360,  6407,
     6519,  6608,  8238,  9973,  10250, 10468, 10536, 10558, 10798, 10824, 11118,
     11121, 11140, 11248, 11530, 13957, 15967, 16062, 30208, 30651, 31588}};

// By how much what is expected is off what a test takes: not at all; between 60 and 160 % of it,
// all equally likely; log-normal with a sigma of 0.3, so that one in 20 is 1.8 times too long or
// too short; nothing is expected.
enum class Known { exactly, roughly, log_normally, no };

const char* name_of(Known known) {
  switch (known) {
    case Known::exactly:
      return "exactly";
    case Known::roughly:
      return "60-160%";
    case Known::log_normally:
      return "sigma .3";
    case Known::no:
      break;
  }
  return "unknown";
}

std::vector<Duration> drawn(const Durations& from) {
  std::vector<Duration> drawn;
  const size_t usual = from.tests - from.longest.size();
  for (size_t i = 0; i < usual; ++i) {
    const double at = static_cast<double>(i) / static_cast<double>(usual - 1) *
                      static_cast<double>(from.quantiles.size() - 1);
    const auto below = std::min(static_cast<size_t>(at), from.quantiles.size() - 2);
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

struct World {
  std::vector<Duration> takes;
  Known known = Known::exactly;
  size_t hosts = 1;
  Duration call{350};
  std::optional<Duration> target = 30s;
  std::uint64_t seed = 7;

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
  // When the longest begins as all others are done.
  [[nodiscard]] Duration unlucky_bound() const {
    const Duration longest = *std::max_element(takes.begin(), takes.end());
    return (sum() - longest) / static_cast<int>(hosts) + longest + call;
  }
  [[nodiscard]] EnginePlan plan() const {
    EnginePlan plan;
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal(0, 0.3);
    for (size_t i = 0; i < takes.size(); ++i) {
      TestCase test;
      test.id = {"s", "", fmt::format("t{}", i), 1};
      const auto percent = static_cast<int>(60 + random() % 100);
      if (known == Known::exactly) test.expected = takes[i];
      if (known == Known::roughly) test.expected = takes[i] * percent / 100;
      if (known == Known::log_normally)
        test.expected = from_seconds(to_seconds(takes[i]) * std::exp(normal(random)));
      plan.tests.push_back(std::move(test));
    }
    plan.suites = {{.name = "s", .batches = true}};
    for (size_t host = 0; host < hosts; ++host)
      plan.hosts.push_back({fmt::format("h{}", host), 1, 1});
    plan.test_timeout = 15min;
    plan.batch_target = target;
    return plan;
  }
  [[nodiscard]] VirtualRun play() const {
    const VirtualCosts::Suite suite{.call_before = call * 7 / 10, .call_after = call * 3 / 10};
    const VirtualCosts costs{.suites = {suite}};
    VirtualRun played = ffci::play(plan(), costs, takes);
    REQUIRE(played.tests_run == takes.size());
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
          const VirtualRun batches = world.play(), without = one_by_one.play();
          const double ratio = over(batches.wall, world.bound());
          const std::string told = fmt::format(
              "{:5} call {:4.2f} s, {:2} hosts, {:8}: bound {:7.1f}, batches {:7.1f} ({:.3f}) in "
              "{:3} calls, without {:7.1f} ({:.3f})",
              from->name, to_seconds(call), hosts, name_of(known), to_seconds(world.bound()),
              to_seconds(batches.wall), ratio, batches.commands, to_seconds(without.wall),
              over(without.wall, world.bound()));
          if (print) MESSAGE(told);
          CAPTURE(told);
          // A call is a tenth of a full batch here, and so are the batches' ends; nobody knows that
          // when the first ones begin.
          const bool costly = call > 1s;
          if (known == Known::exactly) CHECK(ratio <= (costly ? 1.17 : 1.04));
          if (known == Known::roughly) CHECK(ratio <= (costly ? 1.26 : 1.06));
          // The longest test may be the last to begin, which no schedule can know.
          const Duration unlucky = world.unlucky_bound();
          if (known == Known::no) CHECK(over(batches.wall, unlucky) <= (costly ? 1.15 : 1.02));
          const double gain = to_seconds(without.wall) / to_seconds(batches.wall);
          if (known == Known::no) CHECK(gain >= (costly ? 1.6 : 1.08));
        }
      }
    }
  }
}

// What the schedule alone loses, and the same with what a call of ./check costs. Printed, it is over
// more draws, and takes its time.
TEST_CASE("the makespan is within 2 % of the bound, or 8 % with durations that are 30 % off") {
  const bool print = std::getenv("FFCI_MAKESPANS") != nullptr;
  for (const Durations* const from : {&ext4, &ext4_busy, &btrfs}) {
    for (const size_t hosts : {1u, 5u, 10u, 25u, 100u}) {
      for (const Known known : {Known::exactly, Known::roughly, Known::log_normally}) {
        double worst = 0, worst_with_calls = 0, mean = 0;
        const std::uint64_t seeds = known == Known::exactly ? 1 : print ? 20 : 4;
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
          World world{drawn(*from), known, hosts, 0ms};
          world.seed = seed;
          const double ratio = over(world.play().wall, world.bound());
          worst = std::max(worst, ratio);
          mean += ratio / static_cast<double>(seeds);
          world.call = 350ms;
          worst_with_calls = std::max(worst_with_calls, over(world.play().wall, world.bound()));
        }
        const std::string told = fmt::format(
            "{:5} {:3} hosts, {:8}: bound {:7.1f}, mean {:.3f}, worst {:.3f}, with calls {:.3f}",
            from->name, hosts, name_of(known),
            to_seconds(World{drawn(*from), known, hosts, 0ms}.bound()), mean, worst,
            worst_with_calls);
        if (print) MESSAGE(told);
        CAPTURE(told);
        if (known == Known::exactly) {
          CHECK(worst <= 1.02);
          CHECK(worst_with_calls <= 1.04);
          continue;
        }
        // One long test in the wrong batch is all it takes where no slot has time to spare.
        const bool tight = from == &ext4_busy && hosts == 25;
        CHECK(mean <= 1.03);
        CHECK(worst <= (tight ? 1.12 : 1.08));
        CHECK(worst_with_calls <= (tight ? 1.16 : 1.08));
      }
    }
  }
}

TEST_CASE("a single slot loses next to nothing between its batches") {
  const std::vector<Duration> few(30, 500ms);
  CHECK(World{few, Known::exactly}.play().commands == 1);
  CHECK(World{few, Known::no}.play().commands <= 2);
  for (const Known known : {Known::exactly, Known::roughly, Known::no}) {
    World world{drawn(ext4), known};
    CHECK(over(world.play().wall, world.bound()) <= 1.03);
    world.call = 3s;
    world.target = 3min;
    CHECK(over(world.play().wall, world.bound()) <= 1.03);
  }
}
