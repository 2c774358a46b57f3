#include "gate/false_discovery.hpp"

#include <algorithm>

namespace ffci {

std::vector<bool> benjamini_hochberg(std::span<const double> p_values, double q) {
  std::vector<double> ascending;
  for (const double p : p_values)
    if (p >= 0 && p <= 1) ascending.push_back(p);
  std::sort(ascending.begin(), ascending.end());
  // Fractions of small numbers often meet their bound exactly, and must on every machine.
  constexpr double rounding = 1 + 1e-9;
  double largest = -1;
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    const double rank = static_cast<double>(i + 1) / static_cast<double>(p_values.size());
    if (ascending[i] <= q * rank * rounding) largest = ascending[i];
  }
  std::vector<bool> significant;
  for (const double p : p_values)
    significant.push_back(p >= 0 && p <= largest);
  return significant;
}

}  // namespace ffci
