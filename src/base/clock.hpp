// Where time comes from. Only cli holds one; everything below is told the time. Tests crank their
// own.
#pragma once

#include "base/time.hpp"

namespace ffci {

class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back; unrelated to the calendar.
  [[nodiscard]] virtual Duration monotonic() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Duration monotonic() const override {
    return std::chrono::duration_cast<Duration>(
        std::chrono::steady_clock::now().time_since_epoch());
  }
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::floor<Duration>(std::chrono::system_clock::now());
  }
};

}  // namespace ffci
