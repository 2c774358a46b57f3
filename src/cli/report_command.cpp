// ff-ci report: the reports of a stored run, from its journal or its summary.json alone.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/load_source.hpp"
#include "cli/reports.hpp"
#include "report/console.hpp"

namespace ffci {

Result<ExitCode> report_command(const ReportChoices& choices) {
  const auto stored = load_source(choices.results, choices.source);
  if (!stored) return tl::unexpected(stored.error());
  const Run& run = stored->run;
  const Result<void> written = write_reports(run, {stored->folder, choices.junit, choices.summary});
  ConsoleReport(console_options(choices.console, STDOUT_FILENO), LogWriter(STDOUT_FILENO))
      .summary(run);
  return ended_with(exit_code_for(run), written);
}

}  // namespace ffci
