#include "store/run_id.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

namespace ffci {

bool RunId::operator<(const RunId& other) const {
  return std::tie(second, number) < std::tie(other.second, other.number);
}

std::optional<RunId> parse_run_id(std::string_view text) {
  constexpr std::size_t time_length = std::string_view("20260131T120000Z").size();
  if (text.size() < time_length) return std::nullopt;
  const auto part = [&](std::size_t at, std::size_t length) { return text.substr(at, length); };
  const auto second = parse_rfc3339(fmt::format("{}-{}-{}T{}:{}:{}.000Z", part(0, 4), part(4, 2),
                                                part(6, 2), part(9, 2), part(11, 2), part(13, 2)));
  if (!second) return std::nullopt;
  RunId id{*second, 1};
  if (text.size() > time_length + 1)
    std::from_chars(text.data() + time_length + 1, text.data() + text.size(), id.number);
  // There is one way to write it.
  constexpr int most = 1'000'000;
  if (id.number < 1 || id.number > most || to_string(id) != text) return std::nullopt;
  return id;
}

std::string to_string(const RunId& id) {
  std::string text = compact_timestamp(id.second);
  if (id.number != 1) text += fmt::format("-{}", id.number);
  return text;
}

RunId next_run_id(WallTime now, const std::vector<std::string>& names) {
  RunId next{std::chrono::floor<std::chrono::seconds>(now), 1};
  for (const std::string& name : names) {
    const auto taken = parse_run_id(name);
    if (taken && taken->second == next.second)
      next.number = std::max(next.number, taken->number + 1);
  }
  return next;
}

bool is_earlier_run(std::string_view a, std::string_view b) {
  const auto id_of_a = parse_run_id(a), id_of_b = parse_run_id(b);
  if (id_of_a && id_of_b) return *id_of_a < *id_of_b;
  if (id_of_a || id_of_b) return !id_of_a;
  return a < b;
}

}  // namespace ffci
