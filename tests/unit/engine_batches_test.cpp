// The engine's rules about batches, one claim each, told step by step.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "engine/workload.hpp"
#include "engine_driver.hpp"

using namespace ffci;
using namespace ffci::test;
using namespace std::chrono_literals;

namespace {

// Tests of a suite with batches, which are expected to take `each`.
EnginePlan batch_plan(const Texts& names, std::vector<HostPlan> hosts = {{"a", 1}},
                      Duration each = 1s) {
  std::vector<TestCase> tests;
  for (const std::string& name : names)
    tests.push_back(test_case(name, each));
  EnginePlan plan = plan_of(std::move(tests), std::move(hosts));
  plan.suites[0].batches = true;
  plan.batch_target = 30s;
  return plan;
}

constexpr auto a_mess = Driver::Leaves::a_mess, others_suspect = Driver::Leaves::others_suspect;

}  // namespace

TEST_CASE("a single slot runs short tests in one batch, up to the target, and long ones alone") {
  EnginePlan plan = batch_plan({"x", "y", "z"});
  plan.tests.push_back(test_case("long", 31s));
  plan.tests.push_back(test_case("half", 29s));
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start long on a/1"});
  CHECK(driver.pass("long") == Texts{"start half x on a/1"});
  driver.run("half");
  driver.run("x");
  CHECK(driver.over("x") == Texts{"start y z on a/1"});
}

TEST_CASE("without a target, or in a suite without batches, each test has its own command") {
  EnginePlan plan = batch_plan({"x", "y"});
  plan.batch_target.reset();
  CHECK(Driver(plan).up(0) == Texts{"start x on a/1"});
  plan = batch_plan({"x", "y"});
  plan.suites[0].batches = false;
  CHECK(Driver(plan).up(0) == Texts{"start x on a/1"});
}

TEST_CASE("a batch holds tests of one suite, one configuration and one iteration") {
  EnginePlan plan = batch_plan({"x", "y"});
  plan.tests.push_back({{"s", "4k", "x", 1}, {}, 1s});
  plan.tests.push_back({{"s", "", "x", 2}, {}, 1s});
  plan.tests.push_back({{"s", "", "y", 2}, {}, 1s});
  plan.tests.push_back(test_case("other", 1s, {}, "t"));
  plan.suites.push_back({.name = "t", .batches = true});
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start x y on a/1"});
  driver.run("x");
  driver.run("y");
  CHECK(driver.over("x") == Texts{"start x on a/1"});
  CHECK(driver.pass("x") == Texts{"start x #2 y #2 on a/1"});
  driver.run("y #2");
  driver.run("x #2");
  CHECK(driver.over("x #2") == Texts{"start other on a/1"});
}

TEST_CASE("several slots share what is left, in smaller and smaller batches") {
  Texts names;
  for (int i = 10; i < 50; ++i)
    names.push_back("t" + std::to_string(i));
  Driver driver(batch_plan(names, {{"a", 1}, {"b", 1}}));
  const auto size = [](const Texts& asked) {
    REQUIRE(asked.size() == 1);
    return std::count(asked[0].begin(), asked[0].end(), 't') - 2;  // those of "start"
  };
  CHECK(size(driver.up(0)) == 17);  // of 20 for each
  CHECK(size(driver.up(1)) == 17);
  for (int i = 10; i < 27; ++i) {
    driver.begin("t" + std::to_string(i));
    driver.at(std::chrono::seconds(i - 9));
    driver.end_alone("t" + std::to_string(i), Passed{});
  }
  CHECK(size(driver.over("t10")) == 2);
}

TEST_CASE("where slots share the work, what is long beside their shares goes alone") {
  EnginePlan plan = batch_plan({"w", "x", "y", "z"}, {{"a", 2}});
  plan.tests.push_back(test_case("long", 6s));
  plan.tests.push_back(test_case("longer", 7s));
  CHECK(Driver(plan).up(0) == Texts{"start longer on a/1", "start long on a/2"});
  // A sixth of a share is longer than they are.
  for (int i = 0; i < 100; ++i)
    plan.tests.push_back(test_case("s" + std::to_string(i), 1s));
  const Texts asked = Driver(plan).up(0);
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].rfind("start longer long w x y z s0 ", 0) == 0);
}

TEST_CASE("a test that was tried before, or that is to be alone, has a batch of its own") {
  EnginePlan plan = batch_plan({"bad", "x", "alone", "y"}, {{"a", 2}});
  plan.tests[2].alone = true;
  plan.retry_failures = 1;
  plan.tests.push_back(test_case("other", 20s));
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start other on a/1", "start bad x y on a/2"});
  driver.begin("bad");
  CHECK(driver.end_alone("bad", Failed{"no", {}}).empty());
  driver.run("x");
  driver.run("y");
  CHECK(driver.over("y") == Texts{"start bad on a/2"});
  CHECK(driver.pass("bad").empty());
  CHECK(driver.pass("other") == Texts{"start alone on a/1"});
}

TEST_CASE("a suite that runs alone on its host still has batches") {
  EnginePlan plan = batch_plan({"x", "y", "other"}, {{"a", 2}});
  plan.suites[0].parallel = 1;
  plan.suites.push_back({.name = "t"});
  plan.tests[2].id.suite = "t";
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start x y on a/1"});
  driver.run("x");
  driver.run("y");
  CHECK(driver.over("x") == Texts{"start other on a/1"});
}

TEST_CASE("no batch is expected to end after the deadline") {
  EnginePlan plan = batch_plan({"x", "y", "z"});
  plan.deadline = 2500ms;
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start x y on a/1"});
}

TEST_CASE("a host runs no more batches that need test devices than it has sets of them") {
  EnginePlan plan = batch_plan({"x", "y"}, {{"a", 3, 1}}, 40s);
  plan.suites[0].test_devices = true;
  plan.suites.push_back({.name = "t"});
  plan.tests.push_back(test_case("other", 500ms, {}, "t"));
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start x on a/1", "start other on a/2"});
  CHECK(driver.pass("other").empty());
  CHECK(driver.pass("x") == Texts{"start y on a/1"});
}

TEST_CASE("each test of a batch has the time that it may take from when it begins") {
  EnginePlan plan = batch_plan({"x", "slow", "y"});
  plan.tests[1].timeout = 10s;
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start x slow y on a/1"});
  driver.at(50s);
  driver.run("y");  // in any order
  driver.at(100s);
  driver.begin("slow");
  CHECK(driver.at(109999ms).empty());
  CHECK(driver.at(110s) == Texts{"stop x"});
  driver.end_alone("slow", NotRun{"stopped"});
  CHECK(driver.over("x") == Texts{"start x on a/1"});
  CHECK(driver.outcomes("slow") == Texts{"timed_out", "finished"});
  CHECK(driver.outcomes("x").empty());
  CHECK(driver.outcomes("y") == Texts{"passed", "finished"});
}

TEST_CASE("what made a test time out is not held against the one that begins after it") {
  EnginePlan plan = batch_plan({"slow", "x"});
  plan.tests[0].timeout = 10s;
  Driver driver(plan);
  driver.up(0);
  driver.begin("slow");
  CHECK(driver.at(10s) == Texts{"stop slow"});
  driver.end_alone("slow", Passed{});  // just before it was stopped
  driver.begin("x");
  CHECK(driver.over("slow") == Texts{"start x on a/1"});
  driver.pass("x");
  CHECK(driver.outcomes("slow") == Texts{"passed", "finished"});
  CHECK(driver.outcomes("x") == Texts{"not_run", "passed", "finished"});
}

TEST_CASE("a lost host charges only the test that was running, and the rest comes back") {
  Driver driver(batch_plan({"x", "y", "z"}));
  driver.up(0);
  driver.run("y");
  driver.begin("x");
  driver.lose(0);
  driver.at(1s);
  CHECK(driver.up(0) == Texts{"start z on a/1"});
  CHECK(driver.pass("z") == Texts{"start x on a/1"});
  driver.pass("x");
  CHECK(driver.outcomes("x") == Texts{"host_lost", "passed", "finished"});
  CHECK(driver.outcomes("z") == Texts{"passed", "finished"});
}

TEST_CASE("a crash in a batch charges only its test, whether the host survives or not") {
  for (const bool survives : {true, false}) {
    CAPTURE(survives);
    Driver driver(batch_plan({"x", "y", "z"}));
    driver.up(0);
    driver.begin("x");
    driver.end_alone("x", Crashed{"BUG", "s"});
    if (survives) {
      CHECK(driver.over("x") == Texts{"start y z on a/1"});
    } else {
      driver.lose(0);
      driver.at(1s);
      CHECK(driver.up(0) == Texts{"start y z on a/1"});
    }
    CHECK(driver.outcomes("x") == Texts{"crashed", "finished"});
  }
}

TEST_CASE("a command that ends during a test charges that one only") {
  Driver driver(batch_plan({"x", "y", "z"}));
  driver.up(0);
  driver.begin("y");
  CHECK(driver.over("y") == Texts{"start x z on a/1"});
  CHECK(driver.outcomes("y") == Texts{"not_run"});
  CHECK(driver.outcomes("x").empty());
}

TEST_CASE("what a command was asked to run and did not begin is tried once more, alone") {
  Driver driver(batch_plan({"x", "y", "z"}, {{"a", 1}}));
  driver.up(0);
  driver.run("x");
  CHECK(driver.over("x") == Texts{"start y on a/1"});
  CHECK(driver.over("y") == Texts{"start z on a/1"});
  driver.pass("z");
  CHECK(driver.outcomes("y") == Texts{"not_run", "not_run", "finished"});
  CHECK(driver.outcomes("z") == Texts{"not_run", "passed", "finished"});
}

TEST_CASE(
    "a command that is silent before its first test for too long is stopped, and charges all") {
  EnginePlan plan = batch_plan({"x", "y"});
  plan.tests[1].timeout = 2min;
  Driver driver(plan);
  driver.up(0);
  CHECK(driver.at(119999ms).empty());
  CHECK(driver.at(2min) == Texts{"stop x"});
  CHECK(driver.over("x") == Texts{"start x on a/1"});
  CHECK(driver.outcomes("x") == Texts{"not_run"});
  CHECK(driver.outcomes("y") == Texts{"not_run"});
}

TEST_CASE(
    "a command that is silent between its tests charges none, and one after them costs none") {
  Driver driver(batch_plan({"x", "y", "z"}));
  driver.up(0);
  driver.at(50s);
  driver.run("x");
  CHECK(driver.at(109999ms).empty());
  CHECK(driver.at(110s) == Texts{"stop x"});
  CHECK(driver.over("x") == Texts{"start y z on a/1"});
  CHECK(driver.outcomes("y").empty());
  driver.run("y");
  driver.run("z");
  CHECK(driver.at(3min) == Texts{"stop y"});
  CHECK(driver.over("y") == Texts{"halt a"});
}

TEST_CASE("without a time limit a command may be silent, and one without batches always") {
  EnginePlan plan = batch_plan({"x", "y"});
  plan.test_timeout = 0s;
  Driver unlimited(plan);
  unlimited.up(0);
  CHECK(unlimited.at(100h).empty());
  plan = batch_plan({"x"});
  plan.suites[0].batches = false;
  Driver single(plan);
  single.begins_at_once = false;
  single.up(0);
  CHECK(single.at(100h).empty());
}

TEST_CASE("a test that begins while its hung batch is stopped is charged in the others' place") {
  Driver driver(batch_plan({"x", "y", "z"}));
  driver.up(0);
  driver.at(1min);
  driver.begin("y");
  driver.end_alone("y", NotRun{"stopped"});
  CHECK(driver.over("y") == Texts{"start x z on a/1"});
  CHECK(driver.outcomes("y") == Texts{"not_run"});
}

TEST_CASE("a test that spoils its batch stops it, and the others run in another one, uncharged") {
  EnginePlan plan = batch_plan({"x", "y", "z"});
  plan.retry_setups = 0;
  Driver driver(plan);
  driver.up(0);
  driver.begin("x");
  CHECK(driver.end_alone("x", Failed{"inconsistent", {}}, a_mess) == Texts{"stop x"});
  driver.begin("y");  // before it heard of that
  CHECK(driver.at(1h).empty());
  driver.end_alone("y", NotRun{"stopped"});
  CHECK(driver.over("x") == Texts{"start z on a/1"});
  CHECK(driver.pass("z") == Texts{"start y on a/1"});
  driver.pass("y");
  CHECK(driver.outcomes("x") == Texts{"failed", "finished"});
  CHECK(driver.outcomes("y") == Texts{"not_run", "passed", "finished"});
  CHECK(driver.outcomes("z") == Texts{"passed", "finished"});
}

TEST_CASE("the last test of a batch has nothing to spoil") {
  Driver driver(batch_plan({"x", "y"}));
  driver.up(0);
  driver.run("y");
  driver.begin("x");
  CHECK(driver.end_alone("x", Failed{"inconsistent", {}}, a_mess).empty());
}

TEST_CASE("a test that another one may have failed has one more attempt, alone") {
  EnginePlan plan = batch_plan({"x", "y", "z"}, {{"a", 2}}, 40s);
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start x on a/1", "start y on a/2"});
  driver.pass("y");  // z begins meanwhile
  driver.end_alone("x", Failed{"dmesg", {}}, others_suspect);
  CHECK(driver.over("x").empty());
  CHECK(driver.pass("z") == Texts{"start x on a/1"});
  driver.end_alone("x", Failed{"dmesg", {}}, others_suspect);
  driver.over("x");
  CHECK(driver.outcomes("x") == Texts{"failed", "failed", "finished"});
}

TEST_CASE("a batch that began and ended during a test may be to blame as well") {
  EnginePlan plan = batch_plan({"x"}, {{"a", 2}}, 40s);
  plan.tests.push_back(test_case("other", 1s, {}, "t"));
  plan.suites.push_back({.name = "t", .has_setup = true});
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start x on a/1", "set up t on a"});
  CHECK(driver.give(input::FinishSetUp{0, 1, 1s, {}}) == Texts{"start other on a/2"});
  driver.pass("other");
  driver.end_alone("x", Failed{"dmesg", {}}, others_suspect);
  driver.over("x");
  driver.pass("x");
  CHECK(driver.outcomes("x") == Texts{"failed", "passed", "finished"});
}

TEST_CASE("the attempt alone leaves the failure retries as they were") {
  EnginePlan plan = batch_plan({"x", "y"}, {{"a", 2}}, 40s);
  plan.retry_failures = 1;
  Driver driver(plan);
  driver.up(0);
  driver.end_alone("x", Failed{"dmesg", {}}, others_suspect);
  driver.over("x");
  driver.pass("y");
  for (int i = 0; i < 2; ++i)
    driver.fails("x");
  CHECK(driver.outcomes("x") == Texts{"failed", "failed", "failed", "finished"});
}

TEST_CASE("nobody else is to blame for a test that had the host to itself") {
  Driver single(batch_plan({"x"}, {{"a", 2}}));
  single.up(0);
  single.end_alone("x", Failed{"dmesg", {}}, others_suspect);
  single.over("x");
  CHECK(single.outcomes("x") == Texts{"failed", "finished"});
}

TEST_CASE("a suite whose batches come to nothing twice in a row can't be run on that host") {
  EnginePlan plan = batch_plan({"a1", "a2", "b1", "b2", "c1", "c2"}, {{"a", 1}, {"b", 1}});
  plan.batch_target = 2s;
  plan.wait_for_other_host = 0s;
  plan.tests.push_back(test_case("other", 500ms, {}, "t"));
  plan.suites.push_back({.name = "t"});
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start a1 a2 on a/1"});
  CHECK(driver.over("a1") == Texts{"start b1 b2 on a/1"});
  CHECK(driver.over("b1") == Texts{"start other on a/1"});
  CHECK(driver.pass("other").empty());
  CHECK(driver.up(1) == Texts{"start c1 c2 on b/1"});
  driver.run("c1");
  driver.run("c2");
  CHECK(driver.over("c1") == Texts{"start a1 on b/1"});
  for (const std::string name : {"a1", "a2", "b1", "b2"})
    driver.pass(name);
  CHECK(driver.outcomes("b2") == Texts{"not_run", "passed", "finished"});
}

TEST_CASE("a suite that can be run nowhere makes errors of its tests, with the reason") {
  Driver driver(batch_plan({"x", "y", "z"}, {{"a", 1}}, 40s));
  driver.begins_at_once = false;
  driver.up(0);
  driver.over("x");
  CHECK(driver.over("y") == Texts{"halt a"});
  CHECK(driver.outcomes("x") == Texts{"not_run", "setup_failed", "finished"});
  CHECK(driver.outcomes("z") == Texts{"setup_failed", "finished"});
  for (const RunEvent& event : driver.events) {
    if (const auto* end = std::get_if<AttemptFinished>(&event.fact);
        end != nullptr && end->test.name == "z") {
      CHECK(reason_of(*end->result.outcome) ==
            "suite s can't be run: 2 batches in a row came to nothing; at last: the command ended "
            "without running it");
    }
  }
}

// The slot a/1 is broken, whatever it takes comes to nothing; a/2 is busy meanwhile.
TEST_CASE("a slot whose batches come to nothing takes no more of them, and the others do") {
  EnginePlan plan = batch_plan({"x", "y", "z", "w"}, {{"a", 2}}, 40s);
  plan.tests.push_back(test_case("other", 1s, {}, "t"));
  plan.suites.push_back({.name = "t"});
  plan.wait_for_other_host = 0s;
  Driver driver(plan);
  driver.begins_at_once = false;
  CHECK(driver.up(0) == Texts{"start x on a/1", "start y on a/2"});
  CHECK(driver.over("x") == Texts{"start z on a/1"});
  CHECK(driver.over("z") == Texts{"start other on a/1"});
  CHECK(driver.run("other").empty());
  CHECK(driver.over("other").empty());
  driver.run("y");
  CHECK(driver.over("y") == Texts{"start w on a/2"});
  for (const std::string name : {"w", "x", "z"}) {
    driver.run(name);
    driver.over(name);
  }
  CHECK(driver.outcomes("z") == Texts{"not_run", "passed", "finished"});
  CHECK(driver.outcomes("w") == Texts{"passed", "finished"});
}

TEST_CASE("a suite whose batches come to nothing in all slots can't be run on that host") {
  Driver driver(batch_plan({"x", "y", "z", "w", "v"}, {{"a", 2}}, 40s));
  driver.begins_at_once = false;
  driver.up(0);
  CHECK(driver.over("x") == Texts{"start z on a/1"});
  CHECK(driver.over("z").empty());
  CHECK(driver.over("y") == Texts{"start w on a/2"});
  CHECK(driver.over("w") == Texts{"halt a"});
  CHECK(driver.outcomes("v") == Texts{"setup_failed", "finished"});
}

TEST_CASE("when the last slot that could run a suite is retired, its tests end") {
  Driver driver(batch_plan({"x", "y", "z", "w"}, {{"a", 2}}, 40s));
  driver.begins_at_once = false;
  driver.up(0);
  driver.over("x");
  CHECK(driver.over("z").empty());
  driver.run("y");
  CHECK(driver.give(input::EndBatch{driver.batch_of("y"), "stuck in D state"}) == Texts{"halt a"});
  CHECK(driver.outcomes("y") == Texts{"passed", "finished"});
  CHECK(driver.outcomes("w") == Texts{"setup_failed", "finished"});
}

TEST_CASE("a suite that can't be run says what its tests said, if they did") {
  Driver driver(batch_plan({"x", "y", "z"}, {{"a", 1}}, 40s));
  driver.up(0);
  driver.end("x", SetupFailed{"failed to mount"});
  driver.end("y", SetupFailed{"failed to mount"});
  const auto why = std::find_if(
      driver.events.begin(), driver.events.end(),
      [](const RunEvent& event) { return std::holds_alternative<SuiteSetUp>(event.fact); });
  REQUIRE(why != driver.events.end());
  CHECK(std::get<SuiteSetUp>(why->fact).failure ==
        "2 batches in a row came to nothing; at last: failed to mount");
}

TEST_CASE("tests that can't be run anywhere are no reason to give up their suite") {
  EnginePlan plan = batch_plan({"x", "bad1", "bad2", "bad3", "bad4"});
  plan.retry_failures = 1;
  Driver driver(plan);
  driver.up(0);
  driver.begin("x");
  driver.end_alone("x", Failed{"no", {}});
  CHECK(driver.over("x") == Texts{"start x on a/1"});
  CHECK(driver.fails("x") == Texts{"start bad1 on a/1"});
  for (const std::string name : {"bad1", "bad2", "bad3", "bad4"})
    driver.over(name);
  CHECK(driver.outcomes("bad4") == Texts{"not_run", "not_run", "finished"});
}

TEST_CASE("a suite that was set up and can't be run is torn down") {
  EnginePlan plan = batch_plan({"x", "y", "z"}, {{"a", 1}}, 40s);
  plan.suites[0].has_setup = true;
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, {}}) == Texts{"start x on a/1"});
  CHECK(driver.over("x") == Texts{"start y on a/1"});
  CHECK(driver.over("y") == Texts{"tear down s on a"});
  CHECK(driver.give(input::FinishTearDown{0, 0, 1s, {}}) == Texts{"halt a"});
}

TEST_CASE("files that come back belong to the attempt that ran in that batch") {
  EnginePlan plan = batch_plan({"x", "y", "z", "w"}, {{"a", 2}});
  plan.retry_failures = 1;
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start x y on a/1", "start z w on a/2"});
  const BatchNumber first = driver.batch_of("x");
  driver.run("x", Failed{"no", {}});
  driver.run("z");
  driver.run("w");
  CHECK(driver.over("z") == Texts{"start x on a/2"});
  driver.give(input::KeepFiles{first, 0, {"x.full"}, {}});
  const auto* kept = std::get_if<FilesKept>(&driver.events.back().fact);
  REQUIRE(kept != nullptr);
  CHECK(kept->test.name == "x");
  CHECK(kept->attempt == 1);
  const size_t events = driver.events.size();
  driver.give(input::KeepFiles{first, 1, {"y.full"}, {}});  // it has not run
  CHECK(driver.events.size() == events);
}

TEST_CASE("a signal stops a batch: what ran is not run, and what waited in it never ran") {
  Driver driver(batch_plan({"x", "y", "z"}));
  driver.up(0);
  driver.run("x");
  driver.begin("y");
  CHECK(driver.give(input::Interrupt{SIGTERM}) == Texts{"stop x"});
  driver.end_alone("y", NotRun{"stopped"});
  CHECK(driver.over("x") == Texts{"halt a"});
  CHECK(driver.outcomes("y") == Texts{"not_run", "finished"});
  CHECK(driver.outcomes("z") == Texts{"never ran: the run was ended before its turn"});
}

TEST_CASE(
    "what a test without history takes is believed at first, and learned from those that ran") {
  Workload work(3s);
  CHECK(work.expected({}) == 3s);
  CHECK(work.expected(7s) == 7s);
  for (int i = 0; i < 95; ++i)
    work.learn_test(1s);
  CHECK(work.expected({}) == 1100ms);
  for (int i = 0; i < 10; ++i)
    work.add({});
  work.add(5s);
  CHECK(work.waiting() == 16s);
  work.remove({});
  CHECK(work.waiting() == 14900ms);
}

TEST_CASE(
    "a batch takes its part of what would let all slots end together, running batches included") {
  Workload work(3s);
  for (int i = 0; i < 40; ++i)
    work.add(1s);
  CHECK(work.batch_limit(30s, 1, 0s) == 30s);
  CHECK(work.batch_limit(10s, 2, 0s) == 10s);
  CHECK(work.batch_limit(30s, 2, 0s) == 17s);
  work.begin_batch(30s);
  CHECK(work.batch_limit(60s, 2, 10s) == 25500ms);
  CHECK(work.batch_limit(60s, 2, 40s) == 17s);  // it is overdue
  work.end_batch(30s);
  CHECK(work.batch_limit(60s, 2, 40s) == 17s);
}

TEST_CASE("a costly call makes batches longer, but not longer than an even share") {
  Workload work(3s);
  for (int i = 0; i < 40; ++i)
    work.add(1s);
  for (int i = 0; i < 99; ++i)
    work.learn_call(4s);
  CHECK(work.call_cost() == 3964ms);
  CHECK(work.batch_limit(1s, 1, 0s) == 19820ms);
  CHECK(work.batch_limit(1s, 2, 0s) == 19820ms);
  CHECK(work.batch_limit(1s, 4, 0s) == 10s);
}

TEST_CASE("a batch of tests without history is filled by what was learned, not by their rank") {
  EnginePlan plan = batch_plan({});
  for (int i = 1; i <= 20; ++i)
    plan.tests.push_back(test_case("u" + std::to_string(i)));
  Driver driver(plan);
  const Texts first = driver.up(0);
  CHECK(first == Texts{"start u1 u2 u3 u4 u5 u6 u7 u8 u9 u10 on a/1"});  // three seconds each
  for (int i = 1; i <= 10; ++i) {
    driver.begin("u" + std::to_string(i));
    driver.at(std::chrono::seconds(i));
    driver.end_alone("u" + std::to_string(i), Passed{});
  }
  CHECK(driver.over("u1") == Texts{"start u11 u12 u13 u14 u15 u16 u17 u18 u19 u20 on a/1"});
}
