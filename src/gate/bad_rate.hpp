// How often a test goes wrong, and how sure that is. Pure.
#pragma once

#include <cstddef>

#include "model/past_runs.hpp"

namespace ffci {

struct Interval {
  double low = 0, high = 1;
};

// The 95 % confidence interval of a proportion of which `k` of `n` were seen, by Wilson's score
// without continuity correction (E. B. Wilson, JASA 22, 1927). Of n = 0 nothing is known: 0 to 1.
[[nodiscard]] Interval wilson_interval(std::size_t k, std::size_t n);

// Counted in runs, whatever the number of iterations. A run counts when the test passed or was bad
// in it: one that skipped the test, or could not run it, says nothing of it.
struct BadRate {
  std::size_t runs = 0;
  std::size_t with_bad_attempt = 0;  // at least one attempt failed, timed out or crashed
  std::size_t flaky = 0;             // of these: it passed in the end
  std::size_t bad_in_the_end = 0;    // of these: it did not
  double rate = 0;                   // with_bad_attempt of runs; 0 of 0
  Interval confidence;
};

[[nodiscard]] BadRate bad_rate(const TestHistory& history);

}  // namespace ffci
