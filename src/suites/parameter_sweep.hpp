// A test with parameters stands for one test per combination of their values, and the globs of its
// files stand for those of one test.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/job_spec.hpp"

namespace ffci {

// In the order of the values, the last parameter fastest: "name[slots=1,mode=a]",
// "name[slots=1,mode=b]", … with {slots} and {mode} replaced in command, setup, teardown and files,
// and {test} in files (a parameter of that name comes first). Other braces stay, "${slots}" too:
// that is the shell's. Without parameters: the test alone. Empty: a parameter has no values.
[[nodiscard]] std::vector<CommandTestSpec> expand_parameters(const CommandTestSpec& test);

// `files` with {test} replaced by a glob that matches the test's name: a '?' stands for each byte
// that is no letter, digit, '.', '_' or '-'.
[[nodiscard]] std::vector<std::string> files_of_test(const std::vector<std::string>& files,
                                                     std::string_view test);

}  // namespace ffci
