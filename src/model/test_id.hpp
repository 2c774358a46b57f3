// TestId names one test of a job: the same in the spec, on the command line, in every report and in
// the history.
#pragma once

#include <compare>
#include <functional>
#include <string>

namespace ffci {

struct TestId {
  std::string suite;
  std::string configuration;  // fstests section or environment; empty: the suite has only one
  std::string name;           // "generic/475", "timers:posix_timers"
  int iteration = 1;          // counts from 1 where a test repeats

  auto operator<=>(const TestId&) const = default;
};

// "suite/name", "suite@configuration/name", with " #2" behind it for the second iteration.
[[nodiscard]] std::string to_string(const TestId& id);
// "name", with " #2" behind it for the second iteration: unique within its suite and configuration.
[[nodiscard]] std::string name_with_iteration(const TestId& id);
// Of the test in all its iterations: that of the first.
[[nodiscard]] TestId without_iteration(TestId id);

}  // namespace ffci

template <>
struct std::hash<ffci::TestId> {
  size_t operator()(const ffci::TestId& id) const noexcept {
    const std::hash<std::string> text;
    size_t seed = text(id.suite);
    for (const size_t part :
         {text(id.configuration), text(id.name), static_cast<size_t>(id.iteration)}) {
      seed ^= part + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2);
    }
    return seed;
  }
};
