#include <doctest/doctest.h>

#include <csignal>
#include <initializer_list>

#include "model/exit_code.hpp"
#include "model/run.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

Verdict verdict(std::initializer_list<Outcome> outcomes) {
  std::vector<const Outcome*> attempts;
  for (const Outcome& outcome : outcomes)
    attempts.push_back(&outcome);
  return verdict_of(attempts);
}

const TestId test_a{"s", "", "a", 1}, test_b{"s", "", "b", 1};

// A run told in facts.
class Told {
 public:
  explicit Told(std::initializer_list<TestId> tests) {
    add(RunStarted{"id", "job", "1", {}, 0, "", ""});
    for (const TestId& test : tests)
      add(TestSelected{test, {}});
  }
  Told& attempt(const TestId& test, int number, Outcome outcome) {
    add(AttemptStarted{test, number, "local", 1, "files"});
    Attempt result;
    result.number = number;
    result.host = "local";
    result.outcome = std::move(outcome);
    add(AttemptFinished{test, result});
    return *this;
  }
  Told& finish(RunFinished finished = {}) {
    add(finished);
    return *this;
  }
  void add(decltype(RunEvent::fact) fact) { run.apply({++sequence_, 0ms, std::move(fact)}); }
  Run run;

 private:
  std::uint64_t sequence_ = 0;
};

}  // namespace

TEST_CASE(
    "the verdict follows from the attempts: a pass wins, then the last bad one, then a skip, then "
    "infrastructure") {
  const Failed failed{"no", {}};
  CHECK(verdict({}) == Verdict::not_run);
  CHECK(verdict({Passed{}}) == Verdict::passed);
  CHECK(verdict({failed, Passed{}}) == Verdict::flaky);
  CHECK(verdict({HostLost{"x"}, Passed{}}) == Verdict::passed);
  CHECK(verdict({failed, failed}) == Verdict::failed);
  CHECK(verdict({failed, TimedOut{1s}}) == Verdict::timed_out);
  CHECK(verdict({TimedOut{1s}, Crashed{"BUG", "s"}}) == Verdict::crashed);
  CHECK(verdict({Skipped{"x"}}) == Verdict::skipped);
  CHECK(verdict({HostLost{"x"}, HostLost{"y"}}) == Verdict::error);
  CHECK(verdict({SetupFailed{"x"}}) == Verdict::error);
  CHECK(verdict({NotRun{"x"}}) == Verdict::not_run);
  // What follows a failure without passing doesn't take it back.
  CHECK(verdict({failed, HostLost{"x"}}) == Verdict::failed);
  CHECK(verdict({failed, Skipped{"x"}}) == Verdict::failed);
  CHECK(verdict({failed, NotRun{"x"}}) == Verdict::failed);
}

TEST_CASE("files that come back later belong to the attempt they are of") {
  Told told({test_a});
  told.attempt(test_a, 1, Failed{"no", {}}).attempt(test_a, 2, Passed{});
  told.add(FilesKept{test_a, 1, {"a.full"}, "the rest is over the limit"});
  const std::vector<Attempt>& attempts = told.run.find(test_a)->attempts;
  REQUIRE(attempts.size() == 2);
  CHECK(attempts[0].kept_files == std::vector<std::string>{"a.full"});
  CHECK(attempts[0].files_problem == "the rest is over the limit");
  CHECK(attempts[0].outcome == Outcome(Failed{"no", {}}));
  CHECK(attempts[1].kept_files.empty());
}

TEST_CASE("every verdict and its name belong together") {
  for (const Verdict v : all_verdicts)
    CHECK(verdict_from_name(verdict_name(v)) == v);
  CHECK_FALSE(verdict_from_name("green"));
}

TEST_CASE("the exit code says what a pipeline must know") {
  CHECK(exit_code_for(Told({test_a}).attempt(test_a, 1, Passed{}).finish().run) == ExitCode::ok);
  CHECK(exit_code_for(Told({test_a})
                          .attempt(test_a, 1, Failed{"x", {}})
                          .attempt(test_a, 2, Passed{})
                          .finish()
                          .run) == ExitCode::ok);
  CHECK(exit_code_for(Told({test_a}).attempt(test_a, 1, TimedOut{1s}).finish().run) ==
        ExitCode::regression);
  CHECK(exit_code_for(Told({test_a}).attempt(test_a, 1, Skipped{"x"}).finish().run) ==
        ExitCode::nothing_run);
  CHECK(exit_code_for(Told({}).finish().run) == ExitCode::nothing_run);
  CHECK(exit_code_for(Told({test_a, test_b}).attempt(test_a, 1, Passed{}).finish().run) ==
        ExitCode::incomplete);
  CHECK(exit_code_for(Told({test_a}).attempt(test_a, 1, SetupFailed{"x"}).finish().run) ==
        ExitCode::incomplete);
  CHECK(exit_code_for(Told({test_a}).finish({RunFinished::How::no_hosts, 0}).run) ==
        ExitCode::no_hosts);
  CHECK(exit_code_for(Told({test_a}).finish({RunFinished::How::interrupted, SIGINT}).run) ==
        ExitCode::interrupted);
  CHECK(exit_code_for(Told({test_a}).finish({RunFinished::How::interrupted, SIGTERM}).run) ==
        ExitCode::terminated);
}

TEST_CASE("a failure beats everything else that happened to the run") {
  Told told({test_a, test_b});
  told.attempt(test_a, 1, Failed{"x", {}}).finish({RunFinished::How::interrupted, SIGINT});
  CHECK(exit_code_for(told.run) == ExitCode::regression);
}

TEST_CASE("a run whose end is missing is incomplete, however well it went") {
  CHECK(exit_code_for(Told({test_a}).attempt(test_a, 1, Passed{}).run) == ExitCode::incomplete);
}

namespace {

// A run with a gate, as far as it got.
Told gated(const Outcome& outcome, std::optional<GateResult> says, RunFinished end = {}) {
  Told told({test_a, test_b});
  RunStarted header{"id", "job", "1", {}, 0, "", ""};
  header.gated = true;
  told.add(header);
  told.attempt(test_a, 1, outcome).attempt(test_b, 1, Passed{});
  if (says) {
    Judgement judgement;
    judgement.result = *says;
    told.add(RunJudged{judgement});
  }
  return told.finish(end);
}

}  // namespace

TEST_CASE("a run with a gate has the result and the exit code that its gate says") {
  const struct {
    GateResult says;
    RunResult result;
    int code, bisect;
  } table[] = {{GateResult::regression, RunResult::regression, 1, 1},
               {GateResult::failed, RunResult::failed, 1, 1},
               {GateResult::inconclusive, RunResult::incomplete, 5, 125},
               {GateResult::incomparable, RunResult::incomplete, 5, 125},
               {GateResult::flaky, RunResult::flaky, 6, 134},
               {GateResult::drift, RunResult::drift, 3, 131},
               {GateResult::passed, RunResult::passed, 0, 0}};
  for (const auto& [says, result, code, bisect] : table) {
    const std::string_view word = gate_result_name(says);
    CAPTURE(word);
    for (const Outcome& outcome : {Outcome(Passed{}), Outcome(Failed{"no", {}})}) {
      const Told told = gated(outcome, says);
      CHECK(result_of(told.run) == result);
      CHECK(static_cast<int>(exit_code_for(told.run)) == code);
      CHECK(bisect_code(exit_code_for(told.run)) == bisect);
    }
  }
}

TEST_CASE("a failure of a run whose gate has not spoken is no result yet") {
  CHECK(result_of(gated(Failed{"no", {}}, {}).run) == RunResult::incomplete);
  CHECK(result_of(gated(Passed{}, {}).run) == RunResult::incomplete);
}

TEST_CASE("only a regression or a failure beats how a run with a gate ended") {
  const RunFinished interrupted{RunFinished::How::interrupted, SIGTERM};
  const auto code = [&](const Outcome& outcome, GateResult says, RunFinished end) {
    return exit_code_for(gated(outcome, says, end).run);
  };
  CHECK(code(Passed{}, GateResult::regression, interrupted) == ExitCode::regression);
  CHECK(code(Passed{}, GateResult::failed, interrupted) == ExitCode::regression);
  for (const GateResult says : {GateResult::inconclusive, GateResult::incomparable,
                                GateResult::flaky, GateResult::drift, GateResult::passed}) {
    CAPTURE(gate_result_name(says));
    CHECK(code(Failed{"no", {}}, says, interrupted) == ExitCode::terminated);
    CHECK(code(Passed{}, says, {RunFinished::How::no_hosts, 0}) == ExitCode::no_hosts);
    CHECK(code(SetupFailed{"no"}, says, {}) == ExitCode::incomplete);
  }
}

TEST_CASE("a run with a gate that goes on after a break is judged anew") {
  Told told = gated(Passed{}, GateResult::regression);
  told.add(RunResumed{{}, "1"});
  CHECK_FALSE(told.run.judgement());
  CHECK(result_of(told.run) == RunResult::incomplete);
}

TEST_CASE("reruns change no verdict, and are kept by their numbers with their purpose") {
  Told told({test_a});
  told.attempt(test_a, 1, Failed{"no", {}});
  for (const auto& [number, purpose] :
       {std::pair(2, Purpose::base), std::pair(1, Purpose::confirmation)}) {
    told.add(AttemptStarted{test_a, number, "local", 1, "files", 0, purpose});
    Attempt rerun;
    rerun.purpose = purpose;
    rerun.number = number;
    rerun.outcome = Passed{};
    told.add(AttemptFinished{test_a, rerun});
  }
  told.add(FilesKept{test_a, 2, {"a.full"}, "", Purpose::base});
  const TestResult& test = told.run.tests()[0];
  CHECK(test.verdict() == Verdict::failed);
  CHECK(test.attempts.size() == 1);
  REQUIRE(test.reruns.size() == 2);
  CHECK(test.reruns[0].purpose == Purpose::confirmation);
  CHECK(test.reruns[1].purpose == Purpose::base);
  CHECK(test.reruns[1].kept_files == std::vector<std::string>{"a.full"});
}

TEST_CASE("git bisect skips what could not be tested, and stops where nothing can be") {
  const std::pair<ExitCode, int> table[] = {
      {ExitCode::ok, 0},           {ExitCode::regression, 1},    {ExitCode::nothing_run, 125},
      {ExitCode::incomplete, 125}, {ExitCode::no_hosts, 125},    {ExitCode::temporary, 125},
      {ExitCode::drift, 131},      {ExitCode::flaky, 134},       {ExitCode::usage, 192},
      {ExitCode::bad_spec, 206},   {ExitCode::interrupted, 130}, {ExitCode::terminated, 143}};
  for (const auto& [code, wanted] : table)
    CHECK(bisect_code(code) == wanted);
  for (const ExitCodeMeaning& code : exit_code_table()) {
    const int told = bisect_code(code.code);
    CAPTURE(told);
    CHECK((told == 0 || told == 1 || told == 125 || (told >= 128 && told <= 255)));
  }
}

TEST_CASE("no exit code is one that other tools have taken") {
  for (const ExitCodeMeaning& code : exit_code_table()) {
    const int value = static_cast<int>(code.code);
    CAPTURE(value);
    const bool taken = value == 2 || value == 77 || value == 99 || (value >= 100 && value <= 105) ||
                       (value >= 124 && value <= 127);
    CHECK_FALSE(taken);
  }
}

TEST_CASE("the run keeps facts about tests in any order they come") {
  Told told({});
  told.attempt(test_b, 2, Passed{}).attempt(test_b, 1, Failed{"x", {}});
  REQUIRE(told.run.find(test_b) != nullptr);
  CHECK(told.run.find(test_b)->verdict() == Verdict::flaky);
  CHECK(told.run.find(test_b)->attempts.front().number == 1);
  CHECK(told.run.find(test_b)->reason() == "passed on attempt 2; attempt 1: x");
}

TEST_CASE("a test that was running when ff-ci died says so") {
  Told told({test_a});
  told.add(AttemptStarted{test_a, 1, "local", 1, "files"});
  CHECK(told.run.tests()[0].verdict() == Verdict::not_run);
  CHECK(told.run.tests()[0].reason() == "was running on local when ff-ci died");
}

TEST_CASE("exit statuses are told in words") {
  CHECK(describe({ExitStatus::Kind::exited, 3}) == "exit status 3");
  CHECK(describe({ExitStatus::Kind::exited, 127}) == "exit status 127 (command not found)");
  CHECK(describe({ExitStatus::Kind::exited, 139}) == "exit status 139 (SIGSEGV)");
  CHECK(describe({ExitStatus::Kind::exited, 255}) == "exit status 255");
  CHECK(describe({ExitStatus::Kind::signaled, SIGKILL}) == "killed by SIGKILL");
}

TEST_CASE("test ids are printed with what tells them apart") {
  CHECK(to_string({"kvm", "", "dirty", 1}) == "kvm/dirty");
  CHECK(to_string({"btrfs", "4k", "generic/001", 3}) == "btrfs@4k/generic/001 #3");
}
