#include <doctest/doctest.h>

#include "gate/compare.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {
namespace {

const std::vector<Try> passes{{}};
const std::vector<Try> flakes{{.outcome = exit_with(1)}, {}};
const std::vector<Try> fails{{.outcome = exit_with(1, "boom")}};
const std::vector<Try> crashes{{.outcome = Crashed{"oops", ""}}};
const std::vector<Try> skips{{.outcome = Skipped{"no"}}};
const std::vector<Try> errs{{.outcome = SetupFailed{"no"}}};
const std::vector<Try> never{};

const TestId id{"s", "", "t"};

Change change_from(const std::vector<Try>& before, const std::vector<Try>& after) {
  const RunComparison comparison =
      compare_runs(RunBuilder("a").test(id, before).run(), RunBuilder("b").test(id, after).run());
  REQUIRE(comparison.tests.size() == 1);
  return comparison.tests[0].change;
}

}  // namespace

TEST_CASE("a test that was good and is bad is a regression, also when it was flaky") {
  CHECK(change_from(passes, fails) == Change::regression);
  CHECK(change_from(flakes, crashes) == Change::regression);
}

TEST_CASE("a test that was bad and is good is fixed, also when it is flaky") {
  CHECK(change_from(fails, passes) == Change::fixed);
  CHECK(change_from(crashes, flakes) == Change::fixed);
}

TEST_CASE("a test that stays bad is a known failure") {
  CHECK(change_from(fails, crashes) == Change::known_failure);
}

TEST_CASE("a failure of a test that had said nothing is new, not a regression") {
  CHECK(change_from(skips, fails) == Change::new_failure);
  CHECK(change_from(errs, fails) == Change::new_failure);
  CHECK(change_from(never, fails) == Change::new_failure);
}

TEST_CASE("skips are told apart from runs") {
  CHECK(change_from(skips, passes) == Change::skip_to_run);
  CHECK(change_from(passes, skips) == Change::run_to_skip);
  CHECK(change_from(fails, skips) == Change::run_to_skip);
}

TEST_CASE("what has no result now is incomplete, and what had none is completed") {
  CHECK(change_from(passes, errs) == Change::incomplete);
  CHECK(change_from(errs, never) == Change::incomplete);
  CHECK(change_from(errs, passes) == Change::completed);
  CHECK(change_from(never, skips) == Change::completed);
}

TEST_CASE("the same again is unchanged") {
  CHECK(change_from(passes, passes) == Change::unchanged);
  CHECK(change_from(passes, flakes) == Change::unchanged);
  CHECK(change_from(skips, skips) == Change::unchanged);
}

TEST_CASE("tests of only one run are added, new failures or vanished, in the later run's order") {
  const Run a =
      RunBuilder("a").test({"s", "", "gone"}, passes).test({"s", "", "stays"}, passes).run();
  const Run b = RunBuilder("b")
                    .test({"s", "", "bad"}, fails)
                    .test({"s", "", "stays"}, passes)
                    .test({"s", "", "new"}, skips)
                    .run();
  const RunComparison comparison = compare_runs(a, b);
  CHECK(comparison.a.run_id == "a");
  CHECK(comparison.b.run_id == "b");
  std::vector<std::pair<std::string, Change>> changes;
  for (const TestChange& test : comparison.tests)
    changes.emplace_back(test.id.name, test.change);
  CHECK(changes == std::vector<std::pair<std::string, Change>>{{"bad", Change::new_failure},
                                                               {"stays", Change::unchanged},
                                                               {"new", Change::added},
                                                               {"gone", Change::vanished}});
}

TEST_CASE("iterations and configurations are compared with their own") {
  const Run a =
      RunBuilder("a").test({"s", "", "t", 1}, passes).test({"s", "4k", "t", 1}, fails).run();
  const Run b =
      RunBuilder("b").test({"s", "", "t", 2}, passes).test({"s", "4k", "t", 1}, passes).run();
  const RunComparison comparison = compare_runs(a, b);
  REQUIRE(comparison.tests.size() == 3);
  CHECK(comparison.tests[0].change == Change::added);
  CHECK(comparison.tests[1].change == Change::fixed);
  CHECK(comparison.tests[2].change == Change::vanished);
}

TEST_CASE(
    "a signature that the earlier run does not have is a regression, whatever became of the test") {
  const auto warned = [](const char* signature, const char* allowed = "") {
    return Try{.kernel_reports = {{"WARNING in f", signature, allowed}}};
  };
  const std::vector<Try> crashes_with_sig{{.outcome = Crashed{"oops", "sig"}}};
  CHECK(change_from(fails, crashes_with_sig) == Change::regression);
  CHECK(change_from(crashes_with_sig, crashes_with_sig) == Change::known_failure);
  CHECK(change_from(passes, {{.outcome = Crashed{"oops", "sig"}}, {}}) == Change::regression);
  CHECK(change_from(passes, {warned("w")}) == Change::regression);
  CHECK(change_from(passes, {warned("w", "known")}) == Change::unchanged);
  CHECK(change_from({warned("w", "known")}, {warned("w")}) == Change::unchanged);
  CHECK(change_from(skips, crashes_with_sig) == Change::new_failure);
  CHECK(change_from(never, {warned("w")}) == Change::regression);

  const Run a = RunBuilder("a").test({"s", "", "other"}, {warned("old")}).run();
  const Run b = RunBuilder("b")
                    .test({"s", "", "t"}, {warned("new"), warned("new"), warned("old")})
                    .test({"s", "", "u"}, {warned("new")})
                    .run();
  const RunComparison comparison = compare_runs(a, b);
  REQUIRE(comparison.new_signatures.size() == 1);
  CHECK(comparison.new_signatures[0].signature == "new");
  CHECK(comparison.new_signatures[0].title == "WARNING in f");
  CHECK(comparison.new_signatures[0].tests == std::vector<TestId>{{"s", "", "t"}, {"s", "", "u"}});
}

TEST_CASE("flaky now and no longer flaky are told of tests that pass in both runs") {
  const auto flaky = [](const std::vector<Try>& before, const std::vector<Try>& after) {
    return compare_runs(RunBuilder("a").test(id, before).run(),
                        RunBuilder("b").test(id, after).run())
        .tests.at(0)
        .flaky;
  };
  CHECK(flaky(passes, flakes) == FlakyChange::flaky_now);
  CHECK(flaky(flakes, passes) == FlakyChange::no_longer_flaky);
  CHECK(flaky(flakes, flakes) == FlakyChange::none);
  CHECK(flaky(fails, flakes) == FlakyChange::none);
}

TEST_CASE("a duration has changed when it differs by more than a second and by a quarter") {
  const auto change = [](Duration before, Duration after) {
    return compare_runs(RunBuilder("a").test(id, {{.duration = before}}).run(),
                        RunBuilder("b").test(id, {{.duration = after}}).run())
        .tests.at(0)
        .duration;
  };
  CHECK(change(4s, 6s) == DurationChange::slower);
  CHECK(change(6s, 4s) == DurationChange::faster);
  CHECK(change(100s, 124s) == DurationChange::none);
  CHECK(change(100ms, 900ms) == DurationChange::none);
  CHECK(change(4s, 5s) == DurationChange::none);
}

TEST_CASE("an attempt that ended with its ff-ci makes no retry of the next one") {
  const Run run = RunBuilder("b")
                      .test(id, {{.outcome = NotRun{"ff-ci was killed"}}, {}})
                      .test({"s", "", "u"}, {{.outcome = NotRun{"stopped"}}})
                      .run();
  CHECK(compare_runs(run, run).b.retries == 0);
}

TEST_CASE("a run's side counts crashed attempts and retries") {
  const Run run =
      RunBuilder("a").test(id, {crashes[0], crashes[0], {}}).test({"s", "", "u"}, flakes).run();
  const RunSide side = compare_runs(run, run).b;
  CHECK(side.crashed_attempts == 2);
  CHECK(side.retries == 3);
  CHECK(side.tests == 2);
  CHECK(side.counts.at(Verdict::flaky) == 2);
  CHECK_FALSE(side.finished);
}

TEST_CASE("a comparison comes to the worst of what it found") {
  const auto verdict = [](const std::vector<Try>& before, const std::vector<Try>& after) {
    return verdict_of(compare_runs(
        RunBuilder("a").test(id, before).test({"s", "", "same"}, passes).finish().run(),
        RunBuilder("b").test(id, after).test({"s", "", "same"}, passes).finish().run()));
  };
  CHECK(verdict(passes, passes).result == ComparisonResult::no_change);
  CHECK(verdict(fails, fails).result == ComparisonResult::no_change);
  CHECK(verdict(fails, passes).result == ComparisonResult::drift);
  CHECK(verdict(fails, passes).why == "1 test fixed");
  CHECK(verdict(passes, errs).result == ComparisonResult::incomplete);
  CHECK(verdict(passes, errs).why == "1 test has no result in the later run");
  CHECK(verdict(passes, fails).result == ComparisonResult::regression);
  CHECK(verdict(passes, fails).why == "1 regression");
  CHECK(verdict(skips, fails).why == "1 new failure");
}

TEST_CASE("a later run that did not finish, or has nothing in common, says nothing") {
  const Run done = RunBuilder("a").test(id, passes).finish().run();
  const Run going = RunBuilder("b").test(id, passes).run();
  CHECK(verdict_of(compare_runs(done, going)).result == ComparisonResult::incomplete);
  CHECK(verdict_of(compare_runs(going, done)).result == ComparisonResult::no_change);
  const Run other = RunBuilder("c").test({"s", "", "u"}, passes).finish().run();
  CHECK(verdict_of(compare_runs(done, other)).why == "no test has a result in both runs");
  CHECK(verdict_of(compare_runs(done, RunBuilder("d").test(id, fails).run())).result ==
        ComparisonResult::regression);
}

TEST_CASE("a change carries verdicts, durations and the later reason") {
  const Run a = RunBuilder("a").test(id, {{.duration = 2s}}).run();
  const Run b = RunBuilder("b").test(id, {{.outcome = exit_with(1, "boom"), .duration = 3s}}).run();
  const TestChange change = compare_runs(a, b).tests.at(0);
  CHECK(change.before == Verdict::passed);
  CHECK(change.after == Verdict::failed);
  CHECK(change.duration_before == 2s);
  CHECK(change.duration_after == 3s);
  CHECK(change.reason == "exit status 1: boom");
}

}  // namespace ffci::test
