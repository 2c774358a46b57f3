// SshSession is one SSH connection: from a name to an authenticated session, and then any number of
// channels, each running one command of the far side. libssh2 is driven without blocking, under the
// rules that it needs (one opening at a time, every channel served after every wake-up, a call that
// could not send repeated before any other).
//
// Nothing here judges how the far side is doing: an answer that never comes is the caller's
// deadline, except while connecting and while a channel is opened.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hosts/ssh_credentials.hpp"
#include "model/command.hpp"
#include "model/job_spec.hpp"

namespace boost::asio {
class io_context;
}

namespace ffci {

struct SshTarget {
  SshMachineSpec machine;  // with its user filled in
  Duration connect_timeout{};
  std::optional<std::string> proxy_command;
};

// Why a session could not be made, or is no more: "connect: Connection refused".
struct SshFailure {
  std::string why;
  bool for_good = false;  // trying again can't help
};

using SshChannelId = std::uint64_t;

class SshSession {
 public:
  struct ChannelCallbacks {
    std::function<void(Stream, std::string_view)> on_output;
    // The last one: the command's streams have ended, or it could not be started (`refused` says
    // why). Not called when the whole session fails.
    std::function<void(std::optional<std::string> refused)> on_end;
  };
  struct Callbacks {
    std::function<void()> on_up;
    std::function<void(const SshFailure&)> on_failed;  // the last one
  };

  // `credentials` are shared by all sessions and outlive them.
  SshSession(boost::asio::io_context& loop, SshTarget target, SshCredentials& credentials,
             Callbacks callbacks);
  ~SshSession();  // hangs up; no callback is called any more

  // Starts a command there. Its streams are read until they end.
  SshChannelId open(std::string command, ChannelCallbacks callbacks);
  // To its standard input, which `last` ends.
  void write(SshChannelId channel, std::string bytes, bool last = false);
  // Hangs up the channel; its callbacks are not called any more.
  void close(SshChannelId channel);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ffci
