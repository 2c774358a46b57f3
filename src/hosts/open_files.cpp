#include "hosts/open_files.hpp"

#include <fmt/format.h>

namespace ffci {

rlimit open_files_at_start() {
  static const rlimit limits = [] {
    rlimit now{};
    ::getrlimit(RLIMIT_NOFILE, &now);
    return now;
  }();
  return limits;
}

Result<void> allow_open_files(int commands) {
  const rlimit at_start = open_files_at_start();
  rlimit raised = at_start;
  raised.rlim_cur = raised.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) raised = at_start;
  constexpr rlim_t others = 64, each = 8;  // pipes, channels, pidfd and files of one command
  const rlim_t needed = others + each * static_cast<rlim_t>(commands);
  if (raised.rlim_cur >= needed) return {};
  return fail(
      ErrorKind::unavailable,
      fmt::format("{} commands at once need {} open files, and the limit is {} (ulimit -Hn)",
                  commands, needed, raised.rlim_cur));
}

}  // namespace ffci
