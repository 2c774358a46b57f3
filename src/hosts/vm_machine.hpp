// VmMachine is one life of a VM: a QEMU that boots, or goes on from a saved state, until an SSH
// server answers in it; and then until it ends. Its console is read to the last byte before its end
// is told. VmHost makes one for each life of its host; who calls QEMU is up to the classes below.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "hosts/console_tail.hpp"
#include "hosts/deadline.hpp"
#include "hosts/qmp_client.hpp"
#include "hosts/ssh_banner.hpp"

namespace ffci {

class VmMachine {
 public:
  struct Callbacks {
    std::function<void(std::string_view bytes)> on_console;
    std::function<void(int port)> on_reachable;  // an SSH server answers there
    std::function<void()> on_silent;  // not a byte came from its console in a third of the timeout
    std::function<void(const std::string& why)> on_gone;  // the last one
  };

  virtual ~VmMachine() = default;

  // It can be used: the timeout of the boot is over.
  void be_up();
  void read_console() { console_->read_all(); }
  [[nodiscard]] bool is_silent() const { return !console_->any(); }
  // Whether one answers where it did before.
  void look_for_server(std::function<void()> on_answer);
  // A kernel that does not answer any more is told to say where it is, and to die of it; unless
  // QEMU has stopped it.
  void interrupt(std::function<void(const std::string& why)> on_stopped);
  // Stops it and writes its state to a file. Error (io): it goes on running.
  void save(const std::string& path, std::function<void(const Result<void>&)> on_saved);
  virtual void kill() = 0;         // on_gone comes soon
  virtual void leave_alone() = 0;  // it outlives ff-ci
  // Nothing more is told of it; it is killed, and may be dropped when it is gone, perhaps at once.
  void dismiss(std::function<void()> on_gone);

 protected:
  // Its files are in `directory`; `cid`: 0, or where its SSH server is looked for instead of a
  // port.
  VmMachine(boost::asio::io_context& loop, std::string directory, Duration boot_timeout,
            std::uint32_t cid, Callbacks callbacks);

  [[nodiscard]] std::string file(const char* name) const { return directory_ + "/" + name; }
  // Errors (io): files can't be made.
  [[nodiscard]] Result<void> open_console();
  enum class Server { boots, was_saved };  // one that was saved was listening
  void begin_boot(Server server);
  void control(Fd qmp) { qmp_ = std::make_unique<QmpClient>(loop_, std::move(qmp)); }
  [[nodiscard]] bool is_controlled() const { return qmp_ != nullptr; }
  void execute(const std::string& command, QmpClient::OnAnswer on_answer = {}) {
    qmp_->execute(command, {}, std::move(on_answer));
  }
  void find_server(Server server);
  // Nothing may be changed while the state is read.
  void go_on_when_loaded();
  // `how`: "QEMU: exit status 1"; empty: it ended by itself, and well. Whoever owns this object
  // drops it.
  void end(const std::string& how);

  boost::asio::io_context& loop_;

 private:
  void ask_port(Server server);
  void take_port(const std::string& answer, Server server);
  void await_banner(const SshBanner::Address& address, int port);
  void poll_saving(const std::string& path, std::function<void(const Result<void>&)> on_saved);
  void go_on_unsaved(const std::string& path, const std::string& why,
                     const std::function<void(const Result<void>&)>& on_saved);
  void give_up(const std::string& why);  // kills it, and that is why
  [[nodiscard]] std::string errors() const;

  std::string directory_;
  Duration boot_timeout_;
  std::uint32_t cid_;
  Callbacks callbacks_;
  std::unique_ptr<ConsoleTail> console_;
  std::unique_ptr<QmpClient> qmp_;
  SshBanner::Address server_;
  std::unique_ptr<SshBanner> banner_;
  Deadline boot_, silence_, poll_;
  std::string why_killed_;
  bool ended_ = false;
};

}  // namespace ffci
