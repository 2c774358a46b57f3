// What the gate says, in lines: the same in every report for people.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/judgement.hpp"
#include "model/run.hpp"
#include "report/console_options.hpp"

namespace ffci {

// Of each test, in all its iterations. The run must outlive it.
class JudgedTests {
 public:
  explicit JudgedTests(const Run& run);

  // nullptr: the gate has nothing to say of it, or there is none. In constant time.
  [[nodiscard]] const TestJudgement* of(const TestId& test) const;

 private:
  std::unordered_map<TestId, const TestJudgement*> by_test_;
};

// "regression", "new failure", "flaky", …: what the gate makes of it, in a word or two. All that
// makes the build red, and nothing else, begins with "regression" (without a baseline: "failed").
[[nodiscard]] std::string_view judged_word(const TestJudgement& test);

// "regression: failed 4 of 4, baseline 0 of 20 (p=0.0001)"
[[nodiscard]] std::string judged_text(const TestJudgement& test);
// "generic/475 regression: failed 4 of 4, baseline 0 of 20 (p=0.0001)"
[[nodiscard]] std::string judged_line(const TestJudgement& test);

// All that is worth telling, the worst first; long lists of harmless things are cut.
[[nodiscard]] std::string gate_text(const Judgement& judgement, Colour colour);

// "2 suspects run again: generic/475 3 times, generic/476 3 times and 3 times on base hosts"
[[nodiscard]] std::string reruns_text(const std::vector<RerunOrder>& orders);

}  // namespace ffci
