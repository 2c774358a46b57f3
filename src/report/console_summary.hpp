// The end of the log: what went wrong and where to read on, first in detail and then as a list, so
// that the end of the log is what a reader wants to see first. A pure function of the run.
#pragma once

#include <string>

#include "model/run.hpp"
#include "report/console_options.hpp"

namespace ffci {

// The last line is "result: …" with the exit code.
[[nodiscard]] std::string console_summary(const Run& run, const ConsoleOptions& options);

}  // namespace ffci
