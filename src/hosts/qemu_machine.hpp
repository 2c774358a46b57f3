// QemuMachine is one life of a VM: a QEMU that boots, or goes on from a saved state, until an SSH
// server answers in it; and then until it ends. Its console is read to the last byte before its end
// is told. QemuHost makes one for each life of its host.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "hosts/child_program.hpp"
#include "hosts/console_tail.hpp"
#include "hosts/deadline.hpp"
#include "hosts/qemu_command_line.hpp"
#include "hosts/qmp_client.hpp"
#include "hosts/ssh_banner.hpp"

namespace ffci {

struct QemuMachineOptions {
  QemuHostsSpec spec;
  QemuLaunch launch;      // but for the console and the descriptors
  std::string directory;  // of its own
  std::string saved;      // the file with the state that it starts from; empty: it boots
  int keep_open = -1;     // a descriptor that it inherits, when it outlives ff-ci; -1: none
};

class QemuMachine {
 public:
  struct Callbacks {
    std::function<void(std::string_view bytes)> on_console;
    // An SSH server answers there: on this machine's loopback, or at the VM's CID if it has one.
    std::function<void(int port)> on_reachable;
    std::function<void()> on_silent;  // not a byte came from its console in a third of the timeout
    std::function<void(const std::string& why)> on_gone;  // the last one
  };

  // Errors: there is no QEMU (unavailable), files can't be made (io).
  [[nodiscard]] static Result<std::unique_ptr<QemuMachine>> start(boost::asio::io_context& loop,
                                                                  QemuMachineOptions options,
                                                                  Callbacks callbacks);

  // Somebody has logged in: the timeout of the boot is over.
  void be_up();
  void read_console() { console_->read_all(); }
  [[nodiscard]] bool is_silent() const { return !console_->any(); }
  // A kernel that does not answer any more is told to say where it is, and to die of it.
  void interrupt();
  // Stops it and writes its state to a file. Error: it goes on running.
  void save(const std::string& path, std::function<void(const Result<void>&)> on_saved);
  void kill();         // on_gone comes soon
  void leave_alone();  // it outlives ff-ci
  // It is about to be dropped: nothing more is told of it.
  void be_silent();

 private:
  QemuMachine(boost::asio::io_context& loop, QemuMachineOptions options, Callbacks callbacks);
  [[nodiscard]] Result<void> launch();
  void watch_silence();
  void find_server();
  void await_banner(const SshBanner::Address& address, int port);
  void ask_port();
  void take_port(const std::string& answer);
  void go_on_when_loaded();
  void poll_saving(std::function<void(const Result<void>&)> on_saved);
  void end(const ExitStatus& status);
  [[nodiscard]] std::string last_error() const;

  boost::asio::io_context& loop_;
  QemuMachineOptions options_;
  Callbacks callbacks_;
  std::unique_ptr<ConsoleTail> console_;
  std::unique_ptr<QmpClient> qmp_;
  std::unique_ptr<ChildProgram> process_;
  std::unique_ptr<SshBanner> banner_;
  Deadline boot_, silence_, poll_;
  std::string why_killed_;
};

}  // namespace ffci
