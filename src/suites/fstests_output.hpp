// The parser of what fstests' `./check` prints: a line per test, begun before the test runs and
// finished by its verdict, perhaps with a diff and hints below it. Only a finished line is a
// verdict: check's exit status proves nothing (0 after a signal, or when every name was unknown).
// The fstests suite makes one for each batch. It never believes a line that does not begin with a
// name of its batch, and keeps a few KB whatever the output holds.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "suites/suite.hpp"

namespace ffci {

// All tests of a batch have the same configuration, the section of fstests' configuration file
// (empty: it has none), and names of their own. The output may call "generic/475" also
// "generic/475-its-title". Of an output whose header names another file system than `file_system`
// (empty: any will do) no test has a verdict.
[[nodiscard]] std::unique_ptr<OutputParser> make_fstests_parser(std::span<const TestId> batch,
                                                                std::string file_system);

}  // namespace ffci
