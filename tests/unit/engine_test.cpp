// The engine's rules, one claim each, told step by step. What must hold in every run is in
// engine_simulation_test.cpp.
#include "engine/engine.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <deque>
#include <string>
#include <vector>

#include "engine/expectation.hpp"
#include "engine_driver.hpp"

using namespace ffci;
using namespace ffci::test;
using namespace std::chrono_literals;

TEST_CASE(
    "the slowest test starts first, and an unknown one counts as its suite's 90th percentile") {
  std::vector<TestCase> tests;
  for (int i = 1; i <= 10; ++i)
    tests.push_back(test_case("t" + std::to_string(i), std::chrono::seconds(i)));
  tests.push_back(test_case("unknown"));
  Driver driver(plan_of(tests));
  CHECK(driver.up(0) == Texts{"start t10 on a/1"});
  CHECK(driver.pass("t10") ==
        Texts{"start t9 on a/1"});  // 9 s is the 90th percentile; equal ones stay as listed
  CHECK(driver.pass("t9") == Texts{"start unknown on a/1"});
  CHECK(driver.pass("unknown") == Texts{"start t8 on a/1"});
}

TEST_CASE("without any history the tests start as they were listed") {
  Driver driver(plan_of({test_case("b"), test_case("a"), test_case("c")}, {{"a", 2}}));
  CHECK(driver.up(0) == Texts{"start b on a/1", "start a on a/2"});
}

TEST_CASE("a seed means the same random order each time") {
  EnginePlan random =
      plan_of({test_case("a"), test_case("b"), test_case("c"), test_case("d"), test_case("e")});
  random.order = Order::random;
  random.seed = 4;
  const auto expected = expected_durations(random);
  const auto ranks = start_ranks(random, expected);
  CHECK(ranks == start_ranks(random, expected));
  random.seed = 5;
  CHECK(ranks != start_ranks(random, expected));
}

TEST_CASE(
    "a failed test is tried again after everything else, and on another host where there is one") {
  EnginePlan retrying = plan_of({test_case("bad"), test_case("x"), test_case("y"), test_case("z")},
                                {{"a", 1}, {"b", 1}});
  retrying.retry_failures = 1;
  Driver driver(retrying);
  CHECK(driver.up(0) == Texts{"start bad on a/1"});
  CHECK(driver.up(1) == Texts{"start x on b/1"});
  CHECK(driver.fails("bad") == Texts{"start y on a/1"});
  CHECK(driver.pass("y") == Texts{"start z on a/1"});
  CHECK(driver.pass("z").empty());  // host a is where it failed
  CHECK(driver.pass("x") == Texts{"start bad on b/1"});
  driver.pass("bad");
  CHECK(driver.outcomes("bad") == Texts{"failed", "passed", "finished"});
}

TEST_CASE("an idle host leaves a test that failed there to other hosts only for a moment") {
  EnginePlan retrying =
      plan_of({test_case("bad"), test_case("x"), test_case("y")}, {{"a", 1}, {"b", 1}});
  retrying.retry_failures = 1;
  retrying.wait_for_other_host = 15s;
  retrying.host_backoff = 1min;
  for (const bool other_is_down : {true, false}) {
    CAPTURE(other_is_down);
    Driver driver(retrying);
    driver.up(0);
    driver.up(1);
    if (other_is_down) driver.lose(1);
    CHECK(driver.fails("bad") == Texts{"start y on a/1"});
    driver.at(20s);  // the slot has to be idle as long, not just the test to wait
    CHECK(driver.pass("y") == (other_is_down ? Texts{"start x on a/1"} : Texts{}));
    if (other_is_down) CHECK(driver.pass("x").empty());
    CHECK(driver.at(34999ms).empty());
    CHECK(driver.at(35s) == Texts{"start bad on a/1"});
  }
}

TEST_CASE("a host that waited in vain for others to take a test does not wait again") {
  EnginePlan retrying = plan_of({test_case("x"), test_case("y")}, {{"a", 1}, {"b", 1}});
  retrying.retry_failures = 1;
  retrying.host_backoff = 1min;
  Driver driver(retrying);
  driver.up(0);
  driver.lose(1);
  CHECK(driver.fails("x") == Texts{"start y on a/1"});
  CHECK(driver.fails("y").empty());
  CHECK(driver.at(15s) == Texts{"start x on a/1"});
  CHECK(driver.pass("x") == Texts{"start y on a/1"});
}

TEST_CASE("a test that failed beside an idle slot waits for another host as well") {
  EnginePlan retrying = plan_of({test_case("x"), test_case("y")}, {{"a", 2}, {"b", 1}});
  retrying.retry_failures = 1;
  Driver driver(retrying);
  driver.up(0);
  driver.pass("y");
  driver.at(50s);
  CHECK(driver.fails("x").empty());
  CHECK(driver.at(64999ms).empty());
  CHECK(driver.at(65s) == Texts{"start x on a/1"});
}

TEST_CASE("the time that a set-up takes counts as idle, when other hosts could take what is left") {
  EnginePlan retrying =
      plan_of({test_case("x"), test_case("y"), test_case("z")}, {{"a", 1}, {"b", 1}});
  retrying.suites[0].has_setup = true;
  Driver driver(retrying);
  for (const size_t host : {0u, 1u}) {
    driver.up(host);
    driver.give(input::FinishSetUp{host, 0, 1s, {}});
  }
  driver.lose(0);
  driver.at(1s);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  driver.at(2s);
  CHECK(driver.pass("y") == Texts{"start z on b/1"});
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, {}}).empty());
  CHECK(driver.at(15999ms).empty());
  CHECK(driver.at(16s) == Texts{"start x on a/1"});
}

TEST_CASE("a test's last chance is taken alone, and on a host that it did not lose if one is up") {
  EnginePlan losing =
      plan_of({test_case("x"), test_case("long"), test_case("y")}, {{"a", 2}, {"b", 2}});
  losing.max_host_restarts = 1;
  Driver driver(losing);
  CHECK(driver.up(0) == Texts{"start x on a/1", "start long on a/2"});
  driver.lose(0);
  CHECK(driver.up(1) == Texts{"start y on b/1"});  // x and long have one more chance
  driver.at(1s);
  CHECK(driver.up(0).empty());
  CHECK(driver.at(1h).size() == 1);  // y takes too long
  CHECK(driver.pass("y") == Texts{"start x on b/1"});
  CHECK(driver.at(2h).size() == 1);
  CHECK(driver.lose(1) == Texts{"start long on a/1"});
  driver.pass("long");
  CHECK(driver.outcomes("x") == Texts{"host_lost", "timed_out", "finished"});
  CHECK(driver.outcomes("long") == Texts{"host_lost", "passed", "finished"});
}

TEST_CASE("a killer test makes no error of the tests that run beside it") {
  EnginePlan killing =
      plan_of({test_case("killer"), test_case("x"), test_case("y"), test_case("z")}, {{"a", 4}});
  Driver driver(killing);
  Duration now{};
  for (int life = 1; life <= 3; ++life) {
    CHECK(driver.up(0).size() == 4);
    driver.lose(0);
    driver.at(now += 1min);
  }
  CHECK(driver.up(0) == Texts{"start killer on a/1"});
  driver.lose(0);
  driver.at(now += 1min);
  CHECK(driver.up(0) == Texts{"start x on a/1"});
  CHECK(driver.pass("x") == Texts{"start y on a/1"});
  CHECK(driver.pass("y") == Texts{"start z on a/1"});
  driver.pass("z");
  CHECK(driver.outcomes("killer").size() == 5);
}

TEST_CASE("a failed test is tried again on the same host when the other one is gone") {
  EnginePlan retrying = plan_of({test_case("bad"), test_case("x")}, {{"a", 1}, {"b", 1}});
  retrying.retry_failures = 1;
  retrying.host_starts = 1;
  Driver driver(retrying);
  driver.up(0);
  driver.up(1);
  CHECK(driver.fails("bad").empty());
  CHECK(driver.lose(1) == Texts{"start bad on a/1"});
}

TEST_CASE(
    "a lost host requeues its test, charges it, and comes back with back-off until it is retired") {
  EnginePlan losing = plan_of({test_case("x")});
  losing.max_host_restarts = 5;
  losing.host_starts = 3;
  losing.host_backoff = 2s;
  Driver driver(losing);
  CHECK(driver.up(0) == Texts{"start x on a/1"});
  CHECK(driver.lose(0).empty());
  CHECK(driver.at(1999ms).empty());
  CHECK(driver.at(2s) == Texts{"boot a"});
  CHECK(driver.lose(0).empty());
  CHECK(driver.at(5999ms).empty());
  CHECK(driver.at(6s) == Texts{"boot a"});
  CHECK(driver.lose(0) == Texts{"over"});
  CHECK(driver.outcomes("x") == Texts{"host_lost", "finished"});
  CHECK(std::get<RunFinished>(driver.events.back().fact).how == RunFinished::How::no_hosts);
}

TEST_CASE("a host that is lost for good is retired at once, with the reason, and never started") {
  EnginePlan two = plan_of({test_case("x"), test_case("y")}, {{"a", 1}, {"b", 1}});
  Driver driver(two);
  driver.up(0);
  CHECK(driver.give(input::LoseHost{0, "its host key changed", true}).empty());
  CHECK(driver.facts() ==
        Texts{"ready a", "start x/1 on a", "end x/1 host_lost", "retire a: its host key changed"});
  CHECK(driver.at(1h).empty());
  CHECK(driver.give(input::LoseHost{1, "permission denied", true}) == Texts{"over"});
  CHECK(driver.outcomes("x") == Texts{"host_lost", "finished"});
  CHECK(driver.outcomes("y") == Texts{"never ran: no usable host was left"});
  CHECK(std::get<RunFinished>(driver.events.back().fact).how == RunFinished::How::no_hosts);
}

TEST_CASE(
    "a test that is ended as lost before its host is lost is charged once, and nothing is started "
    "on that host in between") {
  for (const Outcome& outcome : {Outcome(HostLost{"it rebooted"}), Outcome(Crashed{"BUG", "s"})}) {
    CAPTURE(outcome_name(outcome));
    EnginePlan losing = plan_of({test_case("x"), test_case("y")}, {{"a", 2}});
    losing.suites[0].parallel = 1;
    losing.retry_failures = 1;
    Driver driver(losing);
    CHECK(driver.up(0) == Texts{"start x on a/1"});
    CHECK(driver.end_alone("x", outcome).empty());
    CHECK(driver.lose(0).empty());
    CHECK(driver.at(1s) == Texts{"boot a"});
    CHECK(driver.up(0) == Texts{"start y on a/1"});
    CHECK(driver.pass("y") == Texts{"start x on a/1"});
    driver.pass("x");
    CHECK(driver.outcomes("x") == Texts{std::string(outcome_name(outcome)), "passed", "finished"});
  }
}

TEST_CASE("a test that lost its host before it was told is started on another host at once") {
  Driver driver(plan_of({test_case("x"), test_case("y"), test_case("z")}, {{"a", 2}, {"b", 1}}));
  driver.up(0);
  CHECK(driver.up(1) == Texts{"start z on b/1"});
  CHECK(driver.pass("z").empty());
  CHECK(driver.end_alone("x", HostLost{"it rebooted"}) == Texts{"start x on b/1"});
  CHECK(driver.lose(0).empty());
  CHECK(driver.outcomes("y") == Texts{"host_lost"});
  CHECK(driver.pass("x") == Texts{"start y on b/1"});
}

TEST_CASE("a crash that the host survives holds up nothing once its command is over") {
  Driver driver(plan_of({test_case("x"), test_case("y"), test_case("z")}, {{"a", 2}}));
  driver.up(0);
  CHECK(driver.end_alone("x", Crashed{"BUG", "s"}).empty());
  CHECK(driver.give(input::BeginTest{driver.batch_of("x"), 0, "files"}).empty());  // it has ended
  CHECK(driver.pass("y").empty());
  CHECK(driver.give(input::EndBatch{driver.batch_of("x"), {}}) == Texts{"start z on a/1"});
}

TEST_CASE("what is told of a lost host's tests after the loss changes nothing") {
  Driver driver(plan_of({test_case("x"), test_case("y")}));
  driver.up(0);
  const BatchNumber lost = driver.batch_of("x");
  driver.lose(0);
  const Texts before = driver.facts();
  CHECK(driver.lose(0).empty());
  CHECK(driver.end_alone("x", Passed{}).empty());
  CHECK(driver.give(input::EndBatch{lost, "still there"}).empty());
  CHECK(driver.give(input::BeginTest{lost, 0, "files"}).empty());
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, "no"}).empty());
  CHECK(driver.give(input::FinishTearDown{0, 0, 1s, "no"}).empty());
  CHECK(driver.up(0).empty());
  CHECK(driver.facts() == before);
  CHECK(driver.at(1s) == Texts{"boot a"});
}

TEST_CASE(
    "a test whose time was up when its host was lost has lost it the first time, and timed out the "
    "second") {
  Driver driver(plan_of({test_case("hangs", {}, 10s)}, {{"a", 1}, {"b", 1}}));
  driver.up(0);
  CHECK(driver.at(10s) == Texts{"stop hangs"});
  driver.end_alone("hangs", HostLost{"it does not answer"});
  driver.lose(0);
  CHECK(driver.up(1) == Texts{"start hangs on b/1"});
  CHECK(driver.at(20s) == Texts{"stop hangs", "boot a"});
  driver.lose(1);
  CHECK(driver.outcomes("hangs") == Texts{"host_lost", "timed_out", "finished"});
}

TEST_CASE("a host that is lost now and then is kept as long as tests end there in between") {
  std::vector<TestCase> tests;
  for (int i = 1; i <= 20; ++i)
    tests.push_back(test_case("t" + std::to_string(i)));
  Driver driver(plan_of(tests));
  Duration now{};
  driver.up(0);
  for (int i = 1; i < 20; i += 2) {
    driver.pass("t" + std::to_string(i));
    driver.lose(0);
    CHECK(driver.at(now += 1s) == Texts{"boot a"});  // without more back-off than after the first
    driver.up(0);
  }
}

TEST_CASE("a host that is lost under one test after the other, and ends none, is retired") {
  EnginePlan dying = plan_of(
      {test_case("t1"), test_case("t2"), test_case("t3"), test_case("t4"), test_case("t5")});
  dying.host_starts = 4;
  Driver driver(dying);
  Duration now{};
  for (int life = 1; life <= 4; ++life) {
    CHECK(driver.up(0) == Texts{"start t" + std::to_string(life) + " on a/1"});
    driver.lose(0);
    driver.at(now += 1min);
  }
  CHECK(driver.facts().back() == "retire a: it could not be used 4 times in a row; at last: gone");
  CHECK(driver.outcomes("t5") == Texts{"never ran: no usable host was left"});
}

TEST_CASE("tests that kill their hosts again and again use up their own budgets, not the hosts") {
  EnginePlan killing =
      plan_of({test_case("k1"), test_case("k2"), test_case("k3"), test_case("good")});
  killing.max_host_restarts = 3;
  killing.host_starts = 4;
  Driver driver(killing);
  Duration now{};
  for (const std::string killer : {"k1", "k2", "k3"}) {
    CHECK(driver.up(0) == Texts{"start " + killer + " on a/1"});
    driver.lose(0);
    driver.at(now += 1min);
  }
  CHECK(driver.up(0) == Texts{"start good on a/1"});
  CHECK(driver.pass("good") == Texts{"start k1 on a/1"});
  for (const std::string next : {"k2", "k3", "k1", "k2", "k3", "k1", "k2", "k3"}) {
    driver.lose(0);
    driver.at(now += 1min);
    CHECK(driver.up(0) == Texts{"start " + next + " on a/1"});
  }
  CHECK(driver.lose(0) == Texts{"over"});
  for (const std::string killer : {"k1", "k2", "k3"}) {
    CHECK(driver.outcomes(killer) ==
          Texts{"host_lost", "host_lost", "host_lost", "host_lost", "finished"});
  }
  CHECK(std::get<RunFinished>(driver.events.back().fact).how == RunFinished::How::completed);
}

TEST_CASE("a killer among good tests is an error after four hosts lost, and costs nothing else") {
  for (const int slots : {1, 3}) {
    for (const size_t place : {0u, 10u, 20u}) {
      CAPTURE(slots);
      CAPTURE(place);
      std::vector<TestCase> tests;
      for (int i = 1; i <= 20; ++i)
        tests.push_back(test_case("good" + std::to_string(i)));
      tests.insert(tests.begin() + static_cast<std::ptrdiff_t>(place), test_case("killer"));
      EnginePlan killing = plan_of(tests, {{"a", slots}, {"b", slots}});
      killing.max_host_restarts = 3;
      killing.host_starts = 4;
      Driver driver(killing);
      Duration now{};
      std::deque<std::string> asked;
      const auto ask = [&](const Texts& more) {
        asked.insert(asked.end(), more.begin(), more.end());
      };
      ask(driver.up(0));
      ask(driver.up(1));
      while (!asked.empty()) {
        const std::string what = asked.front();
        asked.pop_front();
        const size_t host = what.find(" on b/") == std::string::npos ? 0 : 1;
        if (what.starts_with("start killer")) {
          ask(driver.lose(host));
          ask(driver.at(now += 1s));
          ask(driver.up(host));
        } else if (what.starts_with("start")) {
          ask(driver.pass(what.substr(6, what.find(' ', 6) - 6)));
        }
      }
      for (const size_t host : {0u, 1u})
        driver.give(input::FinishHost{host});
      CHECK(driver.outcomes("killer") ==
            Texts{"host_lost", "host_lost", "host_lost", "host_lost", "finished"});
      for (int i = 1; i <= 20; ++i) {
        const Texts outcomes = driver.outcomes("good" + std::to_string(i));
        REQUIRE(outcomes.size() >= 2);
        CHECK(outcomes[outcomes.size() - 2] == "passed");
      }
      for (const std::string& fact : driver.facts())
        CHECK_FALSE(fact.starts_with("retire"));
      CHECK(std::get<RunFinished>(driver.events.back().fact).how == RunFinished::How::completed);
    }
  }
}

TEST_CASE("a host that was up has time to come back, one that never was has not") {
  EnginePlan rebooting = plan_of({test_case("x"), test_case("y")}, {{"a", 1}, {"b", 1}});
  rebooting.host_starts = 2;
  for (HostPlan& host : rebooting.hosts)
    host.return_within = 5s;
  Driver driver(rebooting);
  driver.up(0);
  driver.pass("x");
  for (const size_t host : {0u, 1u})
    driver.lose(host);
  CHECK(driver.at(1s) == Texts{"boot a", "boot b"});
  for (const size_t host : {0u, 1u})
    driver.lose(host);
  CHECK(driver.facts().back() == "retire b: it could not be used 2 times in a row; at last: gone");
  CHECK(driver.at(3s) == Texts{"boot a"});
  driver.lose(0);
  CHECK(driver.at(7s) == Texts{"boot a"});
  CHECK(driver.up(0) == Texts{"start y on a/1"});  // what it took to come back is forgotten
  driver.lose(0);
  CHECK(driver.at(8s) == Texts{"boot a"});
}

TEST_CASE("while hosts are backing off the run waits, but not beyond its deadline") {
  EnginePlan waiting = plan_of({test_case("x")}, {{"a", 1}, {"b", 1}});
  waiting.deadline = 30s;
  waiting.host_backoff = 1min;
  Driver driver(waiting);
  for (const size_t host : {0u, 1u})
    CHECK(driver.lose(host).empty());
  CHECK(driver.at(29s).empty());
  CHECK(driver.at(30s) == Texts{"over"});
  CHECK(std::get<RunFinished>(driver.events.back().fact).how == RunFinished::How::deadline);
}

TEST_CASE("after a signal no host is started again") {
  Driver driver(plan_of({test_case("x"), test_case("y")}, {{"a", 1}, {"b", 1}, {"c", 1}}));
  driver.up(0);
  driver.lose(1);
  CHECK(driver.give(input::Interrupt{SIGINT}) == Texts{"stop x"});
  CHECK(driver.lose(2).empty());
  CHECK(driver.at(1h).empty());
  CHECK(driver.lose(0) == Texts{"over"});
  CHECK(driver.outcomes("x") == Texts{"not_run", "finished"});
}

TEST_CASE("a test may lose only so many hosts") {
  EnginePlan losing = plan_of({test_case("killer"), test_case("x")});
  losing.max_host_restarts = 1;
  Driver driver(losing);
  driver.up(0);
  driver.lose(0);
  driver.at(10s);
  CHECK(driver.up(0) == Texts{"start x on a/1"});
  CHECK(driver.pass("x") == Texts{"start killer on a/1"});
  driver.lose(0);
  CHECK(driver.outcomes("killer") == Texts{"host_lost", "host_lost", "finished"});
}

TEST_CASE("a test that takes too long is stopped, and has timed out however it says it ended") {
  Driver driver(plan_of({test_case("slow", {}, 10s), test_case("next")}));
  driver.up(0);
  CHECK(driver.at(9999ms).empty());
  CHECK(driver.at(10s) == Texts{"stop slow"});
  CHECK(driver.end("slow", NotRun{"stopped"}) == Texts{"start next on a/1"});
  CHECK(driver.outcomes("slow") == Texts{"timed_out", "finished"});
}

TEST_CASE("a test that ended by itself just before it was stopped keeps its outcome") {
  Driver driver(plan_of({test_case("slow", {}, 10s)}));
  driver.up(0);
  driver.at(10s);
  driver.pass("slow");
  CHECK(driver.outcomes("slow") == Texts{"passed", "finished"});
}

TEST_CASE("a test that begins after it was stopped does not time out") {
  Driver driver(plan_of({test_case("slow", {}, 10s)}));
  driver.begins_at_once = false;
  driver.up(0);
  CHECK(driver.give(input::Interrupt{SIGINT}) == Texts{"stop slow"});
  driver.give(input::BeginTest{driver.batch_of("slow"), 0, "files"});
  CHECK(driver.at(10s).empty());
  driver.end("slow", NotRun{"stopped"});
  CHECK(driver.outcomes("slow") == Texts{"not_run", "finished"});
}

TEST_CASE("a test with a timeout of zero has no limit") {
  Driver driver(plan_of({test_case("slow", {}, 0s)}));
  driver.up(0);
  CHECK(driver.at(100h).empty());
}

TEST_CASE("at the deadline what runs is stopped, and what waits never ran; both say why") {
  EnginePlan limited = plan_of({test_case("x"), test_case("y")});
  limited.deadline = 30s;
  Driver driver(limited);
  driver.up(0);
  CHECK(driver.at(30s) == Texts{"stop x"});
  CHECK(driver.end("x", NotRun{"stopped"}) == Texts{"halt a"});
  CHECK(driver.give(input::FinishHost{0}) == Texts{"over"});
  CHECK(driver.outcomes("x") == Texts{"not_run", "finished"});
  CHECK(driver.outcomes("y") == Texts{"never ran: the run's deadline of 30.0s came first"});
}

TEST_CASE("a test that is not expected to end before the deadline leaves its turn to one that is") {
  EnginePlan limited =
      plan_of({test_case("long", 60s), test_case("short", 5s), test_case("next", 4s)});
  limited.deadline = 30s;
  Driver driver(limited);
  CHECK(driver.up(0) == Texts{"start short on a/1"});
  CHECK(driver.pass("short") == Texts{"start next on a/1"});
  CHECK(driver.pass("next") == Texts{"halt a"});
  CHECK(driver.outcomes("long") ==
        Texts{"never ran: it was not expected to end before the run's deadline of 30.0s"});
}

TEST_CASE("after N failed tests nothing more is started, and what runs may end") {
  EnginePlan stopping = plan_of({test_case("bad"), test_case("x"), test_case("y")}, {{"a", 2}});
  stopping.stop_after_failures = 1;
  Driver driver(stopping);
  driver.up(0);
  CHECK(driver.fails("bad").empty());
  CHECK(driver.outcomes("y") == Texts{"never ran: stopped after 1 failed test"});
  CHECK(driver.pass("x") == Texts{"halt a"});
  CHECK(driver.outcomes("x") == Texts{"passed", "finished"});
}

TEST_CASE("a first signal ends the run in good order, a second one at once") {
  EnginePlan with_setup = plan_of({test_case("x"), test_case("y")});
  with_setup.suites[0].has_setup = true;
  Driver driver(with_setup);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, {}}) == Texts{"start x on a/1"});
  CHECK(driver.give(input::Interrupt{SIGINT}) == Texts{"stop x"});
  CHECK(driver.give(input::Interrupt{SIGINT}) == Texts{"kill x"});
  driver.end("x", NotRun{"stopped"});
  CHECK(driver.outcomes("x") == Texts{"not_run", "finished"});
  CHECK(driver.outcomes("y") == Texts{"never ran: interrupted by SIGINT"});
}

TEST_CASE(
    "a suite is set up once on each host before its first test there, and torn down after its "
    "last") {
  EnginePlan with_setup = plan_of({test_case("x"), test_case("y", {}, {}, "other")}, {{"a", 2}});
  with_setup.suites = {{"s", true, 0}, {"other", false, 0}};
  Driver driver(with_setup);
  CHECK(driver.up(0) == Texts{"set up s on a", "start y on a/2"});
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, {}}) == Texts{"start x on a/1"});
  CHECK(driver.pass("x") == Texts{"tear down s on a"});
  CHECK(driver.pass("y").empty());
  CHECK(driver.give(input::FinishTearDown{0, 0, 1s, {}}) == Texts{"halt a"});
}

TEST_CASE(
    "when a suite's set-up fails its tests are errors with the reason, once no host is left to "
    "try") {
  EnginePlan with_setup = plan_of({test_case("x"), test_case("y")}, {{"a", 1}, {"b", 1}});
  with_setup.suites[0].has_setup = true;
  Driver driver(with_setup);
  driver.up(0);
  driver.up(1);
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, "exit status 1"}).empty());
  CHECK(driver.outcomes("x").empty());
  CHECK(driver.give(input::FinishSetUp{1, 0, 1s, "exit status 1"}) == Texts{"halt a", "halt b"});
  CHECK(driver.outcomes("x") == Texts{"setup_failed", "finished"});
  CHECK(driver.outcomes("y") == Texts{"setup_failed", "finished"});
}

TEST_CASE("a suite whose set-up fails on one host goes on where it works") {
  EnginePlan with_setup = plan_of({test_case("x"), test_case("y")}, {{"a", 1}, {"b", 1}});
  with_setup.suites[0].has_setup = true;
  Driver driver(with_setup);
  driver.up(0);
  CHECK(driver.up(1) == Texts{"set up s on b"});
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, "exit status 1"}).empty());
  CHECK(driver.give(input::FinishSetUp{1, 0, 1s, {}}) == Texts{"start x on b/1"});
  CHECK(driver.pass("x") == Texts{"start y on b/1"});
  driver.lose(0);  // a new life, a new set-up
  driver.at(1s);
  CHECK(driver.up(0).empty());
  CHECK(driver.lose(1) == Texts{"set up s on a"});
}

TEST_CASE("a suite is set up again on a host that was lost, and a teardown that was lost is done") {
  EnginePlan with_setup = plan_of({test_case("x"), test_case("y")});
  with_setup.suites[0].has_setup = true;
  Driver driver(with_setup);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  driver.lose(0);
  driver.at(1s);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, {}}) == Texts{"start x on a/1"});
  driver.lose(0);
  driver.at(10s);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  driver.lose(0);  // in a set-up again, but not in a row
  driver.at(20s);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  driver.give(input::FinishSetUp{0, 0, 1s, {}});
  driver.pass("y");
  CHECK(driver.pass("x") == Texts{"tear down s on a"});
  CHECK(driver.lose(0) == Texts{"over"});
  CHECK(driver.outcomes("x") == Texts{"host_lost", "passed", "finished"});
}

TEST_CASE("a set-up that loses its host again and again costs its suite, not the host") {
  EnginePlan killing = plan_of({test_case("x"), test_case("y", {}, {}, "other")});
  killing.suites = {{"s", true, 0}, {"other", false, 0}};
  Driver driver(killing);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  driver.lose(0);
  driver.at(1s);
  CHECK(driver.up(0) == Texts{"set up s on a"});
  driver.lose(0);
  CHECK(driver.at(10s) == Texts{"boot a"});
  CHECK(driver.outcomes("x") == Texts{"setup_failed", "finished"});
  CHECK(driver.up(0) == Texts{"start y on a/1"});
  CHECK(driver.pass("y") == Texts{"halt a"});
}

TEST_CASE("a suite that may run only so many at once leaves its slots to others") {
  EnginePlan limited =
      plan_of({test_case("x"), test_case("y"), test_case("z", {}, {}, "other")}, {{"a", 4}});
  limited.suites = {{"s", false, 1}, {"other", false, 0}};
  Driver alone(limited);
  CHECK(alone.up(0) == Texts{"start x on a/1"});
  CHECK(alone.pass("x") == Texts{"start y on a/1"});
  CHECK(alone.pass("y") == Texts{"start z on a/1"});

  limited.suites[0].has_setup = true;
  Driver set_up(limited);
  CHECK(set_up.up(0) == Texts{"set up s on a"});
  CHECK(set_up.give(input::FinishSetUp{0, 0, 1s, {}}) == Texts{"start x on a/1"});

  limited.suites[0].has_setup = false;
  limited.suites[0].parallel = 2;
  limited.tests.push_back(test_case("w"));
  Driver two(limited);
  CHECK(two.up(0) == Texts{"start x on a/1", "start y on a/2", "start z on a/3"});
}

TEST_CASE(
    "a slot with something in it that can't be killed is not used again, and the run goes on in "
    "the others") {
  Driver driver(plan_of({test_case("stuck"), test_case("x"), test_case("y")}, {{"a", 2}}));
  driver.up(0);
  driver.give(input::EndTest{1, 0, [] {
                               Attempt attempt;
                               attempt.outcome = NotRun{"stopped"};
                               return attempt;
                             }()});
  CHECK(driver.give(input::EndBatch{1, "still there"}).empty());
  CHECK(driver.pass("x") == Texts{"start y on a/2"});
}

TEST_CASE("a slot that is not usable stays so until the host has booted again") {
  for (const bool booted : {true, false}) {
    CAPTURE(booted);
    Driver driver(plan_of({test_case("stuck"), test_case("x")}, {{"a", 2}}));
    driver.up(0, "boot 1");
    driver.end_alone("stuck", NotRun{"stopped"});
    CHECK(driver.give(input::EndBatch{driver.batch_of("stuck"), "still there"}).empty());
    driver.lose(0);
    driver.at(1s);
    CHECK(driver.up(0, booted ? "boot 2" : "boot 1") ==
          (booted ? Texts{"start stuck on a/1", "start x on a/2"} : Texts{"start stuck on a/2"}));
  }
}

TEST_CASE("a job without tests or without hosts ends at once") {
  Driver no_tests(plan_of({}));
  CHECK(no_tests.up(0).empty());
  Driver no_hosts(plan_of({test_case("x")}, {}));
  CHECK(no_hosts.outcomes("x") == Texts{"never ran: the job has no host"});
  CHECK(std::get<RunFinished>(no_hosts.events.back().fact).how == RunFinished::How::no_hosts);
}

TEST_CASE("inputs about batches and hosts that are gone change nothing") {
  Driver driver(plan_of({test_case("x"), test_case("y")}));
  driver.up(0);
  CHECK(driver.up(0).empty());
  CHECK(driver.give(input::EndBatch{99, {}}).empty());
  CHECK(driver.give(input::BeginTest{99, 0, ""}).empty());
  CHECK(driver.give(input::FinishSetUp{0, 0, 1s, {}}).empty());
  CHECK(driver.give(input::FinishHost{0}).empty());
  CHECK(driver.pass("x") == Texts{"start y on a/1"});
}
