// Suite: what one kind of test knows. It lists its tests, turns a batch of them into a command for
// a host, and turns that command's output into facts about the tests. cli carries commands to hosts
// and facts to the engine; a suite never runs anything.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/attempt.hpp"
#include "model/command.hpp"
#include "model/test_case.hpp"

namespace ffci {

// Facts about the tests of a batch; `test` counts from 0 within the batch, `at` is when the bytes
// that say so arrived.
struct TestBegan {
  std::size_t test = 0;
  Duration at{};
};
struct TestEnded {
  std::size_t test = 0;
  Duration at{};
  Outcome outcome;
  std::vector<Subtest> subtests;
  std::uint64_t subtests_dropped = 0;  // more than are kept
  std::string teardown_problem;        // empty: none
};
using TestFact = std::variant<TestBegan, TestEnded>;

// Fed everything one batch says, in any pieces. Appends the facts it learns. Output is hostile: any
// bytes, any size.
class OutputParser {
 public:
  virtual ~OutputParser() = default;
  virtual void on_begin(Duration at, std::vector<TestFact>& facts) = 0;
  virtual void on_output(Stream stream, std::string_view bytes, Duration at,
                         std::vector<TestFact>& facts) = 0;
  // The command is over, and all its output was given. Not called when the host was lost.
  virtual void on_end(const CommandEnd& end, Duration at, std::vector<TestFact>& facts) = 0;
};

class Suite {
 public:
  virtual ~Suite() = default;
  [[nodiscard]] virtual const SuitePlan& plan() const = 0;
  // In the order they were listed; names are unique.
  [[nodiscard]] virtual std::vector<TestCase> tests() const = 0;
  // Set-up and teardown of the suite on a host; `command` is empty. Both may be empty.
  [[nodiscard]] virtual Command scope() const = 0;
  [[nodiscard]] virtual Command command_for(std::span<const TestId> batch) const = 0;
  [[nodiscard]] virtual std::unique_ptr<OutputParser> make_parser(
      std::span<const TestId> batch) const = 0;
};

}  // namespace ffci
