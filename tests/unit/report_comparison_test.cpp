#include "report/comparison.hpp"

#include <doctest/doctest.h>

#include "report_golden.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {

TEST_CASE("a comparison names what changed, kind by kind") {
  RunBuilder a("monday"), b("tuesday");
  const auto both = [&](const char* name, std::vector<Try> before, std::vector<Try> after) {
    a.test({"s", "", name}, std::move(before));
    b.test({"s", "", name}, std::move(after));
  };
  both("regressed", {{}}, {{.outcome = exit_with(1, "boom")}});
  both("still bad", {{.outcome = exit_with(1)}}, {{.outcome = TimedOut{5s}, .duration = 5s}});
  both("fixed", {{.outcome = exit_with(1)}}, {{}});
  both("flaky", {{}}, {{.outcome = exit_with(1)}, {}});
  both("skipped", {{}}, {{.outcome = Skipped{"no KVM"}}});
  both("slower", {{.duration = 4s}}, {{.duration = 6s}});
  both("faster", {{.duration = 9s}}, {{.duration = 3s}});
  both("same", {{}}, {{}});
  a.test({"s", "", "gone"}, {{}});
  b.test({"s", "", "new"}, {{}}).test({"s", "", "new and bad"}, {{.outcome = exit_with(2)}});
  b.not_run({"s", "", "late"}, "the deadline was reached");
  check_golden("comparison.txt", comparison_text(compare_runs(a.finish().run(), b.finish().run())));
}

TEST_CASE("small differences in duration are not told") {
  const Run a = RunBuilder("a")
                    .test({"s", "", "t"}, {{.duration = 100s}})
                    .test({"s", "", "u"}, {{.duration = 100ms}})
                    .run();
  const Run b = RunBuilder("b")
                    .test({"s", "", "t"}, {{.duration = 124s}})
                    .test({"s", "", "u"}, {{.duration = 900ms}})
                    .run();
  CHECK(comparison_text(compare_runs(a, b)) ==
        "a -> b: 2 tests, unchanged: 2; test time 1m40s -> 2m05s\n");
}

}  // namespace ffci::test
