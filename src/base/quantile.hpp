// Quantiles of a few values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

namespace ffci {

// Of an even number of values the mean of the middle two; nullopt: there are none.
template <class Value>
[[nodiscard]] std::optional<Value> median(std::vector<Value> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// By the nearest rank: the smallest value that is not below so many hundredths of them; nullopt:
// there are none.
template <class Value>
[[nodiscard]] std::optional<Value> percentile(std::vector<Value> values, std::size_t hundredths) {
  if (values.empty()) return std::nullopt;
  const std::size_t rank = std::max<std::size_t>((hundredths * values.size() + 99) / 100, 1);
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

}  // namespace ffci
