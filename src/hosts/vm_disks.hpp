// The disks of one life of a VM: files in its own directory, or those of the VM that was saved,
// with a layer on top that has no name. Nothing is ever written to the job's image.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "hosts/child_program.hpp"
#include "hosts/qemu_command_line.hpp"
#include "hosts/vm_pool.hpp"
#include "model/command.hpp"

namespace ffci {

enum class VmStart {
  boot,
  boot_to_be_saved,  // its disks are those of the others, later
  from_snapshot,
};

using OnDisks = std::function<void(const Result<std::vector<QemuDrive>>&)>;

// Makes those of a QEMU that ff-ci calls; `on_disks` may be called at once. The program that is
// returned makes an overlay, and must be kept until then; none: there is none to make. Errors (io,
// unavailable).
[[nodiscard]] std::unique_ptr<ChildProgram> make_vm_disks(boost::asio::io_context& loop,
                                                          const VmPool& pool, VmStart start,
                                                          const std::string& directory,
                                                          const OnDisks& on_disks);

// With two disks and one slot, what hosts/test_devices.hpp says commands are told of devices.
[[nodiscard]] Command with_vm_devices(Command command, const VmPool& pool);

}  // namespace ffci
