// What the gate asks for, and what it decides.
#include <doctest/doctest.h>

#include "gate/gate.hpp"
#include "gate/join_judgements.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {
namespace {

const TestId suspect{"xfs", "", "generic/475"}, second{"xfs", "", "generic/476"},
    third{"xfs", "", "xfs/013"};
const std::vector<Try> passes{{}};
const std::vector<Try> fails{{.outcome = exit_with(1, "boom")}};
const std::vector<Try> flakes{{.outcome = exit_with(1, "boom")}, {}};
const std::vector<Try> skips{{.outcome = Skipped{"no SCRATCH_DEV"}}};
const std::vector<Try> errs{{.outcome = SetupFailed{"no mkfs"}}};
const std::vector<Try> corrupts{
    {.outcome = Failed{"SCRATCH_DEV is inconsistent", {}, "inconsistent file system"}}};
const BaselineFact earlier_run{"v6.18", "run v6.18", {}};

std::vector<Try> crashes(const char* signature) {
  return {{.outcome = Crashed{std::string("BUG in ") + signature, signature}}};
}

std::vector<Try> times(std::size_t number, const std::vector<Try>& tries) {
  std::vector<Try> all;
  for (std::size_t i = 0; i < number; ++i)
    all.insert(all.end(), tries.begin(), tries.end());
  return all;
}

std::vector<Try> bad_and_good(std::size_t bad, std::size_t good) {
  std::vector<Try> all = times(bad, fails);
  all.resize(bad + good);
  return all;
}

std::vector<Try> taking(Duration duration, std::size_t number = 1) {
  return times(number, {{.duration = duration}});
}

Baseline before(const std::vector<std::pair<TestId, Trials>>& tests) {
  Baseline baseline;
  for (const auto& [id, trials] : tests)
    baseline.tests[id].trials = trials;
  return baseline;
}

Baseline passed_before(std::size_t runs = 20) {
  return before({{suspect, {0, runs}}, {second, {0, runs}}, {third, {0, runs}}});
}

Baseline took_before(const std::vector<Duration>& durations) {
  Baseline baseline = passed_before(durations.size());
  baseline.tests[suspect].durations = durations;
  return baseline;
}

RunBuilder a_run() {
  return RunBuilder().gated(earlier_run);
}

// A gate, and what it is asked about.
struct Question {
  GateSpec spec = {};
  std::optional<Baseline> baseline = passed_before();
  std::vector<KnownIssue> issues = {};
  std::string why_final = {};

  [[nodiscard]] GateAnswer ask(const RunBuilder& run) const {
    return Gate(spec, baseline, issues).ask(run.run(), why_final);
  }
  [[nodiscard]] std::vector<RerunOrder> orders(const RunBuilder& run) const {
    const GateAnswer answer = ask(run);
    REQUIRE(std::holds_alternative<std::vector<RerunOrder>>(answer));
    return std::get<std::vector<RerunOrder>>(answer);
  }
  [[nodiscard]] Judgement judge(const RunBuilder& run) const {
    const GateAnswer answer = ask(run);
    REQUIRE(std::holds_alternative<Judgement>(answer));
    return std::get<Judgement>(answer);
  }
  // Of `suspect` alone; all its other values are those of a test of which nothing is said.
  [[nodiscard]] TestJudgement judged(const RunBuilder& run) const {
    const Judgement judgement = judge(run);
    REQUIRE(judgement.tests.size() == 1);
    REQUIRE(judgement.tests[0].id == suspect);
    return judgement.tests[0];
  }
  [[nodiscard]] std::string text(const RunBuilder& run) const {
    const TestJudgement test = judged(run);
    return std::string(decision_name(test.decision)) + ": " + test.why;
  }
  // Of a failure of `suspect` that passed `baseline_runs` and was run again so.
  [[nodiscard]] std::string after(const std::vector<Try>& reruns) const {
    return text(a_run().test(suspect, fails).reruns(suspect, reruns));
  }
};

Question fail_on(std::set<FailOn> what, Question question = {}) {
  question.spec.fail_on = std::move(what);
  return question;
}

Question confirm(int runs, Question question = {}) {
  question.spec.confirm = runs;
  return question;
}

Question with_base_hosts(Question question = {}) {
  question.spec.base.ssh.emplace();
  return question;
}

KnownIssue issue(std::string test, std::string signature = {}, int last_day = 31) {
  KnownIssue known;
  known.test = std::move(test);
  known.signature = std::move(signature);
  known.reason = "breaks since v6.17";
  known.link = "https://bugs.example/1";
  known.expires = std::chrono::year(2026) / 1 / last_day;
  known.where = "known.yaml:2:3";
  return known;
}

const std::string known_text = "known: breaks since v6.17 (https://bugs.example/1)";

std::vector<std::string> notes_of(const Question& question, const RunBuilder& run) {
  std::vector<std::string> notes;
  for (const KnownIssueNote& note : question.judge(run).known_issues)
    notes.push_back(std::string(known_issue_note_name(note.kind)) + ": " + note.text);
  return notes;
}

using Notes = std::vector<std::string>;

}  // namespace

TEST_CASE("without a baseline any failure makes the build red, and nothing is run again") {
  const Question question{.baseline = {}};
  const Judgement judgement = question.judge(
      RunBuilder().gated().test(suspect, fails).test(second, flakes).test(third, passes));
  CHECK(judgement.result == GateResult::failed);
  CHECK(judgement.why == "1 failure, 1 flaky");
  CHECK(judgement.compared == 0);
  CHECK(judgement.baseline.empty());
  REQUIRE(judgement.tests.size() == 2);
  CHECK(judgement.tests[0].decision == Decision::failure);
  CHECK(judgement.tests[0].why == "exit status 1: boom");
  CHECK(judgement.tests[1].decision == Decision::flaky);
  CHECK(judgement.tests[1].change == Change::unchanged);
}

TEST_CASE("without a baseline a known issue is no failure, and counted once") {
  const Question question{.baseline = {}, .issues = {issue("generic/475")}};
  const RunBuilder run = RunBuilder().gated().test(suspect, fails);
  CHECK(question.text(run) == known_text);
  CHECK(question.judge(run).result == GateResult::passed);
  CHECK(question.judge(run).why == "1 known failure");
  CHECK(question.judged(run).known_issue == "breaks since v6.17 (https://bugs.example/1)");
}

TEST_CASE("a test that passed and fails is run again, as often as the job says") {
  const RunBuilder run = a_run().test(suspect, fails).test(second, passes);
  CHECK(Question().orders(run) == std::vector<RerunOrder>{{suspect, 3, 0, {}}});
  CHECK(confirm(5).orders(run) == std::vector<RerunOrder>{{suspect, 5, 0, {}}});
}

TEST_CASE("the suspects that take longest are run again first") {
  const RunBuilder run = a_run()
                             .test(suspect, {{.outcome = exit_with(1), .duration = 2s}})
                             .test(second, {{.outcome = exit_with(1), .duration = 9s}})
                             .test(third, {{.outcome = exit_with(1), .duration = 2s}});
  CHECK(Question().orders(run) ==
        std::vector<RerunOrder>{{second, 3, 0, {}}, {suspect, 3, 0, {}}, {third, 3, 0, {}}});
}

TEST_CASE("base hosts make as many runs as the change has, also of those that came to nothing") {
  RunBuilder run = a_run().test(suspect, fails);
  CHECK(with_base_hosts().orders(run) == std::vector<RerunOrder>{{suspect, 3, 3, {}}});
  run.reruns(suspect, {fails[0], {}, {.outcome = HostLost{"gone"}}});
  run.reruns(suspect, passes, Purpose::base);
  // Two of three gave a result, so the round is over: three more.
  CHECK(with_base_hosts().orders(run) == std::vector<RerunOrder>{{suspect, 3, 5, {}}});
}

TEST_CASE("what the reruns say in the second round is said of all of them") {
  RunBuilder run = a_run().test(suspect, fails).reruns(suspect, bad_and_good(1, 2));
  CHECK(Question().orders(run) == std::vector<RerunOrder>{{suspect, 3, 0, {}}});
  run.reruns(suspect, bad_and_good(3, 0));
  CHECK(Question().text(run) == "regression: failed 4 of 6, baseline 0 of 20 (p=0.001)");
}

TEST_CASE("while some suspects go on, what is decided of others is told, and stays") {
  RunBuilder run = a_run()
                       .test(suspect, fails)
                       .test(second, fails)
                       .test(third, fails)
                       .reruns(suspect, bad_and_good(3, 0))
                       .reruns(second, bad_and_good(1, 2))
                       .reruns(third, bad_and_good(0, 3));
  const std::vector<RerunOrder> orders = Question().orders(run);
  CHECK(orders == std::vector<RerunOrder>{{second, 3, 0, {}},
                                          {suspect, 0, 0, Decision::regression},
                                          {third, 0, 0, Decision::flaky}});
  run.fact(RerunsOrdered{orders}).reruns(second, bad_and_good(3, 0));
  const Judgement judgement = Question().judge(run);
  CHECK(judgement.why == "2 regressions, 1 flaky");
  REQUIRE(judgement.tests.size() == 3);
  CHECK(judgement.tests[2].why ==
        "failed 0 of 3, baseline 0 of 20; "
        "a bug that fails every second run would go unseen in 12 % of cases");

  // Whatever its numbers would say now.
  RunBuilder again = a_run().test(suspect, fails).reruns(suspect, bad_and_good(3, 0));
  again.fact(RerunsOrdered{{{suspect, 0, 0, Decision::inconclusive}}});
  CHECK(Question().judged(again).decision == Decision::inconclusive);
}

TEST_CASE("a regression is told with the numbers of both sides and how likely chance is") {
  CHECK(confirm(4).after(times(4, fails)) ==
        "regression: failed 4 of 4, baseline 0 of 20 (p=0.0001)");
  CHECK(Question().after(times(3, fails)) ==
        "regression: failed 3 of 3, baseline 0 of 20 (p=0.0006)");
  CHECK(confirm(6).after(times(6, fails)) ==
        "regression: failed 6 of 6, baseline 0 of 20 (p<0.0001)");
  const TestJudgement test =
      confirm(4).judged(a_run().test(suspect, fails).reruns(suspect, times(4, fails)));
  CHECK(test.change == Change::regression);
  CHECK(test.change_runs == Trials{4, 4});
  CHECK(test.baseline_runs == Trials{0, 20});
  CHECK(test.base_host_runs == Trials{});
  CHECK(test.p_value == doctest::Approx(1.0 / 10626));
}

TEST_CASE("runs on base hosts count as the baseline's, and are told apart") {
  const RunBuilder run = a_run()
                             .test(suspect, fails)
                             .reruns(suspect, times(3, fails))
                             .reruns(suspect, bad_and_good(1, 2), Purpose::base);
  const TestJudgement test = with_base_hosts().judged(run);
  CHECK(test.baseline_runs == Trials{1, 23});
  CHECK(test.base_host_runs == Trials{1, 3});
  CHECK(test.why == "failed 3 of 3, baseline 1 of 23 (1 of 3 on base hosts; p=0.0015)");
}

TEST_CASE("reruns that all pass make it flaky, and tell what they can hide") {
  CHECK(Question().after(times(3, passes)) ==
        "flaky: failed 0 of 3, baseline 0 of 20; "
        "a bug that fails every second run would go unseen in 12 % of cases");
  const Judgement judgement =
      Question().judge(a_run().test(suspect, fails).reruns(suspect, times(3, passes)));
  CHECK(judgement.result == GateResult::passed);
  CHECK(judgement.why == "1 flaky");
}

TEST_CASE("a test that fails as it did before is flaky") {
  Question question{.baseline = before({{suspect, {10, 20}}})};
  CHECK(question.after(bad_and_good(1, 2)) ==
        "flaky: failed 1 of 3, baseline 10 of 20 (p=0.88); no more often than before");
  question.baseline = before({{suspect, {6, 20}}});
  CHECK(question.after(bad_and_good(5, 7)) ==
        "flaky: failed 5 of 12, baseline 6 of 20 (p=0.38); about as often as before");
}

TEST_CASE("a test that fails on base hosts as well is flaky, even if no rerun gave a result") {
  const RunBuilder run = a_run()
                             .test(suspect, fails)
                             .reruns(suspect, times(3, {{.outcome = HostLost{"gone"}}}))
                             .reruns(suspect, times(20, fails), Purpose::base);
  CHECK(with_base_hosts({.baseline = before({{suspect, {4, 5}}})}).text(run) ==
        "flaky: failed 0 of 0, baseline 24 of 25 (20 of 20 on base hosts); "
        "no more often than before");
}

TEST_CASE("what cannot be decided is inconclusive, and says why") {
  Question question;
  CHECK(question.after(bad_and_good(2, 10)) ==
        "inconclusive: failed 2 of 12, baseline 0 of 20 (p=0.13); "
        "more often than before, but that may be chance");
  std::vector<Try> lost = times(12, {{.outcome = HostLost{"gone"}}});
  lost[3] = lost[8] = {};
  CHECK(question.after(lost) ==
        "inconclusive: failed 0 of 2, baseline 0 of 20; only 2 of 12 reruns gave a result");
  question.baseline = passed_before(1);
  CHECK(question.after(bad_and_good(1, 2)) ==
        "inconclusive: failed 1 of 3, baseline 0 of 1 (p=0.75); "
        "the baseline is too short to tell");
}

TEST_CASE("with a short baseline a test that fails in all reruns of two rounds is a regression") {
  const Question question{.baseline = passed_before(1)};
  const RunBuilder run = a_run().test(suspect, fails).reruns(suspect, times(3, fails));
  CHECK(question.orders(run) == std::vector<RerunOrder>{{suspect, 3, 0, {}}});
  CHECK(question.after(times(6, fails)) == "regression: failed 6 of 6, baseline 0 of 1 (p=0.14)");
}

TEST_CASE("when there can be no further run suspects are inconclusive, with the reason") {
  const Question question{.why_final = "the deadline of 2h was reached"};
  const RunBuilder run = a_run().test(suspect, fails);
  CHECK(question.text(run) ==
        "inconclusive: exit status 1: boom; not confirmed: the deadline of 2h was reached");
  CHECK(question.judge(run).result == GateResult::inconclusive);
  CHECK(question.after(bad_and_good(1, 2)) ==
        "inconclusive: exit status 1: boom; failed 1 of 3, baseline 0 of 20 (p=0.13); "
        "not confirmed: the deadline of 2h was reached");
  // What is certain stays certain.
  CHECK(question.after(times(3, fails)).starts_with("regression: "));
}

TEST_CASE("where nothing is to be confirmed a failure is a regression at once") {
  const RunBuilder run = a_run().test(suspect, fails);
  CHECK(confirm(0).text(run) == "regression: exit status 1: boom, baseline 0 of 20");
  Question new_failures = confirm(0, fail_on({FailOn::new_failure}));
  new_failures.baseline = Baseline();
  CHECK(new_failures.text(run) == "regression: exit status 1: boom, no run of it in the baseline");
}

TEST_CASE("a new signature is a regression at once, and never run again") {
  const Question question;
  const RunBuilder run = a_run().test(suspect, crashes("ext4_writepages"));
  CHECK(question.text(run) == "regression: new signature: BUG in ext4_writepages");
  const Judgement judgement = question.judge(run);
  CHECK(judgement.tests[0].change == Change::regression);
  CHECK(judgement.tests[0].new_signatures == std::vector<std::string>{"ext4_writepages"});
  REQUIRE(judgement.new_signatures.size() == 1);
  CHECK(judgement.new_signatures[0].title == "BUG in ext4_writepages");
  CHECK(judgement.new_signatures[0].tests == std::vector<TestId>{suspect});
}

TEST_CASE("a new signature counts also for a test that failed before, or is not known") {
  Question question{.baseline = before({{suspect, {20, 20}}})};
  CHECK(question.judged(a_run().test(suspect, crashes("x"))).decision == Decision::regression);
  question.baseline = Baseline();
  CHECK(question.judged(a_run().test(suspect, crashes("x"))).decision == Decision::regression);
}

TEST_CASE("a new signature counts in a rerun, and under a flaky verdict") {
  std::vector<Try> reruns = bad_and_good(0, 3);
  reruns[1] = crashes("x")[0];
  CHECK(Question().after(reruns) == "regression: new signature: BUG in x");
  CHECK(Question().text(a_run().test(suspect, {crashes("x")[0], {}})) ==
        "regression: new signature: BUG in x");
}

TEST_CASE("a signature of a rerun on base hosts is not new") {
  const RunBuilder run = a_run()
                             .test(suspect, fails)
                             .reruns(suspect, times(3, passes))
                             .reruns(suspect, crashes("x"), Purpose::base);
  CHECK(with_base_hosts().judged(run).decision == Decision::flaky);
}

TEST_CASE("what is reported under a pass, or allowed, is no new signature") {
  const KernelReport warning{"WARNING in f", "w", ""}, allowed{"WARNING in g", "g", "known"};
  CHECK(Question().judge(a_run().test(suspect, {{.kernel_reports = {warning}}})).tests.empty());
  const std::vector<Try> failing{{.outcome = exit_with(1), .kernel_reports = {allowed}}};
  CHECK(Question().orders(a_run().test(suspect, failing)).size() == 1);
}

TEST_CASE("a signature that any test of the baseline has is not new") {
  Question question;
  question.baseline->signatures.insert("x");
  CHECK(question.orders(a_run().test(suspect, crashes("x"))).size() == 1);
}

TEST_CASE("several new signatures of a test are counted, and those of several tests joined") {
  const KernelReport f{"WARNING in f", "f", ""}, g{"WARNING in g", "g", ""};
  const Judgement judgement =
      Question().judge(a_run()
                           .test(suspect, {{.outcome = exit_with(1), .kernel_reports = {f, g}}})
                           .test(second, {{.outcome = exit_with(1), .kernel_reports = {g}}}));
  CHECK(judgement.tests[0].why == "new signature: WARNING in f and 1 more");
  CHECK(judgement.tests[0].new_signatures == std::vector<std::string>{"f", "g"});
  REQUIRE(judgement.new_signatures.size() == 2);
  CHECK(judgement.new_signatures[1].tests == std::vector<TestId>{suspect, second});
}

TEST_CASE("a broken file system is a regression unless the same test broke it before") {
  Question question;
  const RunBuilder run = a_run().test(suspect, corrupts);
  question.baseline->tests[second].failure_signatures = {"inconsistent file system"};
  CHECK(question.text(run) == "regression: new signature: SCRATCH_DEV is inconsistent");
  CHECK(question.judged(run).new_signatures ==
        std::vector<std::string>{"inconsistent file system"});
  CHECK(question.judge(run).new_signatures.empty());
  question.baseline->tests[suspect].failure_signatures = {"inconsistent file system"};
  CHECK(question.orders(run).size() == 1);
}

TEST_CASE("where regressions are not asked for they are noted, and said not to count") {
  const Question question = fail_on({FailOn::new_failure});
  CHECK(question.text(a_run().test(suspect, fails)) == "noted: exit status 1: boom");
  CHECK(question.text(a_run().test(suspect, crashes("x"))) == "noted: new signature: BUG in x");
  const Judgement judgement = question.judge(a_run().test(suspect, fails).test(second, fails));
  CHECK(judgement.result == GateResult::passed);
  CHECK(judgement.why == "2 failures that do not count");
}

TEST_CASE("a failure that the baseline knows nothing of is noted, or confirmed if asked for") {
  Question question;
  question.baseline = before({{second, {0, 20}}});
  const RunBuilder run = a_run().test(suspect, fails).test(second, passes);
  CHECK(question.text(run) == "noted: exit status 1: boom");
  CHECK(question.judged(run).change == Change::new_failure);
  CHECK(question.judge(run).why == "1 new failure");
  question.baseline->tests[suspect].otherwise = Verdict::skipped;
  CHECK(question.judged(run).change == Change::new_failure);

  const Question asked = fail_on({FailOn::new_failure}, question);
  CHECK(asked.orders(run) == std::vector<RerunOrder>{{suspect, 3, 0, {}}});
  RunBuilder again = run;
  again.reruns(suspect, times(6, fails));
  CHECK(asked.text(again) == "regression: failed 6 of 6, no run of it in the baseline");
  CHECK_FALSE(asked.judged(again).p_value);
  CHECK(asked.judge(again).why == "1 regression");
}

TEST_CASE("a test that failed always, or nearly so, is a known failure") {
  const auto text = [](Trials trials) {
    const Question question{.baseline = before({{suspect, trials}})};
    return question.text(a_run().test(suspect, fails));
  };
  CHECK(text({2, 2}) == "known: baseline failed 2 of 2");
  CHECK(text({17, 20}) == "known: baseline failed 17 of 20");
  const Question at_the_bound{.baseline = before({{suspect, {16, 20}}})};
  CHECK(at_the_bound.orders(a_run().test(suspect, fails)).size() == 1);
  const Question question{.baseline = before({{suspect, {17, 20}}})};
  CHECK(question.judged(a_run().test(suspect, fails)).change == Change::known_failure);
}

TEST_CASE("fixed tests, skips and missing results are noted") {
  Question question{.baseline = before({{suspect, {3, 3}}})};
  CHECK(question.judged(a_run().test(suspect, passes)).change == Change::fixed);
  CHECK(question.text(a_run().test(suspect, passes)) == "noted: baseline failed 3 of 3");
  CHECK(question.judge(a_run().test(suspect, passes)).why == "1 fixed");
  CHECK(question.text(a_run().test(suspect, errs)) == "noted: no mkfs");
  CHECK(question.judged(a_run().not_run(suspect, "deadline")).change == Change::incomplete);
  CHECK(question.judged(a_run().test(suspect, skips)).change == Change::run_to_skip);
  CHECK(question.text(a_run().test(suspect, skips)) == "noted: no SCRATCH_DEV");
  CHECK(question.judge(a_run().test(suspect, skips)).why == "1 skipped now");
  question.baseline->tests[suspect] = {};
  question.baseline->tests[suspect].otherwise = Verdict::skipped;
  CHECK(question.judged(a_run().test(suspect, passes)).change == Change::skip_to_run);
}

TEST_CASE("tests that are no longer selected are noted, or a regression if asked for") {
  const RunBuilder run =
      RunBuilder().gated(BaselineFact{"v6.18", "run v6.18", {suspect}}).test(second, passes);
  CHECK(Question().text(run) == "noted: is in the baseline, and not selected any more");
  CHECK(Question().judge(run).why == "1 vanished");
  CHECK(Question().judge(run).baseline == "run v6.18");
  const Judgement asked = fail_on({FailOn::vanished}).judge(run);
  CHECK(asked.tests[0].decision == Decision::regression);
  CHECK(asked.result == GateResult::regression);
  CHECK(asked.why == "1 regression");
}

TEST_CASE("a test is slower only beyond the ratio, the floor and the deviations of the baseline") {
  const auto is_slower = [](const std::vector<Duration>& durations, Duration now) {
    const Question question =
        confirm(0, fail_on({FailOn::slower}, {.baseline = took_before(durations)}));
    return !question.judge(a_run().test(suspect, taking(now))).tests.empty();
  };
  const std::vector<Duration> always_10s(5, 10s), always_1s(5, 1s), always_100s(5, 100s);
  const std::vector<Duration> varying{10s, 20s, 30s, 40s, 50s};
  CHECK_FALSE(is_slower(always_100s, 150s));
  CHECK(is_slower(always_100s, 151s));
  CHECK_FALSE(is_slower(always_1s, 6s));
  CHECK(is_slower(always_1s, 6100ms));
  CHECK_FALSE(is_slower(varying, 104s));
  CHECK(is_slower(varying, 105s));
  CHECK_FALSE(is_slower(std::vector<Duration>(4, 10s), 1h));
}

TEST_CASE("slower tests are no regression where that is not asked for") {
  const Question question{.baseline = took_before(std::vector<Duration>(5, 10s))};
  CHECK(question.judge(a_run().test(suspect, taking(1h))).tests.empty());
}

TEST_CASE("a slower test is run again on the change alone, and confirmed by the median") {
  const Question question = with_base_hosts(
      fail_on({FailOn::slower}, {.baseline = took_before(std::vector<Duration>(5, 10s))}));
  RunBuilder run = a_run().test(suspect, taking(100s));
  CHECK(question.orders(run) == std::vector<RerunOrder>{{suspect, 3, 0, {}}});
  run.reruns(suspect, {{.duration = 90s}, {.outcome = HostLost{"gone"}}, {.duration = 12s}});
  CHECK(question.orders(run) == std::vector<RerunOrder>{{suspect, 1, 0, {}}});
  RunBuilder slow = run, quick = run;
  slow.reruns(suspect, taking(80s));
  CHECK(question.text(slow) == "regression: took 1m40s, usually 10.0s; 1m20s in 3 reruns");
  CHECK(question.judged(slow).change == Change::slower);
  CHECK(question.judged(slow).duration == 80s);
  CHECK(question.judged(slow).usual_duration == 10s);
  quick.reruns(suspect, taking(11s));
  CHECK(question.text(quick) == "noted: took 1m40s, usually 10.0s; only 12.0s in 3 reruns");
  CHECK(question.judge(quick).result == GateResult::passed);
}

TEST_CASE("a slower test that cannot be confirmed is inconclusive, and says why") {
  Question question =
      fail_on({FailOn::slower}, {.baseline = took_before(std::vector<Duration>(5, 10s))});
  RunBuilder run = a_run().test(suspect, taking(100s));
  question.why_final = "interrupted";
  CHECK(question.text(run) ==
        "inconclusive: took 1m40s, usually 10.0s; not confirmed: interrupted");
  question.why_final.clear();
  run.reruns(suspect, bad_and_good(10, 2));
  CHECK(question.text(run) ==
        "inconclusive: took 1m40s, usually 10.0s; not confirmed: only 2 of 12 reruns passed");
}

TEST_CASE("the results of all iterations of a test are judged as one") {
  const auto nth = [](int iteration) { return TestId{"xfs", "", "generic/475", iteration}; };
  RunBuilder run = a_run().test(nth(1), passes).test(nth(2), fails).test(nth(3), flakes);
  CHECK(Question().orders(run) == std::vector<RerunOrder>{{nth(1), 3, 0, {}}});
  run.reruns(nth(1), times(3, fails));
  const TestJudgement test = Question().judged(run);
  CHECK(test.decision == Decision::regression);
  CHECK(test.change_runs == Trials{3, 3});
  CHECK(Question().judge(run).compared == 1);
  // A failure tells more than a missing result.
  CHECK(Question().orders(a_run().test(nth(1), errs).test(nth(2), fails)).size() == 1);
  CHECK(Question().judged(a_run().test(nth(1), passes).test(nth(2), errs)).change ==
        Change::incomplete);
}

TEST_CASE("a run without a common result cannot be compared") {
  Question question{.baseline = Baseline()};
  Judgement judgement = question.judge(a_run().test(suspect, passes));
  CHECK(judgement.result == GateResult::incomparable);
  CHECK(judgement.why == "no test has a result both here and in the baseline");
  // Where nothing ran that is what is said.
  CHECK(question.judge(a_run().test(suspect, errs)).result == GateResult::passed);
  question.baseline = passed_before();
  judgement = question.judge(a_run().test(suspect, passes).test(second, errs));
  CHECK(judgement.result == GateResult::passed);
  CHECK(judgement.compared == 1);
  CHECK(judgement.why == "nothing is worse");
}

TEST_CASE("the worst that holds is the result") {
  Question question{.baseline = before({{suspect, {0, 20}}, {second, {20, 20}}})};
  question.spec.fail_on = {FailOn::regression, FailOn::new_failure, FailOn::flaky};
  question.spec.strict_baseline = true;
  question.why_final = "interrupted";
  const auto result = [&](const RunBuilder& run) { return question.judge(run).result; };
  const TestId unknown{"xfs", "", "unknown"};
  CHECK(result(a_run().test(suspect, crashes("x")).test(unknown, fails).test(second, passes)) ==
        GateResult::regression);
  CHECK(result(a_run().test(suspect, flakes).test(unknown, fails)) == GateResult::inconclusive);
  CHECK(result(a_run().test(unknown, fails)) == GateResult::inconclusive);
  CHECK(result(a_run().test(unknown, flakes)) == GateResult::incomparable);
  CHECK(result(a_run().test(suspect, flakes).test(second, passes)) == GateResult::flaky);
  CHECK(result(a_run().test(suspect, passes).test(second, passes)) == GateResult::drift);
  CHECK(result(a_run().test(suspect, passes).test(second, fails)) == GateResult::passed);
  question.spec.strict_baseline = false;
  CHECK(result(a_run().test(suspect, passes).test(second, passes)) == GateResult::passed);
  question.spec.fail_on.erase(FailOn::flaky);
  CHECK(result(a_run().test(suspect, flakes)) == GateResult::passed);
  question.spec.fail_on.insert(FailOn::flaky);
  question.baseline.reset();
  CHECK(result(RunBuilder().gated().test(suspect, fails).test(second, flakes)) ==
        GateResult::failed);
}

TEST_CASE("a vanished test is drift where that is asked for") {
  Question question;
  question.spec.strict_baseline = true;
  CHECK(question
            .judge(RunBuilder()
                       .gated(BaselineFact{"v6.18", "run v6.18", {suspect}})
                       .test(second, passes))
            .result == GateResult::drift);
}

TEST_CASE("a known issue counts on its last day, and not on the day after") {
  Question question{.issues = {issue("generic/475", {}, 31)}};
  const RunBuilder run = a_run().test(suspect, fails);
  CHECK(question.text(run) == known_text);
  CHECK(notes_of(question, run).empty());
  question.issues = {issue("generic/475", {}, 30)};
  question.spec.confirm = 0;
  CHECK(question.judged(run).decision == Decision::regression);
  CHECK(notes_of(question, run) ==
        Notes{"expired: expired on 2026-01-30, and would cover xfs/generic/475 "
              "(test: generic/475)"});
  CHECK(question.judge(run).known_issues[0].where == "known.yaml:2:3");
  CHECK(notes_of(question, a_run().test(suspect, passes)) ==
        Notes{"expired: expired on 2026-01-30 (test: generic/475)"});
}

TEST_CASE("a failure of which the baseline should know and has no result is inconclusive") {
  Question question;
  question.baseline = Baseline();
  question.baseline->tests[suspect].otherwise = Verdict::not_run;
  CHECK(question.text(a_run().test(suspect, fails)) ==
        "inconclusive: exit status 1: boom; the baseline has no result of it");
  question.baseline->tests[suspect].otherwise = Verdict::skipped;
  CHECK(question.text(a_run().test(suspect, fails)) == "noted: exit status 1: boom");
}

TEST_CASE(
    "a broken file system is excused by its signature or its message, not by its test alone") {
  const RunBuilder run = a_run().test(suspect, corrupts);
  Question question{.issues = {issue("generic/475")}};
  CHECK(question.judged(run).decision == Decision::regression);
  question.issues = {issue("generic/475", "inconsistent*")};
  CHECK(question.text(run) == known_text);
  question.issues = {issue("generic/475")};
  question.issues[0].message = "*is inconsistent*";
  CHECK(question.text(run) == known_text);
  question.issues[0].message = "output mismatch";
  CHECK(question.judged(run).decision == Decision::regression);
}

TEST_CASE("a test that used to fail and hangs now is a suspect, and its hangs are counted") {
  Question question;
  question.baseline = before({{suspect, {20, 20}}});
  question.baseline->tests[suspect].worst = 1;
  const std::vector<Try> hangs{{.outcome = TimedOut{60s}}};
  CHECK(question.judged(a_run().test(suspect, fails)).decision == Decision::known);
  CHECK(question.orders(a_run().test(suspect, hangs)) ==
        std::vector<RerunOrder>{{suspect, 3, 0, {}}});
  const TestJudgement still =
      question.judged(a_run().test(suspect, hangs).reruns(suspect, times(3, hangs)));
  CHECK(still.decision == Decision::regression);
  CHECK(still.change == Change::regression);
  CHECK(still.why == "timed out 3 of 3, baseline 0 of 20 (p=0.0006)");
  CHECK(question.judged(a_run().test(suspect, hangs).reruns(suspect, times(3, fails))).decision ==
        Decision::flaky);
}

TEST_CASE("a worse failure is a regression without reruns, too, with its reason once") {
  Question question;
  question.baseline = before({{suspect, {1, 1}}});
  question.baseline->tests[suspect].worst = 1;
  question.spec.confirm = 0;
  const RunBuilder hung = a_run().test(suspect, {{.outcome = TimedOut{60s}}});
  CHECK(question.judged(hung).change == Change::regression);
  CHECK(question.text(hung) == "regression: timed out after 1m00s, baseline 0 of 1");
}

TEST_CASE("a test that skips now makes the build red where that was asked for, or is drift") {
  const RunBuilder run = a_run().test(suspect, {{.outcome = Skipped{"no mkfs"}}});
  Question question;
  CHECK(question.judge(run).result == GateResult::passed);
  question.spec.strict_baseline = true;
  CHECK(question.judge(run).result == GateResult::drift);
  CHECK(fail_on({FailOn::skipped}).judge(run).result == GateResult::regression);
}

TEST_CASE("without a baseline a retry does not excuse what the kernel reported") {
  Question question{.baseline = {}};
  const RunBuilder run = RunBuilder().gated().test(suspect, {crashes("ext4_da").front(), {}});
  CHECK(question.judge(run).result == GateResult::failed);
  question.issues = {issue("", "ext4_*")};
  CHECK(question.judge(run).result == GateResult::passed);
}

TEST_CASE("an expired known issue names each test once that it would cover") {
  Question question{.issues = {issue("generic/*", {}, 30), issue("generic/475")}};
  const TestId again{"xfs", "", "generic/475", 2};
  const RunBuilder run = a_run().test(suspect, fails).test(again, fails).test(third, passes);
  CHECK(question.text(run) == known_text);
  CHECK(notes_of(question, run) ==
        Notes{"expired: expired on 2026-01-30, and would cover xfs/generic/475 "
              "(test: generic/*)"});
  question.issues = {issue("", "ext4_*", 30)};
  CHECK(notes_of(question, a_run().test(suspect, crashes("ext4_da"))) ==
        Notes{"expired: expired on 2026-01-30, and would cover xfs/generic/475 "
              "(signature: ext4_*)"});
}

TEST_CASE("a known issue of no selected test is told, except of a shard") {
  const Question question{.issues = {issue("generic/999")}};
  CHECK(notes_of(question, a_run().test(suspect, passes)) ==
        Notes{"unmatched: no selected test is meant (test: generic/999)"});
  CHECK(notes_of(question, a_run().shard({1, 2, "plan"}).test(suspect, passes)).empty());
}

TEST_CASE("a known issue whose tests pass is told, unless one of them still fails") {
  const Question question{.issues = {issue("generic/*")}};
  CHECK(notes_of(question, a_run().test(suspect, passes).test(second, passes)) ==
        Notes{"unexpected_pass: passed: xfs/generic/475, xfs/generic/476 (test: generic/*)"});
  CHECK(notes_of(question, a_run().test(suspect, passes).test(second, fails)).empty());
  CHECK(notes_of(question, a_run().test(suspect, flakes).test(second, passes)).empty());
  CHECK(notes_of(question, a_run().test(suspect, skips)).empty());
}

TEST_CASE("a known issue excuses a signature only where it names it") {
  const RunBuilder run = a_run().test(suspect, crashes("ext4_writepages"));
  Question question{.issues = {issue("generic/475")}};
  CHECK(question.judged(run).decision == Decision::regression);
  question.issues = {issue("", "ext4_write*")};
  CHECK(question.text(run) == known_text);
  CHECK(question.judge(run).new_signatures.empty());
  CHECK(notes_of(question, run).empty());
  CHECK(notes_of(question, a_run().test(suspect, passes)).empty());
  question.issues = {issue("", "inconsistent file system")};
  CHECK(question.text(a_run().test(suspect, corrupts)) == known_text);
}

TEST_CASE("a known issue of a test does not excuse that it breaks its file system") {
  const Question question{.issues = {issue("generic/475")}};
  CHECK(question.text(a_run().test(suspect, corrupts)) ==
        "regression: new signature: SCRATCH_DEV is inconsistent");
}

TEST_CASE("a known failure of one iteration does not excuse another failure of the next") {
  const TestId again{"xfs", "", "generic/475", 2};
  Question question{.issues = {issue("generic/475")}};
  question.issues[0].message = "*boom*";
  const std::vector<Try> other{{.outcome = exit_with(2, "other")}};
  CHECK(question.text(a_run().test(suspect, fails).test(again, fails)) == known_text);
  CHECK(question.orders(a_run().test(suspect, fails).test(again, other)).size() == 1);
}

TEST_CASE("a known issue that only a rerun met does not explain the failure") {
  const Question question{.issues = {issue("", "ext4_*")}};
  std::vector<Try> reruns = times(3, fails);
  reruns[1] = crashes("ext4_da")[0];
  CHECK(question.after(reruns) == "regression: failed 3 of 3, baseline 0 of 20 (p=0.0006)");
}

TEST_CASE("a baseline from a run counts every attempt, in all iterations") {
  const TestId again{"xfs", "", "generic/475", 2};
  const Baseline baseline =
      baseline_of(a_run()
                      .test(suspect, {fails[0], {.duration = 3s}})
                      .test(again, {{.outcome = HostLost{"gone"}}, {.duration = 4s}})
                      .test(second, times(2, fails))
                      .test(third, skips)
                      .reruns(suspect, times(3, fails))
                      .run(),
                  "");
  REQUIRE(baseline.tests.size() == 3);
  CHECK(baseline.tests.at(suspect).trials == Trials{1, 3});
  CHECK(baseline.tests.at(suspect).durations == std::vector<Duration>{3s, 4s});
  CHECK(baseline.tests.at(second).trials == Trials{2, 2});
  CHECK(baseline.tests.at(second).durations.empty());
  CHECK(verdict_of(baseline.tests.at(suspect)) == Verdict::passed);
  CHECK(verdict_of(baseline.tests.at(second)) == Verdict::failed);
  CHECK(verdict_of(baseline.tests.at(third)) == Verdict::skipped);
}

TEST_CASE("a flaky test is bad once in two runs") {
  CHECK(baseline_of(a_run().test(suspect, flakes).run(), "").tests.at(suspect).trials ==
        Trials{1, 2});
}

TEST_CASE("of a baseline's tests those of another architecture are left out") {
  RunBuilder run = a_run().test(suspect, passes).test(second, {{.host = "arm"}});
  run.fact(HostReady{"arm", "ssh", 1, "6.1.0", "aarch64", "sessions"});
  const auto known = [&](const char* arch) { return baseline_of(run.run(), arch).tests; };
  CHECK(known("x86_64").contains(suspect));
  CHECK_FALSE(known("x86_64").contains(second));
  CHECK(known("aarch64").contains(second));
  CHECK_FALSE(known("aarch64").contains(suspect));
  CHECK(known("").size() == 2);
}

TEST_CASE("a baseline has the signatures of all attempts and reruns, allowed ones too") {
  const KernelReport allowed{"WARNING in g", "g", "known"};
  const Baseline baseline = baseline_of(a_run()
                                            .test(suspect, {{.kernel_reports = {allowed}}})
                                            .test(second, fails)
                                            .reruns(second, crashes("x"))
                                            .reruns(second, corrupts)
                                            .run(),
                                        "");
  CHECK(baseline.signatures == std::unordered_set<std::string>{"g", "x"});
  CHECK(baseline.tests.at(suspect).failure_signatures.empty());
  CHECK(baseline.tests.at(second).failure_signatures ==
        std::set<std::string>{"inconsistent file system"});
}

TEST_CASE("a baseline from the history counts all runs, and says of others what is newest") {
  const auto result = [](Verdict verdict, int bad, Duration duration) {
    PastResult past;
    past.verdict = verdict;
    past.bad_attempts = bad;
    past.duration = duration;
    return past;
  };
  const TestHistory of_suspect{suspect,
                               "x86_64",
                               {result(Verdict::flaky, 1, 2s), result(Verdict::failed, 3, 9s),
                                result(Verdict::passed, 0, 4s), result(Verdict::error, 0, 0s)}};
  const TestHistory of_second{
      second, "x86_64", {result(Verdict::not_run, 0, 0s), result(Verdict::skipped, 0, 0s)}};
  const TestHistory of_third{third, "x86_64", {result(Verdict::error, 0, 0s)}};
  const std::vector<TestHistory> histories{of_suspect, of_second, of_third};
  const std::vector<PastSignature> signatures{{suspect, "inconsistent file system"},
                                              {{"xfs", "", "gone"}, "x"}};
  const Baseline baseline = baseline_of(histories, signatures);
  CHECK(baseline.tests.at(suspect).trials == Trials{4, 6});
  CHECK(baseline.tests.at(suspect).durations == std::vector<Duration>{2s, 4s});
  CHECK(verdict_of(baseline.tests.at(second)) == Verdict::skipped);
  CHECK(verdict_of(baseline.tests.at(third)) == Verdict::error);
  CHECK(baseline.tests.at(suspect).failure_signatures.contains("inconsistent file system"));
  CHECK(baseline.tests.at(second).failure_signatures.empty());
  CHECK(baseline.signatures.contains("x"));
  CHECK_FALSE(baseline.tests.contains({"xfs", "", "gone"}));
}

TEST_CASE("the gates of shards are joined in the order of the whole run") {
  const auto judged = [](const TestId& test, Change change, Decision decision) {
    TestJudgement judgement;
    judgement.id = test;
    judgement.change = change;
    judgement.decision = decision;
    return judgement;
  };
  const auto part = [&](const TestId& test, Decision decision, GateResult result) {
    Judgement judgement;
    judgement.baseline = "run 1";
    judgement.result = result;
    judgement.compared = 3;
    judgement.tests = {judged(test, Change::regression, decision),
                       judged({"xfs", "", "gone"}, Change::vanished, Decision::noted)};
    judgement.new_signatures = {{"x", "BUG in x", {test}}};
    judgement.known_issues = {
        {KnownIssueNote::Kind::expired, "known.yaml:2:3", "expired on 2026-01-30"}};
    return judgement;
  };
  const Judgement first = part(second, Decision::flaky, GateResult::passed);
  Judgement other = part(suspect, Decision::regression, GateResult::regression);
  other.baseline = "run 10";
  const Run run = a_run().test(suspect, fails).test(second, fails).run();
  const Judgement whole = join_judgements({other, first}, run);
  CHECK(whole.result == GateResult::regression);
  CHECK(whole.why == "1 regression, 1 flaky, 1 vanished");
  CHECK(whole.baseline == "run 10, run 1");
  CHECK(whole.compared == 6);
  std::vector<TestId> order;
  for (const TestJudgement& test : whole.tests)
    order.push_back(test.id);
  CHECK(order == std::vector<TestId>{suspect, second, {"xfs", "", "gone"}});
  REQUIRE(whole.new_signatures.size() == 1);
  CHECK(whole.new_signatures[0].tests == std::vector<TestId>{suspect, second});
  CHECK(whole.known_issues.size() == 1);
}

TEST_CASE("the failures of a shard that was not judged are inconclusive") {
  const Run run = a_run().test(suspect, fails).test(second, passes).run();
  const Judgement whole = join_judgements({not_judged(run)}, run);
  CHECK(whole.result == GateResult::inconclusive);
  CHECK(whole.why == "1 inconclusive; run 20260131T120000Z-0001 was not judged");
  REQUIRE(whole.tests.size() == 1);
  CHECK(whole.tests[0].id == suspect);
  CHECK(whole.tests[0].decision == Decision::inconclusive);
}

TEST_CASE("a shard that was not judged leaves the whole inconclusive, and says so") {
  Judgement good, open;
  open.result = GateResult::inconclusive;
  open.why = "run 2 was not judged";
  const Judgement whole = join_judgements({good, open}, a_run().run());
  CHECK(whole.result == GateResult::inconclusive);
  CHECK(whole.why == "run 2 was not judged");
  CHECK(join_judgements({}, a_run().run()).result == GateResult::inconclusive);
}

TEST_CASE("shards are incomparable only where no test of any was compared") {
  Judgement good, empty, mute;
  good.compared = 1;
  mute.result = GateResult::incomparable;
  const Run run = a_run().run();
  CHECK(join_judgements({good, mute}, run).result == GateResult::passed);
  CHECK(join_judgements({good, good}, run).why == "nothing is worse");
  CHECK(join_judgements({mute, mute}, run).result == GateResult::incomparable);
  CHECK(join_judgements({empty, mute}, run).result == GateResult::incomparable);
  CHECK(join_judgements({empty, empty}, run).result == GateResult::passed);
  Judgement open;
  open.result = GateResult::inconclusive;
  CHECK(join_judgements({open, mute}, run).result == GateResult::inconclusive);
}

TEST_CASE("10,000 crashes of 100,000 tests, each with a signature of its own, are soon judged") {
  RunBuilder builder = a_run();
  for (int i = 0; i < 100'000; ++i) {
    const std::string name = "t" + std::to_string(i);
    builder.test({"xfs", "", name}, i % 10 == 0 ? crashes(name.c_str()) : passes);
  }
  const Run run = builder.run();
  const Gate gate({}, Baseline(), {});
  const GateAnswer answer = gate.ask(run, "");
  REQUIRE(std::holds_alternative<Judgement>(answer));
  const Judgement judgement = std::get<Judgement>(answer);
  CHECK(judgement.new_signatures.size() == 10'000);
  CHECK(join_judgements({judgement, judgement}, run).new_signatures.size() == 10'000);
}

}  // namespace ffci::test
