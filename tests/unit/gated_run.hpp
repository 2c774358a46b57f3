// A run with one test of each decision of the gate, judged by the gate itself: what the golden
// files of gated runs show.
#pragma once

#include <doctest/doctest.h>

#include "gate/gate.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {

inline TestId xfs(const char* name) {
  return {"xfs", "4k", name, 1};
}

inline RunBuilder one_of_each_decision_unjudged() {
  const Try mismatch{.outcome = Failed{"output mismatch", {}},
                     .duration = 3s,
                     .out = "- output mismatch (see generic.out.bad)\n"};
  const Try crash{
      .outcome = Crashed{"KASAN: use-after-free in xfs_inode_free", "KASAN:xfs_inode"},
      .duration = 2s,
      .kernel_log = "[   14.000001] BUG: KASAN: use-after-free in xfs_inode_free\n",
      .kernel_reports = {{"KASAN: use-after-free in xfs_inode_free", "KASAN:xfs_inode", ""}}};
  const auto several = [](std::size_t number, const Try& what) {
    return std::vector<Try>(number, what);
  };
  RunBuilder run;
  run.gated(BaselineFact{"history", "history (20 runs)", {xfs("generic/990")}});
  run.fact(HostReady{"ssh:base1", "ssh", 1, "6.18.0", "x86_64", "a session of its own"});
  run.test(xfs("generic/001"), {{}});
  run.test(xfs("generic/013"), {mismatch});
  run.test(xfs("generic/018"), {mismatch});
  run.test(xfs("generic/299"), {{.duration = 100s}});
  run.test(xfs("generic/361"), {mismatch});
  run.test(xfs("generic/388"), {mismatch});
  run.test(xfs("generic/475"), {mismatch});
  run.test(xfs("generic/476"), {crash, {}});
  run.test(xfs("generic/600"), {{}});
  run.test(xfs("generic/648"), {{.outcome = TimedOut{5s}, .duration = 5s}, {}});
  run.test(xfs("generic/700"), {{.outcome = Skipped{"no quota support"}}});
  run.test(xfs("generic/754"), {mismatch});
  run.fact(RerunsOrdered{{{xfs("generic/299"), 4, 0, {}},
                          {xfs("generic/013"), 4, 4, {}},
                          {xfs("generic/388"), 4, 4, {}},
                          {xfs("generic/475"), 4, 4, {}}}});
  run.reruns(xfs("generic/299"), several(4, {.duration = 80s}));
  run.reruns(xfs("generic/475"), several(4, mismatch));
  run.reruns(xfs("generic/475"), several(4, {.host = "ssh:base1"}), Purpose::base);
  run.reruns(xfs("generic/013"), several(4, {}));
  return run.reruns(xfs("generic/388"),
                    {mismatch, {.outcome = HostLost{"local stopped answering"}}});
}

inline RunBuilder one_of_each_decision() {
  GateSpec spec;
  spec.confirm = 4;
  spec.fail_on = {FailOn::regression, FailOn::slower, FailOn::vanished};
  Baseline baseline;
  for (const char* name : {"001", "013", "299", "361", "388", "475", "476", "648", "700"})
    baseline.tests[xfs(("generic/" + std::string(name)).c_str())].trials = {0, 20};
  for (const char* name : {"generic/018", "generic/600"})
    baseline.tests[xfs(name)].trials = {20, 20};
  baseline.tests[xfs("generic/299")].durations = std::vector<Duration>(20, 20s);
  const auto issue = [](const char* test, unsigned last_day, const char* where) {
    KnownIssue known;
    known.test = test;
    known.reason = "ENOSPC on small devices";
    known.link = "https://bugs.example/1";
    known.expires = std::chrono::year(2026) / 1 / std::chrono::day(last_day);
    known.where = where;
    return known;
  };
  const std::vector<KnownIssue> issues{
      issue("generic/361", 31, "known.yaml:2:3"), issue("generic/475", 30, "known.yaml:8:3"),
      issue("generic/999", 31, "known.yaml:14:3"), issue("generic/600", 31, "known.yaml:20:3")};
  RunBuilder run = one_of_each_decision_unjudged();
  const GateAnswer answer = Gate(spec, baseline, issues).ask(run.run(), "no host is left");
  REQUIRE(std::holds_alternative<Judgement>(answer));
  return run.fact(RunJudged{std::get<Judgement>(answer)}).finish();
}

}  // namespace ffci::test
