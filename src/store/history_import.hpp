// One run into the tables of the history, in the place of what they knew of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
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

// Error: as read_journal.
[[nodiscard]] Result<RunFacts> read_run_facts(const std::filesystem::path& run_folder);

// In one transaction. Returns whether the tables have changed: not when they know the run as it is,
// or as it was still later. Throws sqlite::Failure.
bool import_run(sqlite::Database& database, const RunFacts& facts);

}  // namespace ffci
