#include "report/console.hpp"

#include <doctest/doctest.h>

#include "gated_run.hpp"
#include "golden.hpp"
#include "report/console_summary.hpp"
#include "report/gate_text.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {
namespace {

struct Log {
  std::string text;
  ConsoleReport report;

  explicit Log(ConsoleOptions options = {})
      : report(std::move(options), [this](std::string_view more) { text += more; }) {}

  std::string fed(const RunBuilder& run) {
    for (const RunEvent& event : run.events())
      report.on_event(event);
    return text;
  }
  std::string heartbeat(Duration now) {
    text.clear();
    report.heartbeat(now);
    return text;
  }
};

std::string whole_log(const ConsoleOptions& options) {
  Log log(options);
  log.fed(one_of_everything());
  log.report.summary(one_of_everything().run());
  return log.text;
}

std::string summary_of(const RunBuilder& run, const ConsoleOptions& options = {}) {
  return console_summary(run.run(), options);
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string last_line(const std::string& text) {
  return text.substr(text.rfind('\n', text.size() - 2) + 1);
}

const ConsoleOptions everything{.verbose = true,
                                .print_failure_list = true,
                                .print_n_slowest = 3,
                                .print_duration_histogram = true};

}  // namespace

TEST_CASE("the log of a run with one of everything") {
  check_golden("console.txt", whole_log({}));
}

TEST_CASE("the log of a run with one test of each decision of the gate") {
  Log log;
  log.fed(one_of_each_decision());
  log.report.summary(one_of_each_decision().run());
  check_golden("console-gate.txt", log.text);
}

TEST_CASE("the log with every option on") {
  check_golden("console-verbose.txt", whole_log(everything));
}

TEST_CASE("the log for GitHub folds, annotates and guards") {
  check_golden("console-github.txt", whole_log({.ci = CiSystem::github, .guard_token = "5f2a"}));
}

TEST_CASE("the log for GitLab folds what went wrong") {
  const std::string log = whole_log({.ci = CiSystem::gitlab});
  CHECK(has(log, "section_start:1769860827:ff_ci_failures\r\x1B[0KWhat went wrong:\n"));
  CHECK(has(log, "\nsection_end:1769860827:ff_ci_failures\r\x1B[0K\n"));
}

TEST_CASE("without colour there is no escape, with colour nothing but SGR") {
  CHECK_FALSE(has(whole_log(everything), "\x1B"));
  ConsoleOptions colourful = everything;
  colourful.colour = Colour::yes;
  const std::string log = whole_log(colourful);
  std::size_t escapes = 0;
  for (std::size_t at = log.find('\x1B'); at != std::string::npos;
       at = log.find('\x1B', at + 1), ++escapes) {
    const std::size_t end = log.find_first_not_of("0123456789;", at + 2);
    CHECK(log[at + 1] == '[');
    CHECK(log[end] == 'm');
  }
  CHECK(escapes > 10);
}

TEST_CASE("a plain pass has no line, a skip has one") {
  const std::string log = Log().fed(RunBuilder()
                                        .test({"s", "", "a"}, {{}})
                                        .test({"s", "", "b"}, {{.outcome = Skipped{"no KVM"}}}));
  CHECK_FALSE(has(log, "PASS"));
  CHECK(has(log, "\n    SKIP   1.00s  s/b  no KVM  [local/1]\n"));
}

TEST_CASE(
    "an attempt that will be retried has a line of its own, the last attempt only that of its "
    "test") {
  const std::string log = Log().fed(RunBuilder().test(
      {"s", "", "a"}, {{.outcome = exit_with(1)}, {.outcome = exit_with(2), .duration = 2s}}));
  CHECK(has(log,
            "\n   RETRY   1.00s  s/a  attempt 1: exit status 1  [local/1]\n"
            "    FAIL   2.00s  s/a  exit status 2  [local/1, attempt 2]\n"));
}

TEST_CASE("tests that end at the same time are not mistaken for retries") {
  RunBuilder run;
  const auto finished = [](const char* name) {
    Attempt attempt;
    attempt.outcome = HostLost{"host local was lost"};
    return AttemptFinished{{"s", "", name}, attempt};
  };
  run.waiting({"s", "", "a"}).waiting({"s", "", "b"});
  run.fact(finished("a"))
      .fact(finished("b"))
      .fact(TestFinished{{"s", "", "a"}, {}})
      .fact(TestFinished{{"s", "", "b"}, {}});
  CHECK_FALSE(has(Log().fed(run), "RETRY"));
}

TEST_CASE("the heartbeat tells what is done, what runs and how long the rest may take") {
  Log log;
  log.fed(RunBuilder()
              .test({"s", "", "a"}, {{.outcome = exit_with(1)}}, 1s)
              .running({"s", "", "b"}, 100s)
              .waiting({"s", "", "c"}, 60s)
              .waiting({"s", "", "d"}, 60s));
  CHECK(
      log.heartbeat(41100ms) ==
      "           41.1s  1/4 done (1 failed), 1 running: s/b 40.0s on local/2; about 1m30s left\n");
  SUBCASE("the longest running test bounds the rest") {
    log.report.on_event({0, 42s, TestFinished{{"s", "", "c"}, {}}});
    log.report.on_event({0, 42s, TestFinished{{"s", "", "d"}, {}}});
    CHECK(has(log.heartbeat(51100ms), "; about 50.0s left\n"));
    CHECK_FALSE(has(log.heartbeat(200s), "left"));
  }
}

TEST_CASE(
    "an estimate that leaves out unknown tests says so, and without any known one there is none") {
  Log some, none;
  some.fed(RunBuilder().running({"s", "", "a"}, 60s).waiting({"s", "", "b"}));
  CHECK(has(some.heartbeat(30100ms), "; at least 30.0s left\n"));
  none.fed(RunBuilder().running({"s", "", "a"}).waiting({"s", "", "b"}));
  CHECK_FALSE(has(none.heartbeat(30100ms), "left"));
}

TEST_CASE("the heartbeat names the longest running tests only") {
  Log log;
  RunBuilder run;
  for (int i = 0; i < 8; ++i)
    run.running({"s", "", "t" + std::to_string(i)}).pass(1s);
  log.fed(run);
  const std::string line = log.heartbeat(10100ms);
  CHECK(has(line, "8 running: s/t0 10.0s on local/2, s/t1 9.00s on local/3"));
  CHECK(has(line, "s/t4 6.00s on local/6, …\n"));
}

TEST_CASE("the last line is the result and its exit code") {
  CHECK(last_line(summary_of(RunBuilder().test({"s", "", "a"}, {{.duration = 90s}}).finish())) ==
        "result: passed (exit code 0): 0 of 1 test failed, in 1m30s\n");
  CHECK(
      last_line(summary_of(one_of_everything())) ==
      "result: failed (exit code 1): 3 of 8 tests failed, 2 without a result, 1 flaky, in 27.1s\n");
  CHECK(last_line(summary_of(RunBuilder().waiting({"s", "", "a"}))) ==
        "result: incomplete (exit code 5): 0 of 1 test failed, 1 without a result, in 0.00s\n");
}

TEST_CASE("many tests that did not run are one line per reason") {
  RunBuilder run;
  for (int i = 0; i < 21; ++i)
    run.not_run({"s", "", "t" + std::to_string(i)}, i == 3 ? "other" : "deadline");
  const std::string text = summary_of(run.finish(RunFinished::How::deadline));
  CHECK(has(text, "\n NOT RUN          20 tests, from s/t0 to s/t20  deadline\n"));
  CHECK(has(text, "\n NOT RUN          s/t3  other\n"));
}

TEST_CASE("the failure list is words for a shell, each test once") {
  RunBuilder run;
  for (const char* name : {"it's", "a"}) {
    run.test({"s", "", name, 1}, {{.outcome = exit_with(1)}})
        .test({"s", "", name, 2}, {{.outcome = exit_with(1)}});
  }
  CHECK(has(summary_of(run.finish(), {.print_failure_list = true}), "\ns/a 's/it'\\''s'\n") ==
        false);
  CHECK(has(summary_of(run.finish(), {.print_failure_list = true}), "\n's/it'\\''s' s/a\n"));
}

TEST_CASE("details show the last twenty lines of each stream and ten subtests") {
  std::string out;
  std::vector<Subtest> subtests;
  for (int i = 1; i <= 30; ++i)
    out += "line " + std::to_string(i) + "\n";
  for (int i = 1; i <= 12; ++i)
    subtests.push_back({"sub" + std::to_string(i), Subtest::Status::failed, ""});
  const std::string text = summary_of(RunBuilder().test(
      {"s", "", "a"},
      {{.outcome = exit_with(1), .out = out, .err = "why\n", .subtests = subtests}}));
  CHECK_FALSE(has(text, "| line 10\n"));
  CHECK(has(text, "| line 11\n"));
  CHECK(has(text, "| line 30\n  last lines of stderr (4 B):\n  | why\n"));
  CHECK(has(text, "    not ok: sub10\n    and 2 more\n"));
  CHECK(has(text, "  all of it: results/runs/20260131T120000Z-0001/tests/s/1/1\n"));
}

TEST_CASE("details show what the kernel reported, and the last twenty lines of its log") {
  std::string log;
  std::vector<KernelReport> reports{{"WARNING in f", "w", "known\nfor years"}};
  for (int i = 11; i <= 40; ++i)
    log += "[   " + std::to_string(i) + ".000000] line\n";
  for (int i = 2; i <= 12; ++i)
    reports.push_back({"BUG " + std::to_string(i), "b", ""});
  const std::string text = summary_of(RunBuilder().test(
      {"s", "", "a"}, {{.outcome = exit_with(1), .kernel_log = log, .kernel_reports = reports}}));
  CHECK(
      has(text,
          "  the kernel reported:\n    - WARNING in f (allowed: known for years)\n    - BUG 2\n"));
  CHECK(has(text, "    - BUG 10\n    and 2 more\n"));
  CHECK(has(text, "  last lines of dmesg (600 B):\n  | [   21.000000] line\n"));
  CHECK(has(text, "  | [   40.000000] line\n"));
}

TEST_CASE("a pass with a report that is allowed says nothing of it") {
  const RunBuilder run =
      RunBuilder()
          .test({"s", "", "a"},
                {{.kernel_log = "noise\n", .kernel_reports = {{"WARNING", "w", "known"}}}})
          .finish();
  Log log(everything);
  log.fed(run);
  log.report.summary(run.run());
  CHECK_FALSE(has(log.text, "WARNING"));
  CHECK_FALSE(has(log.text, "noise"));
}

TEST_CASE("nothing a guest says is a command to GitHub's runner") {
  const std::string hostile =
      "::error::x\n  ::add-mask::x\n\r::stop-commands::x\n##[add-mask]x\ntext "
      "##[error]x\r\n\x1B[2J::debug::x";
  const RunBuilder run = RunBuilder()
                             .test({"::notice::s", "", hostile},
                                   {{.outcome = Failed{hostile, {}},
                                     .out = hostile,
                                     .err = hostile,
                                     .subtests = {{hostile, Subtest::Status::failed, ""}},
                                     .host = hostile},
                                    {.outcome = Crashed{hostile, hostile},
                                     .out = hostile,
                                     .kernel_log = hostile,
                                     .kernel_reports = {{hostile, hostile, hostile}}}})
                             .fact(HostLostFact{hostile, hostile})
                             .fact(SlotRetired{hostile, 1, hostile})
                             .fact(SuiteSetUp{hostile, hostile, 1s, hostile})
                             .fact(RunStopping{hostile})
                             .running({"s", "", hostile})
                             .finish();
  Log log(
      {.verbose = true, .ci = CiSystem::github, .guard_token = "5f2a", .print_failure_list = true});
  log.fed(run);
  log.report.heartbeat(1h);
  log.report.summary(run.run());
  CHECK_FALSE(has(log.text, "##["));
  CHECK_FALSE(has(log.text, "\r"));
  CHECK_FALSE(has(log.text, "\x1B"));
  bool stopped = false;
  std::size_t commands = 0;
  for (std::size_t at = 0; at < log.text.size(); at = log.text.find('\n', at) + 1) {
    const std::string line = log.text.substr(at, log.text.find('\n', at) - at);
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line.compare(begin, 2, "::") != 0) continue;
    ++commands;
    if (line == "::stop-commands::5f2a") stopped = true;
    if (line == "::5f2a::") stopped = false;
    const bool ours = line == "::stop-commands::5f2a" || line == "::5f2a::" ||
                      line == "::endgroup::" || line.starts_with("::group::CRASH ") ||
                      line.starts_with("::error title=%3A%3Anotice%3A%3As/");
    CHECK_MESSAGE(ours, line);
  }
  CHECK(commands == 5);
  CHECK_FALSE(stopped);
}

TEST_CASE("a machine that comes back says whether it was booted anew") {
  HostReady up{"ssh:vm1", "ssh", 1, "6.18.0", "x86_64", "sessions", "boot 1", "ssh root@vm1"};
  RunBuilder run;
  run.fact(up).fact(HostLostFact{"ssh:vm1", "connect: Connection refused"}).fact(up);
  up.boot_id = "boot 2";
  run.fact(HostLostFact{"ssh:vm1", "no answer within 30.0s"}).fact(up);
  const std::string log = Log().fed(run);
  const size_t ready = log.find("host ssh:vm1 is ready:");
  const size_t back = log.find("host ssh:vm1 is back:");
  const size_t rebooted = log.find("host ssh:vm1 is back, after a reboot:");
  CHECK(ready < back);
  CHECK(back < rebooted);
  CHECK(rebooted != std::string::npos);
}

TEST_CASE("with keep-alive the log ends with how to reach the machines") {
  const RunBuilder run = one_of_everything();
  ConsoleOptions options;
  CHECK_FALSE(has(summary_of(run, options), "root@vm1"));
  options.print_log_ins = true;
  CHECK(has(summary_of(run, options), "Hosts that stay up:\n  ssh:vm1: ssh -p 2222 root@vm1\n"));
}

TEST_CASE("ten annotations at most, and titles can't end early") {
  RunBuilder run;
  for (int i = 0; i < 12; ++i)
    run.test({"s", "", "a,b:c%" + std::to_string(i)}, {{.outcome = exit_with(1, "100%\nsure")}});
  const std::string text = summary_of(run.finish(), {.ci = CiSystem::github});
  std::size_t count = 0;
  for (std::size_t at = text.find("\n::error "); at != std::string::npos;
       at = text.find("\n::error ", at + 1))
    ++count;
  CHECK(count == 10);
  CHECK(has(text, "\n::error title=s/a%2Cb%3Ac%250::exit status 1: 100%25 sure\n"));
}

TEST_CASE("the heartbeat tells of reruns, several of one test at once as well") {
  const TestId a{"s", "", "a"};
  Log log;
  RunBuilder run = RunBuilder().gated().test(a, {{.outcome = exit_with(1)}});
  run.fact(RerunsOrdered{{{a, 3, 3, {}}}});
  run.reruns(a, {{.outcome = exit_with(1)}}).reruns(a, {{}}, Purpose::base);
  run.fact(AttemptStarted{a, 3, "local", 1, "", 0, Purpose::confirmation}).pass(1s);
  run.fact(AttemptStarted{a, 4, "local", 2, "", 0, Purpose::confirmation});
  run.fact(AttemptStarted{a, 5, "base", 1, "", 0, Purpose::base});
  const std::string told = log.fed(run);
  CHECK(has(told, "\ngate: 1 suspect runs again: s/a 3 times and 3 times on base hosts\n"));
  CHECK(has(told, "\n   RERUN   1.00s  s/a  failed: exit status 1  [local/1]\n"));
  CHECK(has(told, "\n    BASE   1.00s  s/a  passed  [local/1]\n"));
  CHECK(has(log.heartbeat(5100ms),
            "  1/1 done (1 failed), 2/6 reruns done, 3 running: s/a (rerun) 2.00s on local/1, "
            "s/a (rerun) 1.00s on base/1, s/a (rerun) 1.00s on local/2\n"));
}

TEST_CASE("a rerun that gave no result says so, and counts as done") {
  const TestId a{"s", "", "a"};
  Log log;
  RunBuilder run = RunBuilder().gated().test(a, {{.outcome = exit_with(1)}});
  run.fact(RerunsOrdered{{{a, 1, 0, {}}, {{"s", "", "b"}, 0, 0, Decision::flaky}}});
  run.reruns(a, {{.outcome = HostLost{"no answer"}}});
  CHECK(has(log.fed(run), "\ngate: 1 suspect runs again: s/a once\n"));
  CHECK(has(log.text, "\n   RERUN   1.00s  s/a  host lost: no answer  [local/1]\n"));
  CHECK(has(log.heartbeat(9s), ", 1/1 reruns done, 0 running\n"));
}

TEST_CASE("of many suspects ten are named") {
  RerunsOrdered ordered;
  for (int i = 0; i < 12; ++i)
    ordered.orders.push_back({{"s", "", "t" + std::to_string(i)}, 3, 0, {}});
  const std::string log = Log().fed(RunBuilder().gated().fact(ordered));
  CHECK(has(log, "gate: 12 suspects run again: s/t0 3 times, "));
  CHECK(has(log, ", s/t9 3 times and 2 more\n"));
}

TEST_CASE("a run that goes on in the middle of reruns counts those before") {
  const TestId a{"s", "", "a"};
  RunBuilder run = RunBuilder().gated().test(a, {{.outcome = exit_with(1)}});
  run.fact(RerunsOrdered{{{a, 3, 0, {}}}}).reruns(a, {{}});
  run.fact(AttemptStarted{a, 2, "local", 1, "", 0, Purpose::confirmation});
  Log log;
  log.report.resume(run.run());
  CHECK(has(log.text, "\nthe run goes on: 1 of 1 test finished before, and 1 rerun\n"));
  CHECK(has(log.heartbeat(5s), ", 1/2 reruns done, 0 running\n"));
  // What the resumed run tells first: how the broken-off one ended, and what is still wanted.
  Attempt broken;
  broken.purpose = Purpose::confirmation;
  broken.number = 2;
  broken.outcome = NotRun{"ff-ci was killed while it ran"};
  log.report.on_event({90, 6s, AttemptFinished{a, broken}});
  log.report.on_event({91, 6s, RerunsOrdered{{{a, 1, 0, {}}}}});
  CHECK(has(log.heartbeat(7s), ", 2/3 reruns done, 0 running\n"));
}

TEST_CASE("the log begins with what the run is judged by") {
  CHECK(
      has(Log().fed(RunBuilder().gated(BaselineFact{"-1", "run 7", {}}).test({"s", "", "a"}, {{}})),
          "\ngate: judged by run 7\n"));
  CHECK(has(Log().fed(RunBuilder().gated().test({"s", "", "a"}, {{}})),
            "\ngate: there is no baseline, so any failure counts\n"));
  CHECK_FALSE(has(Log().fed(RunBuilder().test({"s", "", "a"}, {{}})), "gate:"));
}

TEST_CASE("with a gate the annotations are what makes the build red, and what nobody can tell") {
  const std::string text = summary_of(one_of_each_decision(), {.ci = CiSystem::github});
  std::vector<std::string> titles;
  for (std::size_t at = text.find("::error title="); at != std::string::npos;
       at = text.find("::error title=", at + 1)) {
    const std::size_t begin = at + std::string_view("::error title=").size();
    titles.push_back(text.substr(begin, text.find("::", begin) - begin));
  }
  CHECK(titles == std::vector<std::string>{"xfs@4k/generic/299", "xfs@4k/generic/475",
                                           "xfs@4k/generic/476", "xfs@4k/generic/990",
                                           "xfs@4k/generic/388"});
  CHECK(has(text,
            "\n::error title=xfs@4k/generic/990::regression (vanished): is in the baseline, "
            "and not selected any more\n"));
}

TEST_CASE("what makes the build red is shown in detail before what does not") {
  RunBuilder run = RunBuilder().gated();
  Judgement gate;
  for (int i = 0; i < 60; ++i) {
    const TestId id{"s", "", "t" + std::to_string(i)};
    run.test(id, {{.outcome = exit_with(1)}});
    gate.tests.emplace_back().id = id;
    gate.tests.back().decision = i == 59   ? Decision::regression
                                 : i == 58 ? Decision::inconclusive
                                           : Decision::flaky;
  }
  const std::string text = summary_of(run.fact(RunJudged{gate}).finish());
  const std::size_t red = text.find("  gate: regression\n");
  CHECK(red != std::string::npos);
  CHECK(red < text.find("  gate: inconclusive\n"));
  CHECK(text.find("  gate: inconclusive\n") < text.find("  gate: flaky\n"));
  CHECK(has(text, "\nand 10 more, whose output is in the results\n"));
}

TEST_CASE("long lists of what is harmless are cut, those of regressions are not") {
  RunBuilder run = RunBuilder().gated();
  Judgement gate;
  const auto add = [&](Change change, Decision decision) {
    for (int i = 0; i < 25; ++i) {
      TestJudgement& test = gate.tests.emplace_back();
      test.id = {"s", "", "t" + std::to_string(gate.tests.size())};
      test.change = change;
      test.decision = decision;
    }
  };
  add(Change::regression, Decision::regression);
  add(Change::known_failure, Decision::known);
  add(Change::fixed, Decision::noted);
  const std::string text = summary_of(run.fact(RunJudged{gate}).finish());
  CHECK(has(text, "  s/t25 regression\n  s/t26 known failure\n"));
  CHECK(has(text, "  s/t45 known failure\n  and 5 more known failures\n  s/t51 fixed\n"));
  CHECK(has(text, "  s/t70 fixed\n  and 5 more fixed\n"));
}

TEST_CASE("every word for what the gate decided tells whether it makes the build red") {
  const auto word = [](Change change, Decision decision) {
    TestJudgement test;
    test.change = change;
    test.decision = decision;
    return judged_word(test);
  };
  CHECK(word(Change::regression, Decision::regression) == "regression");
  CHECK(word(Change::new_failure, Decision::regression) == "regression (new failure)");
  CHECK(word(Change::slower, Decision::regression) == "regression (slower)");
  CHECK(word(Change::vanished, Decision::regression) == "regression (vanished)");
  CHECK(word(Change::new_failure, Decision::failure) == "failed");
  CHECK(word(Change::regression, Decision::noted) == "failure that does not count");
  CHECK(word(Change::new_failure, Decision::noted) == "new failure");
  CHECK(word(Change::slower, Decision::noted) == "slower once");
  CHECK(word(Change::vanished, Decision::noted) == "vanished");
  CHECK(word(Change::slower, Decision::inconclusive) == "inconclusive");
}

TEST_CASE("the summary of 100,000 tests, of which 10,000 were judged, takes no time" *
          doctest::test_suite("large")) {
  RunBuilder run = RunBuilder().gated();
  Judgement gate;
  for (int i = 0; i < 100'000; ++i) {
    const TestId id{"s", "", "t" + std::to_string(i)};
    if (i % 10 != 0) {
      run.test(id, {{}});
      continue;
    }
    run.test(id, {{.outcome = exit_with(1)}});
    gate.tests.emplace_back().id = id;
    gate.tests.back().decision = Decision::known;
  }
  const std::string text = summary_of(run.fact(RunJudged{gate}).finish());
  CHECK_FALSE(has(text, "What went wrong"));
  CHECK(has(text, "\n100000 tests: 90000 passed, 10000 failed\n"));
}

TEST_CASE("a log of 100,000 tests takes constant time per event" * doctest::test_suite("large")) {
  RunBuilder run;
  for (int i = 0; i < 100'000; ++i)
    run.test({"s", "", "t" + std::to_string(i)}, {{}});
  const std::string log = Log().fed(run);
  CHECK(log.size() < 1000);
}

}  // namespace ffci::test
