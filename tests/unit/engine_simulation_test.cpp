// The engine in thousands of runs drawn from seeds: the same ones each time, so that a red build is
// about the change. To look for more: FFCI_FRESH_RUNS=100000 ./engine_test -tc="*drawn*"; to replay
// one: FFCI_SEED=<seed>.
#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>
#include <random>
#include <string>

#include "simulated_world.hpp"

using ffci::test::KeepLog;
using ffci::test::SimulationResult;

namespace {

std::optional<std::uint64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::optional(std::stoull(text)) : std::nullopt;
}

SimulationResult must_hold(std::uint64_t seed) {
  CAPTURE(seed);
  SimulationResult result = ffci::test::simulate(seed, KeepLog::no);
  if (result.broken.empty()) return result;
  const SimulationResult again = ffci::test::simulate(seed, KeepLog::yes);
  CAPTURE(again.log);
  FAIL_CHECK(result.broken.front());
  return result;
}

}  // namespace

TEST_CASE(
    "in every drawn run each test gets one verdict, budgets are kept, dead hosts are left alone, "
    "no slot idles in vain, and the gate is asked") {
  if (const auto seed = number_from("FFCI_SEED")) {
    must_hold(*seed);
    return;
  }
  std::uint64_t first = 0, runs = number_from("FFCI_DRAWN_RUNS").value_or(4000);
  if (const auto fresh = number_from("FFCI_FRESH_RUNS")) {
    first = (std::uint64_t{std::random_device{}()} << 20) + 1'000'000;
    runs = *fresh;
    MESSAGE("seeds from " << first);
  }
  SimulationResult all;
  std::uint64_t healthy = 0, kept = 0;
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    const SimulationResult result = must_hold(seed);
    all.inputs += result.inputs;
    all.attempts += result.attempts;
    all.hosts_lost += result.hosts_lost;
    all.in_company += result.in_company;
    all.reruns += result.reruns;
    healthy += result.healthy_tests_must_pass;
    kept += result.no_host_may_be_retired;
  }
  MESSAGE(all.inputs << " inputs, " << all.attempts << " attempts, " << all.in_company
                     << " of them in batches of several and " << all.reruns << " reruns, "
                     << all.hosts_lost << " lost hosts; all healthy tests had to pass in "
                     << healthy << " runs, all hosts to survive in " << kept);
  // What is claimed of kind worlds is claimed of many.
  CHECK(healthy > runs / 10);
  CHECK(kept > runs / 20);
  CHECK(all.in_company > all.attempts / 10);
  CHECK(all.reruns > runs);
}

TEST_CASE("a drawn run is the same each time it is played, with a log or without") {
  for (const std::uint64_t seed : {7u, 77u, 777u}) {
    const auto first = ffci::test::simulate(seed, KeepLog::yes),
               second = ffci::test::simulate(seed, KeepLog::yes),
               silent = ffci::test::simulate(seed, KeepLog::no);
    CHECK(first.log == second.log);
    CHECK(first.inputs == silent.inputs);
    CHECK_FALSE(first.log.empty());
  }
}
