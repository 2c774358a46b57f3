// The shell text that runs ./check for a batch, the same for every kind of host.
#pragma once

#include <span>
#include <string>

#include "model/job_spec.hpp"
#include "model/test_id.hpp"

namespace ffci {

// Where its results are, below $TMPDIR.
inline constexpr const char* fstests_results = "results";

// Starts in the tree. A host that has made test devices for the command says so in the environment
// (hosts/test_devices.hpp); otherwise they are those of fstests' configuration there.
[[nodiscard]] std::string fstests_command(const FstestsSuiteSpec& spec,
                                          std::span<const TestId> batch);
// Runs behind it, in the same namespaces, also when it was killed.
[[nodiscard]] std::string fstests_release();
// Fails with what is missing, when ./check can't be run there.
[[nodiscard]] std::string fstests_probe();

}  // namespace ffci
