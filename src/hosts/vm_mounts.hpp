// What a VM mounts before anything else runs there: the directories of this machine that its job
// shares. A VM is saved without them, as QEMU saves none that has any mounted.
#pragma once

#include <functional>
#include <limits>
#include <string>

#include "hosts/host.hpp"
#include "model/job_spec.hpp"

namespace ffci {

[[nodiscard]] bool has_mounts(const VmHostsSpec& spec);

// A set-up, since what a command mounts goes with the command. Also looks whether the VM has the
// spec's path then.
[[nodiscard]] Command mount_command(const VmHostsSpec& spec);

class VmMounts final : public ScopeObserver {
 public:
  // Of the set-up: no suite has this number.
  static constexpr size_t scope = std::numeric_limits<size_t>::max();

  // `trouble`: why there is one that could not be mounted; empty: all are. `for_good`: another VM
  // would be just like this one.
  using OnDone = std::function<void(const std::string& trouble, bool for_good)>;
  explicit VmMounts(OnDone on_done) : on_done_(std::move(on_done)) {}

  void on_scope_output(size_t, Stream stream, std::string_view bytes) override;
  void on_set_up(size_t, const std::optional<std::string>& failure) override;
  void on_torn_down(size_t, const std::optional<std::string>&) override {}

 private:
  OnDone on_done_;
  std::string said_;
};

}  // namespace ffci
