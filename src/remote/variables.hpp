// What the environment says, for fetch and what it is made of.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

namespace ffci {

// None: nothing is set.
using Variables = std::function<std::optional<std::string>(const std::string&)>;

struct Variable {
  std::string name;
  std::string value;
};

// Nothing in it: none of them is set. An empty variable is one that is not set.
[[nodiscard]] inline Variable first_set(std::initializer_list<const char*> names,
                                        const Variables& variables) {
  for (const char* name : names) {
    std::string value = variables ? variables(name).value_or("") : "";
    if (!value.empty()) return {name, std::move(value)};
  }
  return {};
}

}  // namespace ffci
