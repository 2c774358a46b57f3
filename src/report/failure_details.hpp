// All that the log tells of one test that went wrong: reason, earlier attempts, what the kernel
// reported, failing subtests, the last lines of output and of the kernel's log, and the path of the
// rest. Each line that shows output begins with "  | ", and no line begins with foreign text.
#pragma once

#include <string>
#include <string_view>

#include "model/run.hpp"
#include "report/console_options.hpp"

namespace ffci {

// `results_path`: the run's folder.
[[nodiscard]] std::string failure_details(const TestResult& test, std::string_view results_path,
                                          const ConsoleOptions& options);

}  // namespace ffci
