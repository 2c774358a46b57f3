// How long tests took in earlier runs, to order the next one.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>

#include "base/result.hpp"
#include "base/time.hpp"
#include "model/run.hpp"
#include "model/test_id.hpp"

namespace ffci {

struct ExpectedDurations {
  std::unordered_map<TestId, Duration> by_test;  // iteration is always 1
  // Of tests whose suite is not known, by the test's name alone; by_test wins.
  std::unordered_map<std::string, Duration> by_name;
  std::string source;  // the run or file they are from; empty: there is none
};

// What one run tells.
[[nodiscard]] ExpectedDurations durations_of(const Run& run);

// From the run that SOURCE names; "latest" means the newest run, and older ones for tests that it
// does not know. Attempts that never ran to an end of their own tell nothing; the longest attempt
// counts. Error (no_input): no such run; not for "latest".
[[nodiscard]] Result<ExpectedDurations> expected_durations_from(
    const std::filesystem::path& results, const std::string& source);

}  // namespace ffci
