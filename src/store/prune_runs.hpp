// Removes the folders of runs that are no longer wanted. Only whoever holds the lock of the results
// directory may call it: then no other run is being written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "model/job_spec.hpp"

namespace ffci {

struct PrunedRuns {
  std::vector<std::string> removed;  // run ids, the oldest first
  std::uint64_t bytes = 0;           // of the disk that this has freed
  std::vector<std::string> problems;
};

// Of all folders that are called as a run is. A run that has not ended can go on: keep.runs neither
// counts nor removes it, keep.days does. `current` stays, and so does each run that a link in
// RESULTS or in RESULTS/recordings leads to. No link is followed, and nothing but such folders is
// touched. `moved`: what another process may do once they are out of the way and not yet removed;
// what is linked by then comes back. Error (io): the links can't be read; then nothing is removed.
[[nodiscard]] Result<PrunedRuns> prune_runs(const std::filesystem::path& results,
                                            const KeepSpec& keep, const std::string& current,
                                            WallTime now, const std::function<void()>& moved = {});

}  // namespace ffci
