// Which tests of a job are wanted: the patterns of the command line. "SUITE", "SUITE/TEST" or
// "SUITE@CONFIGURATION/TEST", with shell globs in any part ("kvm/*_perf*"); "TEST" alone where the
// job has one suite. A test with parameters is named with its values ("kvm/dirty[slots=2]"), or
// without for all of them. No pattern: everything.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/test_case.hpp"

namespace ffci {

// The tests that match any of `patterns`, in their order, each once. Error (usage): a pattern that
// matches nothing, with the nearest name; all such patterns are named.
[[nodiscard]] Result<std::vector<TestCase>> select_tests(const std::vector<TestCase>& all,
                                                         const std::vector<std::string>& patterns);

}  // namespace ffci
