#include <doctest/doctest.h>

#include "gate/compare.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {
namespace {

const std::vector<Try> passes{{}};
const std::vector<Try> flakes{{.outcome = exit_with(1)}, {}};
const std::vector<Try> fails{{.outcome = exit_with(1, "boom")}};
const std::vector<Try> crashes{{.outcome = Crashed{"oops", "sig"}}};
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
  CHECK(comparison.run_a == "a");
  CHECK(comparison.run_b == "b");
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
