// FstestsVerdict: what fstests' `./check` has said of one test so far, and what that means. The
// parser gives it the finished lines from the one with the test's name to the one before the next
// test's; it keeps a few of their words, whatever comes, and never a line of a diff.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "suites/suite.hpp"

namespace ffci {

class FstestsVerdict {
 public:
  enum class Standing {
    open,         // no verdict yet
    provisional,  // one if this was the test's last line: what ends so may also be guest noise
    decided,      // only more of the same can follow: a diff, hints, further complaints
    closed,       // nothing that belongs to the test can follow
  };

  // What stands behind the name on its line.
  void read_first_line(std::string_view rest, Duration at);
  void read_line(std::string_view line, Duration at);
  // check was interrupted: what was only provisional is no verdict.
  void interrupt();

  [[nodiscard]] Standing standing() const { return standing_; }
  // When the line arrived that ended the test; only of a verdict.
  [[nodiscard]] Duration decided_at() const { return decided_at_; }
  // fstests has no such test, so nothing was run.
  [[nodiscard]] bool unknown_test() const { return end_ == End::unknown; }
  // The outcome, and what it means for others; only of a verdict.
  void tell(TestEnded& ended) const;

 private:
  enum class End { without_reason, passed, failed, not_run, expunged, unknown };
  enum class Blame { test, file_system, kernel };
  struct Complaint {
    std::string text;
    Blame blame = Blame::test;
  };

  void decide(End end, Standing standing, Duration at);
  void add_reason(std::string_view line);
  // Whether there is one in `text`.
  bool read_complaints(std::string_view text, Duration at);
  void complain(std::string_view text, Blame blame);
  [[nodiscard]] std::string complaints() const;

  Standing standing_ = Standing::open;
  End end_ = End::without_reason;
  Duration decided_at_{};
  std::string reason_;  // of not_run, as it came
  std::vector<Complaint> complaints_;
  std::optional<ExitStatus> exit_;
  bool repaired_ = false;    // the test device was found broken
  bool all_said_ = false;    // what follows is a diff
  bool blank_seen_ = false;  // the line was closed without a time
};

// Whether `rest` is what check says behind a name that it does not know.
[[nodiscard]] bool tells_unknown_test(std::string_view rest);
// Whether keyctl says it, which check runs itself under: it explains nothing.
[[nodiscard]] bool tells_keyring(std::string_view line);

}  // namespace ffci
