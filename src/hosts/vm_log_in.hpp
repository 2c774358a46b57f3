// VmLogIn is the SSH host inside a VM for one life of it. Once it is silenced, nothing of that life
// reaches the VM's own host any more, whatever is still on its way.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "hosts/ssh_host.hpp"

namespace ffci {

class VmLogIn final : public HostObserver {
 public:
  struct Callbacks {
    std::function<void(const HostReady&)> on_up;
    std::function<void(const std::string& why, bool for_good)> on_lost;
    std::function<void()> on_down;
  };

  VmLogIn(boost::asio::io_context& loop, SshHostOptions options, SshCredentials& credentials,
          Callbacks callbacks)
      : host_(make_ssh_host(loop, std::move(options), credentials)),
        callbacks_(std::move(callbacks)) {}

  void start() { host_->start(*this); }
  [[nodiscard]] Host& host() { return *host_; }
  void silence() { callbacks_ = {}; }

  void on_up(const HostReady& facts) override {
    if (const auto tell = callbacks_.on_up) tell(facts);
  }
  void on_lost(const std::string& why, bool for_good) override {
    if (const auto tell = callbacks_.on_lost) tell(why, for_good);
  }
  void on_down() override {
    if (const auto tell = callbacks_.on_down) tell();
  }
  // The console tells these.
  void on_log(std::string_view) override {}
  void on_console(std::string_view) override {}
  void on_worn(const std::string&) override {}

 private:
  std::unique_ptr<Host> host_;
  Callbacks callbacks_;
};

}  // namespace ffci
