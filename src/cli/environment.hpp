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

// And from then on it is not: no test is to see it.
[[nodiscard]] inline std::optional<std::string> take_from_environment(const std::string& name) {
  auto value = environment(name);
  ::unsetenv(name.c_str());
  return value;
}

}  // namespace ffci
