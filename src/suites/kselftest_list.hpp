// kselftest-list.txt, which `make -C tools/testing/selftests install` writes: the kernel's
// selftests as "collection:test" lines. The tests run as kselftest/runner.sh would run them.
#pragma once

#include <filesystem>
#include <string_view>

#include "model/job_spec.hpp"
#include "suites/command_test.hpp"

namespace ffci {

// `list` is the text of the file at `path`, which `suite` imports; the collections are folders
// beside it. A test's time limit is the suite's, else that of its collection's settings file, else
// kselftest's own default. Complains of lines that are no "collection:test" and of missing
// collections; a missing or non-executable program stays a test, and fails when it runs.
[[nodiscard]] SourcedTests read_kselftest_list(const std::filesystem::path& path,
                                               std::string_view list,
                                               const CommandsSuiteSpec& suite);

}  // namespace ffci
