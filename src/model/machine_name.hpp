// One name for each architecture.
#pragma once

#include <string_view>

namespace ffci {

// What uname -m says, for that and for Debian's and Docker's names.
[[nodiscard]] constexpr std::string_view machine_name(std::string_view arch) {
  if (arch == "amd64") return "x86_64";
  if (arch == "arm64") return "aarch64";
  if (arch == "ppc64el") return "ppc64le";
  return arch;
}

}  // namespace ffci
