// What the VMs of a job need of this machine, and whether it has that, before any is started: a
// clear error beats the OOM killer.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "model/job_spec.hpp"

namespace ffci {

// Of the VMs of one section of a job.
struct VmNeeds {
  std::string where;  // file:line:col
  int count = 0;
  std::uint64_t memory = 0;  // bytes of each; 0: not known
  int processors = 0;        // of each; 0: not known
};

[[nodiscard]] VmNeeds needs_of(const QemuHostsSpec& spec);
// What its options say of memory and processors; what mkosi.conf says is mkosi's alone.
[[nodiscard]] VmNeeds needs_of(const MkosiHostsSpec& spec);

// Bytes that can be taken here without swapping; 0: not known.
[[nodiscard]] std::uint64_t memory_available();

// Error (unavailable): they need more memory than is available.
[[nodiscard]] Result<void> check_memory(std::span<const VmNeeds> all, std::uint64_t available);

// What to tell people of VMs that have more processors than are here; empty: nothing. Slow is not
// wrong. `here`: 0: not known.
[[nodiscard]] std::string shared_processors(std::span<const VmNeeds> all, int here);

}  // namespace ffci
