#include "cli/ci_shard.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/text.hpp"

namespace ffci {
namespace {

std::optional<long> whole(const std::string& text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<std::optional<CiShard>> ci_shard(
    const std::function<std::optional<std::string>(const std::string&)>& environment) {
  struct Variables {
    const char *index, *count, *first, *step;
  };
  constexpr Variables known[] = {
      {"CI_NODE_INDEX", "CI_NODE_TOTAL", "", ""},
      {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN",
       "SLURM_ARRAY_TASK_STEP"},
  };
  for (const Variables& names : known) {
    const auto index = environment(names.index), count = environment(names.count);
    if (!index || !count || index->empty()) continue;
    const std::string said_by = fmt::format("{}={}, {}={}", names.index, printable_line(*index),
                                            names.count, printable_line(*count));
    const auto number = whole(*index), of = whole(*count);
    const auto first = whole(environment(names.first).value_or("1"));
    const auto step = whole(environment(names.step).value_or("1"));
    if (of == 1) return std::nullopt;
    const bool sensible = number && of && first && step && *step > 0 && *number >= *first &&
                          (*number - *first) % *step == 0;
    const auto shard = sensible
                           ? parse_shard(fmt::format("{}/{}", (*number - *first) / *step + 1, *of))
                           : std::nullopt;
    if (!shard) {
      return fail(ErrorKind::usage,
                  fmt::format("{} is no shard (1/1 to {}/{}); say --shard INDEX/COUNT, or --shard "
                              "off to run all tests",
                              said_by, most_shards, most_shards));
    }
    return CiShard{*shard, said_by};
  }
  return std::nullopt;
}

}  // namespace ffci
