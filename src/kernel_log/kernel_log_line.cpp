#include "kernel_log/kernel_log_line.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace ffci {

std::string dmesg_text(const KernelLogLine& line) {
  const auto microseconds = line.since_boot.count();
  const std::string time =
      fmt::format("[{:5}.{:06}] ", microseconds / 1'000'000, microseconds % 1'000'000);
  std::string text;
  for (const std::string_view part : split(line.text, '\n')) {
    if (!text.empty()) text += '\n';
    text += time;
    text += part;
  }
  return text;
}

}  // namespace ffci
