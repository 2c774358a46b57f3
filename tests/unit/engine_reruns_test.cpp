// What the gate wants when all tests have had their turns: reruns of suspects, on the change and on
// base hosts, and then the end of the run.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine_driver.hpp"
#include "model/run.hpp"

using namespace ffci;
using namespace ffci::test;
using namespace std::chrono_literals;

namespace {

constexpr size_t a = 0, b = 1, x = 2;  // the hosts of gated(); x is a base host

EnginePlan gated(std::vector<TestCase> tests,
                 std::vector<HostPlan> hosts = {{"a", 1}, {"b", 1}, {"x", 1, 1, true}}) {
  EnginePlan plan = plan_of(std::move(tests), std::move(hosts));
  plan.gated = true;
  return plan;
}

RerunOrder reruns_of(const std::string& test, size_t change, size_t base = 0) {
  return {{"s", "", test, 1}, change, base};
}

RunFinished::How how_it_ended(const Driver& driver) {
  return std::get<RunFinished>(driver.events.back().fact).how;
}

template <class Fact>
long count(const Driver& driver) {
  return std::count_if(driver.events.begin(), driver.events.end(), [](const RunEvent& event) {
    return std::holds_alternative<Fact>(event.fact);
  });
}

EnginePlan plan_after(const Driver& before, EnginePlan plan) {
  auto run = std::make_shared<Run>();
  for (const RunEvent& event : before.events)
    run->apply(event);
  plan.earlier = run;
  return plan;
}

// t has failed on a, and the gate is asked. b and a are up and idle.
Driver with_a_suspect(EnginePlan plan = gated({test_case("t")})) {
  Driver driver(std::move(plan));
  driver.up(a);
  driver.up(b);
  CHECK(driver.fails("t") == Texts{"judge"});
  return driver;
}

}  // namespace

TEST_CASE("the gate is asked when all tests are finished, and only its judgement ends the run") {
  Driver driver(gated({test_case("t"), test_case("u")}));
  driver.up(a);
  driver.up(b);
  CHECK(driver.pass("t").empty());
  CHECK(driver.fails("u") == Texts{"judge"});
  CHECK(driver.at(1h).empty());
  CHECK(count<RunJudged>(driver) == 0);
  CHECK(driver.judge() == Texts{"halt a", "halt b"});
  CHECK(count<RunJudged>(driver) == 1);
  CHECK(driver.judge().empty());
  CHECK(driver.order({reruns_of("t", 1)}).empty());
  driver.give(input::FinishHost{a});
  CHECK(driver.give(input::FinishHost{b}) == Texts{"over"});
  CHECK(how_it_ended(driver) == RunFinished::How::completed);
  CHECK(count<RunJudged>(driver) == 1);
}

TEST_CASE("the gate is not asked while a command still runs, and can't order before it is asked") {
  Driver driver(gated({test_case("t")}));
  driver.up(a);
  CHECK(driver.order({reruns_of("t", 1)}).empty());
  CHECK(driver.judge().empty());
  CHECK(driver.end_alone("t", Passed{}).empty());
  CHECK(driver.over("t") == Texts{"judge"});
}

TEST_CASE("a rerun has one attempt, is numbered by itself, and finishes no test again") {
  EnginePlan plan = gated({test_case("t")});
  plan.retry_failures = 1;
  Driver driver(plan);
  driver.up(a);
  driver.fails("t");
  driver.up(b);
  CHECK(driver.fails("t") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 3)}) == Texts{"start t~1 on a/1", "start t~2 on b/1"});
  CHECK(driver.fails("t~1") == Texts{"start t~3 on a/1"});
  CHECK(driver.pass("t~2").empty());
  CHECK(driver.end("t~3", SetupFailed{"no"}) == Texts{"judge"});
  CHECK(driver.outcomes("t") == Texts{"failed", "failed", "finished"});
  CHECK(driver.outcomes("t~1") == Texts{"failed"});
  CHECK(driver.outcomes("t~2") == Texts{"passed"});
  CHECK(driver.outcomes("t~3") == Texts{"setup_failed"});
  CHECK(count<TestFinished>(driver) == 1);
  CHECK(count<RerunsOrdered>(driver) == 1);
}

TEST_CASE("reruns on the change and on base hosts share their numbers, and say what they are for") {
  Driver driver = with_a_suspect();
  CHECK(driver.order({reruns_of("t", 1, 2)}) == Texts{"boot x", "start t~1 on b/1"});
  CHECK(driver.up(x) == Texts{"base t~2 on x/1"});
  CHECK(driver.pass("t~1").empty());
  CHECK(driver.pass("t~2") == Texts{"base t~3 on x/1"});
  CHECK(driver.pass("t~3") == Texts{"judge"});
  CHECK(driver.facts() == Texts{"ready a", "start t/1 on a", "ready b", "end t/1 failed",
                                "start t~1 on b", "ready x", "start base t~2 on x",
                                "end t~1 passed", "end base t~2 passed", "start base t~3 on x",
                                "end base t~3 passed"});
}

TEST_CASE(
    "base hosts are started when the first rerun for them is ordered, and stopped at the end") {
  Driver driver = with_a_suspect();
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"start t~1 on b/1"});
  CHECK(driver.pass("t~1") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 0, 1)}) == Texts{"boot x"});
  CHECK(driver.up(x) == Texts{"base t~2 on x/1"});
  CHECK(driver.pass("t~2") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 0, 1)}) == Texts{"base t~3 on x/1"});
  CHECK(driver.pass("t~3") == Texts{"judge"});
  CHECK(driver.judge() == Texts{"halt a", "halt b", "halt x"});
}

TEST_CASE("base hosts that nobody needed are never started") {
  Driver driver = with_a_suspect();
  CHECK(driver.judge() == Texts{"halt a", "halt b"});
  driver.give(input::FinishHost{a});
  CHECK(driver.give(input::FinishHost{b}) == Texts{"over"});
}

TEST_CASE("on base hosts runs nothing but base reruns, and those run nowhere else") {
  EnginePlan plan =
      gated({test_case("t"), test_case("u")}, {{"a", 2}, {"b", 2}, {"x", 2, 1, true}});
  Driver driver(plan);
  driver.up(a);
  driver.up(b);
  driver.fails("t");
  driver.fails("u");
  CHECK(driver.order({reruns_of("t", 0, 2), reruns_of("u", 0, 1)}) == Texts{"boot x"});
  CHECK(driver.at(1h).empty());  // a and b are idle
  CHECK(driver.up(x) == Texts{"base t~1 on x/1", "base u~1 on x/2"});
  CHECK(driver.pass("u~1") == Texts{"base t~2 on x/2"});
  driver.pass("t~1");
  CHECK(driver.pass("t~2") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 5)}) ==
        Texts{"start t~3 on b/1", "start t~4 on b/2"});  // a is where it failed; x is idle
  CHECK(driver.at(2h) == Texts{"stop t~3", "stop t~4", "start t~5 on a/1", "start t~6 on a/2"});
}

TEST_CASE("without base hosts no base rerun is made") {
  Driver driver = with_a_suspect(gated({test_case("t")}, {{"a", 1}, {"b", 1}}));
  CHECK(driver.order({reruns_of("t", 1, 1)}) == Texts{"start t~1 on b/1"});
  CHECK(driver.pass("t~1") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 0, 1)}) == Texts{"judge: the reruns before came to nothing"});
}

TEST_CASE("base hosts that can't be started cost the run nothing but its base reruns") {
  EnginePlan plan = gated({test_case("t")});
  plan.host_starts = 2;
  Driver driver = with_a_suspect(plan);
  CHECK(driver.order({reruns_of("t", 1, 1)}) == Texts{"boot x", "start t~1 on b/1"});
  CHECK(driver.lose(x).empty());
  CHECK(driver.pass("t~1").empty());
  CHECK(driver.at(1s) == Texts{"boot x"});
  CHECK(driver.lose(x) == Texts{"judge"});
  SUBCASE("nor does a later order wait for them") {
    CHECK(driver.order({reruns_of("t", 1, 1)}) == Texts{"start t~2 on b/1"});
    CHECK(driver.pass("t~2") == Texts{"judge"});
    CHECK(driver.order({reruns_of("t", 0, 1)}) ==
          Texts{"judge: the reruns before came to nothing"});
  }
  CHECK(driver.judge() == Texts{"halt a", "halt b"});
  driver.give(input::FinishHost{a});
  CHECK(driver.give(input::FinishHost{b}) == Texts{"over"});
  CHECK(how_it_ended(driver) == RunFinished::How::completed);
  CHECK(count<RunStopping>(driver) == 0);
}

TEST_CASE("a base host that can't come back is not waited for") {
  Driver driver = with_a_suspect();
  driver.order({reruns_of("t", 0, 2)});
  driver.up(x);
  CHECK(driver.give(input::LoseHost{x, "permission denied", true}) == Texts{"judge"});
  CHECK(driver.outcomes("t~1") == Texts{"host_lost"});
}

TEST_CASE("a base host that is still on its way when the judgement comes is stopped") {
  EnginePlan plan =
      gated({test_case("t")},
            {{"a", 1}, {"b", 1}, {"x", 1, 1, true}, {"y", 1, 1, true}, {"z", 1, 1, true}});
  Driver driver = with_a_suspect(plan);
  CHECK(driver.order({reruns_of("t", 0, 1)}) == Texts{"boot x", "boot y", "boot z"});
  driver.lose(4);
  driver.up(x);
  CHECK(driver.pass("t~1") == Texts{"judge"});
  CHECK(driver.judge() == Texts{"halt a", "halt b", "halt x", "halt y"});
  driver.give(input::FinishHost{a});
  driver.give(input::FinishHost{b});
  driver.give(input::FinishHost{x});
  CHECK(driver.up(3).empty());
  CHECK(driver.give(input::FinishHost{3}) == Texts{"over"});
}

TEST_CASE("a job that has only base hosts has no host") {
  Driver driver(gated({test_case("t")}, {{"x", 1, 1, true}}));
  CHECK(driver.outcomes("t") == Texts{"never ran: the job has no host"});
  CHECK(driver.judge() == Texts{"over"});
  CHECK(how_it_ended(driver) == RunFinished::How::no_hosts);
}

TEST_CASE("the reruns of a test run at once, wherever there is a slot") {
  const EnginePlan plan = gated({test_case("t"), test_case("u")}, {{"a", 2}, {"b", 3}});
  Driver driver(plan);
  driver.up(a);
  driver.fails("t");
  driver.pass("u");
  driver.up(b);
  CHECK(driver.order({reruns_of("u", 5)}) == Texts{"start u~1 on a/1", "start u~2 on a/2",
                                                   "start u~3 on b/1", "start u~4 on b/2",
                                                   "start u~5 on b/3"});
  for (const char* rerun : {"u~5", "u~1", "u~3", "u~2"})
    CHECK(driver.pass(rerun).empty());
  CHECK(driver.fails("u~4") == Texts{"judge"});
  CHECK(driver.outcomes("u~4") == Texts{"failed"});
  CHECK(driver.outcomes("u~5") == Texts{"passed"});
}

TEST_CASE("a rerun is made rather on a host where neither the test nor a rerun of it has failed") {
  EnginePlan plan = gated({test_case("t")}, {{"a", 1}, {"b", 1}, {"c", 1}});
  Driver driver(plan);
  driver.up(a);
  driver.up(b);
  driver.fails("t");
  CHECK(driver.order({reruns_of("t", 2)}) == Texts{"start t~1 on b/1"});
  CHECK(driver.fails("t~1").empty());  // c may yet come up
  CHECK(driver.up(2) == Texts{"start t~2 on c/1"});
  CHECK(driver.pass("t~2") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"start t~3 on c/1"});
  CHECK(driver.fails("t~3") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"start t~4 on a/1"});  // it has failed on all
}

TEST_CASE("a rerun goes back to where its test failed when no other host takes it in time") {
  Driver driver = with_a_suspect();
  CHECK(driver.order({reruns_of("t", 2)}) == Texts{"start t~1 on b/1"});
  CHECK(driver.at(14999ms).empty());
  CHECK(driver.at(15s) == Texts{"start t~2 on a/1"});
}

TEST_CASE("suspects take turns, and change and base do") {
  EnginePlan plan = gated({test_case("t"), test_case("u")}, {{"a", 1}, {"x", 1, 1, true}});
  Driver driver(plan);
  driver.up(0);
  driver.fails("t");
  driver.fails("u");
  CHECK(driver.order({reruns_of("t", 2, 1), reruns_of("u", 1, 1)}) ==
        Texts{"boot x", "start t~1 on a/1"});
  CHECK(driver.pass("t~1") == Texts{"start u~1 on a/1"});
  CHECK(driver.pass("u~1") == Texts{"start t~2 on a/1"});
  CHECK(driver.up(1) == Texts{"base t~3 on x/1"});
  CHECK(driver.pass("t~3") == Texts{"base u~2 on x/1"});
}

TEST_CASE("each rerun is a batch of its own, whatever its suite allows") {
  EnginePlan plan = gated({test_case("t", 1s), test_case("u", 1s)}, {{"a", 1}});
  plan.suites[0].batches = true;
  plan.batch_target = 1min;
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start t u on a/1"});
  driver.run("t", Failed{"no", {}});
  driver.run("u", Failed{"no", {}});
  CHECK(driver.over("u") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 1), reruns_of("u", 1)}) == Texts{"start t~1 on a/1"});
  CHECK(driver.pass("t~1") == Texts{"start u~1 on a/1"});
}

TEST_CASE("a rerun whose command ends without it, or with it, is over") {
  EnginePlan plan = gated({test_case("t")}, {{"a", 1}});
  plan.suites[0].batches = true;
  Driver driver(plan);
  driver.up(0);
  driver.fails("t");
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"start t~1 on a/1"});
  CHECK(driver.over("t~1") == Texts{"judge"});
  driver.begins_at_once = false;
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"start t~2 on a/1"});
  CHECK(driver.over("t~2") == Texts{"judge: the reruns before came to nothing"});
  CHECK(driver.outcomes("t~1") == Texts{"not_run"});
  CHECK(driver.outcomes("t~2") == Texts{"not_run"});
}

TEST_CASE("a host that is lost under a rerun ends that one alone") {
  Driver driver = with_a_suspect();
  CHECK(driver.order({reruns_of("t", 2)}) == Texts{"start t~1 on b/1"});
  CHECK(driver.lose(b) == Texts{"start t~2 on a/1"});  // there is none that it has not spoilt
  CHECK(driver.outcomes("t~1") == Texts{"host_lost"});
  CHECK(driver.at(1s) == Texts{"boot b"});
  SUBCASE("be it the first") {
    CHECK(driver.pass("t~2") == Texts{"judge"});
  }
  SUBCASE("or the last") {
    CHECK(driver.lose(a) == Texts{"judge"});
    CHECK(driver.outcomes("t~2") == Texts{"host_lost"});
    CHECK(driver.order({reruns_of("t", 1)}).empty());
    CHECK(driver.up(b) == Texts{"start t~3 on b/1"});
  }
}

TEST_CASE("a rerun that had not begun when its host was lost has its turn, with its number") {
  Driver driver = with_a_suspect();
  driver.begins_at_once = false;
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"start t~1 on b/1"});
  CHECK(driver.lose(b).empty());
  CHECK(driver.at(15s) == Texts{"boot b", "start t~1 on a/1"});
  driver.begin("t~1");
  CHECK(driver.pass("t~1") == Texts{"judge"});
  CHECK(driver.outcomes("t~1") == Texts{"passed"});
}

TEST_CASE("reruns of a killer test do not cost a host") {
  EnginePlan plan = gated({test_case("t")}, {{"a", 1}});
  plan.max_host_restarts = 1;
  plan.host_starts = 2;
  Driver driver(plan);
  driver.up(0);
  driver.lose(0);
  driver.at(1s);
  driver.up(0);
  CHECK(driver.lose(0) == Texts{"judge"});
  CHECK(driver.outcomes("t") == Texts{"host_lost", "host_lost", "finished"});
  CHECK(driver.order({reruns_of("t", 3)}).empty());
  Duration now = 1s;
  for (int rerun = 1; rerun <= 3; ++rerun) {
    CHECK(driver.at(now += 1min) == Texts{"boot a"});
    driver.up(0);
    CHECK(driver.lose(0) == (rerun == 3 ? Texts{"judge"} : Texts{}));
  }
  CHECK(count<HostRetired>(driver) == 0);
}

TEST_CASE("a suite is set up where its reruns need it, and torn down once, after the judgement") {
  EnginePlan plan = gated({test_case("t")});
  plan.suites[0].has_setup = true;
  Driver driver(plan);
  CHECK(driver.up(a) == Texts{"set up s on a"});
  CHECK(driver.give(input::FinishSetUp{a, 0, 1s, {}}) == Texts{"start t on a/1"});
  driver.up(b);
  CHECK(driver.fails("t") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 1, 1)}) == Texts{"boot x", "set up s on b"});
  CHECK(driver.up(x) == Texts{"set up s on x"});
  CHECK(driver.give(input::FinishSetUp{x, 0, 1s, {}}) == Texts{"base t~1 on x/1"});
  CHECK(driver.give(input::FinishSetUp{b, 0, 1s, {}}) == Texts{"start t~2 on b/1"});
  driver.pass("t~1");
  CHECK(driver.pass("t~2") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 1, 1)}) == Texts{"start t~3 on b/1", "base t~4 on x/1"});
  driver.pass("t~3");
  CHECK(driver.pass("t~4") == Texts{"judge"});
  CHECK(driver.judge() == Texts{"tear down s on a", "tear down s on b", "tear down s on x"});
  CHECK(driver.give(input::FinishTearDown{x, 0, 1s, {}}) == Texts{"halt x"});
  CHECK(driver.give(input::FinishTearDown{a, 0, 1s, {}}) == Texts{"halt a"});
  CHECK(driver.give(input::FinishTearDown{b, 0, 1s, {}}) == Texts{"halt b"});
  CHECK(count<SuiteTornDown>(driver) == 3);
}

TEST_CASE("a set-up that is under way when the judgement comes is torn down as well") {
  EnginePlan plan = gated({test_case("t"), test_case("u")}, {{"a", 1}, {"b", 1}});
  plan.suites[0].has_setup = true;
  Driver driver(plan);
  driver.up(a);
  driver.give(input::FinishSetUp{a, 0, 1s, {}});
  CHECK(driver.up(b) == Texts{"set up s on b"});
  CHECK(driver.pass("t") == Texts{"start u on a/1"});
  CHECK(driver.pass("u") == Texts{"judge"});
  CHECK(driver.judge() == Texts{"tear down s on a"});
  CHECK(driver.give(input::FinishSetUp{b, 0, 1s, {}}) == Texts{"tear down s on b"});
}

TEST_CASE("a set-up that fails everywhere before the reruns ends them with its reason") {
  EnginePlan plan = gated({test_case("t")}, {{"a", 1}, {"x", 1, 1, true}});
  plan.suites[0].has_setup = true;
  Driver driver(plan);
  driver.up(0);
  driver.give(input::FinishSetUp{0, 0, 1s, {}});
  CHECK(driver.fails("t") == Texts{"judge"});
  driver.lose(0);
  CHECK(driver.order({reruns_of("t", 2, 1)}) == Texts{"boot x"});
  CHECK(driver.at(1s) == Texts{"boot a"});
  CHECK(driver.up(0) == Texts{"set up s on a"});
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, "no disk"}).empty());
  CHECK(driver.outcomes("t~1") == Texts{"setup_failed"});
  CHECK(driver.outcomes("t~2") == Texts{"setup_failed"});
  CHECK(driver.up(1) == Texts{"set up s on x"});
  CHECK(driver.give(input::FinishSetUp{1, 0, 1s, "no disk"}) ==
        Texts{"judge: the reruns before came to nothing"});
  CHECK(driver.outcomes("t~3") == Texts{"setup_failed"});
  CHECK(driver.judge() == Texts{"halt a", "halt x"});
}

TEST_CASE("a suite whose batches came to nothing to the very last can't be rerun") {
  EnginePlan plan = gated({test_case("t"), test_case("u")}, {{"a", 1}});
  plan.suites[0].batches = true;
  plan.retry_setups = 0;
  Driver driver(plan);
  driver.up(0);
  driver.over("t");
  CHECK(driver.over("u") == Texts{"judge"});
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"judge: the reruns before came to nothing"});
  CHECK(driver.outcomes("t~1") == Texts{"setup_failed"});
}

TEST_CASE("an interrupt ends the reruns, and the gate is told so") {
  Driver driver = with_a_suspect();
  driver.order({reruns_of("t", 2, 1)});
  CHECK(driver.give(input::Interrupt{2}) == Texts{"stop t~1"});
  CHECK(driver.up(x).empty());
  SUBCASE("in good order") {
    CHECK(driver.end("t~1", NotRun{"stopped"}) == Texts{"judge: interrupted by SIGINT"});
  }
  SUBCASE("or at once") {
    CHECK(driver.give(input::Interrupt{2}) == Texts{"kill t~1"});
    CHECK(driver.end("t~1", NotRun{"stopped"}) == Texts{"judge: interrupted by SIGINT"});
  }
  CHECK(driver.outcomes("t~1") == Texts{"not_run"});
  CHECK(driver.judge() == Texts{"halt a", "halt b", "halt x"});
  driver.give(input::FinishHost{a});
  driver.give(input::FinishHost{b});
  CHECK(driver.give(input::FinishHost{x}) == Texts{"over"});
  CHECK(how_it_ended(driver) == RunFinished::How::interrupted);
  CHECK(count<TestFinished>(driver) == 1);
}

TEST_CASE("reruns that can't be kept are ended") {
  Driver driver = with_a_suspect();
  driver.order({reruns_of("t", 1)});
  CHECK(driver.give(input::Abandon{"No space left on device"}) == Texts{"stop t~1"});
  CHECK(driver.end("t~1", NotRun{"stopped"}) == Texts{"judge: No space left on device"});
}

TEST_CASE("the run's deadline ends the reruns") {
  EnginePlan plan = gated({test_case("t")});
  plan.deadline = 20s;
  Driver driver = with_a_suspect(plan);
  driver.order({reruns_of("t", 1)});
  CHECK(driver.at(20s) == Texts{"stop t~1"});
  CHECK(driver.end("t~1", NotRun{"stopped"}) ==
        Texts{"judge: the run's deadline of 20.0s came first"});
  CHECK(driver.outcomes("t~1") == Texts{"not_run"});
  driver.judge();
  driver.give(input::FinishHost{a});
  driver.give(input::FinishHost{b});
  CHECK(how_it_ended(driver) == RunFinished::How::deadline);
}

TEST_CASE("a run that was interrupted, hit its deadline or lost its hosts has no reruns") {
  EnginePlan plan = gated({test_case("t"), test_case("u")}, {{"a", 1}});
  plan.deadline = 20s;
  plan.host_starts = 1;
  Driver driver(plan);
  driver.up(0);
  SUBCASE("interrupted") {
    driver.give(input::Interrupt{15});
    CHECK(driver.fails("t") == Texts{"judge: interrupted by SIGTERM"});
  }
  SUBCASE("deadline") {
    driver.at(20s);
    CHECK(driver.fails("t") == Texts{"judge: the run's deadline of 20.0s came first"});
  }
  SUBCASE("lost hosts") {
    CHECK(driver.lose(0) == Texts{"judge: no usable host was left"});
  }
  SUBCASE("lost the last host under the last test") {
    driver.pass("t");
    driver.end_alone("u", Failed{"no", {}});
    CHECK(driver.lose(0) == Texts{"judge: no usable host was left"});
  }
  SUBCASE("the last slot was spoilt by the last test") {
    driver.pass("t");
    driver.end_alone("u", Failed{"no", {}});
    CHECK(driver.give(input::EndBatch{driver.batch_of("u"), "stuck in D state"}) ==
          Texts{"halt a", "judge: no usable host was left"});
  }
  const Texts asked = driver.judge();
  CHECK((asked == Texts{"halt a"} || asked == Texts{"over"}));
}

TEST_CASE("the last host lost while nothing is left to run leaves none for reruns") {
  EnginePlan plan = gated({test_case("t")}, {{"a", 1}});
  plan.host_starts = 1;
  Driver driver(plan);
  driver.up(0);
  CHECK(driver.fails("t") == Texts{"judge"});
  driver.give(input::LoseHost{0, "gone", true});
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"judge: no usable host was left"});
  CHECK(driver.judge() == Texts{"over"});
  CHECK(how_it_ended(driver) == RunFinished::How::completed);
}

TEST_CASE("reruns whose last host is lost end, and the run has completed") {
  EnginePlan plan = gated({test_case("t")}, {{"a", 1}, {"x", 1, 1, true}});
  Driver driver(plan);
  driver.up(0);
  driver.fails("t");
  driver.order({reruns_of("t", 2, 2)});
  driver.up(1);
  CHECK(driver.give(input::LoseHost{0, "gone", true}).empty());
  CHECK(driver.pass("t~2") == Texts{"judge: no usable host was left"});
  CHECK(driver.judge() == Texts{"halt x"});
  driver.give(input::FinishHost{1});
  CHECK(how_it_ended(driver) == RunFinished::How::completed);
}

TEST_CASE("an interrupt between the question and the order is not forgotten") {
  Driver driver = with_a_suspect();
  CHECK(driver.give(input::Interrupt{2}).empty());
  CHECK(driver.order({reruns_of("t", 1, 1)}) == Texts{"judge: interrupted by SIGINT"});
  CHECK(count<RerunsOrdered>(driver) == 0);
  CHECK(driver.judge() == Texts{"halt a", "halt b"});
}

TEST_CASE("an order that comes after the deadline starts nothing") {
  EnginePlan plan = gated({test_case("t")});
  plan.deadline = 20s;
  Driver driver = with_a_suspect(plan);
  driver.let_pass_until(20s);
  CHECK(driver.order({reruns_of("t", 1, 1)}) ==
        Texts{"judge: the run's deadline of 20.0s came first"});
  CHECK(count<RerunsOrdered>(driver) == 0);
}

TEST_CASE("a run that was stopped after failures may rerun its suspects") {
  EnginePlan plan = gated({test_case("t"), test_case("u"), test_case("v")}, {{"a", 1}, {"b", 1}});
  plan.stop_after_failures = 1;
  Driver driver(plan);
  driver.up(a);
  driver.up(b);
  driver.fails("t");
  CHECK(driver.pass("u") == Texts{"judge"});
  CHECK(driver.outcomes("v") == Texts{"never ran: stopped after 1 failed test"});
  CHECK(driver.order({reruns_of("t", 1), reruns_of("u", 1)}) ==
        Texts{"start u~1 on a/1", "start t~1 on b/1"});
  CHECK(driver.fails("t~1").empty());
  CHECK(driver.fails("u~1") == Texts{"judge"});  // and stops after no further ones
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"start t~2 on a/1"});
  CHECK(driver.pass("t~2") == Texts{"judge"});
  driver.judge();
  driver.give(input::FinishHost{a});
  driver.give(input::FinishHost{b});
  CHECK(how_it_ended(driver) == RunFinished::How::stopped_after_failures);
  CHECK(count<RunStopping>(driver) == 1);
}

TEST_CASE("a host that was to be started again when the run stopped is there for the reruns") {
  EnginePlan plan = gated({test_case("t"), test_case("u")}, {{"a", 1}, {"b", 1}});
  plan.stop_after_failures = 1;
  Driver driver(plan);
  driver.up(a);
  driver.up(b);
  driver.lose(b);
  CHECK(driver.fails("t") == Texts{"judge"});
  CHECK(driver.at(2s).empty());
  CHECK(driver.order({reruns_of("t", 1)}) == Texts{"boot b"});
  CHECK(driver.up(b) == Texts{"start t~1 on b/1"});
}

TEST_CASE("what is not expected to end before the deadline is not rerun, and the rest is") {
  EnginePlan plan = gated({test_case("long", 8s), test_case("short", 1s)}, {{"a", 1}});
  plan.deadline = 20s;
  Driver driver(plan);
  driver.up(0);
  driver.at(10s);
  driver.fails("long");
  driver.at(11s);
  CHECK(driver.fails("short") == Texts{"judge"});
  CHECK(driver.order({reruns_of("long", 1), reruns_of("short", 2)}) ==
        Texts{"start short~1 on a/1"});  // the one took 10 s, and the other 1 s
  CHECK(driver.pass("short~1") == Texts{"start short~2 on a/1"});
  CHECK(driver.pass("short~2") ==
        Texts{"judge: it was not expected to end before the run's deadline of 20.0s"});
  driver.judge();
  driver.give(input::FinishHost{0});
  CHECK(how_it_ended(driver) == RunFinished::How::completed);
}

TEST_CASE("a run that left out what could not end in time may rerun what can") {
  EnginePlan plan = gated({test_case("long", 30s), test_case("short", 1s)}, {{"a", 1}});
  plan.deadline = 20s;
  Driver driver(plan);
  CHECK(driver.up(0) == Texts{"start short on a/1"});
  CHECK(driver.fails("short") == Texts{"judge"});
  CHECK(driver.outcomes("long").size() == 1);
  CHECK(driver.order({reruns_of("short", 1)}) == Texts{"start short~1 on a/1"});
  CHECK(driver.pass("short~1") == Texts{"judge"});
  driver.judge();
  driver.give(input::FinishHost{0});
  CHECK(how_it_ended(driver) == RunFinished::How::deadline);
}

TEST_CASE("reruns of a suite that runs one test at a time have their hosts to themselves") {
  EnginePlan plan = gated({test_case("t"), test_case("u", {}, {}, "other")},
                          {{"a", 3}, {"b", 3}, {"x", 3, 1, true}});
  plan.suites[0].parallel = 1;
  plan.suites.push_back({"other", false, 0});
  Driver driver(plan);
  driver.up(a);
  driver.up(b);
  driver.pass("t");
  driver.pass("u");
  CHECK(driver.order({reruns_of("t", 3, 2), {{"other", "", "u", 1}, 2, 0}}) ==
        Texts{"boot x", "start t~1 on a/1", "start t~2 on b/1"});
  CHECK(driver.up(x) == Texts{"base t~3 on x/1"});
  CHECK(driver.pass("t~3") == Texts{"base t~4 on x/1"});
  CHECK(driver.pass("t~2") == Texts{"start t~5 on b/1"});
  CHECK(driver.pass("t~1") == Texts{"start u~1 on a/1", "start u~2 on a/2"});
}

TEST_CASE(
    "a gate that orders nothing, or what the plan does not know, is asked for the last time") {
  Driver driver = with_a_suspect();
  SUBCASE("nothing") {
    CHECK(driver.order({}) == Texts{"judge: the reruns before came to nothing"});
  }
  SUBCASE("no runs") {
    CHECK(driver.order({reruns_of("t", 0)}) == Texts{"judge: the reruns before came to nothing"});
  }
  SUBCASE("an unknown test") {
    CHECK(driver.order({reruns_of("nobody", 1, 1)}) ==
          Texts{"judge: the reruns before came to nothing"});
  }
  CHECK(driver.judge() == Texts{"halt a", "halt b"});
}

TEST_CASE("a plan without tests is judged before a host is started") {
  Driver driver(gated({}));
  CHECK(driver.order({reruns_of("t", 1, 1)}) == Texts{"judge: the reruns before came to nothing"});
  CHECK(driver.judge() == Texts{"over"});
  CHECK(how_it_ended(driver) == RunFinished::How::completed);
  CHECK(count<RunStopping>(driver) == 0);
}

TEST_CASE("an empty shard of a job without hosts is judged as well") {
  Driver driver(gated({}, {}));
  CHECK(driver.judge() == Texts{"over"});
  CHECK(how_it_ended(driver) == RunFinished::How::completed);
}

TEST_CASE("reruns go on behind a break: what was running is closed, and the gate is asked again") {
  EnginePlan plan = gated({test_case("t"), test_case("u")});
  Driver before(plan);
  before.up(a);
  before.up(b);
  before.fails("t");
  before.pass("u");
  before.order({reruns_of("t", 1, 2)});
  before.up(x);
  before.pass("t~2");
  REQUIRE(before.facts().back() == "start base t~3 on x");
  Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
  CHECK(after.facts() == Texts{"end t~1 not_run", "end base t~3 not_run"});
  CHECK(count<TestFinished>(after) == 0);
  SUBCASE("its reruns have the next numbers, and all hosts are started for them") {
    CHECK(after.order({reruns_of("t", 1, 1)}) == Texts{"boot a", "boot b", "boot x"});
    CHECK(after.up(a).empty());  // where it failed
    CHECK(after.up(x) == Texts{"base t~4 on x/1"});
    CHECK(after.up(b) == Texts{"start t~5 on b/1"});
    after.pass("t~4");
    CHECK(after.pass("t~5") == Texts{"judge"});
  }
  SUBCASE("only those that are needed") {
    CHECK(after.order({reruns_of("t", 0, 1)}) == Texts{"boot x"});
    CHECK(after.up(x) == Texts{"base t~4 on x/1"});
    CHECK(after.pass("t~4") == Texts{"judge"});
    CHECK(after.judge() == Texts{"halt x"});
    CHECK(after.give(input::FinishHost{x}) == Texts{"over"});
  }
  SUBCASE("or none") {
    CHECK(after.judge() == Texts{"over"});
  }
}

TEST_CASE("a run that goes on knows where its reruns failed") {
  EnginePlan plan = gated({test_case("t")}, {{"a", 1}, {"b", 1}, {"c", 1}});
  Driver before = with_a_suspect(plan);
  before.order({reruns_of("t", 1)});
  before.fails("t~1");
  Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
  after.order({reruns_of("t", 1)});
  CHECK(after.up(a).empty());
  CHECK(after.up(b).empty());
  CHECK(after.up(2) == Texts{"start t~2 on c/1"});
}

TEST_CASE("a run that was interrupted in its reruns may rerun when it goes on") {
  EnginePlan plan = gated({test_case("t")}, {{"a", 1}, {"b", 1}});
  Driver before = with_a_suspect(plan);
  before.order({reruns_of("t", 1)});
  before.give(input::Interrupt{2});
  before.end("t~1", NotRun{"stopped"});
  before.judge();
  Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
  CHECK(after.facts().empty());
  after.order({reruns_of("t", 1)});
  CHECK(after.up(b) == Texts{"start t~2 on b/1"});
}
