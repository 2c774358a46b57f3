// ff-ci run: a job spec in, real tests run, reports and an exit code out.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>

#include "base/file.hpp"
#include "cli/commands.hpp"
#include "cli/job.hpp"
#include "cli/list_tests.hpp"
#include "cli/make_hosts.hpp"
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

}  // namespace

Result<ExitCode> run_command(const JobChoices& choices) {
  boost::asio::io_context loop(1);
  EarlyHosts early(loop);
  auto job = load_job(choices, early);
  if (!job) return tl::unexpected(job.error());
  if (choices.list) return list_tests(*job, choices);
  if (job->plan.tests.empty()) {
    fmt::print(stderr, "ff-ci: no test was selected\n");
    return ExitCode::nothing_run;
  }

  if (const auto made = early.make(job->spec); !made) return tl::unexpected(made.error());
  const SystemClock clock;
  auto results = ResultsTree::open(job->spec.reports.directory);
  if (!results) return tl::unexpected(results.error());
  Fd events_file;  // not before the directory is ours: another run may be writing to it
  if (choices.events) {
    auto opened = open_events(*choices.events);
    if (!opened) return tl::unexpected(opened.error());
    events_file = std::move(*opened);
  }
  RunStarted header{"", job->spec.name, FFCI_VERSION, clock.wall(), job->plan.seed,
                    "", job->durations};
  auto folder = results->make_run(header.at, header.run_id);
  if (!folder) return tl::unexpected(folder.error());
  header.results_path = folder->string();
  if (const auto kept = write_file(*folder / "spec.yaml", job->spec.source); !kept)
    return tl::unexpected(kept.error());
  auto journal = JournalWriter::create(*folder / "journal.jsonl");
  if (!journal) return tl::unexpected(journal.error());
  if (const auto pointed = results->point_latest_to(header.run_id); !pointed)
    return tl::unexpected(pointed.error());

  const int log = choices.events == "-" ? STDERR_FILENO : STDOUT_FILENO;
  ConsoleOptions shown = console_options(choices.console, log);
  shown.print_log_ins = job->spec.run.keep_alive;
  ConsoleReport console(shown, LogWriter(log));
  RunFold fold;
  EventStream events(events_file.get());
  std::vector<EventSink*> sinks{&fold, &console};
  if (events_file) sinks.push_back(&events);

  JobHosts hosts = early.take();
  job->plan.hosts = hosts.plans;
  RunLoop run(loop, clock, job->plan, std::move(job->suites), std::move(hosts.hosts), **journal,
              sinks,
              {*folder, job->spec.run.output_limit, job->spec.run.files_limit,
               job->spec.run.kernel_log.allowed, job->spec.run.heartbeat,
               [&](Duration now) { console.heartbeat(now); }});
  const Result<void> kept = run.run(header);

  const Result<void> reported =
      write_reports(fold.run, {*folder, job->spec.reports.junit, job->spec.reports.summary});
  console.summary(fold.run);
  if (!kept) return tl::unexpected(kept.error());
  if (!reported) return tl::unexpected(reported.error());
  if (events.error() != 0)
    return fail(ErrorKind::io,
                fmt::format("cannot write {}: {}", *choices.events, std::strerror(events.error())));
  return exit_code_for(fold.run);
}

}  // namespace ffci
