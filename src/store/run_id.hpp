// What a run is called: when it began, to the second, and which of those of that second it is:
// "20260131T120000Z", "20260131T120000Z-2". Nothing else knows this shape. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace ffci {

struct RunId {
  WallTime second{};
  int number = 1;

  bool operator==(const RunId&) const = default;
  bool operator<(const RunId& other) const;  // it came earlier
};

// nullopt: no run is called so; a folder of that name is a user's.
[[nodiscard]] std::optional<RunId> parse_run_id(std::string_view text);
[[nodiscard]] std::string to_string(const RunId& id);

// Of a run that begins now: after all those of this second that are among the names.
[[nodiscard]] RunId next_run_id(WallTime now, const std::vector<std::string>& names);

// By when the runs came; names that are no ids come before all runs, by name.
[[nodiscard]] bool is_earlier_run(std::string_view a, std::string_view b);

}  // namespace ffci
