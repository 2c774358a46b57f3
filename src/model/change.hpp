// What changed of a test from an earlier run, or from many, to a later one.
#pragma once

#include <optional>
#include <string_view>

#include "model/outcome.hpp"

namespace ffci {

enum class Change {
  regression,     // was good (passed, flaky), is bad; or it has a signature that is new
  fixed,          // was bad, is good
  known_failure,  // was bad, is bad
  new_failure,    // is bad, was not there or had said nothing (skipped, error, not_run)
  vanished,       // was selected, is not
  added,          // was not selected, is and is not bad
  skip_to_run,    // was skipped, is good
  run_to_skip,    // was good or bad, is skipped
  incomplete,     // is error or not_run
  completed,      // was error or not_run, is good or skipped
  slower,         // is good, and takes clearly longer than it did
  unchanged,
};

[[nodiscard]] std::string_view change_name(Change change);
[[nodiscard]] std::optional<Change> change_from_name(std::string_view name);

// Between two verdicts; none: the test was not selected there. Never `slower`.
[[nodiscard]] Change change_between(std::optional<Verdict> before, std::optional<Verdict> after);

// Passed, flaky or bad: the test itself had its say.
[[nodiscard]] bool tells_good_or_bad(Verdict verdict);
// That, or skipped; none: the test was not selected.
[[nodiscard]] bool has_result(std::optional<Verdict> verdict);

}  // namespace ffci
