// The two kinds of time: Duration (how long, and offsets since a run began, on the monotonic clock)
// and WallTime (when, UTC). Both count milliseconds, the precision that every report carries.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace ffci {

using Duration = std::chrono::milliseconds;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

[[nodiscard]] constexpr double to_seconds(Duration d) {
  return static_cast<double>(d.count()) / 1000.0;
}
[[nodiscard]] Duration from_seconds(double seconds);

// "0.35s", "12.3s", "3m20s", "1h05m": for people.
[[nodiscard]] std::string human_duration(Duration d);
// "20m", "1h30m", "500ms", "1.5s", "90" (seconds). nullopt: not a duration, negative, or over 10
// years.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);

// RFC 3339 with milliseconds, in UTC: "2026-01-31T12:00:00.000Z".
[[nodiscard]] std::string rfc3339(WallTime t);
// Reads what rfc3339 writes. nullopt: anything else.
[[nodiscard]] std::optional<WallTime> parse_rfc3339(std::string_view text);
// "20260131T120000Z": sorts by time, safe in a file name.
[[nodiscard]] std::string compact_timestamp(WallTime t);

}  // namespace ffci
