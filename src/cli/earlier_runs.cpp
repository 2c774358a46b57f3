#include "cli/earlier_runs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "base/text.hpp"
#include "cli/load_source.hpp"
#include "report/console_line.hpp"
#include "store/history.hpp"
#include "store/prune_runs.hpp"

namespace ffci {
namespace {

void complain(const std::string& what) {
  fmt::print(stderr, "ff-ci: {}\n", printable_line(what, 1000));
}

}  // namespace

void tell_notes(History& history) {
  for (const std::string& note : history.take_notes())
    complain(note);
}

Result<History> complete_history(const std::string& results) {
  auto history = History::open(results);
  if (!history) return history;
  const auto added = history->add_missing_runs();
  tell_notes(*history);
  if (!added) return tl::unexpected(added.error());
  return history;
}

namespace {

Result<ExpectedDurations> durations_of_history(const std::string& results,
                                               const std::vector<TestCase>& tests,
                                               const std::string& arch, History::Of of) {
  ExpectedDurations durations;
  std::error_code unknown;
  if (!std::filesystem::exists(std::filesystem::path(results) / "runs", unknown)) return durations;
  auto history = complete_history(results);
  if (!history) return tl::unexpected(history.error());
  const auto known = history->durations_of(tests, arch, of);
  tell_notes(*history);
  if (!known) return tl::unexpected(known.error());
  const auto runs = history->run_count(of);
  if (!runs) return tl::unexpected(runs.error());
  return expected_durations_from(*known, *runs);
}

Result<void> indexed_runs(const std::string& results) {
  const auto history = complete_history(results);
  if (!history) return tl::unexpected(history.error());
  if (!history->lasts())
    return fail(ErrorKind::io, fmt::format("the history in {} can't be written", results));
  return {};
}

}  // namespace

Result<ExpectedDurations> expected_durations(const JobSpec& spec,
                                             const std::vector<TestCase>& tests,
                                             const std::string& arch, History::Of of) {
  const std::string& results = spec.reports.directory;
  if (spec.run.durations == "none") return ExpectedDurations{};
  if (spec.run.durations != "history") return load_durations(results, spec.run.durations);
  auto durations = durations_of_history(results, tests, arch, of);
  if (durations) return durations;
  // Where a plan is split, others do not know what is known here only.
  if (of == History::Of::whole_runs) {
    complain(durations.error().message + "; the tests are split by their number");
    return ExpectedDurations{};
  }
  complain(durations.error().message + "; durations are expected from the latest run");
  return expected_durations_from(results, "latest");
}

RunCosts earlier_costs(const JobSpec& spec) {
  const std::string& results = spec.reports.directory;
  std::error_code unknown;
  if (!std::filesystem::exists(std::filesystem::path(results) / "runs", unknown)) return {};
  auto history = complete_history(results);
  auto costs =
      history ? history->costs(spec.name) : Result<RunCosts>(tl::unexpected(history.error()));
  if (costs) return std::move(*costs);
  complain(costs.error().message);
  return {};
}

void index_runs(const std::string& results) {
  if (const auto indexed = indexed_runs(results); !indexed)
    complain("the run is not in the history yet: " + indexed.error().message);
}

std::string index_and_prune(const JobSpec& spec, const std::string& run_id, WallTime now) {
  const std::string& results = spec.reports.directory;
  if (const auto indexed = indexed_runs(results); !indexed) {
    const bool keeps_all = !spec.run.keep.runs && !spec.run.keep.days;
    complain(fmt::format("the run is not in the history yet{}: {}",
                         keeps_all ? "" : ", and no older run was removed",
                         indexed.error().message));
    return {};
  }
  const auto pruned = prune_runs(results, spec.run.keep, run_id, now);
  if (!pruned) {
    complain("no older run was removed: " + pruned.error().message);
    return {};
  }
  for (const std::string& problem : pruned->problems)
    complain(problem);
  if (pruned->removed.empty()) return {};
  return fmt::format("removed {} of results, {}: {}\n", counted(pruned->removed.size(), "run"),
                     human_size(pruned->bytes), fmt::join(pruned->removed, ", "));
}

}  // namespace ffci
