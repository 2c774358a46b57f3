#include "gate/fisher.hpp"

#include <algorithm>
#include <cmath>

namespace ffci {

namespace {

// How likely each number of bad runs on the change is, in proportion to each other.
struct Hypergeometric {
  double change_runs, baseline_runs, bad;

  // How much likelier i + 1 is than i.
  [[nodiscard]] double step(double i) const {
    return (change_runs - i) / (i + 1) * ((bad - i) / (baseline_runs - bad + i + 1));
  }
  [[nodiscard]] double least() const { return std::max(0.0, bad - baseline_runs); }
  [[nodiscard]] double most() const { return std::min(change_runs, bad); }
  [[nodiscard]] double likeliest() const {
    const double mode = (change_runs + 1) * (bad + 1) / (change_runs + baseline_runs + 2);
    return std::clamp(std::floor(mode), least(), most());
  }
};

}  // namespace

// Every term is taken relative to the largest: nothing overflows, nothing is subtracted, and what
// underflows is too small to count. Logarithms of factorials would lose half of the digits.
double fisher_p_value(Trials change, Trials baseline) {
  if (change.runs == 0 || baseline.runs == 0) return 1;
  const auto seen = static_cast<double>(std::min(change.bad, change.runs));
  const Hypergeometric likely{static_cast<double>(change.runs), static_cast<double>(baseline.runs),
                              seen + static_cast<double>(std::min(baseline.bad, baseline.runs))};
  double fewer = 0, at_least = 0;
  const auto add = [&](double i, double term) { (i < seen ? fewer : at_least) += term; };
  const double likeliest = likely.likeliest();
  double term = 1;
  for (double i = likeliest; term > 0; ++i) {
    add(i, term);
    if (i >= likely.most()) break;
    term *= likely.step(i);
  }
  term = 1;
  for (double i = likeliest; i > likely.least() && term > 0; --i) {
    term /= likely.step(i - 1);
    add(i - 1, term);
  }
  return at_least / (fewer + at_least);
}

}  // namespace ffci
