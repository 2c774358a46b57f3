#include "hosts/qemu_command_line.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "hosts/base64.hpp"

namespace ffci {
namespace {

struct Machine {
  std::string_view arch, type, console;
  bool has_smbios, has_vmgenid;
  std::string_view qemu;  // what QEMU calls the architecture; empty: the same
};

constexpr Machine machines[] = {
    {"x86_64", "q35", "ttyS0", true, true, ""},
    {"i386", "q35", "ttyS0", true, true, ""},
    {"i686", "q35", "ttyS0", true, true, "i386"},
    {"aarch64", "virt", "ttyAMA0", true, false, ""},
    {"riscv64", "virt", "ttyS0", false, false, ""},
    {"armv7l", "virt", "ttyAMA0", false, false, "arm"},
    {"ppc64le", "", "hvc0", false, false, "ppc64"},
    {"s390x", "", "ttysclp0", false, false, ""},
};

// Others have a default of their own.
Machine machine_of(const std::string& arch) {
  const auto* const known = std::find_if(std::begin(machines), std::end(machines),
                                         [&](const Machine& one) { return one.arch == arch; });
  return known != std::end(machines) ? *known : Machine{arch, "", "ttyS0", false, false, ""};
}

bool says(std::string_view append, std::string_view key) {
  for (const std::string_view word : split(append, ' ')) {
    if (word.substr(0, word.find('=')) == key) return true;
  }
  return false;
}

}  // namespace

std::string qemu_program(const QemuHostsSpec& spec, const std::string& arch) {
  if (!spec.program.empty()) return spec.program;
  const Machine machine = machine_of(arch);
  return fmt::format("qemu-system-{}", machine.qemu.empty() ? arch : machine.qemu);
}

std::string qemu_value(std::string_view text) {
  std::string quoted;
  for (const char c : text)
    quoted += c == ',' ? std::string(",,") : std::string(1, c);
  return quoted;
}

std::vector<std::string> share_arguments(const std::vector<VmShareSpec>& shares) {
  std::vector<std::string> words;
  for (size_t number = 0; number < shares.size(); ++number) {
    const VmShareSpec& share = shares[number];
    // Files belong to whoever runs ff-ci: what the VM would have as their owner does not matter.
    for (std::string& word : std::vector<std::string>{
             "-fsdev",
             fmt::format("local,id=share{},path={},security_model=none,multidevs=remap{}", number,
                         qemu_value(share.path), share.writable ? "" : ",readonly=on"),
             "-device", fmt::format("virtio-9p-pci,fsdev=share{},mount_tag={}", number, share.tag)})
      words.push_back(std::move(word));
  }
  return words;
}

std::string kernel_command_line(const std::string& arch, const std::string& append) {
  struct Setting {
    std::string_view key, text;
  };
  constexpr Setting settings[] = {
      {"panic", "panic=-1"},  // the VM ends at once, see -no-reboot
      {"loglevel", "ignore_loglevel"},
      {"printk.time", "printk.time=1"},  // tells the kernel's lines from those of others
      // What ff-ci does to a VM that hangs, so that it tells where.
      {"unknown_nmi_panic", "unknown_nmi_panic"},
  };
  // Beside others that are asked for, the last of which is /dev/console.
  std::string line = fmt::format("console={}", machine_of(arch).console);
  for (const Setting& setting : settings) {
    if (!says(append, setting.key)) line += fmt::format(" {}", setting.text);
  }
  return append.empty() ? line : line + " " + append;
}

std::vector<std::string> qemu_command_line(const QemuHostsSpec& spec, const QemuLaunch& launch) {
  const Machine machine = machine_of(launch.arch);
  std::vector<std::string> words{qemu_program(spec, launch.arch),
                                 "-name",
                                 qemu_value(launch.name),
                                 "-nodefaults",
                                 "-no-user-config",
                                 "-display",
                                 "none",
                                 "-no-reboot"};
  const auto add = [&words](std::initializer_list<std::string> more) {
    words.insert(words.end(), more);
  };
  if (!machine.type.empty()) add({"-machine", std::string(machine.type)});
  add({"-accel", launch.accelerator == Accelerator::kvm ? "kvm" : "tcg", "-cpu", "max"});
  add({"-m", fmt::format("size={}B", spec.memory), "-smp", fmt::format("{}", spec.cpus)});
  add({"-chardev", fmt::format("socket,id=qmp,fd={}", launch.qmp), "-mon",
       "chardev=qmp,mode=control"});
  add({"-chardev", fmt::format("file,id=console,append=on,path={}", qemu_value(launch.console)),
       "-serial", "chardev:console"});
  if (!spec.kernel.empty())
    add({"-kernel", spec.kernel, "-append", kernel_command_line(launch.arch, spec.append)});
  if (!spec.initrd.empty()) add({"-initrd", spec.initrd});
  // QEMU chooses the port, so that no two take the same one.
  add({"-netdev", launch.cid == 0 ? "user,id=net0,hostfwd=tcp:127.0.0.1:0-:22" : "user,id=net0",
       "-device", "virtio-net-pci,netdev=net0,romfile="});
  for (const QemuDrive& drive : launch.drives) {
    add({"-drive",
         fmt::format("if=none,id={0},file={1},format={2},snapshot={3},cache=unsafe,discard=unmap",
                     drive.serial, qemu_value(drive.path), drive.format,
                     drive.throw_away ? "on" : "off"),
         "-device", fmt::format("virtio-blk-pci,drive={0},serial={0}", drive.serial)});
  }
  add({"-device", "virtio-rng-pci"});
  // Behind the disks and the network, whose places in the VM do not change with them.
  if (launch.cid != 0) add({"-device", fmt::format("vhost-vsock-pci,guest-cid={}", launch.cid)});
  for (std::string& word : share_arguments(spec.share))
    words.push_back(std::move(word));
  if (machine.has_vmgenid) add({"-device", "vmgenid,guid=auto"});
  if (machine.has_smbios) {
    add({"-smbios", "type=11,value=io.systemd.credential.binary:ssh.authorized_keys." + spec.user +
                        "=" + to_base64(launch.authorized_key + "\n")});
  }
  add({"-fw_cfg", "name=opt/ff-ci/authorized_keys,string=" + qemu_value(launch.authorized_key)});
  if (launch.incoming >= 0) add({"-incoming", fmt::format("fd:{}", launch.incoming)});
  words.insert(words.end(), spec.arguments.begin(), spec.arguments.end());
  return words;
}

}  // namespace ffci
