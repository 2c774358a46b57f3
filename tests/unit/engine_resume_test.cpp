// Runs that broke off and go on: what an earlier ff-ci did is done, and what it was doing is done
// again.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <random>
#include <set>

#include "engine_driver.hpp"
#include "model/run.hpp"

using namespace ffci;
using namespace ffci::test;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const Run> folded(const std::vector<RunEvent>& events) {
  auto run = std::make_shared<Run>();
  for (const RunEvent& event : events)
    run->apply(event);
  return run;
}

// The plan of the first driver, as it stood after its events.
EnginePlan plan_after(const Driver& before, EnginePlan plan) {
  plan.earlier = folded(before.events);
  return plan;
}

}  // namespace

TEST_CASE("what has a result is not run again, and what was running is") {
  const EnginePlan plan = plan_of({test_case("done"), test_case("ran"), test_case("waited")});
  Driver before(plan);
  before.up(0);
  before.pass("done");  // "ran" is running now
  Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
  CHECK(after.up(0) == Texts{"start ran on a/1"});
  CHECK(after.pass("ran") == Texts{"start waited on a/1"});
  CHECK(after.pass("waited") == Texts{"halt a"});
  CHECK(after.outcomes("done").empty());
  CHECK(after.outcomes("ran") == Texts{"not_run", "passed", "finished"});
}

TEST_CASE("the interrupted attempt keeps its number, and the next one has another") {
  const EnginePlan plan = plan_of({test_case("t")});
  Driver before(plan);
  before.up(0);
  Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
  after.up(0);
  after.pass("t");
  CHECK(after.facts() == Texts{"end t/1 not_run", "ready a", "start t/2 on a", "end t/2 passed"});
}

TEST_CASE("what follows from an attempt that was kept is made up for") {
  EnginePlan plan = plan_of({test_case("passed"), test_case("failed"), test_case("next")});
  Driver before(plan);
  before.up(0);
  before.pass("passed");
  before.fails("failed");
  // ff-ci died before it could say that the tests were finished.
  std::erase_if(before.events, [](const RunEvent& event) {
    return std::holds_alternative<TestFinished>(event.fact);
  });
  SUBCASE("without retries") {
    Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
    CHECK(after.outcomes("passed") == Texts{"finished"});
    CHECK(after.outcomes("failed") == Texts{"finished"});
    CHECK(after.up(0) == Texts{"start next on a/1"});
  }
  SUBCASE("a retry that was due is not forgotten") {
    plan.retry_failures = 1;
    Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
    CHECK(after.outcomes("failed").empty());
    CHECK(after.up(0) == Texts{"start next on a/1"});
    CHECK(after.pass("next") == Texts{"start failed on a/1"});
  }
}

TEST_CASE("budgets go on where they were") {
  EnginePlan plan = plan_of({test_case("t")});
  plan.retry_failures = 1;
  Driver before(plan);
  before.up(0);
  before.fails("t");
  Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
  after.at(1min);
  after.up(0);
  CHECK(after.fails("t") == Texts{"halt a"});
  CHECK(after.outcomes("t") == Texts{"not_run", "failed", "finished"});
}

TEST_CASE("when nothing is left to do no host is started") {
  const EnginePlan plan = plan_of({test_case("t")});
  Driver before(plan);
  before.up(0);
  before.pass("t");
  Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
  REQUIRE(!after.events.empty());
  CHECK(std::holds_alternative<RunFinished>(after.events.back().fact));
}

TEST_CASE("a run that was interrupted goes on with what was not run") {
  const EnginePlan plan = plan_of({test_case("done"), test_case("ran"), test_case("waited")});
  Driver before(plan);
  before.up(0);
  before.pass("done");
  before.give(input::Interrupt{2});
  before.end("ran", NotRun{"stopped"});
  CHECK(before.outcomes("waited") == Texts{"never ran: interrupted by SIGINT"});
  Driver after(plan_after(before, plan), Driver::Begins::by_resuming);
  CHECK(after.up(0) == Texts{"start ran on a/1"});
  CHECK(after.pass("ran") == Texts{"start waited on a/1"});
  after.pass("waited");
  std::vector<RunEvent> whole = before.events;
  whole.insert(whole.end(), after.events.begin(), after.events.end());
  const auto run = folded(whole);
  CHECK(run->counts()[Verdict::passed] == 3);
}

TEST_CASE("killed at any moment and resumed, every test has one verdict and no result is lost") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    std::vector<TestCase> tests;
    for (int i = 0; i < 12; ++i)
      tests.push_back(test_case(fmt::format("t{}", i)));
    EnginePlan plan = plan_of(tests, {{"a", 2}, {"b", 1}});
    plan.suites[0].batches = chance(50);
    plan.batch_target = 30s;
    plan.retry_failures = static_cast<int>(random() % 3);
    plan.gated = chance(50);
    if (plan.gated && chance(50)) plan.hosts.push_back({"x", 2, 1, true});

    std::vector<RunEvent> journal;
    int lives = 0;
    unsigned rounds = 0;  // of reruns
    for (bool over = false; !over; ++lives) {
      REQUIRE(lives < 200);
      if (!journal.empty()) plan.earlier = folded(journal);
      Engine engine(plan);
      std::vector<Input> inputs{plan.earlier ? Input(input::Resume{}) : Input(input::Begin{})};
      struct Place {
        BatchNumber batch;
        size_t test, tests;
      };
      std::vector<Place> begun;
      const auto began = journal.size();
      const size_t killed_after = began + random() % 40;  // events of this life
      while (!inputs.empty() && !over) {
        const size_t next = random() % inputs.size();
        const Input input = inputs[next];
        inputs.erase(inputs.begin() + static_cast<std::ptrdiff_t>(next));
        if (const auto* begin = std::get_if<input::BeginTest>(&input)) {
          input::EndTest end{begin->batch, begin->test, {}};
          end.result.outcome = chance(20) ? Outcome(Failed{"no", {}}) : Outcome(Passed{});
          inputs.push_back(end);
        }
        bool killed = false;
        if (const auto* end = std::get_if<input::EndTest>(&input)) {
          const auto place = std::find_if(begun.begin(), begun.end(), [&](const Place& one) {
            return one.batch == end->batch;
          });
          if (place->test + 1 == place->tests) {
            inputs.push_back(input::EndBatch{place->batch, {}});
          } else {
            ++place->test;
            inputs.push_back(input::BeginTest{place->batch, place->test, "files"});
          }
        }
        for (const Action& action : engine.handle({}, input)) {
          if (const auto* record = std::get_if<action::Record>(&action)) {
            if (journal.size() >= killed_after) {
              killed = true;
              break;
            }
            journal.push_back(record->event);
          } else if (const auto* host = std::get_if<action::StartHost>(&action)) {
            inputs.push_back(input::AcceptHost{
                host->host, HostReady{plan.hosts[host->host].name, "", 1, "", "", ""}});
          } else if (const auto* stop = std::get_if<action::StopHost>(&action)) {
            inputs.push_back(input::FinishHost{stop->host});
          } else if (const auto* start = std::get_if<action::StartBatch>(&action)) {
            begun.push_back({start->batch, 0, start->tests.size()});
            inputs.push_back(input::BeginTest{start->batch, 0, "files"});
          } else if (const auto* judge = std::get_if<action::JudgeRun>(&action)) {
            const std::size_t base = random() % 3;
            if (judge->why_final.empty() && rounds++ < 5) {
              inputs.push_back(input::OrderReruns{
                  {{plan.tests[random() % 12].id, 2, base}, {plan.tests[random() % 12].id, 1, 0}}});
            } else {
              inputs.push_back(input::AcceptJudgement{});
            }
          } else if (std::holds_alternative<action::Finish>(action)) {
            over = true;
          }
        }
        if (killed) break;
        // Retries that wait for another host.
        if (inputs.empty() && !over) {
          for (const Action& action : engine.handle(1h, input::Tick{})) {
            if (const auto* start = std::get_if<action::StartBatch>(&action)) {
              begun.push_back({start->batch, 0, start->tests.size()});
              inputs.push_back(input::BeginTest{start->batch, 0, "files"});
            }
          }
        }
      }
    }
    std::map<std::string, Texts> attempts;
    std::map<std::string, int> numbers;
    std::map<std::string, std::set<int>> reruns, begun_reruns;
    std::uint64_t sequence = 0;
    for (const RunEvent& event : journal) {
      CHECK(event.sequence == ++sequence);
      if (const auto* start = std::get_if<AttemptStarted>(&event.fact);
          start != nullptr && start->purpose != Purpose::verdict) {
        CHECK(begun_reruns[start->test.name].insert(start->attempt).second);
        CHECK((start->purpose == Purpose::base) == (start->host == "x"));
      }
      if (const auto* end = std::get_if<AttemptFinished>(&event.fact)) {
        if (end->result.purpose != Purpose::verdict) {
          CHECK(reruns[end->test.name].insert(end->result.number).second);
          continue;
        }
        CHECK(end->result.number == ++numbers[end->test.name]);
        if (!std::holds_alternative<NotRun>(*end->result.outcome))
          attempts[end->test.name].emplace_back(outcome_name(*end->result.outcome));
      }
    }
    const auto run = folded(journal);
    REQUIRE(run->finish());
    CHECK(run->judgement().has_value() == plan.gated);
    CHECK(reruns == begun_reruns);
    for (const TestResult& test : run->tests()) {
      CAPTURE(test.id.name);
      CHECK(test.finished);
      const Texts& tried = attempts[test.id.name];
      REQUIRE(!tried.empty());
      CHECK(static_cast<int>(tried.size()) <= 1 + plan.retry_failures);
      // Nothing ran again behind a pass, and nothing ended before its retries.
      CHECK(std::count(tried.begin(), tried.end(), "passed") == (tried.back() == "passed" ? 1 : 0));
      if (tried.back() != "passed")
        CHECK(static_cast<int>(tried.size()) == 1 + plan.retry_failures);
    }
  }
}
