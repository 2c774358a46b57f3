// KmsgDecoder turns the bytes of /dev/kmsg, as cat gives them, into lines. It takes them in any
// pieces, survives anything, and never holds more than one line (see the kernel's
// Documentation/ABI/testing/dev-kmsg).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "kernel_log/kernel_log_line.hpp"

namespace ffci {

class KmsgDecoder {
 public:
  // Of a longer line, escapes counted as they are written, only the beginning is used.
  static constexpr std::size_t longest_line = 8 * 1024;

  explicit KmsgDecoder(std::function<void(const KernelLogLine&)> on_line);

  // Calls back for each record that `bytes` completes. The dictionary lines of a record (" KEY=…")
  // and empty lines are dropped. A line that is no record is kept as evidence but never trusted:
  // sequence 0, not from the kernel, with the time of the record before it.
  void feed(std::string_view bytes);
  // The last line, if the stream ended without a newline.
  void finish();

 private:
  void decode(std::string_view line);

  std::function<void(const KernelLogLine&)> on_line_;
  std::string partial_;
  std::chrono::microseconds latest_{};
};

}  // namespace ffci
