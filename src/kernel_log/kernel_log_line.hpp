// KernelLogLine is one record of the kernel's log, as /dev/kmsg tells it; dmesg_text is how dmesg
// and the console show it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ffci {

struct KernelLogLine {
  std::uint64_t sequence = 0;  // of the record; 0 too when the line was no record
  std::chrono::microseconds since_boot{};
  int level = 4;             // 0: emergency … 7: debug
  bool from_kernel = false;  // else user space wrote it: a test, an init script, whoever may
  std::string caller;        // "T123" a task, "C1" a CPU; empty: the kernel does not say
  std::string text;          // hostile bytes, perhaps more than one line

  bool operator==(const KernelLogLine&) const = default;
};

// "[ 9456.976793] text", without a newline at the end; each further line of the text gets the time
// again.
[[nodiscard]] std::string dmesg_text(const KernelLogLine& line);

}  // namespace ffci
