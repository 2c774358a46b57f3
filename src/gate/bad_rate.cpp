#include "gate/bad_rate.hpp"

#include <algorithm>
#include <cmath>

namespace ffci {

Interval wilson_interval(std::size_t k, std::size_t n) {
  if (n == 0) return {};
  constexpr double z = 1.959963984540054;  // of 95 %
  const auto trials = static_cast<double>(n);
  const double seen = static_cast<double>(std::min(k, n)) / trials;
  const double scale = 1 + z * z / trials;
  const double centre = (seen + z * z / (2 * trials)) / scale;
  const double half =
      z / scale * std::sqrt(seen * (1 - seen) / trials + z * z / (4 * trials * trials));
  return {k == 0 ? 0 : std::max(0.0, centre - half), k >= n ? 1 : std::min(1.0, centre + half)};
}

BadRate bad_rate(const TestHistory& history) {
  BadRate rate;
  for (auto result = history.results.begin(); result != history.results.end();) {
    bool counts = false, bad_attempt = false, bad = false;
    const auto run = result;
    for (; result != history.results.end() && result->run_id == run->run_id; ++result) {
      const bool is_bad_now = is_bad(result->verdict);
      counts |=
          is_bad_now || result->verdict == Verdict::passed || result->verdict == Verdict::flaky;
      bad_attempt |= result->bad_attempts > 0;
      bad |= is_bad_now;
    }
    if (!counts) continue;
    ++rate.runs;
    if (bad_attempt) ++rate.with_bad_attempt;
    if (bad_attempt && !bad) ++rate.flaky;
    if (bad) ++rate.bad_in_the_end;
  }
  if (rate.runs > 0)
    rate.rate = static_cast<double>(rate.with_bad_attempt) / static_cast<double>(rate.runs);
  rate.confidence = wilson_interval(rate.with_bad_attempt, rate.runs);
  return rate;
}

}  // namespace ffci
