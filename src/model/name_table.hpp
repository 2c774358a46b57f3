// The names that values have in files, in both directions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace ffci {

template <class Value, std::size_t size>
using NameTable = std::pair<Value, std::string_view>[size];

// Empty: the table has no such value.
template <class Value, std::size_t size>
std::string_view name_in(const NameTable<Value, size>& names, Value value) {
  const auto* const found = std::ranges::find(names, value, [](const auto& n) { return n.first; });
  return found == std::end(names) ? std::string_view() : found->second;
}

template <class Value, std::size_t size>
std::optional<Value> value_in(const NameTable<Value, size>& names, std::string_view name) {
  const auto* const found = std::ranges::find(names, name, [](const auto& n) { return n.second; });
  return found == std::end(names) ? std::nullopt : std::optional(found->first);
}

}  // namespace ffci
