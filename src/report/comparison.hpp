// What `ff-ci compare` says: the tests that changed from one run to another, kind by kind, new
// signatures, what takes longer or less, the counts, and what it comes to. Pure functions. Names
// and reasons are foreign text: they can't break a line, a table or a list, nor be markup or a
// command.
#pragma once

#include <cstddef>
#include <string>

#include "gate/compare.hpp"

namespace ffci {

[[nodiscard]] std::string comparison_text(const RunComparison& comparison);

// schemas/comparison.schema.json
[[nodiscard]] std::string comparison_json(const RunComparison& comparison);

// GitHub takes 1 MiB for the summary of a step.
inline constexpr std::size_t largest_markdown = 1000 * 1000;

// At most `most` bytes; what does not fit is cut, and how much that is, is said.
[[nodiscard]] std::string comparison_markdown(const RunComparison& comparison,
                                              std::size_t most = largest_markdown);

}  // namespace ffci
