// The hosts that a job spec names, ready to be started.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "engine/engine_plan.hpp"
#include "hosts/host.hpp"
#include "hosts/ssh_credentials.hpp"
#include "hosts/vm_pool.hpp"
#include "model/job_spec.hpp"

namespace boost::asio {
class io_context;
}

namespace ffci {

struct JobHosts {
  std::vector<std::unique_ptr<SshCredentials>> ssh_credentials;  // that the hosts below refer to
  std::vector<std::shared_ptr<VmPool>> vm_pools;
  std::vector<std::unique_ptr<Host>> hosts;
  std::vector<HostPlan> plans;  // in the same order
};

// Tests at once on this machine; 0: they run on others only.
[[nodiscard]] int local_slots(const JobSpec& spec);

// This machine, with so many slots.
[[nodiscard]] HostPlan local_host_plan(const JobSpec& spec, int slots);

// Errors: keys that can't be used (no_input, unavailable), limits of this system (unavailable).
[[nodiscard]] Result<JobHosts> make_hosts(boost::asio::io_context& loop, const JobSpec& spec);

}  // namespace ffci
