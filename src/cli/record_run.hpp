// Records a run under a label, and says so: for `record` and for `run --record`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "model/run.hpp"
#include "store/recordings.hpp"

namespace ffci {

// `label`: empty: the run's id. Warns on stderr of a run without all results. Returns what to say
// of it, a line. Errors: see record().
[[nodiscard]] Result<std::string> record_run(const std::filesystem::path& results, const Run& run,
                                             const std::string& label, MoveLabel move);

// For a run that just ended: `label`: none: it is not to be recorded. A label that leads to an
// earlier run moves on. Says it to the descriptor `log`.
[[nodiscard]] Result<void> record_ended_run(const std::filesystem::path& results, const Run& run,
                                            const std::optional<std::string>& label, int log);

}  // namespace ffci
