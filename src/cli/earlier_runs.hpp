// What a run takes from the runs before it, and leaves for those after it. Trouble with the history
// is told on stderr, and ends no run.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "model/job_spec.hpp"
#include "model/test_case.hpp"
#include "store/expected_durations.hpp"
#include "store/history.hpp"

namespace ffci {

// With all runs in it that have ended; stderr is told what a user should know. Errors: as
// History::open.
[[nodiscard]] Result<History> complete_history(const std::string& results);
void tell_notes(History& history);

// As run.durations wants it; `of`: which runs tell, where it is the history. Errors: as
// expected_durations_from.
[[nodiscard]] Result<ExpectedDurations> expected_durations(const JobSpec& spec,
                                                           const std::vector<TestCase>& tests,
                                                           const std::string& arch,
                                                           History::Of of = History::Of::all_runs);

// What runs of this job cost beside their tests, as far as it is known.
[[nodiscard]] RunCosts earlier_costs(const JobSpec& spec);

// Runs that have ended and are not in the history go there.
void index_runs(const std::string& results);

// After a run: it goes into the history, and older ones go as run.keep wants it, which is said in
// what is returned, to be printed; empty: none did. None goes that the history may not know. The
// caller holds the lock of the results.
[[nodiscard]] std::string index_and_prune(const JobSpec& spec, const std::string& run_id,
                                          WallTime now);

}  // namespace ffci
