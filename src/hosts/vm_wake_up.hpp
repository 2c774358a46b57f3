// What a VM that starts from another's state gets of its own before it runs a test: the time,
// entropy, a machine id and its name.
#pragma once

#include <functional>
#include <string>

#include "hosts/host.hpp"

namespace ffci {

// What a VM calls itself: letters, digits and '-'.
[[nodiscard]] std::string guest_name(const std::string& host);

// For the VM of this host; holds the time of now.
[[nodiscard]] Command wake_up_command(const std::string& host);

class VmWakeUp final : public CommandObserver {
 public:
  // `on_done`: what could not be done; empty: nothing.
  explicit VmWakeUp(std::function<void(const std::string& trouble)> on_done)
      : on_done_(std::move(on_done)) {}

  void on_output(Stream stream, std::string_view bytes) override;
  void on_over(const CommandEnd&) override {}
  void on_end(const CommandEnd& end, const std::optional<std::string>&) override;

 private:
  std::function<void(const std::string&)> on_done_;
  std::string said_;
};

}  // namespace ffci
