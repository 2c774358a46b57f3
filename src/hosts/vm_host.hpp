// A VM as a host: a machine for each of its lives (vm_machine.hpp), and an SSH host inside for the
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

struct VmHostOptions {
  SshHostOptions ssh;  // but for the address
  std::string kind;    // "qemu" or "mkosi"
  bool watch_log = true;
  std::vector<KernelLogAllowance> allowed;  // reports of the kernel that do not taint it
};

[[nodiscard]] std::unique_ptr<Host> make_vm_host(boost::asio::io_context& loop,
                                                 VmHostOptions options,
                                                 std::shared_ptr<VmPool> pool);

}  // namespace ffci
