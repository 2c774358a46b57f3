// ConsoleLine is what a line of dmesg or of a serial console says, without what is put before it.
#pragma once

#include <string_view>

namespace ffci::kernel_log {

struct ConsoleLine {
  std::string_view text;
  std::string_view caller;  // "T123", "C1"; empty: not said
  bool stamped = false;     // it has the time that the kernel puts there
  bool from_user = false;   // it says that user space wrote it ("<12>[   1.000000] …")
};
// Takes off "<4>", "[   12.345678] ", "[  T123] ", a CR at the end, and whatever another writer
// left on the line before the time. The views are into `line`.
[[nodiscard]] ConsoleLine read_console_line(std::string_view line);

}  // namespace ffci::kernel_log
