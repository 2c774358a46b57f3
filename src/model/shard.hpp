// A part of the tests of a job, for one of several machines that know nothing of each other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ffci {

constexpr int most_shards = 1000;

// Which part to run: shard `index` of `count`, from 1. 1/1 is all of them.
struct ShardSpec {
  int index = 1, count = 1;

  bool operator==(const ShardSpec&) const = default;
};

// "2/4". nullopt: anything else, and numbers that make no sense.
[[nodiscard]] std::optional<ShardSpec> parse_shard(std::string_view text);

// The shard that a run was.
struct Shard {
  int index = 1, count = 1;  // from 1
  std::string plan;          // the digest of the plan; the same in all shards of it

  bool operator==(const Shard&) const = default;
};

}  // namespace ffci
