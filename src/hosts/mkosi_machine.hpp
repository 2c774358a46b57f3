// MkosiMachine: a VM that mkosi starts. mkosi and all that it starts are kept together, since some
// versions leave their QEMU behind, and die with ff-ci; QEMU connects to ff-ci to be controlled,
// as mkosi hands no descriptors on.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string>

#include "hosts/child_program.hpp"
#include "hosts/mkosi_command.hpp"
#include "hosts/supervised_process.hpp"
#include "hosts/vm_machine.hpp"

namespace ffci {

struct MkosiMachineOptions {
  MkosiHostsSpec spec;
  MkosiLaunch launch;     // but for the socket
  std::string directory;  // of its own
  int keep_open = -1;     // a descriptor that it inherits, when it outlives ff-ci; -1: none
};

class MkosiMachine final : public VmMachine {
 public:
  // Errors: there is no mkosi (unavailable), files can't be made (io), sockets or processes can't
  // (internal).
  [[nodiscard]] static Result<std::unique_ptr<VmMachine>> start(boost::asio::io_context& loop,
                                                                MkosiMachineOptions options,
                                                                Callbacks callbacks);
  void kill() override;
  void leave_alone() override;

 private:
  MkosiMachine(boost::asio::io_context& loop, MkosiMachineOptions options, Callbacks callbacks);
  [[nodiscard]] Result<void> launch();
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] Result<void> start_together(const std::string& command);
  [[nodiscard]] Result<void> start_apart(const std::string& command);
  void kill_all();

  MkosiMachineOptions options_;
  boost::asio::local::stream_protocol::acceptor qmp_listener_;
  std::unique_ptr<SupervisedProcess> together_;
  std::unique_ptr<ChildProgram> apart_;  // instead, when it is to outlive ff-ci
  Deadline patience_;
};

}  // namespace ffci
