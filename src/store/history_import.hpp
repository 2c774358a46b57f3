// One run into the tables of the history, in the place of what they knew of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "model/run.hpp"
#include "store/sqlite.hpp"

namespace ffci {

// What is to be expected is told by so many of the last runs.
inline constexpr std::size_t runs_that_tell = 10;

// What a journal tells of a run, with that which the Run itself does not keep.
struct RunFacts {
  Run run;
  std::string run_id;  // the name of its folder
  std::uint64_t journal_bytes = 0;
  std::vector<SuiteSetUp> set_ups;
  std::unordered_map<std::string, Duration> host_ready;  // for the first time
  std::unordered_map<TestId, std::vector<std::pair<int, std::uint64_t>>> batches;  // by attempt
};

// What the last runs tell of a test: those in which one of its attempts ran to its end.
class LastRuns {
 public:
  // `left_out`: selects the ids of the runs that tell nothing.
  LastRuns(const sqlite::Database& database, const char* left_out);
  // The longest such attempt of each, the newest first; valid until the next call.
  [[nodiscard]] const std::vector<Duration>& longest_of(std::int64_t test);

 private:
  sqlite::Statement results_;
  std::unordered_set<std::int64_t> left_out_;
  std::vector<Duration> longest_;
};

// Error: as read_journal.
[[nodiscard]] Result<RunFacts> read_run_facts(const std::filesystem::path& run_folder);

// In one transaction. Returns whether the tables have changed: not when they know the run as it is,
// or as it was still later. Throws sqlite::Failure.
bool import_run(sqlite::Database& database, const RunFacts& facts);

}  // namespace ffci
