#include "store/expected_durations.hpp"

#include <algorithm>
#include <vector>

#include "store/journal.hpp"
#include "store/results_tree.hpp"
#include "store/run_sources.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr size_t most_runs = 5;

bool took_its_time(const Attempt& attempt) {
  return attempt.outcome && !std::holds_alternative<HostLost>(*attempt.outcome) &&
         !std::holds_alternative<NotRun>(*attempt.outcome) &&
         !std::holds_alternative<SetupFailed>(*attempt.outcome);
}

void add_new_ones(ExpectedDurations& durations, const Run& run) {
  std::unordered_map<TestId, Duration> of_this_run;
  for (const TestResult& test : run.tests()) {
    TestId id = test.id;
    id.iteration = 1;
    for (const Attempt& attempt : test.attempts) {
      if (!took_its_time(attempt)) continue;
      Duration& longest = of_this_run[id];
      longest = std::max(longest, attempt.duration);
    }
  }
  if (of_this_run.empty()) return;
  if (durations.source.empty()) durations.source = "run " + run.header().run_id;
  durations.by_test.merge(of_this_run);
}

}  // namespace

ExpectedDurations durations_of(const Run& run) {
  ExpectedDurations durations;
  add_new_ones(durations, run);
  return durations;
}

Result<ExpectedDurations> expected_durations_from(const fs::path& results,
                                                  const std::string& source) {
  ExpectedDurations durations;
  if (source != "latest") {
    const Result<StoredRun> stored = load_run(results, source);
    if (!stored) return tl::unexpected(stored.error());
    return durations_of(stored->run);
  }
  std::vector<std::string> runs = run_ids(results);
  if (runs.size() > most_runs) runs.resize(most_runs);
  for (const std::string& run_id : runs) {
    // A run that can't be read, or holds nothing yet, is no reason not to start the next one.
    if (const Result<Run> run = read_journal(results / "runs" / run_id / "journal.jsonl"))
      add_new_ones(durations, *run);
  }
  return durations;
}

}  // namespace ffci
