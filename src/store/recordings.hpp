// Recordings: runs that a label leads to, RESULTS/recordings/<label> -> ../runs/<run-id>. They are
// made and moved, and never deleted, by ff-ci. Making one needs no lock: a reader sees the old link
// or the new one, and prune_runs looks at the links once more before it removes a run.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ffci {

struct Recording {
  std::string label;
  std::string run_id;  // that it leads to; the run may be gone
};

// By their runs, the newest first, and then by label.
[[nodiscard]] std::vector<Recording> recordings(const std::filesystem::path& results);

// Error (usage): the label can't be one, and why. A run's id can be the label of that run only, so
// it is refused here.
[[nodiscard]] Result<void> check_label(std::string_view label);

enum class MoveLabel { no, yes };

// Makes the label lead to a run of `results`. Returns the run that it led to before, if that was
// another one. Errors: usage: no such label can be, or it leads to another run and may not move;
// io.
[[nodiscard]] Result<std::optional<std::string>> record(const std::filesystem::path& results,
                                                        const std::string& run_id,
                                                        const std::string& label, MoveLabel move);

}  // namespace ffci
