// What the environment says.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace ffci {

// nullopt: the variable is not set.
[[nodiscard]] inline std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace ffci
