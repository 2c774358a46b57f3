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

// A set-up, since what a command mounts goes with the command.
[[nodiscard]] Command mount_command(const VmHostsSpec& spec);

class VmMounts final : public ScopeObserver {
 public:
  // Of the set-up: no suite has this number.
  static constexpr size_t scope = std::numeric_limits<size_t>::max();

  // `on_done`: why there is one that could not be mounted; empty: all are.
  explicit VmMounts(std::function<void(const std::string& trouble)> on_done)
      : on_done_(std::move(on_done)) {}

  void on_scope_output(size_t, Stream stream, std::string_view bytes) override;
  void on_set_up(size_t, const std::optional<std::string>& failure) override;
  void on_torn_down(size_t, const std::optional<std::string>&) override {}

 private:
  std::function<void(const std::string&)> on_done_;
  std::string said_;
};

}  // namespace ffci
