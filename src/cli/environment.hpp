// What the environment says.
#pragma once

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

namespace ffci {

// nullopt: the variable is not set.
[[nodiscard]] inline std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// And from then on it is not: no test is to see it.
[[nodiscard]] inline std::optional<std::string> take_from_environment(const std::string& name) {
  char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  std::string taken(value);
  std::memset(value, 0, taken.size());  // /proc/self/environ would still show it
  ::unsetenv(name.c_str());
  return taken;
}

}  // namespace ffci
