// What VMs are told and what they say, without one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "hosts/mkosi_command.hpp"
#include "hosts/qemu_command_line.hpp"
#include "hosts/run_key.hpp"
#include "hosts/vm_console.hpp"
#include "hosts/vm_mounts.hpp"
#include "hosts/vm_needs.hpp"
#include "hosts/vm_wake_up.hpp"

using namespace ffci;

namespace {

std::string word_behind(const std::vector<std::string>& words, const std::string& option) {
  const auto found = std::find(words.begin(), words.end(), option);
  return found == words.end() ? "" : *(found + 1);
}

std::string said_by(const std::string& command) {
  std::FILE* output = ::popen(command.c_str(), "r");
  REQUIRE(output != nullptr);
  std::string said(100'000, '\0');
  said.resize(std::fread(said.data(), 1, said.size(), output));
  CHECK(::pclose(output) == 0);
  return said;
}

struct Heard {
  std::vector<std::string> lines;
  VmConsole console;
  explicit Heard(std::vector<KernelLogAllowance> allowed = {})
      : console(std::move(allowed), [this](const std::string& line) { lines.push_back(line); }) {}
};

}  // namespace

TEST_CASE("a kernel is told what ff-ci needs, unless the job says otherwise") {
  CHECK(kernel_command_line("x86_64", "root=/dev/vda1") ==
        "console=ttyS0 panic=-1 ignore_loglevel printk.time=1 unknown_nmi_panic root=/dev/vda1");
  CHECK(kernel_command_line("aarch64", "") ==
        "console=ttyAMA0 panic=-1 ignore_loglevel printk.time=1 unknown_nmi_panic");
  CHECK(kernel_command_line("x86_64", "panic=60 console=hvc0 loglevel=4") ==
        "console=ttyS0 printk.time=1 unknown_nmi_panic panic=60 console=hvc0 loglevel=4");
}

TEST_CASE("QEMU never writes to the image, and reads names with commas") {
  QemuHostsSpec spec;
  spec.image = "/images/a,b.raw";
  spec.arguments = {"-snapshot"};
  QemuLaunch launch;
  launch.name = "qemu:1";
  launch.arch = "x86_64";
  launch.accelerator = Accelerator::tcg;
  launch.console = "/tmp/console";
  launch.drives = {{spec.image, "raw", "image", true}};
  launch.authorized_key = "ssh-ed25519 AAAA ff-ci";
  launch.qmp = 3;
  const std::vector<std::string> words = qemu_command_line(spec, launch);
  CHECK(words.front() == "qemu-system-x86_64");
  CHECK(words.back() == "-snapshot");
  CHECK(word_behind(words, "-drive") ==
        "if=none,id=image,file=/images/a,,b.raw,format=raw,snapshot=on,cache=unsafe,discard=unmap");
  CHECK(word_behind(words, "-accel") == "tcg");
  CHECK(word_behind(words, "-fw_cfg") ==
        "name=opt/ff-ci/authorized_keys,string=ssh-ed25519 AAAA ff-ci");
  CHECK(word_behind(words, "-kernel").empty());
  CHECK(word_behind(words, "-incoming").empty());
}

TEST_CASE("what a VM shares can't be written to, unless the job says so") {
  QemuHostsSpec spec;
  spec.share = {{"/a,b", "tree", "", false}, {"/out", "out", "/out", true}};
  const std::vector<std::string> words = qemu_command_line(spec, QemuLaunch{});
  const auto count = [&](const std::string& word) {
    return std::count(words.begin(), words.end(), word);
  };
  CHECK(count("local,id=share0,path=/a,,b,security_model=none,multidevs=remap,readonly=on") == 1);
  CHECK(count("virtio-9p-pci,fsdev=share0,mount_tag=tree") == 1);
  CHECK(count("local,id=share1,path=/out,security_model=none,multidevs=remap") == 1);
  CHECK(count("virtio-9p-pci,fsdev=share1,mount_tag=out") == 1);
}

TEST_CASE("no port leads to a VM that has a CID") {
  QemuLaunch launch;
  CHECK(word_behind(qemu_command_line({}, launch), "-netdev") ==
        "user,id=net0,hostfwd=tcp:127.0.0.1:0-:22");
  launch.cid = 4000000000;
  const std::vector<std::string> words = qemu_command_line({}, launch);
  CHECK(word_behind(words, "-netdev") == "user,id=net0");
  CHECK(std::count(words.begin(), words.end(), "vhost-vsock-pci,guest-cid=4000000000") == 1);
}

TEST_CASE("mkosi is called with what ff-ci needs, and with the job's options behind it") {
  MkosiHostsSpec spec;
  spec.config = "/configs/of mine; reboot";
  spec.options = {"--profile=a b", "--qemu-mem=4G"};
  spec.arguments = {"-cpu", "host, or so"};
  MkosiLaunch launch;
  launch.name = "ff-ci-1-mkosi-1";
  launch.authorized_key = "ssh-ed25519 AAAA ff-ci";
  launch.qmp = "/tmp/a,b/qmp";
  const std::string command = mkosi_vm_command(spec, launch);
  CHECK(command.ends_with(" '--profile=a b' --qemu-mem=4G qemu\n"));
  for (const char* part :
       {"case $(mkosi --version) in", "exec mkosi --directory '/configs/of mine; reboot' ",
        " --machine ff-ci-1-mkosi-1 ", " 'ssh.authorized_keys.root=\"ssh-ed25519 AAAA ff-ci\"' ",
        "path=/tmp/a,,b/qmp", "hostfwd=tcp:127.0.0.1:0-:22", " --qemu-vsock=no "}) {
    CAPTURE(part);
    CHECK(command.find(part) != std::string::npos);
  }
  launch.cid = 4000000000;
  const std::string over_vsock = mkosi_vm_command(spec, launch);
  CHECK(over_vsock.find("hostfwd") == std::string::npos);
  CHECK(over_vsock.find(" --qemu-vsock=yes --qemu-vsock-cid=4000000000") != std::string::npos);
  spec.build = 2;
  CHECK(mkosi_build_command(spec) ==
        "exec mkosi --directory '/configs/of mine; reboot' '--profile=a b' --qemu-mem=4G -ff "
        "build\n");
}

TEST_CASE("mkosi is told of its console and of the disk for scratch as its version takes it") {
  std::string folder = std::filesystem::temp_directory_path() / "ff-ci-test.XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  MkosiHostsSpec spec;
  spec.program = folder + "/mkosi";
  spec.config = "/c";
  struct Told {
    std::string version;
    bool console, scratch;
  };
  for (const Told& told : {Told{"24.3", false, true},
                           {"25.3", true, true},
                           {"26", true, false},
                           {"27~devel", true, false}}) {
    std::ofstream(spec.program) << "#!/bin/sh\n[ \"$1\" != --version ] || { echo mkosi "
                                << told.version << "; exit; }\necho \"$@\"\n";
    std::filesystem::permissions(spec.program, std::filesystem::perms::owner_all);
    const std::string words = said_by(mkosi_vm_command(spec, {}));
    CAPTURE(told.version);
    CAPTURE(words);
    CHECK((words.find(" --console=native ") != std::string::npos) == told.console);
    CHECK((words.find(" --runtime-scratch=no ") != std::string::npos) == told.scratch);
    CHECK(words.ends_with(" qemu\n"));
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("what all VMs need is known before any is started") {
  QemuHostsSpec qemu;
  qemu.where = "job.yaml:5:3";
  qemu.count = 3;
  qemu.memory = 2ULL << 30;
  MkosiHostsSpec mkosi;
  mkosi.where = "job.yaml:9:3";
  mkosi.count = 2;
  mkosi.options = {"--ram=1G", "--qemu-mem", "4G", "--qemu-smp=8", "--ramdisk=9G"};
  CHECK(needs_of(mkosi).memory == 4ULL << 30);
  CHECK(needs_of(mkosi).processors == 8);
  const std::vector<VmNeeds> all{needs_of(qemu), needs_of(mkosi)};
  CHECK(check_memory(all, 14ULL << 30));
  CHECK(check_memory(all, 0));
  const auto refused = check_memory(all, (14ULL << 30) - 1);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::unavailable);
  CHECK(refused.error().message.starts_with(
      "job.yaml:9:3: 2 VMs of 4.0 GiB need 14.0 GiB with those of the other hosts, and "));
  CHECK(shared_processors(all, 22).empty());
  CHECK(shared_processors(all, 21) ==
        "job.yaml:5:3: the VMs' 22 processors share the 21 that are here");
}

TEST_CASE("only what has a place in the VM is mounted there") {
  QemuHostsSpec spec;
  spec.share = {{"/a", "a", "", true}};
  CHECK_FALSE(has_mounts(spec));
  spec.share.push_back({"/b", "b", "/mnt/the b", false});
  spec.share.push_back({"/c", "c", "/c", true});
  CHECK(has_mounts(spec));
  const std::string script = mount_command(spec).setup;
  CHECK(script.ends_with("}\nshare b '/mnt/the b' ro\nshare c /c rw\n"));
  spec.path = "/c/tests";
  CHECK(mount_command(spec).setup.starts_with(script + "[ -d /c/tests ] && "));
}

TEST_CASE("a VM that could not mount a share is told of") {
  std::string trouble = "not called";
  bool for_good = false;
  const auto note = [&](const std::string& what, bool forever) {
    trouble = what, for_good = forever;
  };
  VmMounts mounts(note);
  mounts.on_scope_output(VmMounts::scope, Stream::standard_output, "x");
  mounts.on_scope_output(VmMounts::scope, Stream::standard_error, "mount: no 9p\n");
  mounts.on_set_up(VmMounts::scope, "exit status 1");
  CHECK(trouble == "its shared directories can't be used: mount: no 9p");
  CHECK(for_good);
  VmMounts killed(note);
  killed.on_set_up(VmMounts::scope, "SIGKILL");
  CHECK(trouble == "its shared directories can't be used: SIGKILL");
  CHECK_FALSE(for_good);
  VmMounts others(note);
  others.on_set_up(VmMounts::scope, {});
  CHECK(trouble.empty());
}

TEST_CASE("the kernel's lines of a console are told from those of others, in any pieces") {
  Heard heard;
  const std::string text =
      "[    1.000000] one\r\nlogin: [    2.000000] two\nServer listening\n[    3.000000] thr";
  for (const char c : text)
    heard.console.feed({&c, 1});
  CHECK(heard.lines ==
        std::vector<std::string>{"[    1.000000] one\n", "login: [    2.000000] two\n"});
  heard.console.begin();
  CHECK(heard.lines.back() == "[    3.000000] thr\n");
}

TEST_CASE("a warning taints a kernel, and an oops more than that") {
  Heard heard;
  CHECK_FALSE(heard.console.taint());
  heard.console.feed("[    1.000000] WARNING: CPU: 0 PID: 1 at fs/x.c:12 do_x+0x1/0x2\n");
  REQUIRE(heard.console.taint());
  CHECK_FALSE(heard.console.taint()->fatal());
  heard.console.feed("[    2.000000] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI\n");
  REQUIRE(heard.console.taint());
  CHECK(heard.console.taint()->fatal());
  heard.console.begin();
  CHECK_FALSE(heard.console.taint());
}

TEST_CASE("what the job allows does not taint a kernel, nor does a corrupted file system") {
  Heard heard(std::vector<KernelLogAllowance>{{"WARNING*", "known"}});
  heard.console.feed(
      "[    1.000000] WARNING: CPU: 0 PID: 1 at fs/x.c:12 do_x+0x1/0x2\n"
      "[    2.000000] EXT4-fs error (device vdb): ext4_lookup:1: inode #2: comm ls: deleted "
      "inode\n");
  CHECK_FALSE(heard.console.taint());
}

TEST_CASE("the key of a run is one that OpenSSH takes") {
  const auto made = make_run_key();
  REQUIRE(made);
  std::string folder = std::filesystem::temp_directory_path() / "ff-ci-test.XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/key") << made->key.text;
  std::filesystem::permissions(folder + "/key", std::filesystem::perms::owner_read);
  CHECK(said_by("ssh-keygen -y -f " + folder + "/key") == made->authorized + "\n");
  const auto loaded = load_private_key(folder + "/key");
  std::filesystem::remove_all(folder);
  REQUIRE(loaded);
  CHECK_FALSE(loaded->is_rsa);
}

TEST_CASE("each VM that starts from a snapshot gets what is its own") {
  const std::string one = wake_up_script("qemu:1"), other = wake_up_script("qemu:2");
  const auto first_line = [](const std::string& text) { return text.substr(0, text.find('\n')); };
  CHECK(first_line(one).ends_with(" name=qemu-1"));
  CHECK(first_line(one).size() == first_line(other).size());
  CHECK(first_line(one).substr(0, 120) != first_line(other).substr(0, 120));
}
