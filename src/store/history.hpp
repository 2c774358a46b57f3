// What ff-ci knows from earlier runs: RESULTS/history.db, an index over the run folders whose
// tables schemas/history.sql describes. The journals stay the truth; a run that has no history
// still runs. Several ff-ci may use one file at once: each keeps the lock RESULTS/.history.lock,
// shared, while it has the file open, and alone while it puts another file in its place.
//
// A file that is damaged, or none of ours, is set aside as history.db.corrupt-N and made anew from
// the run folders; one of an older version is made anew. Where nothing can be written a file that
// is there is read, and otherwise the history is made in memory. What was done so is told by
// take_notes().
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "model/past_runs.hpp"
#include "model/test_case.hpp"
#include "store/sqlite.hpp"

namespace ffci {

// How long the attempts of a test took, over the longest of each of the last runs in which one ran
// to an end of its own: also failures, timeouts and crashes did.
struct KnownDuration {
  Duration high{};     // 90th percentile, nearest rank
  Duration typical{};  // median
};
using KnownDurations = std::unordered_map<TestId, KnownDuration>;  // iteration is always 1

// What a run of a job costs beside its tests, over its last runs; of merged ones their parts don't
// count.
struct RunCosts {
  std::map<std::string, Duration> set_up;  // mean, by suite
  // Median, by kind of host: from the start of a run until it is ready.
  std::map<std::string, Duration> host_ready;
  std::map<std::string, Duration> call;  // mean, by suite: between two commands in a slot
};

// Which runs count, beside that parts of merged ones never do.
struct RunFilter {
  std::string except;  // a run_id
  // Also those whose gate found a regression, and the signatures of tests that the gate of others
  // could not clear, or a known issue excused: none of it is a baseline.
  bool regressed = true;
};

struct Rebuilt {
  std::size_t runs = 0;
  std::vector<std::string> dropped;  // that were known, and have no folder any more
  std::vector<std::string> notes;    // what could not be read
};

class History {
 public:
  static constexpr std::int64_t version = 2;  // PRAGMA user_version

  // Errors: no_input: there are no runs' folders; data: the file is of a newer ff-ci; temporary: it
  // is in use; io.
  [[nodiscard]] static Result<History> open(const std::filesystem::path& results);
  // Makes the file anew; of a damaged one no run is known. Errors: as open.
  [[nodiscard]] static Result<Rebuilt> rebuild(const std::filesystem::path& results);

  // The runs that have ended and are not known, or not as they have ended since. Returns how many.
  [[nodiscard]] Result<std::size_t> add_missing_runs();

  // What is added to it stays: it is a file, and can be written.
  [[nodiscard]] bool lasts() const { return writable_ && !in_memory_; }

  // Which runs tell. whole_runs: those that are no shards of a plan; whoever splits
  // a plan takes these, as a machine's own shards would change the split from machine to machine.
  enum class Of { all_runs, whole_runs };

  [[nodiscard]] Result<std::size_t> run_count(Of of = Of::all_runs);
  // Of those of `tests` that are known; where a test is not known for this architecture and
  // configuration, from another of the same suite and name: rather of the same configuration.
  [[nodiscard]] Result<KnownDurations> durations_of(const std::vector<TestCase>& tests,
                                                    const std::string& arch, Of of = Of::all_runs);
  [[nodiscard]] Result<RunCosts> costs(const std::string& job);
  // The newest first, at most so many.
  [[nodiscard]] Result<std::vector<PastRun>> runs(std::size_t most);
  // All that are known, each once.
  [[nodiscard]] Result<std::vector<TestCase>> tests();
  // Everything about these, by architecture.
  [[nodiscard]] Result<std::vector<TestHistory>> histories_of(const std::vector<TestCase>& tests,
                                                              const RunFilter& filter = {});
  // Each once for a test; an empty `arch` is any.
  [[nodiscard]] Result<std::vector<PastSignature>> signatures(const std::string& arch,
                                                              const RunFilter& filter);
  // Of the newest whole run of this job, without iterations; none: there is no such run.
  [[nodiscard]] Result<std::vector<TestId>> last_tests_of(const std::string& job,
                                                          const RunFilter& filter);

  // What a user should know; then they are forgotten.
  [[nodiscard]] std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

 private:
  enum class State { fresh, good, older, newer, foreign };

  explicit History(std::filesystem::path results)
      : results_(std::move(results)), file_(results_ / "history.db") {}

  [[nodiscard]] Result<void> take_lock(int how);
  [[nodiscard]] Result<void> open_to_write();
  void open_to_read();
  void make_in_memory(const std::string& why);
  // Throw sqlite::Failure.
  [[nodiscard]] State open_file(sqlite::Access access);
  void make_tables();
  // Which one it was; nullopt: it could not even be asked.
  [[nodiscard]] std::optional<State> try_open_file();
  [[nodiscard]] Result<void> replace_file();
  [[nodiscard]] Result<void> set_aside(const std::string& why);
  // For who holds the lock alone; of a file that is damaged, and then set aside, none.
  [[nodiscard]] Result<std::set<std::string>> known_runs_or_none();
  [[nodiscard]] Error error_of(const sqlite::Failure& failure) const;

  // `query` on the database; once more, on one made anew, when it finds it damaged. What is damaged
  // again then will always be.
  template <class Query>
  auto guarded(Query query) -> Result<decltype(query(std::declval<sqlite::Database&>()))> {
    for (;;) {
      try {
        return query(*database_);
      } catch (const sqlite::Failure& failure) {
        if (failure.kind() != sqlite::Failure::Kind::damaged || repaired_)
          return tl::unexpected(error_of(failure));
        damage_ = failure.what();
        repaired_ = true;
      }
      if (const auto repaired = repair(); !repaired) return tl::unexpected(repaired.error());
    }
  }
  [[nodiscard]] Result<void> repair();

  std::filesystem::path results_, file_;
  Fd lock_;
  std::unique_ptr<sqlite::Database> database_;
  bool writable_ = false, in_memory_ = false, repaired_ = false;
  std::string damage_;
  std::vector<std::string> notes_;
};

}  // namespace ffci
