// The folder that runs are kept in:
//
//   RESULTS/.lock                                          held while a run is written
//   RESULTS/runs/<run-id>/journal.jsonl                    the run itself
//   RESULTS/runs/<run-id>/spec.yaml                        what was asked
//   RESULTS/runs/<run-id>/tests/<suite>/<test>/<attempt>/  stdout, stderr, dmesg, bpftrace, files/
//   RESULTS/runs/<run-id>/suites/<suite>/<host>/           stdout, stderr of set-up and teardown
//   RESULTS/runs/<run-id>/summary.json, junit.xml
//   RESULTS/latest -> runs/<run-id>
//   RESULTS/history.db                                     an index over all runs; see history.hpp
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "model/attempt.hpp"
#include "model/run.hpp"
#include "model/test_id.hpp"

namespace ffci {

// Any text as one path component: everything but letters, digits and "._+=,[]-" becomes %XX, and so
// does a leading dot; what would be too long for a file system ends in a hash. GitHub refuses to
// upload a whole run as soon as one path in it holds one of ":*?<>|" or a quote.
[[nodiscard]] std::string path_component(std::string_view text);

// "tests/<suite>[@<configuration>]/<test>[@<iteration>]/<attempt>", relative to the run's folder;
// "rerun-<attempt>" at the end where it is not for the verdict. A '/' in the test's name makes
// folders.
[[nodiscard]] std::string attempt_folder(const TestId& id, int attempt,
                                         Purpose purpose = Purpose::verdict);

// "suites/<suite>/<host>", relative to the run's folder.
[[nodiscard]] std::string scope_folder(std::string_view suite, std::string_view host);

// "hosts/<host>", relative to the run's folder.
[[nodiscard]] std::string host_folder(std::string_view host);

// A results directory that this process writes to, and no other does.
class ResultsTree {
 public:
  // Makes it when missing. Errors: io: can't be written; temporary: another ff-ci is writing to it.
  [[nodiscard]] static Result<ResultsTree> open(const std::filesystem::path& directory);

  // A new folder for a run that begins now; sets `run_id` to its name, which sorts by time. Error
  // (io).
  [[nodiscard]] Result<std::filesystem::path> make_run(WallTime now, std::string& run_id) const;
  // Makes `latest` lead to it. Error (io).
  [[nodiscard]] Result<void> point_latest_to(const std::string& run_id) const;

 private:
  ResultsTree(std::filesystem::path directory, Fd lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}

  std::filesystem::path directory_;
  Fd lock_;
};

// The id of the run that came before `run_id`. Error (no_input): there is none.
[[nodiscard]] Result<std::string> run_before(const std::filesystem::path& results,
                                             const std::string& run_id);

// The names of all folders that hold a journal, the newest run first.
[[nodiscard]] std::vector<std::string> run_ids(const std::filesystem::path& results);

}  // namespace ffci
