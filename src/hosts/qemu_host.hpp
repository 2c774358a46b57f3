// A VM as a host: a QEMU for each of its lives (qemu_machine.hpp), and an SSH host inside for the
// commands. What its kernel says comes from its console, to its last word: a kernel that dies is
// charged to what ran there, one that hangs is made to say where. start() always gives a fresh VM.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hosts/host.hpp"
#include "hosts/ssh_host.hpp"
#include "hosts/vm_pool.hpp"
#include "model/job_spec.hpp"

namespace ffci {

struct QemuHostOptions {
  SshHostOptions ssh;  // but for the address
  bool watch_log = true;
  std::vector<KernelLogAllowance> allowed;  // reports of the kernel that do not taint it
};

[[nodiscard]] std::unique_ptr<Host> make_qemu_host(boost::asio::io_context& loop,
                                                   QemuHostOptions options,
                                                   std::shared_ptr<VmPool> pool);

}  // namespace ffci
