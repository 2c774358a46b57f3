// Suite: what one kind of test knows. It lists its tests, turns a batch of them into a command for
// a host, and turns that command's output into facts about the tests. cli carries commands to hosts
// and facts to the engine; a suite never runs anything.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
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
// that say so arrived. `offset`: how many of the bytes that were just given stand before the test's
// own output, or belong to it or to what came before; in on_end and on_lost it means nothing.
struct TestBegan {
  std::size_t test = 0;
  Duration at{};
  std::size_t offset = 0;
};
struct TestEnded {
  std::size_t test = 0;
  Duration at{};
  std::size_t offset = 0;
  Outcome outcome;
  std::optional<Duration> duration;  // as the host has measured it; none: by the arrival times
  bool spoils_batch = false;         // what it left is not fit for the tests behind it
  bool shared_blame = false;  // it failed for something that another test on the same kernel may
                              // have done
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
  // The command is over, and all its output was given.
  virtual void on_end(const CommandEnd& end, Duration at, std::vector<TestFact>& facts) = 0;
  // In the place of on_end: the host is lost. Ends the test whose end was known, if there is one.
  virtual void on_lost(std::vector<TestFact>&) {}
  // So many of the last bytes of stdout may turn out to be of the next test.
  [[nodiscard]] virtual std::size_t undecided() const { return 0; }
  // The test of its batch, not begun yet, that begins with this line of the kernel's log. It may
  // come before the output that tells the same, and be the last that is heard.
  [[nodiscard]] virtual std::optional<std::size_t> begins_in_log(std::string_view) const {
    return std::nullopt;
  }
};

class Suite {
 public:
  virtual ~Suite() = default;
  [[nodiscard]] virtual const SuitePlan& plan() const = 0;
  // In the order they were listed; names are unique.
  [[nodiscard]] virtual std::vector<TestCase> tests() const = 0;
  // Those that the job leaves out, but that may be named on the command line.
  [[nodiscard]] virtual std::vector<TestCase> other_tests() const { return {}; }
  // Set-up and teardown of the suite on a host; `command` is empty. Both may be empty.
  [[nodiscard]] virtual Command scope() const = 0;
  [[nodiscard]] virtual Command command_for(std::span<const TestId> batch) const = 0;
  [[nodiscard]] virtual std::unique_ptr<OutputParser> make_parser(
      std::span<const TestId> batch) const = 0;
  // Whether a file that came back belongs to this test of its batch.
  [[nodiscard]] virtual bool is_file_of(const TestId&, std::string_view) const { return true; }
  // Its tests look through the kernel's log themselves, and know which of its complaints they have
  // asked for: beside that only crashes count.
  [[nodiscard]] virtual bool judges_kernel_log() const { return false; }
};

}  // namespace ffci
