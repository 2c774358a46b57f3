// What `ff-ci history` prints, for people and as JSON (schemas/history.schema.json).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/past_runs.hpp"

namespace ffci {

inline constexpr int history_json_version = 1;

// A line for each run.
[[nodiscard]] std::string history_text(const std::vector<PastRun>& runs);
[[nodiscard]] std::string history_json(const std::vector<PastRun>& runs);

// Of each test how often it goes wrong, how long it takes, and its newest results, at most `most`
// of them; the numbers are of all its results.
[[nodiscard]] std::string history_text(const std::vector<TestHistory>& tests, std::size_t most);
[[nodiscard]] std::string history_json(const std::vector<TestHistory>& tests, std::size_t most);

}  // namespace ffci
