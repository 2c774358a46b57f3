// SingleTestParser: what every protocol has in common where a batch is one test and one command. It
// decides all that does not depend on what the test itself said (stopped, set-up failed, host
// silent), and leaves the rest to `judge`.
#pragma once

#include <string>
#include <string_view>

#include "suites/line_splitter.hpp"
#include "suites/suite.hpp"

namespace ffci {

class SingleTestParser : public OutputParser {
 public:
  void on_begin(Duration at, std::vector<TestFact>& facts) final;
  void on_output(Stream stream, std::string_view bytes, Duration at,
                 std::vector<TestFact>& facts) final;
  void on_end(const CommandEnd& end, Duration at, std::vector<TestFact>& facts) final;

 protected:
  // The test's last word: the last line of stderr, else of stdout, that shows something; fit to be
  // shown. Empty: it said nothing.
  [[nodiscard]] std::string last_line() const;
  [[nodiscard]] std::string last_line(Stream stream) const;
  // "exit status 1: FAIL: checksum differs"
  [[nodiscard]] std::string describe_with_last_line(ExitStatus status) const;

 private:
  virtual void on_line(Stream, std::string_view) {}
  // All lines were given, also when the test was stopped.
  virtual void add_subtests(TestEnded&) {}
  // The command ended by itself.
  [[nodiscard]] virtual Outcome judge(ExitStatus status) const = 0;

  struct Output {
    LineSplitter lines;
    std::string last_line;
  };
  void note_line(Stream stream, std::string_view line);
  [[nodiscard]] Output& output(Stream stream) {
    return stream == Stream::standard_output ? stdout_ : stderr_;
  }

  Output stdout_, stderr_;
};

}  // namespace ffci
