// SshBanner waits until an SSH server answers at an address of a VM. It asks again and again, with
// patience that grows, because a forwarded port takes connections long before anybody listens in
// the VM behind it.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace ffci {

class SshBanner {
 public:
  using Address = boost::asio::generic::stream_protocol::endpoint;

  SshBanner(boost::asio::io_context& loop, const Address& address, std::function<void()> on_answer);
  ~SshBanner();  // on_answer is not called any more

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ffci
