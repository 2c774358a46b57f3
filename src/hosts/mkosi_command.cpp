#include "hosts/mkosi_command.hpp"

#include <fmt/format.h>

#include <vector>

#include "base/text.hpp"
#include "hosts/qemu_command_line.hpp"

namespace ffci {
namespace {

std::string quoted(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words)
    line += (line.empty() ? "" : " ") + shell_quote(word);
  return line;
}

std::vector<std::string> with_configuration(const MkosiHostsSpec& spec) {
  std::vector<std::string> words{spec.program, "--directory", spec.config};
  if (!spec.include.empty()) words.insert(words.end(), {"--include", spec.include});
  return words;
}

// mkosi splits it again, as a shell would.
std::string qemu_arguments(const MkosiHostsSpec& spec, const MkosiLaunch& launch) {
  std::vector<std::string> words{"-no-reboot",
                                 "-chardev",
                                 "socket,id=ff-ci,path=" + qemu_value(launch.qmp),
                                 "-mon",
                                 "chardev=ff-ci,mode=control",
                                 "-nic",
                                 launch.cid == 0
                                     ? "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:0-:22"
                                     : "user,model=virtio-net-pci"};
  for (const std::string& word : share_arguments(spec.share))
    words.push_back(word);
  words.insert(words.end(), spec.arguments.begin(), spec.arguments.end());
  return quoted(words);
}

}  // namespace

std::string mkosi_vm_command(const MkosiHostsSpec& spec, const MkosiLaunch& launch) {
  std::vector<std::string> words = with_configuration(spec);
  words.insert(
      words.end(),
      {"--machine", launch.name, "--ephemeral=yes", "--runtime-network=none", "--credential",
       fmt::format("ssh.authorized_keys.{}=\"{}\"", spec.user, launch.authorized_key),
       // Else it asks for that of this machine, which may have none.
       "--credential", "firstboot.timezone=UTC", "--kernel-command-line-extra",
       "panic=-1 loglevel=7 printk.time=1 unknown_nmi_panic", "--qemu-args",
       qemu_arguments(spec, launch)});
  if (launch.cid == 0) {
    words.emplace_back("--qemu-vsock=no");
  } else {
    words.insert(words.end(), {"--qemu-vsock=yes", fmt::format("--qemu-vsock-cid={}", launch.cid)});
  }
  // The console is stdout itself, where mkosi 25 would have a program between; the disk for
  // scratch that mkosi had until 25 would take the name of the image's.
  return fmt::format(
      "console= scratch=--runtime-scratch=no\n"
      "case $({} --version) in\n"
      "'mkosi 24'*) ;;\n"
      "'mkosi 25'*) console=--console=native ;;\n"
      "*) console=--console=native scratch= ;;\n"
      "esac\n"
      "exec {} $console $scratch {} qemu\n",
      shell_quote(spec.program), quoted(words), quoted(spec.options));
}

std::string mkosi_build_command(const MkosiHostsSpec& spec) {
  std::vector<std::string> words = with_configuration(spec);
  words.insert(words.end(), spec.options.begin(), spec.options.end());
  words.push_back("-" + std::string(static_cast<std::size_t>(spec.build), 'f'));
  words.emplace_back("build");
  return "exec " + quoted(words) + "\n";
}

}  // namespace ffci
