// The subcommands. Each takes what was typed behind its name and returns an exit code; errors that
// end it are values.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/exit_code.hpp"

namespace ffci {

[[nodiscard]] Result<ExitCode> run_command(const std::vector<std::string>& arguments);
[[nodiscard]] Result<ExitCode> list_command(const std::vector<std::string>& arguments);
[[nodiscard]] Result<ExitCode> validate_command(const std::vector<std::string>& arguments);
[[nodiscard]] Result<ExitCode> report_command(const std::vector<std::string>& arguments);
[[nodiscard]] Result<ExitCode> compare_command(const std::vector<std::string>& arguments);

}  // namespace ffci
