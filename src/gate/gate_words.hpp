// What the gate says, with its numbers: the same in every report.
#pragma once

#include <cstddef>
#include <string>

#include "gate/rerun_ruling.hpp"
#include "model/judgement.hpp"

namespace ffci {

// "baseline 0 of 24 (0 of 4 on base hosts; p=0.0001)"; `p` may be empty.
[[nodiscard]] std::string baseline_counts(const TestJudgement& test, const std::string& p = {});

// "failed 4 of 4, baseline 0 of 20 (p=0.0001)". `counted`: failed, timed_out or crashed.
[[nodiscard]] std::string counts_of(const TestJudgement& test, Verdict counted);

// "failed 5 of 12, baseline 6 of 20 (p=0.38); about as often as before". `attempts`: reruns made,
// with those that gave no result.
[[nodiscard]] std::string counts_and_reason(const TestJudgement& test, Verdict counted,
                                            Reason reason, std::size_t attempts);

[[nodiscard]] std::size_t count(const Judgement& judgement, Decision decision);
[[nodiscard]] std::size_t count(const Judgement& judgement, Change change);

inline constexpr const char* nothing_compared =
    "no test has a result both here and in the baseline";

// "1 regression, 2 flaky": each test once; "nothing is worse".
[[nodiscard]] std::string words_of(const Judgement& judgement);

}  // namespace ffci
