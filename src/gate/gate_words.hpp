// What the gate says, with its numbers: the same in every report.
#pragma once

#include <cstddef>
#include <string>

#include "model/job_spec.hpp"
#include "model/judgement.hpp"

namespace ffci {

// "baseline 0 of 24 (0 of 4 on base hosts; p=0.0001)"; `p` may be empty.
[[nodiscard]] std::string baseline_counts(const TestJudgement& test, const std::string& p = {});

// "failed 4 of 4, baseline 0 of 20 (p=0.0001)"
[[nodiscard]] std::string counts_of(const TestJudgement& test);

// Why a suspect is no regression, with what clean reruns can hide.
[[nodiscard]] std::string why_flaky(const TestJudgement& test);

// `attempts`: reruns made, with those that gave no result.
[[nodiscard]] std::string why_inconclusive(const TestJudgement& test, std::size_t attempts,
                                           const GateSpec& spec);

[[nodiscard]] std::size_t count(const Judgement& judgement, Decision decision);
[[nodiscard]] std::size_t count(const Judgement& judgement, Change change);

inline constexpr const char* nothing_compared =
    "no test has a result both here and in the baseline";

// "1 regression, 2 flaky": each test once; "nothing is worse".
[[nodiscard]] std::string words_of(const Judgement& judgement);

}  // namespace ffci
