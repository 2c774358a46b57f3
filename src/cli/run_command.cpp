// ff-ci run: a job spec in, real tests run, reports and an exit code out.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>

#include "base/file.hpp"
#include "cli/broken_off_run.hpp"
#include "cli/commands.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/job.hpp"
#include "cli/job_gate.hpp"
#include "cli/list_tests.hpp"
#include "cli/make_hosts.hpp"
#include "cli/record_run.hpp"
#include "cli/reports.hpp"
#include "cli/run_loop.hpp"
#include "report/console.hpp"
#include "store/event_json.hpp"
#include "store/results_tree.hpp"

namespace ffci {
namespace {

class RunFold final : public EventSink {
 public:
  void on_event(const RunEvent& event) override { run.apply(event); }
  Run run;
};

// --events: the journal's lines, as they come.
class EventStream final : public EventSink {
 public:
  explicit EventStream(int descriptor) : descriptor_(descriptor) {}
  void on_event(const RunEvent& event) override {
    if (error_ == 0) error_ = write_all(descriptor_, event_to_json(event) + "\n");
  }
  [[nodiscard]] int error() const { return error_; }

 private:
  int descriptor_;
  int error_ = 0;
};

Result<Fd> open_events(const std::string& path) {
  Fd fd(path == "-"
            ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
            : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
  if (!fd)
    return fail(ErrorKind::io, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return fd;
}

// Where a run is written.
struct RunPlace {
  ResultsTree results;
  std::filesystem::path folder;
  std::string run_id;
  std::unique_ptr<JournalWriter> journal;
};

Result<RunPlace> make_place(const Job& job, const JobChoices& choices, WallTime now) {
  auto results = ResultsTree::open(job.spec.reports.directory);
  if (!results) return tl::unexpected(results.error());
  RunPlace place{std::move(*results), {}, {}, {}};
  auto folder = place.results.make_run(now, place.run_id);
  if (!folder) return tl::unexpected(folder.error());
  place.folder = std::move(*folder);
  if (const auto kept = keep_command(place.folder, job.text, choices); !kept)
    return tl::unexpected(kept.error());
  auto journal = JournalWriter::create(place.folder / "journal.jsonl");
  if (!journal) return tl::unexpected(journal.error());
  place.journal = std::move(*journal);
  if (const auto pointed = place.results.point_latest_to(place.run_id); !pointed)
    return tl::unexpected(pointed.error());
  return place;
}

Result<RunPlace> reopen_place(BrokenOffRun& run) {
  auto journal = JournalWriter::reopen(run.folder / "journal.jsonl");
  if (!journal) return tl::unexpected(journal.error());
  return RunPlace{std::move(run.results), run.folder, run.run->header().run_id,
                  std::move(*journal)};
}

}  // namespace

Result<ExitCode> run_command(const JobChoices& choices) {
  boost::asio::io_context loop(1);
  EarlyHosts early(loop);
  const SystemClock clock;
  std::optional<BrokenOffRun> broken_off;
  if (choices.resume) {
    auto found = find_broken_off_run(choices, clock.wall());
    if (!found) return tl::unexpected(found.error());
    broken_off.emplace(std::move(*found));
  }
  auto job = broken_off ? load_job_of(*broken_off, early) : load_job(choices, early);
  if (!job) return tl::unexpected(job.error());
  if (choices.list) return list_tests(*job, choices);
  if (job->plan.tests.empty() && !job->shard) {
    fmt::print(stderr, "ff-ci: {}\n", job->nothing_selected);
    return ExitCode::nothing_run;
  }

  auto gate = load_gate(*job, broken_off ? broken_off->run.get() : nullptr);
  if (!gate) return tl::unexpected(gate.error());
  job->plan.gated = gate->has_value();

  if (const auto made = early.make(job->spec); !made) return tl::unexpected(made.error());
  const WallTime began = clock.wall();
  auto place = broken_off ? reopen_place(*broken_off) : make_place(*job, choices, began);
  if (!place) return tl::unexpected(place.error());
  Fd events_file;  // not before the directory is ours: another run may be writing to it
  if (choices.events) {
    auto opened = open_events(*choices.events);
    if (!opened) return tl::unexpected(opened.error());
    events_file = std::move(*opened);
  }

  const int log = choices.events == "-" ? STDERR_FILENO : STDOUT_FILENO;
  ConsoleOptions shown = console_options(choices.console, log);
  shown.print_log_ins = job->spec.run.keep_alive;
  ConsoleReport console(shown, LogWriter(log));
  RunFold fold;
  EventStream events(events_file.get());
  std::vector<EventSink*> sinks{&fold, &console};
  if (events_file) sinks.push_back(&events);
  if (broken_off) {
    fold.run = *broken_off->run;
    console.resume(fold.run);
  }

  JobHosts hosts = early.take();
  job->plan.hosts = hosts.plans;
  RunLoop run(
      loop, clock, job->plan, std::move(job->suites), std::move(hosts.hosts), *place->journal,
      sinks,
      {place->folder, job->spec.run.output_limit, job->spec.run.files_limit,
       job->spec.run.kernel_log.allowed, job->spec.run.heartbeat,
       [&](Duration now) { console.heartbeat(now); },
       [&](const std::string& why_final) { return (*gate)->gate.ask(fold.run, why_final); }});
  const Result<void> kept = broken_off ? run.resume({began, FFCI_VERSION}, broken_off->since)
                                       : run.run({place->run_id,
                                                  job->spec.name,
                                                  FFCI_VERSION,
                                                  began,
                                                  job->plan.seed,
                                                  place->folder.string(),
                                                  job->durations,
                                                  job->shard,
                                                  {},
                                                  gate->has_value(),
                                                  *gate ? (*gate)->baseline : std::nullopt});

  const Result<void> reported =
      write_reports(fold.run, {place->folder, job->spec.reports.junit, job->spec.reports.summary});
  console.summary(fold.run);
  if (kept) LogWriter{log}(index_and_prune(job->spec, place->run_id, clock.wall()));
  const Result<void> recorded =
      kept ? record_ended_run(job->spec.reports.directory, fold.run,
                              broken_off ? broken_off->record : choices.record, log)
           : kept;
  Result<void> events_written;
  if (events.error() != 0)
    events_written = fail(ErrorKind::io, fmt::format("cannot write {}: {}", *choices.events,
                                                     std::strerror(events.error())));
  Result<void> written;
  for (const Result<void>& part : {kept, reported, recorded, events_written}) {
    if (written && !part) written = part;
  }
  return ended_with(exit_code_for(fold.run), written);
}

}  // namespace ffci
