// The engine in thousands of runs drawn from seeds. To replay one: FFCI_SEED=<seed> ./engine_test
// -tc="*drawn*"
#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "simulated_world.hpp"

namespace {

constexpr int runs = 4000;

void must_hold(std::uint64_t seed) {
  const ffci::test::SimulationResult result = ffci::test::simulate(seed);
  if (result.broken.empty()) return;
  CAPTURE(seed);
  CAPTURE(result.log);
  FAIL_CHECK(result.broken.front());
}

}  // namespace

TEST_CASE(
    "in every drawn run each test gets one verdict, budgets are kept, dead hosts are left alone "
    "and no slot idles in vain") {
  if (const char* seed = std::getenv("FFCI_SEED")) {
    must_hold(std::stoull(seed));
    return;
  }
  // The same runs each time, and as many that nobody has seen before.
  for (std::uint64_t seed = 1; seed <= runs / 2; ++seed)
    must_hold(seed);
  const std::uint64_t fresh = (std::uint64_t{std::random_device{}()} << 20) + 1'000'000;
  MESSAGE("fresh seeds from " << fresh);
  for (std::uint64_t seed = fresh; seed < fresh + runs / 2; ++seed)
    must_hold(seed);
}

TEST_CASE("a drawn run is the same each time it is played") {
  for (const std::uint64_t seed : {7u, 77u, 777u}) {
    const auto first = ffci::test::simulate(seed), second = ffci::test::simulate(seed);
    CHECK(first.log == second.log);
    CHECK_FALSE(first.log.empty());
  }
}
