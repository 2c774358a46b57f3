#include "model/shard.hpp"

#include <charconv>

namespace ffci {
namespace {

std::optional<int> number(std::string_view text) {
  if (text.starts_with('0')) return std::nullopt;  // there is one way to write it
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<ShardSpec> parse_shard(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto index = number(text.substr(0, slash)), count = number(text.substr(slash + 1));
  if (!index || !count || *index < 1 || *index > *count || *count > most_shards)
    return std::nullopt;
  return ShardSpec{*index, *count};
}

}  // namespace ffci
