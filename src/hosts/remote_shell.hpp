// RemoteShell: a shell on a machine, on a channel of its own, that can be given one script after
// the other.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "hosts/remote_script.hpp"
#include "hosts/ssh_session.hpp"

namespace ffci {

class RemoteShell {
 public:
  explicit RemoteShell(SshSession& session) : session_(session) {
    SshSession::ChannelCallbacks callbacks;
    callbacks.on_output = [this](Stream stream, std::string_view bytes) {
      // A copy: it may end the run, and the next one listen.
      if (const auto on_output = callbacks_.on_output) on_output(stream, bytes);
    };
    callbacks.on_end = [this](std::optional<std::string> refused) {
      channel_ = 0;
      if (const auto on_end = callbacks_.on_end) on_end(std::move(refused));
    };
    channel_ = session.open(std::string(remote_shell), std::move(callbacks));
  }
  RemoteShell(const RemoteShell&) = delete;
  RemoteShell& operator=(const RemoteShell&) = delete;
  ~RemoteShell() { session_.close(channel_); }

  [[nodiscard]] bool is_open() const { return channel_ != 0; }
  // What it says from now on goes to `callbacks`; their on_end comes when the shell itself ends.
  void listen(SshSession::ChannelCallbacks callbacks) { callbacks_ = std::move(callbacks); }
  void say(std::string script, bool last = false) {
    session_.write(channel_, std::move(script), last);
  }

 private:
  SshSession& session_;
  SshSession::ChannelCallbacks callbacks_;
  SshChannelId channel_ = 0;
};

}  // namespace ffci
