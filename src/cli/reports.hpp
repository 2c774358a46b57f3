// The reports of a run, written into its folder and wherever else they were asked for: the same for
// a run that just ended and a stored one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "cli/command_line.hpp"
#include "model/exit_code.hpp"
#include "model/run.hpp"
#include "report/console_options.hpp"

namespace ffci {

struct ReportPlaces {
  std::filesystem::path run_folder;           // empty: the run has none
  std::optional<std::string> junit, summary;  // copies
};

// Writes what it can. Error (io): the first that could not be written.
[[nodiscard]] Result<void> write_reports(const Run& run, const ReportPlaces& places);

// How a command ends whose run ends with `code`: a failed test beats what could not be written, of
// which stderr is told then.
[[nodiscard]] Result<ExitCode> ended_with(ExitCode code, const Result<void>& written);

// What the user chose, and what the environment says of terminal and CI system. `descriptor`: where
// the log goes.
[[nodiscard]] ConsoleOptions console_options(const ConsoleChoices& choices, int descriptor);

// The log: writes to a descriptor, whoever reads it or not. A reader who does not read is waited
// for once, for two seconds; then what it does not take is dropped, and how much is said where the
// log goes on. What can't be written at all (a closed pipe) is dropped too.
class LogWriter {
 public:
  explicit LogWriter(int descriptor) : descriptor_(descriptor) {}
  void operator()(std::string_view text);

 private:
  [[nodiscard]] bool takes_more(int wait_ms) const;

  int descriptor_;
  std::uint64_t dropped_ = 0;  // bytes, since the last that was taken
};

}  // namespace ffci
