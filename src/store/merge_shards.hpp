// The shards of a plan, joined into the run that they are the parts of.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/run_event.hpp"

namespace ffci {

struct ShardRun {
  std::filesystem::path folder;  // as complaints name it
  std::vector<RunEvent> events;  // begins with RunStarted
};

// The events of the whole run, in the order of their times since the first shard began. Hosts get
// the shard's number before their names ("shard2-local"). `header` begins it: run_id, tool_version
// and results_path are taken from there. Of a shard that broke off, what has no result is not run.
// What the gates of the shards have said is left out: that of the whole is for the caller to say.
// Errors (data) say which run is no shard or of another plan or job, which shard is missing or
// there twice, and which test is doubled or missing.
[[nodiscard]] Result<std::vector<RunEvent>> merge_shards(const std::vector<ShardRun>& shards,
                                                         const RunStarted& header);

// The files of a shard's attempts, hosts and suites, as hard links where the file system has them.
// Takes regular files and folders, and nothing else. Error (io).
[[nodiscard]] Result<void> link_files_of_shard(const std::filesystem::path& from, int shard,
                                               const std::filesystem::path& to);

}  // namespace ffci
