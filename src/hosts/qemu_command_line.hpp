// How QEMU is called for a VM of a job. Pure: what it names has been made by others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/job_spec.hpp"

namespace ffci {

struct QemuDrive {
  std::string path, format, serial;
  bool throw_away = false;  // QEMU writes to a file without a name in its place
};

struct QemuLaunch {
  std::string name;                            // of the host
  std::string arch;                            // uname -m
  Accelerator accelerator = Accelerator::tcg;  // or kvm
  std::string console;                         // file
  std::vector<QemuDrive> drives;               // vda, vdb, …
  std::string authorized_key;                  // line of authorized_keys
  std::uint32_t cid = 0;  // its own among vsocks; 0: a port of this machine leads to its SSH server
  int qmp = -1;           // descriptor of its control socket
  int incoming = -1;      // of the state that it starts from; -1: it boots
};

[[nodiscard]] std::vector<std::string> qemu_command_line(const QemuHostsSpec& spec,
                                                         const QemuLaunch& launch);

[[nodiscard]] std::string qemu_program(const QemuHostsSpec& spec, const std::string& arch);

// In QEMU's lists of properties, where a comma is written twice.
[[nodiscard]] std::string qemu_value(std::string_view text);

[[nodiscard]] std::vector<std::string> share_arguments(const std::vector<VmShareSpec>& shares);

// What the kernel is told: the spec's, behind what ff-ci needs and the spec does not say
// otherwise.
[[nodiscard]] std::string kernel_command_line(const std::string& arch, const std::string& append);

}  // namespace ffci
