// One line of (K)TAP output read on its own: what it says, and how deep it is nested. What lines
// mean together is KtapReader's business. The grammar: Documentation/dev-tools/ktap.rst of the
// kernel, TAP 13 and 14, and what kselftest and KUnit really print.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "model/attempt.hpp"

namespace ffci::ktap {

struct Noise {};
struct Version {};
struct Plan {
  std::uint64_t count = 0;
  std::string skip_reason;
};
struct SubtestHeader {
  std::string name;
};
struct Result {
  std::optional<std::uint64_t> number;
  Subtest subtest;  // the name may be empty; the reason of a failure is its comment ("exit=1")
};
struct BailOut {
  std::string reason;
};
// kselftest.h's "# Totals: pass:3 fail:0 …", which counts also what was not printed.
struct Totals {
  std::uint64_t count = 0;
};

struct Line {
  // Behind a kernel timestamp, indentation and any number of "# ": the nesting.
  std::size_t column = 0;
  std::variant<Noise, Version, Plan, SubtestHeader, Result, BailOut, Totals> content;
};

[[nodiscard]] Line read_line(std::string_view line);

}  // namespace ffci::ktap
