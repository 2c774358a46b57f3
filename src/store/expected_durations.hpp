// How long tests took in earlier runs, to order the next one.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>

#include "base/result.hpp"
#include "base/time.hpp"
#include "model/run.hpp"
#include "model/test_id.hpp"
#include "store/history.hpp"

namespace ffci {

struct ExpectedDurations {
  std::unordered_map<TestId, Duration> by_test;  // iteration is always 1
  // What is rather to be expected than feared, where more than one run is known: the median.
  std::unordered_map<TestId, Duration> typical;
  // Of tests whose suite is not known, by the test's name alone; by_test wins.
  std::unordered_map<std::string, Duration> by_name;
  std::string source;  // the run or file they are from; empty: there is none
};

// What one run tells. Attempts that never ran to an end of their own tell nothing; the longest
// attempt counts.
[[nodiscard]] ExpectedDurations durations_of(const Run& run);

// From the one run that SOURCE names. Error (no_input): no such run; not for "latest".
[[nodiscard]] Result<ExpectedDurations> expected_durations_from(
    const std::filesystem::path& results, const std::string& source);

// From the history: the high one of each test. `runs`: how many are known there.
[[nodiscard]] ExpectedDurations expected_durations_from(const KnownDurations& known,
                                                        std::size_t runs);

}  // namespace ffci
