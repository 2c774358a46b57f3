#include "hosts/vm_disks.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace ffci;

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr const char* some_image = "/dev/null";  // which can be read, and is no qcow2

// What VMs with such disks share, though nobody boots them.
class Pool {
 public:
  explicit Pool(std::variant<QemuHostsSpec, MkosiHostsSpec> spec) {
    VmPool::Options options;
    options.spec = std::move(spec);
    options.arch = "x86_64";
    options.note = [](const std::string&) {};
    auto opened = VmPool::open(loop, std::move(options));
    REQUIRE_MESSAGE(opened, opened.error().message);
    pool_ = std::move(*opened);
  }
  VmPool& operator*() { return *pool_; }
  VmPool* operator->() { return pool_.get(); }

  boost::asio::io_context loop;

 private:
  std::shared_ptr<VmPool> pool_;
};

QemuHostsSpec vms(const std::string& image, const std::vector<std::uint64_t>& disks) {
  QemuHostsSpec spec;
  spec.program = "/bin/true";
  spec.memory = mebibyte;
  spec.snapshot = SnapshotStart::off;
  spec.image = image;
  spec.disks = disks;
  return spec;
}

// The environment of a command that had none.
std::string told(std::variant<QemuHostsSpec, MkosiHostsSpec> spec, bool test_devices = true) {
  Pool pool(std::move(spec));
  Command command;
  command.test_devices = test_devices;
  std::string text;
  for (const auto& [name, value] : with_vm_devices(command, *pool).environment)
    text += name + "=" + value + "\n";
  return text;
}

std::string devices(const std::string& test, const std::string& scratch) {
  return "FFCI_TEST_DEV=" + test + "\nFFCI_SCRATCH_DEVS=" + scratch +
         "\nFFCI_DEVICE_DIR=/var/tmp/ff-ci-devices\n";
}

std::vector<QemuDrive> made_disks(Pool& pool, VmStart start, const std::string& directory) {
  std::vector<QemuDrive> made;
  const auto program = make_vm_disks(pool.loop, *pool, start, directory, [&](const auto& drives) {
    REQUIRE(drives);
    made = *drives;
  });
  CHECK_FALSE(program);
  return made;
}

std::vector<std::string> serials(const std::vector<QemuDrive>& drives) {
  std::vector<std::string> names;
  for (const QemuDrive& drive : drives)
    names.push_back(drive.serial);
  return names;
}

}  // namespace

TEST_CASE("the first disk is to be tested, the others are scratch, and the image is neither") {
  CHECK(told(vms("", {mebibyte, mebibyte})) == devices("/dev/vda", "/dev/vdb"));
  CHECK(told(vms(some_image, {mebibyte, mebibyte})) == devices("/dev/vdb", "/dev/vdc"));
  CHECK(told(vms("", {mebibyte, mebibyte, mebibyte, mebibyte})) ==
        devices("/dev/vda", "/dev/vdb /dev/vdc /dev/vdd"));
  CHECK(told(vms(some_image, {mebibyte, mebibyte, mebibyte, mebibyte})) ==
        devices("/dev/vdb", "/dev/vdc /dev/vdd /dev/vde"));
}

TEST_CASE("the last disk that an image leaves room for has a letter") {
  const std::string environment = told(vms(some_image, std::vector<std::uint64_t>(24, mebibyte)));
  CHECK(environment.find(" /dev/vdx /dev/vdy\n") != std::string::npos);
}

TEST_CASE("nothing is told of disks that are not two, or that several tests would share") {
  CHECK(told(vms("", {})).empty());
  CHECK(told(vms(some_image, {})).empty());
  CHECK(told(vms("", {mebibyte})).empty());
  CHECK(told(vms(some_image, {mebibyte})).empty());
  QemuHostsSpec shared = vms("", {mebibyte, mebibyte});
  shared.slots = 2;
  CHECK(told(shared).empty());
  CHECK(told(vms("", {mebibyte, mebibyte}), false).empty());
  MkosiHostsSpec mkosi;
  mkosi.program = "/bin/true";
  mkosi.config = "/";
  CHECK(told(mkosi).empty());
}

TEST_CASE("QEMU gets the disks in the order of their letters, and new ones with each boot") {
  Pool pool(vms(some_image, {mebibyte, 3 * mebibyte}));
  const std::string directory = pool->make_directory().value();
  const std::vector<QemuDrive> drives = made_disks(pool, VmStart::boot, directory);
  REQUIRE(serials(drives) == std::vector<std::string>{"image", "disk1", "disk2"});
  CHECK(drives[0].path == some_image);
  CHECK(drives[0].throw_away);
  CHECK(std::filesystem::file_size(directory + "/disk1") == mebibyte);
  CHECK(std::filesystem::file_size(directory + "/disk2") == 3 * mebibyte);
  CHECK(drives[2].path == directory + "/disk2");
}

TEST_CASE("what starts from a snapshot writes to none of its disks") {
  Pool pool(vms(some_image, {mebibyte, mebibyte}));
  const std::string saved = pool->make_directory().value();
  pool->end_snapshot(saved);
  const std::vector<QemuDrive> drives =
      made_disks(pool, VmStart::from_snapshot, pool->make_directory().value());
  REQUIRE(serials(drives) == std::vector<std::string>{"image", "disk1", "disk2"});
  for (const QemuDrive& drive : drives) {
    CHECK(drive.path == saved + "/" + drive.serial);
    CHECK(drive.throw_away);
  }
  CHECK(std::filesystem::is_empty(saved));
}
