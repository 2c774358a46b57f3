// Whether this machine has room for the VMs of a job, before any is started: a clear error beats
// the OOM killer.
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

// Error (unavailable): they need more memory than can be had without swapping.
[[nodiscard]] Result<void> check_memory(std::span<const VmNeeds> all);

// What to tell people of VMs that have more processors than are here; empty: nothing. Slow is not
// wrong.
[[nodiscard]] std::string shared_processors(std::span<const VmNeeds> all);

}  // namespace ffci
