// How mkosi is called. Options are spelled as 24.3 has them, which later versions still take; what
// 25 needs beside them is added where mkosi is not older (checked with 24.3, 25.3, 26 and
// 27~devel). Pure.
#pragma once

#include <cstdint>
#include <string>

#include "model/job_spec.hpp"

namespace ffci {

struct MkosiLaunch {
  std::string name;            // of the machine: no two may have the same one
  std::string authorized_key;  // line of authorized_keys
  std::string qmp;             // path of the socket to which QEMU connects
  std::uint32_t cid = 0;       // of the VM's vsock; 0: its SSH server is at a port
};

// For /bin/sh -c.
[[nodiscard]] std::string mkosi_vm_command(const MkosiHostsSpec& spec, const MkosiLaunch& launch);
// Makes the image.
[[nodiscard]] std::string mkosi_build_command(const MkosiHostsSpec& spec);

}  // namespace ffci
