// SshBanner waits until an SSH server answers at a port of this machine. It asks again and again,
// with patience that grows, because a forwarded port takes connections long before anybody listens
// in the VM behind it.
#pragma once

#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace ffci {

class SshBanner {
 public:
  SshBanner(boost::asio::io_context& loop, int port, std::function<void()> on_answer);
  ~SshBanner();  // on_answer is not called any more

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ffci
