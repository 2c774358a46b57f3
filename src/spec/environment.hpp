// ${VAR} and ${VAR:-default} in the values of a spec, $${ for a literal ${. Everything else that a
// shell would expand ($VAR, $(command), $$) is left to the shell.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "spec/complaints.hpp"
#include "spec/yaml_document.hpp"

namespace ffci::spec {

using Environment = std::function<std::optional<std::string>(const std::string&)>;

// Replaces within every scalar value below `value`, never in keys. As in a shell, the default
// stands in for a variable that is unset or empty. Text that came from the environment is not
// replaced again, and a value that holds any counts as unquoted: slots: "${N}" is a number.
void replace_variables(Value& value, const Environment& environment, Complaints& complaints);

}  // namespace ffci::spec
