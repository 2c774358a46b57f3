#include "hosts/vm_disks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.hpp"
#include "base/text.hpp"
#include "hosts/test_devices.hpp"

namespace ffci {
namespace {

Result<void> make_sparse_file(const std::string& path, std::uint64_t size) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file && ::ftruncate(file.get(), static_cast<off_t>(size)) == 0) return {};
  return fail(ErrorKind::io, fmt::format("cannot make {}: {}", path, std::strerror(errno)));
}

}  // namespace

std::unique_ptr<ChildProgram> make_vm_disks(boost::asio::io_context& loop, const VmPool& pool,
                                            VmStart start, const std::string& directory,
                                            const OnDisks& on_disks) {
  const bool clone = start == VmStart::from_snapshot;
  const std::string& place = clone ? pool.snapshot_directory() : directory;
  const QemuHostsSpec& spec = *pool.qemu();
  const std::string overlay = place + "/image";
  std::vector<QemuDrive> drives;
  if (!spec.image.empty() && start == VmStart::boot) {
    drives.push_back(
        {.path = spec.image, .format = pool.image_format(), .serial = "image", .throw_away = true});
  } else if (!spec.image.empty()) {
    drives.push_back({.path = overlay, .format = "qcow2", .serial = "image", .throw_away = clone});
  }
  for (size_t disk = 0; disk < spec.disks.size(); ++disk) {
    const std::string name = fmt::format("disk{}", disk + 1);
    drives.push_back({.path = fmt::format("{}/{}", place, name),
                      .format = "raw",
                      .serial = name,
                      .throw_away = clone});
    if (clone) continue;
    if (const auto made = make_sparse_file(drives.back().path, spec.disks[disk]); !made) {
      on_disks(tl::unexpected(made.error()));
      return {};
    }
  }
  if (spec.image.empty() || start != VmStart::boot_to_be_saved) {
    on_disks(drives);
    return {};
  }
  ChildProgramOptions program;
  program.arguments = {"qemu-img",          "create", "-q",       "-f",   "qcow2", "-F",
                       pool.image_format(), "-b",     spec.image, overlay};
  program.directory = directory;
  program.output = directory + "/errors";
  auto made = ChildProgram::start(
      loop, program,
      [drives, on_disks, errors = program.output](const std::optional<ExitStatus>& status) {
        if (status && status->success()) return on_disks(drives);
        const std::string said = printable_line(read_file(errors, 1 << 20).value_or(""), 300);
        on_disks(fail(ErrorKind::io, fmt::format("qemu-img create: {}{}{}",
                                                 status ? describe(*status) : "it can't be killed",
                                                 said.empty() ? "" : ": ", said)));
      });
  if (made) return std::move(*made);
  on_disks(tl::unexpected(made.error()));
  return {};
}

Command with_vm_devices(Command command, const VmPool& pool) {
  if (!command.test_devices || pool.qemu() == nullptr) return command;
  const QemuHostsSpec& spec = *pool.qemu();
  if (spec.disks.size() < 2 || spec.slots > 1) return command;
  const auto device = [first = spec.image.empty() ? 'a' : 'b'](size_t disk) {
    return fmt::format("/dev/vd{}", static_cast<char>(first + static_cast<int>(disk)));
  };
  std::vector<std::string> scratch;
  for (size_t disk = 1; disk < spec.disks.size(); ++disk)
    scratch.push_back(device(disk));
  for (auto& variable : device_environment(device(0), scratch, "/var/tmp/ff-ci-devices"))
    command.environment.push_back(std::move(variable));
  return command;
}

}  // namespace ffci
