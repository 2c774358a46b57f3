// TestCase is a selected test, as the engine schedules it. How to run it is its suite's business.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "model/test_id.hpp"

namespace ffci {

struct TestCase {
  TestId id;
  std::optional<Duration> timeout;   // none: the run's test-timeout; zero: no limit
  std::optional<Duration> expected;  // from earlier runs
  std::size_t place = 0;  // in the plan that it is of a shard of, from 1; 0: the plan is whole
  bool alone = false;     // nothing else may run on the host meanwhile

  bool operator==(const TestCase&) const = default;
};

// What the engine must know of a suite to schedule its tests.
struct SuitePlan {
  std::string name;
  bool has_setup =
      false;  // something to run once per host before its first test there, or after its last
  int parallel = 0;  // how many of its tests at once on one host; 0: as many as the host has slots;
                     // 1: alone on the host
  bool batches = false;       // a command can run several of its tests
  bool test_devices = false;  // each of its commands needs a set of the host's test devices
};

}  // namespace ffci
