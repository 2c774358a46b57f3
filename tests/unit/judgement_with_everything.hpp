// A judgement of the gate in which nothing is left out, for what is written of it and read again.
#pragma once

#include <chrono>

#include "model/judgement.hpp"

namespace ffci::test {

inline const TestId in_4k{"xfs", "4k", "generic/475", 1}, plain{"xfs", "", "generic/476", 1};

inline Judgement judgement_with_everything() {
  Judgement judgement;
  judgement.baseline = "history (20 runs)";
  judgement.result = GateResult::regression;
  judgement.why = "1 regression";
  judgement.compared = 7;
  TestJudgement test;
  test.id = in_4k;
  test.change = Change::slower;
  test.decision = Decision::regression;
  test.change_runs = {3, 4};
  test.baseline_runs = {1, 23};
  test.base_host_runs = {1, 3};
  test.p_value = 0.00125;
  test.why = "failed 3 of 4";
  test.new_signatures = {"KASAN:f", "inconsistent file system"};
  test.known_issue = "breaks (https://bugs.example/1)";
  test.duration = std::chrono::milliseconds(1500);
  test.usual_duration = std::chrono::milliseconds(250);
  TestJudgement bare;
  bare.id = plain;
  judgement.tests = {test, bare};
  judgement.new_signatures = {{"KASAN:f", "KASAN in f", {in_4k, plain}}, {"g", "", {}}};
  judgement.known_issues = {{KnownIssueNote::Kind::expired, "k.yaml:2:3", "expired"},
                            {KnownIssueNote::Kind::unmatched, "k.yaml:3:3", "unmatched"},
                            {KnownIssueNote::Kind::unexpected_pass, "k.yaml:4:3", "passed"}};
  return judgement;
}

}  // namespace ffci::test
