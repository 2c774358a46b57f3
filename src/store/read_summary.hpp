// A summary.json read back into the Run that it tells of (schemas/summary.schema.json): what was
// copied from another machine, or came from a URL. What it holds may be anything: nothing in it is
// trusted. Streams, subtests' limits and the like come back as far as the file tells them;
// verdicts, reasons, durations and the result are those that were written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/run.hpp"

namespace ffci {

inline constexpr std::uint64_t largest_summary = 128ULL << 20;

// `shown` names the file in errors. Error (data): "SHOWN:LINE:COLUMN: …" where it is not JSON, else
// "SHOWN: tests/3/verdict: …"; another version, a missing key, a verdict that its attempts do not
// have, ….
[[nodiscard]] Result<Run> read_summary(std::string_view text, const std::string& shown);

}  // namespace ffci
