// A test with parameters stands for one test per combination of their values.
#pragma once

#include <vector>

#include "model/job_spec.hpp"

namespace ffci {

// In the order of the values, the last parameter fastest: "name[slots=1,mode=a]",
// "name[slots=1,mode=b]", … with {slots} and {mode} replaced in command, setup and teardown. Other
// braces stay, "${slots}" too: that is the shell's. Without parameters: the test itself. Empty: a
// parameter has no values.
[[nodiscard]] std::vector<CommandTestSpec> expand_parameters(const CommandTestSpec& test);

}  // namespace ffci
