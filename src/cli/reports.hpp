// The reports of a run, written into its folder and wherever else they were asked for: the same for
// a run that just ended and a stored one.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "cli/command_line.hpp"
#include "model/run.hpp"
#include "report/console_options.hpp"

namespace ffci {

struct ReportPlaces {
  std::filesystem::path run_folder;
  std::optional<std::string> junit, summary;  // copies
};

// Writes what it can. Error (io): the first that could not be written.
[[nodiscard]] Result<void> write_reports(const Run& run, const ReportPlaces& places);

// What the user chose, and what the environment says of terminal and CI system. `descriptor`: where
// the log goes.
[[nodiscard]] ConsoleOptions console_options(const ConsoleChoices& choices, int descriptor);

// Writes to the descriptor; what can't be written (a closed pipe) is dropped.
[[nodiscard]] std::function<void(std::string_view)> log_writer(int descriptor);

}  // namespace ffci
