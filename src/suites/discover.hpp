// The tests of a directory: its executables whose names match a glob.
#pragma once

#include "model/job_spec.hpp"
#include "suites/command_test.hpp"

namespace ffci {

// Regular files, or symlinks to such, that this process may execute; "test_2" comes before
// "test_10". Hidden files match only a glob that begins with a dot. `suite.discover` is set and its
// directory exists. Complains when nothing matches.
[[nodiscard]] SourcedTests discover_tests(const CommandsSuiteSpec& suite);

}  // namespace ffci
