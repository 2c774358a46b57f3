// QemuMachine: a VM whose QEMU is a child of ff-ci. Its command line is in qemu_command_line.hpp.
#pragma once

#include <memory>
#include <string>

#include "hosts/child_program.hpp"
#include "hosts/qemu_command_line.hpp"
#include "hosts/vm_machine.hpp"

namespace ffci {

struct QemuMachineOptions {
  QemuHostsSpec spec;
  QemuLaunch launch;      // but for the console and the descriptors
  std::string directory;  // of its own
  std::string saved;      // the file with the state that it starts from; empty: it boots
  int keep_open = -1;     // a descriptor that it inherits, when it outlives ff-ci; -1: none
};

class QemuMachine final : public VmMachine {
 public:
  // Errors: there is no QEMU (unavailable), files can't be made (io), sockets or processes can't
  // (internal).
  [[nodiscard]] static Result<std::unique_ptr<VmMachine>> start(boost::asio::io_context& loop,
                                                                QemuMachineOptions options,
                                                                Callbacks callbacks);
  void kill() override;
  void leave_alone() override;

 private:
  QemuMachine(boost::asio::io_context& loop, QemuMachineOptions options, Callbacks callbacks);
  [[nodiscard]] Result<void> launch();

  QemuMachineOptions options_;
  std::unique_ptr<ChildProgram> process_;
};

}  // namespace ffci
