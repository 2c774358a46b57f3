// The lines of the log that are the same while the run goes on and in its summary.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/run.hpp"
#include "report/console_options.hpp"

namespace ffci {

enum class Paint { bold, red, green, yellow, magenta, cyan, dim };

[[nodiscard]] std::string painted(Colour colour, Paint paint, std::string_view text);

// "FAIL", "TIME OUT", …
[[nodiscard]] std::string_view verdict_word(Verdict verdict);
[[nodiscard]] Paint verdict_paint(Verdict verdict);

// "1 test", "2 tests".
[[nodiscard]] std::string counted(std::size_t number, std::string_view noun);

// "suite/name", fit to be shown.
[[nodiscard]] std::string shown_name(const TestId& id);
// "local/2", or nothing when it never reached a host.
[[nodiscard]] std::string place_of(const Attempt& attempt);

// "    FAIL   12.3s  ext4/fio-verify  exit status 1: checksum differs  [local/2]"
struct TestLine {
  std::string_view word;
  Paint paint = Paint::bold;
  std::optional<Duration> duration;
  std::string name, reason, place;
};
[[nodiscard]] std::string to_string(const TestLine& line, Colour colour);
[[nodiscard]] TestLine line_of(const TestResult& test);

}  // namespace ffci
