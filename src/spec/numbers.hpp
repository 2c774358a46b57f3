// Numbers as YAML 1.2 writes them (its core schema): 10, 010 (ten), 0x1f, 0o17, 1.5, 1e3.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ffci::spec {

// nullopt: not a number, or not a finite one.
[[nodiscard]] std::optional<double> parse_number(std::string_view text);
// 2.0 and 1e3 are whole. nullopt: not a whole number, below 0, or over 2^64 - 1.
[[nodiscard]] std::optional<std::uint64_t> parse_whole(std::string_view text);

}  // namespace ffci::spec
