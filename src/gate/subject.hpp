// Subject is a test in all its iterations, as the gate looks at it: what the run says of it, what
// the baseline does, and in the end what the gate makes of both. Pure.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gate/baseline.hpp"
#include "model/judgement.hpp"
#include "model/run.hpp"

namespace ffci {

struct Subject {
  TestJudgement judgement;
  std::vector<const TestResult*> results;  // one for each iteration
  const BaselineTest* before = nullptr;    // nullptr: the baseline does not know it
  std::optional<Verdict> was;              // in the baseline
  Verdict is = Verdict::not_run;           // the worst of its results
  Verdict counted = Verdict::failed;       // what is at least so bad counts as bad in trials
  Trials reruns, base_reruns;
  std::size_t rerun_attempts = 0, base_attempts = 0;  // with those that gave no result
  enum class Suspicion { none, fails, slower };       // that reruns decide
  Suspicion suspicion = Suspicion::none;
  std::size_t more = 0;  // reruns to be made

  void decide(Decision decision, std::string why) {
    judgement.decision = decision;
    judgement.why = std::move(why);
  }
};

// In the order of the run; they refer to both. Without a baseline: nullptr.
[[nodiscard]] std::vector<Subject> subjects_of(const Run& run, const Baseline* baseline);

// Into its trials and attempts, by what is `counted`.
void count_reruns(Subject& subject);

// Of the result that decided what the subject is.
[[nodiscard]] const TestResult& worst_result(const Subject& subject);

// What no rerun excuses.
struct Finding {
  KernelReport report;  // or what stands for one, where a test says that its file system is broken
  bool of_kernel = false;  // met by any test of the baseline, it is not new
};

// Of its bad attempts on the change; what a test passes with it takes for allowed.
[[nodiscard]] std::vector<Finding> findings_of(const Subject& subject);

// Of the attempt that decided, for the known issues.
[[nodiscard]] std::vector<KernelReport> deciding_reports(const TestResult& test);

}  // namespace ffci
