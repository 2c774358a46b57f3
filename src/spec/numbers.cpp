#include "spec/numbers.hpp"

#include <charconv>
#include <cmath>

namespace ffci::spec {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

template <class Number, class... Format>
std::optional<Number> parse_all(std::string_view text, Format... format) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, format...);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> parse_natural(std::string_view text) {
  if (text.starts_with("0x")) return parse_all<std::uint64_t>(text.substr(2), 16);
  if (text.starts_with("0o")) return parse_all<std::uint64_t>(text.substr(2), 8);
  return parse_all<std::uint64_t>(text, 10);
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  if (const auto natural = parse_natural(text)) return static_cast<double>(*natural);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  // from_chars also knows "inf" and "nan".
  const bool begins = !text.empty() && (is_digit(text[0]) ||
                                        (text[0] == '.' && text.size() > 1 && is_digit(text[1])));
  if (!begins) return std::nullopt;
  const auto magnitude = parse_all<double>(text, std::chars_format::general);
  if (!magnitude) return std::nullopt;
  return negative ? -*magnitude : *magnitude;
}

std::optional<std::uint64_t> parse_whole(std::string_view text) {
  if (const auto natural = parse_natural(text)) return natural;
  const auto number = parse_number(text);
  constexpr double too_large = 18446744073709551616.0;  // 2^64
  if (!number || *number < 0 || *number >= too_large || *number != std::floor(*number)) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(*number);
}

}  // namespace ffci::spec
