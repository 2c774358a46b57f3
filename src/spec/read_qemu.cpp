#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "spec/sections.hpp"

namespace ffci::spec {
namespace {

// QEMU's drives are counted in letters of the guest: vda is the image.
constexpr size_t most_disks = 24;
constexpr std::uint64_t least_memory = 32ULL << 20;
constexpr size_t longest_tag = 31;  // that QEMU takes
// What QEMU's machines have room for, beside the image and what every VM has.
constexpr size_t most_devices = 26;

std::vector<std::uint64_t> read_disks(const Field& field) {
  std::vector<std::uint64_t> disks;
  const std::vector<Field> items = field.any_items();
  if (items.size() > most_disks)
    field.complain(fmt::format("a VM can have {} disks beside its image", most_disks));
  for (const Field& item : items) {
    // A part of a sector can't be read.
    if (const auto size = item.size_over_zero()) disks.push_back((*size + 511) / 512 * 512);
  }
  return disks;
}

bool is_tag(std::string_view text) {
  constexpr std::string_view characters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !text.empty() && text.size() <= longest_tag &&
         text.find_first_not_of(characters) == std::string_view::npos;
}

// Default: the last component of the path.
std::string read_tag(const Field& field, const Field& path, const std::string& directory) {
  const std::string wanted = fmt::format("up to {} letters, digits, '.', '_' and '-'", longest_tag);
  std::optional<std::string> tag = field.text();
  if (tag && !is_tag(*tag)) field.expected(wanted);
  if (field.present() || directory.empty()) return tag.value_or("");
  tag = std::filesystem::path(directory).filename().string();
  if (!is_tag(*tag)) {
    path.complain(fmt::format("'{}' is missing, and '{}' is no tag, which has {}", field.name(),
                              printable_line(*tag, 60), wanted));
  }
  return *tag;
}

std::string read_mount(const Field& field) {
  const std::optional<std::string> mount = field.line();
  const bool fits =
      !mount || (mount->starts_with('/') && mount->find_first_not_of('/') != std::string::npos);
  if (!fits) field.expected("an absolute path in the VM, such as /mnt/tree");
  return mount.value_or("");
}

std::vector<VmShareSpec> read_share(const Field& field) {
  std::vector<VmShareSpec> shares;
  for (const Field& item : field.any_items()) {
    Fields fields(item);
    VmShareSpec share;
    const Field path = fields.required("path");
    const Field tag = fields.optional("tag");
    const Field mount = fields.optional("mount");
    share.path = path.path().value_or("");
    share.tag = read_tag(tag, path, share.path);
    share.mount = read_mount(mount);
    share.writable = fields.optional("writable").boolean().value_or(share.writable);
    fields.finish();
    for (const VmShareSpec& other : shares) {
      if (!share.tag.empty() && other.tag == share.tag)
        item.complain(fmt::format("duplicate tag '{}'; each share needs its own", share.tag));
      if (!share.mount.empty() && other.mount == share.mount)
        mount.complain(fmt::format("share '{}' is mounted at '{}', too", other.tag, share.mount));
    }
    shares.push_back(std::move(share));
  }
  return shares;
}

std::vector<std::string> read_arguments(const Field& field) {
  std::vector<std::string> arguments;
  for (const Field& item : field.any_items()) {
    if (auto text = item.filled_text()) arguments.push_back(std::move(*text));
  }
  return arguments;
}

std::string program(const Field& field) {
  const std::optional<std::string> written = field.filled_text();
  if (!written) return {};
  // A mere name is looked for in PATH.
  return written->find('/') == std::string::npos ? *written : field.path().value_or("");
}

}  // namespace

QemuHostsSpec read_qemu_hosts(const Field& field) {
  QemuHostsSpec qemu;
  Fields fields(field);
  if (field.present()) qemu.where = to_string(field.where());
  qemu.count = fields.optional("count").whole_int(1, 256).value_or(qemu.count);
  qemu.program = program(fields.optional("program"));
  qemu.arch = fields.optional("arch").word().value_or(qemu.arch);
  const Field kernel = fields.optional("kernel");
  const Field initrd = fields.optional("initrd");
  const Field append = fields.optional("append");
  const Field image = fields.optional("image");
  qemu.kernel = kernel.path().value_or("");
  qemu.initrd = initrd.path().value_or("");
  qemu.append = append.filled_text().value_or("");
  qemu.image = image.path().value_or("");
  if (fields.is_map() && !kernel.present() && !image.present())
    field.complain(fmt::format("'{}' needs 'kernel' or 'image'", field.name()));
  for (const Field* of_kernel : {&initrd, &append}) {
    if (of_kernel->present() && !kernel.present())
      of_kernel->complain(
          fmt::format("'{}' goes with a 'kernel'; the image boots its own", of_kernel->name()));
  }
  const Field memory = fields.optional("memory");
  qemu.memory = memory.size_over_zero().value_or(qemu.memory);
  if (qemu.memory < least_memory) memory.expected("32M or more");
  qemu.cpus = fields.optional("cpus").whole_int(1, 255).value_or(qemu.cpus);
  qemu.disks = read_disks(fields.optional("disks"));
  const Field share = fields.optional("share");
  qemu.share = read_share(share);
  if (share.present() && qemu.share.size() + std::min(most_disks, qemu.disks.size()) > most_devices)
    share.complain(fmt::format("a VM has room for {} disks and shares together", most_devices));
  qemu.arguments = read_arguments(fields.optional("arguments"));
  qemu.accelerator = fields.optional("accelerator")
                         .choice<Accelerator>({{"auto", Accelerator::automatic},
                                               {"kvm", Accelerator::kvm},
                                               {"tcg", Accelerator::tcg}})
                         .value_or(qemu.accelerator);
  const Field snapshot = fields.optional("snapshot");
  if (snapshot.is_off()) {
    qemu.snapshot = SnapshotStart::off;
  } else {
    qemu.snapshot = snapshot
                        .choice<SnapshotStart>(
                            {{"auto", SnapshotStart::automatic}, {"off", SnapshotStart::off}})
                        .value_or(qemu.snapshot);
  }
  qemu.connection =
      fields.optional("connection")
          .choice<VmConnection>({{"port", VmConnection::port}, {"vsock", VmConnection::vsock}})
          .value_or(qemu.connection);
  qemu.boot_timeout =
      fields.optional("boot-timeout").duration_over_zero().value_or(qemu.boot_timeout);
  qemu.slots = fields.optional("slots").whole_int(1, 64).value_or(qemu.slots);
  qemu.path = fields.optional("path").filled_text().value_or("");
  qemu.user = fields.optional("user").word().value_or(qemu.user);
  qemu.replace_tainted =
      fields.optional("replace-tainted").boolean().value_or(qemu.replace_tainted);
  fields.finish();
  return qemu;
}

}  // namespace ffci::spec
