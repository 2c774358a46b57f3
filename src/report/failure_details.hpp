// All that the log tells of one test that went wrong: reason, what the gate makes of it, earlier
// attempts, what the kernel reported, failing subtests, the last lines of output and of the
// kernel's log, and the path of the rest. Each line that shows output begins with "  | ", and no
// line begins with foreign text.
#pragma once

#include <string>
#include <string_view>

#include "model/run.hpp"
#include "report/console_options.hpp"

namespace ffci {

// `judged`: nullptr: the gate has nothing to say of it. `results_path`: the run's folder.
[[nodiscard]] std::string failure_details(const TestResult& test, const TestJudgement* judged,
                                          std::string_view results_path,
                                          const ConsoleOptions& options);

}  // namespace ffci
