// Which of many tests' p values are significant when one asks of all of them at once. Pure.
#pragma once

#include <span>
#include <vector>

namespace ffci {

// Of each value, whether it is significant, such that of all that are no more than the share `q` is
// expected to be so by chance (Y. Benjamini, Y. Hochberg, JRSS B 57, 1995). What is not a number is
// not significant, and counts as one of them.
[[nodiscard]] std::vector<bool> benjamini_hochberg(std::span<const double> p_values, double q);

}  // namespace ffci
