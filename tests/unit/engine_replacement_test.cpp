// Hosts that are started anew, because what ran there must not touch what comes next.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "engine_driver.hpp"

using namespace ffci;
using namespace ffci::test;
using namespace std::chrono_literals;

namespace {

constexpr size_t a = 0, b = 1;

HostPlan vm(const std::string& name, int slots = 1) {
  return {name, slots, 1, false, true};
}

input::ReplaceHost replace(size_t host) {
  return {host, "its kernel is tainted"};
}

RerunOrder reruns_of(const std::string& test, size_t number) {
  return {{"s", "", test, 1}, number, 0, {}};
}

}  // namespace

TEST_CASE("a host that is to be replaced takes nothing more, and is started anew when it is idle") {
  Driver driver(plan_of({test_case("t"), test_case("u"), test_case("v")}, {vm("a", 2)}));
  CHECK(driver.up(a) == Texts{"start t on a/1", "start u on a/2"});
  CHECK(driver.give(replace(a)).empty());
  CHECK(driver.pass("t").empty());
  CHECK(driver.pass("u") == Texts{"boot a"});
  CHECK(driver.up(a) == Texts{"start v on a/1"});
}

TEST_CASE("what is replaced is no loss: as often as it happens, nothing is charged for it") {
  EnginePlan plan = plan_of({test_case("t"), test_case("u"), test_case("v")}, {vm("a")});
  plan.host_starts = 1;
  Driver driver(plan);
  for (const char* test : {"t", "u"}) {
    driver.up(a);
    driver.give(replace(a));
    CHECK(driver.pass(test) == Texts{"boot a"});
  }
  driver.up(a);
  CHECK(driver.facts() == Texts{"ready a", "start t/1 on a", "end t/1 passed", "replace a",
                                "ready a", "start u/1 on a", "end u/1 passed", "replace a",
                                "ready a", "start v/1 on a"});
}

TEST_CASE("a host is not replaced for tests that are all done") {
  Driver driver(plan_of({test_case("t")}, {vm("a")}));
  driver.up(a);
  driver.give(replace(a));
  CHECK(driver.pass("t") == Texts{"halt a"});
}

TEST_CASE("a suite is set up again on a host that was replaced") {
  EnginePlan plan = plan_of({test_case("t"), test_case("u")}, {vm("a")});
  plan.suites[0].has_setup = true;
  Driver driver(plan);
  CHECK(driver.up(a) == Texts{"set up s on a"});
  CHECK(driver.give(input::FinishSetUp{a, 0, 1s, {}}) == Texts{"start t on a/1"});
  driver.give(replace(a));
  CHECK(driver.pass("t") == Texts{"boot a"});
  CHECK(driver.up(a) == Texts{"set up s on a"});
}

TEST_CASE("where a VM can be had anew, what can't be killed costs no slot") {
  Driver driver(plan_of({test_case("t"), test_case("u")}, {vm("a")}));
  driver.up(a);
  driver.end_alone("t", Passed{});
  CHECK(driver.give(input::EndBatch{driver.batch_of("t"), "stuck in D state"}) == Texts{"boot a"});
  CHECK(driver.up(a) == Texts{"start u on a/1"});
}

TEST_CASE("reruns begin on fresh hosts, and find a fresh one after each that was bad") {
  EnginePlan plan = plan_of({test_case("t")}, {vm("a"), vm("b")});
  plan.gated = true;
  Driver driver(plan);
  driver.up(a);
  driver.up(b);
  CHECK(driver.fails("t") == Texts{"judge"});
  // Nothing has run on b yet.
  CHECK(driver.order({reruns_of("t", 4)}) == Texts{"boot a", "start t~1 on b/1"});
  CHECK(driver.pass("t~1") == Texts{"start t~2 on b/1"});
  CHECK(driver.fails("t~2") == Texts{"boot b"});
  CHECK(driver.up(b) == Texts{"start t~3 on b/1"});
  CHECK(driver.up(a) == Texts{"start t~4 on a/1"});
}
