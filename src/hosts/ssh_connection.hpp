// Gets a connected descriptor for an SSH session: through the network, over vsock into a VM, or
// from a ProxyCommand.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "hosts/ssh_session.hpp"

namespace ffci {

// An attempt to connect. Its end ends the attempt, and the ProxyCommand.
class SshConnection {
 public:
  // The descriptor does not block. Errors (unavailable) begin with the step that failed.
  using OnConnected = std::function<void(Result<Fd>)>;

  static std::unique_ptr<SshConnection> start(boost::asio::io_context& loop,
                                              const SshTarget& target, OnConnected on_connected);
  virtual ~SshConnection() = default;
  // What the ProxyCommand has said to its standard error, its last line; empty: nothing.
  [[nodiscard]] virtual std::string complaint() const { return {}; }
};

}  // namespace ffci
