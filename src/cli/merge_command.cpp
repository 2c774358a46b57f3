// ff-ci merge: the shards of a plan become one run, with all reports.
#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/file.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/reports.hpp"
#include "gate/join_judgements.hpp"
#include "report/console.hpp"
#include "store/journal.hpp"
#include "store/merge_shards.hpp"
#include "store/results_tree.hpp"
#include "store/run_sources.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t largest_spec = 16ULL << 20;

Result<std::vector<ShardRun>> read_shards(const MergeChoices& choices) {
  std::vector<ShardRun> shards;
  for (const std::string& source : choices.sources) {
    const auto folder = find_run_folder(choices.results, source);
    if (!folder) return tl::unexpected(folder.error());
    auto events = read_events(*folder / "journal.jsonl");
    if (!events) return tl::unexpected(events.error());
    shards.push_back({*folder, std::move(*events)});
  }
  return shards;
}

// What the gates of the shards have said, joined, goes before the end of the run. Where a shard was
// not judged, nobody can tell.
void add_judgement(const std::vector<ShardRun>& shards, std::vector<RunEvent>& events) {
  if (!std::get<RunStarted>(events.front().fact).gated) return;
  std::vector<Judgement> parts;
  for (const ShardRun& shard : shards) {
    Run run;
    for (const RunEvent& event : shard.events)
      run.apply(event);
    parts.push_back(run.judgement() ? *run.judgement() : not_judged(run));
  }
  Run whole;
  for (const RunEvent& event : events)
    whole.apply(event);
  const RunEvent end = events.back();
  events.back().fact = RunJudged{join_judgements(parts, whole)};
  events.push_back(end);
  ++events.back().sequence;
}

// All but the reports. The journal comes last and at once: a folder without one is no run.
Result<Run> write_run(const fs::path& folder, const std::vector<ShardRun>& shards,
                      const std::vector<RunEvent>& events) {
  for (const ShardRun& shard : shards) {
    const int index = std::get<RunStarted>(shard.events.front().fact).shard->index;
    if (const auto linked = link_files_of_shard(shard.folder, index, folder); !linked)
      return tl::unexpected(linked.error());
  }
  if (const auto spec = read_file(shards.front().folder / "spec.yaml", largest_spec)) {
    if (const auto kept = write_file(folder / "spec.yaml", *spec); !kept)
      return tl::unexpected(kept.error());
  }
  const fs::path fresh = folder / ".journal.jsonl";
  const auto journal = JournalWriter::create(fresh);
  if (!journal) return tl::unexpected(journal.error());
  Run run;
  for (const RunEvent& event : events) {
    if (const auto kept = (*journal)->append(event); !kept) return tl::unexpected(kept.error());
    run.apply(event);
  }
  if (const auto kept = (*journal)->close(); !kept) return tl::unexpected(kept.error());
  std::error_code error;
  fs::rename(fresh, folder / "journal.jsonl", error);
  if (error)
    return fail(ErrorKind::io,
                fmt::format("cannot write to {}: {}", folder.string(), error.message()));
  return run;
}

}  // namespace

Result<ExitCode> merge_command(const MergeChoices& choices) {
  const auto results = ResultsTree::open(choices.results);
  if (!results) return tl::unexpected(results.error());
  const auto shards = read_shards(choices);
  if (!shards) return tl::unexpected(shards.error());
  // What can't be merged leaves nothing behind.
  if (const auto mergeable = merge_shards(*shards, {}); !mergeable)
    return tl::unexpected(mergeable.error());

  RunStarted header;
  header.tool_version = FFCI_VERSION;
  const auto folder = results->make_run(SystemClock().wall(), header.run_id);
  if (!folder) return tl::unexpected(folder.error());
  std::error_code ignored;
  header.results_path = fs::absolute(*folder, ignored).lexically_normal().string();
  auto events = merge_shards(*shards, header);
  if (!events) return tl::unexpected(events.error());
  add_judgement(*shards, *events);
  const auto run = write_run(*folder, *shards, *events);
  if (!run) {
    fs::remove_all(*folder, ignored);
    return tl::unexpected(run.error());
  }
  if (const auto pointed = results->point_latest_to(header.run_id); !pointed)
    return tl::unexpected(pointed.error());

  const Result<void> written = write_reports(*run, {*folder, choices.junit, choices.summary});
  LogWriter log(STDOUT_FILENO);
  log(fmt::format("{} shards merged into run {}\nresults: {}\n", shards->size(), header.run_id,
                  header.results_path));
  ConsoleReport(console_options(choices.console, STDOUT_FILENO), log).summary(*run);
  index_runs(choices.results);
  return ended_with(exit_code_for(*run), written);
}

}  // namespace ffci
