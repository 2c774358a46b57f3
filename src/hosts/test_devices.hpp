// The block devices of one local slot, for tests of file systems: loop devices over sparse files
// without a name. They go with the last descriptor and mount that uses them, so that nothing is
// left of them when ff-ci ends, whatever ended it. Only for root.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "model/job_spec.hpp"

namespace ffci {

// What commands are told of the devices they may use, and of a directory that is kept from one
// command to the next:
//   FFCI_TEST_DEV      "/dev/loop0"
//   FFCI_SCRATCH_DEVS  "/dev/loop1 /dev/loop2 …", the pool; each could be the only one
//   FFCI_DEVICE_DIR    the directory, for mount points
[[nodiscard]] std::vector<std::pair<std::string, std::string>> device_environment(
    const std::string& test, const std::vector<std::string>& scratch, const std::string& directory);

class TestDevices {
 public:
  // Errors (unavailable): there are no loop devices here, or the directory can't hold such files.
  [[nodiscard]] static Result<TestDevices> make(const TestDevicesSpec& spec);

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> environment(
      const std::string& directory) const;

 private:
  struct Device {
    std::string path;
    Fd fd;  // keeps it attached
  };
  [[nodiscard]] static Result<Device> make_device(const std::string& directory, std::uint64_t size);

  Device test_;
  std::vector<Device> scratch_;
};

// Why nothing should be written to the devices any more: the file system of the directory is nearly
// full, and tests would take that for corruption. Empty: there is room.
[[nodiscard]] std::string no_room_for_test_devices(const std::string& directory);

}  // namespace ffci
