// A RunEvent as one line of JSON and back: the format of journal.jsonl
// (schemas/journal.schema.json).
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/run_event.hpp"

namespace ffci {

inline constexpr int journal_version = 1;

// Without the newline. Always valid UTF-8 and without raw control characters.
[[nodiscard]] std::string event_to_json(const RunEvent& event);

// Error (data): not JSON, not an event, or of a version we don't know; says which.
[[nodiscard]] Result<RunEvent> event_from_json(std::string_view line);

}  // namespace ffci
