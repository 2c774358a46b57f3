// The subcommands: what was chosen in, an exit code out. Errors that end one are values.
#pragma once

#include "base/result.hpp"
#include "cli/command_line.hpp"
#include "model/exit_code.hpp"

namespace ffci {

[[nodiscard]] Result<ExitCode> run_command(const JobChoices& choices);
[[nodiscard]] Result<ExitCode> list_command(const JobChoices& choices);
[[nodiscard]] Result<ExitCode> plan_command(const PlanChoices& choices);
[[nodiscard]] Result<ExitCode> validate_command(const ValidateChoices& choices);
[[nodiscard]] Result<ExitCode> report_command(const ReportChoices& choices);
[[nodiscard]] Result<ExitCode> merge_command(const MergeChoices& choices);
[[nodiscard]] Result<ExitCode> record_command(const RecordChoices& choices);
[[nodiscard]] Result<ExitCode> compare_command(const CompareChoices& choices);
[[nodiscard]] Result<ExitCode> history_command(const HistoryChoices& choices);

}  // namespace ffci
