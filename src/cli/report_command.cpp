// ff-ci report: the reports of a stored run, from its journal alone.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/reports.hpp"
#include "report/console.hpp"
#include "store/journal.hpp"
#include "store/results_tree.hpp"

namespace ffci {

Result<ExitCode> report_command(const ReportChoices& choices) {
  const auto folder = find_run(choices.results, choices.source);
  if (!folder) return tl::unexpected(folder.error());
  const auto run = read_journal(*folder / "journal.jsonl");
  if (!run) return tl::unexpected(run.error());
  const Result<void> written = write_reports(*run, {*folder, choices.junit, choices.summary});
  ConsoleReport(console_options(choices.console, STDOUT_FILENO), LogWriter(STDOUT_FILENO))
      .summary(*run);
  if (!written) return tl::unexpected(written.error());
  return exit_code_for(*run);
}

}  // namespace ffci
