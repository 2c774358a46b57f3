// Which functions of a stack can stand for a defect. A matter of names alone, as in other readers
// of kernel logs; new ones are added to the lists in function_standing.cpp.
#pragma once

#include <cstdint>
#include <string_view>

namespace ffci::kernel_log {

enum class Standing : std::uint8_t {
  tells,      // it does
  generic,    // locks, allocation, lists, scheduling: only when there is nothing better
  machinery,  // what prints and detects, and the entry code: never
};
[[nodiscard]] Standing standing_of(std::string_view function);

// The frame where an interrupt came: what is above it is not what the task was doing.
[[nodiscard]] bool is_interrupt_entry(std::string_view function);

}  // namespace ffci::kernel_log
