#include "store/expected_durations.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "store/run_sources.hpp"

namespace ffci {
namespace fs = std::filesystem;
ExpectedDurations durations_of(const Run& run) {
  ExpectedDurations durations;
  for (const TestResult& test : run.tests()) {
    const TestId id = without_iteration(test.id);
    for (const Attempt& attempt : test.attempts) {
      if (!ran_to_its_end(attempt)) continue;
      Duration& longest = durations.by_test[id];
      longest = std::max(longest, attempt.duration);
    }
  }
  if (!durations.by_test.empty()) durations.source = "run " + run.header().run_id;
  return durations;
}

Result<ExpectedDurations> expected_durations_from(const fs::path& results,
                                                  const std::string& source) {
  const Result<StoredRun> stored = load_run(results, source);
  if (stored) return durations_of(stored->run);
  // Before the first run there is no latest one; one that can't be read is no reason not to start.
  if (source == "latest") return ExpectedDurations{};
  return tl::unexpected(stored.error());
}

ExpectedDurations expected_durations_from(const KnownDurations& known, std::size_t runs) {
  ExpectedDurations durations;
  durations.by_test.reserve(known.size());
  durations.typical.reserve(known.size());
  for (const auto& [id, duration] : known) {
    durations.by_test.emplace(id, duration.high);
    durations.typical.emplace(id, duration.typical);
  }
  if (!known.empty())
    durations.source = fmt::format("history ({} {})", runs, runs == 1 ? "run" : "runs");
  return durations;
}

}  // namespace ffci
