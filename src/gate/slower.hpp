// When a test takes longer than it did. Pure.
#pragma once

#include <optional>
#include <vector>

#include "model/job_spec.hpp"

namespace ffci {

struct SlowerLimit {
  Duration usual{};    // median
  Duration longest{};  // beyond it a test is slower
};

// Robust: of `durations` the median and the median absolute deviation (MAD) count, where 1.4826 MAD
// is the standard deviation of normally distributed values (F. R. Hampel, JASA 69, 1974). nullopt:
// there are too few of them.
[[nodiscard]] std::optional<SlowerLimit> slower_limit(const std::vector<Duration>& durations,
                                                      const SlowerSpec& spec);

}  // namespace ffci
