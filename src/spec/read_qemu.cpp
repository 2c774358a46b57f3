#include <fmt/format.h>

#include <algorithm>

#include "spec/read_vms.hpp"
#include "spec/sections.hpp"

namespace ffci::spec {
namespace {

// QEMU's drives are counted in letters of the guest: vda is the image.
constexpr size_t most_disks = 24;
constexpr std::uint64_t least_memory = 32ULL << 20;
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

}  // namespace

QemuHostsSpec read_qemu_hosts(const Field& field) {
  QemuHostsSpec qemu;
  Fields fields(field);
  read_vms(field, fields, qemu);
  qemu.program = read_program(fields.optional("program")).value_or(qemu.program);
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
  fields.known_as("memory", "ram");
  fields.known_as("cpus", "smp");
  qemu.memory = memory.size_over_zero().value_or(qemu.memory);
  if (qemu.memory < least_memory) memory.expected("32M or more");
  qemu.cpus = fields.optional("cpus").whole_int(1, 255).value_or(qemu.cpus);
  qemu.disks = read_disks(fields.optional("disks"));
  const Field share = fields.optional("share");
  if (share.present() && qemu.share.size() + std::min(most_disks, qemu.disks.size()) > most_devices)
    share.complain(fmt::format("a VM has room for {} disks and shares together", most_devices));
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
  fields.finish();
  return qemu;
}

}  // namespace ffci::spec
