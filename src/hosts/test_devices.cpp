#include "hosts/test_devices.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace ffci {
namespace {

constexpr std::uint64_t least_room = 1ULL << 30;
constexpr int most_tries = 100;  // others take loop devices, too

Error no_devices(const std::string& what) {
  return {ErrorKind::unavailable, fmt::format("cannot {}: {}", what, std::strerror(errno))};
}

}  // namespace

std::vector<std::pair<std::string, std::string>> device_environment(
    const std::string& test, const std::vector<std::string>& scratch,
    const std::string& directory) {
  return {{"FFCI_TEST_DEV", test},
          {"FFCI_SCRATCH_DEVS", fmt::format("{}", fmt::join(scratch, " "))},
          {"FFCI_DEVICE_DIR", directory}};
}

Result<TestDevices> TestDevices::make(const TestDevicesSpec& spec) {
  TestDevices devices;
  auto test = make_device(spec.directory, spec.test_size);
  if (!test) return tl::unexpected(test.error());
  devices.test_ = std::move(*test);
  for (int i = 0; i < std::max(1, spec.pool); ++i) {
    auto scratch = make_device(spec.directory, spec.scratch_size);
    if (!scratch) return tl::unexpected(scratch.error());
    devices.scratch_.push_back(std::move(*scratch));
  }
  return devices;
}

Result<TestDevices::Device> TestDevices::make_device(const std::string& directory,
                                                     std::uint64_t size) {
  const Fd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return tl::unexpected(no_devices("make a file for a test device in " + directory));
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
    return tl::unexpected(no_devices(fmt::format("make a file of {}", human_size(size))));
  const Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return tl::unexpected(no_devices("open /dev/loop-control"));
  for (int tries = 0; tries < most_tries; ++tries) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) break;
    Device device;
    device.path = fmt::format("/dev/loop{}", number);
    device.fd.reset(::open(device.path.c_str(), O_RDWR | O_CLOEXEC));
    if (!device.fd) break;
    loop_config config{};
    config.fd = static_cast<unsigned>(file.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    std::strcpy(reinterpret_cast<char*>(config.info.lo_file_name), "ff-ci test device");
    if (::ioctl(device.fd.get(), LOOP_CONFIGURE, &config) == 0) return device;
    if (errno != EBUSY) break;
  }
  return tl::unexpected(no_devices("set up a loop device"));
}

std::vector<std::pair<std::string, std::string>> TestDevices::environment(
    const std::string& directory) const {
  std::vector<std::string> scratch;
  for (const Device& device : scratch_)
    scratch.push_back(device.path);
  return device_environment(test_.path, scratch, directory);
}

std::string no_room_for_test_devices(const std::string& directory) {
  struct statvfs room {};
  if (::statvfs(directory.c_str(), &room) != 0) return {};
  const std::uint64_t left = std::uint64_t{room.f_bavail} * room.f_frsize;
  if (left >= least_room) return {};
  return fmt::format("only {} is left in {}, which holds the test devices", human_size(left),
                     directory);
}

}  // namespace ffci
