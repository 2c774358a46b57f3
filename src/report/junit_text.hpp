// How much text a JUnit file may carry, and the cutting. Sizes count what a text takes in the file,
// where "&" is five bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/run.hpp"

namespace ffci {

// Bytes for each text of one test.
struct JunitBudget {
  std::size_t stream = 0;   // system-out, and again system-err
  std::size_t excerpt = 0;  // last lines of each stream and of the kernel's log, and what the
                            // kernel reported, in a failure or a stackTrace
  std::size_t message = 0;
};

// 64 KiB a stream where that fits; half of it, and so on, when many tests failed.
[[nodiscard]] JunitBudget junit_budget(const Run& run);

[[nodiscard]] std::string junit_message(std::string_view text, std::size_t most);
// A quarter from the beginning, the rest from the end, and a line that tells how much is missing
// and where it is.
[[nodiscard]] std::string junit_stream(const OutputExcerpt& output, std::string_view file,
                                       std::size_t most);
// The titles of what the kernel reported.
[[nodiscard]] std::string junit_kernel_reports(const Attempt& attempt, const JunitBudget& budget);
// The last lines of stdout, then of stderr, then of the kernel's log, each under its name.
[[nodiscard]] std::string junit_excerpt(const Attempt& attempt, std::size_t most);

}  // namespace ffci
