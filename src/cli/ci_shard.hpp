// Which shard a CI system's variables say that this machine is.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "model/shard.hpp"

namespace ffci {

struct CiShard {
  ShardSpec shard;
  std::string said_by;  // the variables
};

// GitLab and others: CI_NODE_INDEX of CI_NODE_TOTAL (docs.gitlab.com, "parallel"). Slurm's job
// arrays: SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT, from SLURM_ARRAY_TASK_MIN in steps of
// SLURM_ARRAY_TASK_STEP (sbatch(1)). nullopt: none says anything, or that there is only one. Error
// (usage): they make no sense.
[[nodiscard]] Result<std::optional<CiShard>> ci_shard(
    const std::function<std::optional<std::string>(const std::string&)>& environment);

}  // namespace ffci
