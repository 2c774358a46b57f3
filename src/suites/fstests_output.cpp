#include "suites/fstests_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "suites/fstests_verdict.hpp"
#include "suites/line_splitter.hpp"

namespace ffci {
namespace {

constexpr std::size_t longest_name = 200;
constexpr std::size_t longest_last_line = 200;
constexpr std::size_t most_last_line_bytes = 1024;

// A line that arrives in pieces. Of a long one the beginning, which holds the name, and the end,
// which holds the verdict.
class LineEnds {
 public:
  static constexpr std::size_t most = 8 * 1024;  // of each

  void append(std::string_view bytes) {
    const std::string_view first = bytes.substr(0, most - head_.size());
    head_ += first;
    bytes.remove_prefix(first.size());
    beyond_head_ += bytes.size();
    if (bytes.size() > most) bytes.remove_prefix(bytes.size() - most);
    tail_ += bytes;
    if (tail_.size() > 4 * most) tail_.erase(0, tail_.size() - most);
  }
  void clear() {
    head_.clear();
    tail_.clear();
    beyond_head_ = 0;
  }

  [[nodiscard]] std::string_view head() const { return head_; }
  // With " … " for what is missing.
  [[nodiscard]] std::string text() const {
    const std::string_view end =
        std::string_view(tail_).substr(tail_.size() - std::min(tail_.size(), most));
    std::string text = head_;
    if (beyond_head_ > end.size()) text += " … ";
    return text.append(end);
  }

 private:
  std::string head_, tail_;
  std::size_t beyond_head_ = 0;
};

constexpr std::string_view interrupted = "Interrupted!";

bool is_summary(std::string_view line) {
  static constexpr std::string_view beginnings[] = {
      "Ran: ", "Not run: ", "Failures: ", "Passed all ", interrupted, "Xunit report: "};
  if (std::ranges::any_of(beginnings, [&](std::string_view it) { return line.starts_with(it); }))
    return true;
  return line.starts_with("Failed ") && line.find(" of ") != std::string_view::npos &&
         trim(line).ends_with(" tests");
}

// VALUE of "WORD       -- VALUE".
std::optional<std::string_view> header_value(std::string_view line, std::string_view word) {
  if (!line.starts_with(word)) return std::nullopt;
  line = trim(line.substr(word.size()));
  if (!line.starts_with("-- ")) return std::nullopt;
  return trim(line.substr(3));
}

// Whether a line could explain why check ended: not what it prints in every run.
bool could_explain(std::string_view line) {
  static constexpr std::string_view headers[] = {"SECTION ",  "RECREATING ",   "FSTYP ",
                                                 "PLATFORM ", "MKFS_OPTIONS ", "MOUNT_OPTIONS "};
  line = trim(line);
  if (line.find_first_not_of('=') == std::string_view::npos || is_summary(line)) return false;
  if (line.ends_with("- unknown test, ignored") || tells_keyring(line)) return false;
  // Of _adjust_oom_score, wherever check may not change its own score.
  if (line.ends_with(": echo: write error: Permission denied")) return false;
  const bool header =
      std::ranges::any_of(headers, [&](std::string_view it) { return line.starts_with(it); });
  if (header && line.find(" -- ") != std::string_view::npos) return false;
  return line.find('\x1B') == std::string_view::npos || !printable_line(line).empty();
}

// The last line that could explain why check ended.
class LastWord {
 public:
  void note(std::string_view line) {
    if (usage_ || !could_explain(line)) return;
    usage_ = line.starts_with("Usage: ");  // what follows is the same for every mistake
    line_ = trim(line).substr(0, most_last_line_bytes);
  }
  [[nodiscard]] std::string shown() const { return printable_line(line_, longest_last_line); }

 private:
  std::string line_;
  bool usage_ = false;
};

class FstestsParser final : public OutputParser {
 public:
  FstestsParser(std::span<const TestId> batch, std::string file_system)
      : configuration_(batch.empty() ? "" : batch.front().configuration),
        file_system_(std::move(file_system)),
        tests_(batch.size(), Progress::waiting) {
    for (std::size_t i = 0; i < batch.size(); ++i)
      by_name_.emplace(batch[i].name, i);
  }

  void on_begin(Duration, std::vector<TestFact>&) override {}

  void on_output(Stream stream, std::string_view bytes, Duration at,
                 std::vector<TestFact>& facts) override {
    if (stream == Stream::standard_error) {
      stderr_.feed(bytes, [this](std::string_view line) { stderr_word_.note(line); });
    } else if (stream == Stream::standard_output && !deaf_) {
      read(bytes, at, facts);
    }
  }

  void on_end(const CommandEnd& end, Duration at, std::vector<TestFact>& facts) override;
  void on_lost(std::vector<TestFact>& facts) override;
  [[nodiscard]] std::size_t undecided() const override {
    return owner_ == Owner::unknown && !deaf_ ? line_.head().size() : 0;
  }
  [[nodiscard]] std::optional<std::size_t> begins_in_log(std::string_view line) const override;

 private:
  enum class Progress { waiting, running, ended };
  struct Running {
    std::size_t test = 0;
    Duration began{};
    FstestsVerdict verdict;
    bool ran_told = false;  // "Ran: " was the last line; "Interrupted!" would be the next
    bool interrupted = false;
  };
  // Whose line the present one is, by the name at its beginning.
  enum class Owner { unknown, nobody, running_test, ended_test, other_section };

  void read(std::string_view bytes, Duration at, std::vector<TestFact>& facts);
  void look_for_name(bool line_complete, Duration at, std::vector<TestFact>& facts);
  void on_name(std::size_t test, Duration at, std::vector<TestFact>& facts);
  void on_line(Duration at, std::size_t behind, std::vector<TestFact>& facts);
  void on_section(std::string_view name, Duration at, std::vector<TestFact>& facts);
  void on_summary(std::string_view line, std::vector<TestFact>& facts);
  void on_file_system(std::string_view named, Duration at, std::vector<TestFact>& facts);
  void note_line(std::string_view line);
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
  [[nodiscard]] bool in_section() const {
    return configuration_.empty() || section_ == configuration_;
  }

  void begin(std::size_t test, Duration at, std::size_t offset, std::vector<TestFact>& facts);
  void end_with_verdict(std::size_t offset, std::vector<TestFact>& facts);
  void end_with(Outcome outcome, Duration at, std::size_t offset, std::vector<TestFact>& facts);
  void tell(TestEnded ended, std::vector<TestFact>& facts);
  // Tests that check never began.
  void end_waiting(const Outcome& outcome, Duration at, std::size_t offset,
                   std::vector<TestFact>& facts);
  // ": the last line that could explain it", or nothing.
  [[nodiscard]] std::string last_word(Stream first) const;

  std::string configuration_, file_system_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::vector<Progress> tests_;
  std::optional<Running> running_;
  bool any_ran_ = false;  // a test that fstests knows
  std::optional<std::string> section_;
  bool deaf_ = false;

  LineEnds line_;
  std::size_t line_begin_ = 0;  // within the bytes just given
  Owner owner_ = Owner::unknown;
  std::size_t name_length_ = 0;
  std::size_t named_ = 0;  // the test that the line names

  LineSplitter stderr_;
  LastWord stdout_word_, stderr_word_;  // since the running test began
};

void FstestsParser::on_end(const CommandEnd& end, Duration at, std::vector<TestFact>& facts) {
  if (!deaf_ && owner_ != Owner::ended_test && owner_ != Owner::other_section) {
    note_line(std::string_view(line_.text()).substr(name_length_));
  }
  stderr_.finish([this](std::string_view line) { stderr_word_.note(line); });
  deaf_ = true;

  const bool setup_failed = end.setup && !end.setup->success();
  const auto failed_setup = [&] {
    return SetupFailed{fmt::format("test set-up failed: {}{}", describe(*end.setup),
                                   last_word(Stream::standard_error))};
  };
  const std::string no_end =
      end.trouble.empty() ? "the command's end was not reported" : end.trouble;
  const bool whole = end.command && !end.stopped && line_.head().empty();
  if (running_ && (running_->verdict.standing() >= FstestsVerdict::Standing::decided ||
                   (running_->ran_told && whole))) {
    end_with_verdict(0, facts);
  } else if (running_) {
    Outcome outcome;
    if (end.stopped) {
      outcome = NotRun{"stopped"};
    } else if (setup_failed) {
      outcome = failed_setup();
    } else if (!end.command) {
      outcome = HostLost{no_end};
    } else {
      outcome = NotRun{fmt::format("./check ended ({}) while it ran{}", describe(*end.command),
                                   last_word(Stream::standard_output))};
    }
    end_with(std::move(outcome), at, 0, facts);
  }
  if (end.stopped) return;
  if (setup_failed) {
    end_waiting(failed_setup(), at, 0, facts);
  } else if (!end.command && !any_ran_) {
    end_waiting(NotRun{no_end}, at, 0, facts);
  } else if (!any_ran_) {
    std::string why = last_word(Stream::standard_output);
    if (why.empty() && !in_section())
      why = fmt::format(": section '{}' did not begin", configuration_);
    end_waiting(
        NotRun{fmt::format("./check ran none of its tests ({}){}", describe(*end.command), why)},
        at, 0, facts);
  }
}

void FstestsParser::on_lost(std::vector<TestFact>& facts) {
  deaf_ = true;
  if (running_ && running_->verdict.standing() >= FstestsVerdict::Standing::decided)
    end_with_verdict(0, facts);
}

// "[   12.345678] run fstests generic/001 at 2026-01-02 03:04:05", of check's _run_seq.
std::optional<std::size_t> FstestsParser::begins_in_log(std::string_view line) const {
  constexpr std::string_view begin = "run fstests ";
  const std::size_t at = line.find(begin);
  if (at == std::string_view::npos || deaf_ || !in_section()) return std::nullopt;
  line.remove_prefix(at + begin.size());
  const std::size_t end = line.find(" at ");
  if (end == std::string_view::npos) return std::nullopt;
  const std::optional<std::size_t> test = find(line.substr(0, end));
  return test && tests_[*test] == Progress::waiting ? test : std::nullopt;
}

void FstestsParser::read(std::string_view bytes, Duration at, std::vector<TestFact>& facts) {
  line_begin_ = 0;
  for (std::size_t place = 0; place < bytes.size() && !deaf_;) {
    const std::size_t newline = bytes.find('\n', place);
    const bool complete = newline != std::string_view::npos;
    line_.append(bytes.substr(place, complete ? newline - place : newline));
    if (owner_ == Owner::unknown) look_for_name(complete, at, facts);
    if (!complete) return;
    place = newline + 1;
    on_line(at, place, facts);
    line_.clear();
    line_begin_ = place;
    owner_ = Owner::unknown;
    name_length_ = 0;
  }
}

void FstestsParser::look_for_name(bool line_complete, Duration at, std::vector<TestFact>& facts) {
  const std::string_view head = line_.head();
  const std::size_t end = std::min(head.find_first_of(" \t\r"), head.size());
  if (end == head.size() && !line_complete && end <= longest_name) return;
  const std::optional<std::size_t> test = find(head.substr(0, end));
  if (!test) {
    owner_ = Owner::nobody;
    return;
  }
  name_length_ = end;
  named_ = *test;
  on_name(*test, at, facts);
}

void FstestsParser::on_name(std::size_t test, Duration at, std::vector<TestFact>& facts) {
  using Standing = FstestsVerdict::Standing;
  if (!in_section()) {
    owner_ = Owner::other_section;
    return;
  }
  const bool open = running_ && running_->verdict.standing() == Standing::open;
  if (tests_[test] == Progress::waiting) {
    if (open) {
      end_with(NotRun{"./check went on without a verdict"}, at, line_begin_, facts);
    } else if (running_) {
      end_with_verdict(line_begin_, facts);
    }
    begin(test, at, line_begin_, facts);
    owner_ = Owner::running_test;
  } else if (open && running_->test == test) {
    owner_ = Owner::running_test;
  } else {
    // Another iteration: the first verdict counts.
    if (running_ && !open) end_with_verdict(line_begin_, facts);
    owner_ = Owner::ended_test;
  }
}

void FstestsParser::on_line(Duration at, std::size_t behind, std::vector<TestFact>& facts) {
  using Standing = FstestsVerdict::Standing;
  const std::string text = line_.text();
  const std::string_view line = std::string_view(text).substr(name_length_);
  const bool interruption = line.starts_with(interrupted);
  if (running_ && std::exchange(running_->ran_told, false) && !interruption)
    end_with_verdict(line_begin_, facts);
  const auto section = header_value(line, "SECTION");
  if (owner_ == Owner::other_section) {
    // Names that fstests does not know are told before the first section.
    if (!section_ && tests_[named_] == Progress::waiting && tells_unknown_test(line)) {
      begin(named_, at, line_begin_, facts);
      running_->verdict.read_first_line(line, at);
      end_with_verdict(behind, facts);
    }
    return;
  }
  if (owner_ == Owner::ended_test) return;
  if (owner_ == Owner::running_test) {
    running_->verdict.read_first_line(line, at);
    // Behind a name that has no verdict.
    running_->interrupted |= trim(line) == interrupted;
  } else if (section || is_summary(line)) {
    on_summary(line, facts);
    if (section) on_section(*section, at, facts);
    return;
  } else if (running_ && in_section()) {
    if (!running_->interrupted) running_->verdict.read_line(line, at);
  } else if (const auto named = header_value(line, "FSTYP"); named && in_section() && !any_ran_) {
    return on_file_system(*named, at, facts);
  }
  if (running_ && running_->verdict.standing() == Standing::closed) {
    end_with_verdict(behind, facts);
  } else {
    note_line(line);
  }
}

void FstestsParser::on_summary(std::string_view line, std::vector<TestFact>& facts) {
  using Standing = FstestsVerdict::Standing;
  if (!running_) return;
  if (line.starts_with(interrupted)) {
    running_->verdict.interrupt();
    running_->interrupted = true;
  }
  if (running_->verdict.standing() == Standing::provisional && line.starts_with("Ran: ")) {
    running_->ran_told = true;
  } else if (running_->verdict.standing() != Standing::open) {
    end_with_verdict(line_begin_, facts);
  }
}

void FstestsParser::on_file_system(std::string_view named, Duration at,
                                   std::vector<TestFact>& facts) {
  named = named.substr(0, named.find_first_of(" \t"));
  if (file_system_.empty() || named.empty() || named == file_system_) return;
  end_waiting(SetupFailed{fmt::format("the configuration there tests {}, not {}",
                                      printable_line(named, longest_last_line), file_system_)},
              at, line_begin_, facts);
  deaf_ = true;
}

void FstestsParser::on_section(std::string_view name, Duration at, std::vector<TestFact>& facts) {
  section_ = name;
  if (!configuration_.empty() || any_ran_ || running_) return;
  end_waiting(SetupFailed{fmt::format("the configuration there has sections ({}…); name them with "
                                      "`section`",
                                      printable_line(name, longest_last_line))},
              at, line_begin_, facts);
  deaf_ = true;
}

// Only while nothing else explains how the running test ends.
void FstestsParser::note_line(std::string_view line) {
  if (!running_ || running_->verdict.standing() < FstestsVerdict::Standing::decided)
    stdout_word_.note(line);
}

std::optional<std::size_t> FstestsParser::find(std::string_view name) const {
  if (name.size() > longest_name) return std::nullopt;
  auto known = by_name_.find(name);
  if (known == by_name_.end()) known = by_name_.find(name.substr(0, name.find('-')));
  return known == by_name_.end() ? std::nullopt : std::optional(known->second);
}

void FstestsParser::begin(std::size_t test, Duration at, std::size_t offset,
                          std::vector<TestFact>& facts) {
  tests_[test] = Progress::running;
  running_ = Running{test, at, {}};
  stdout_word_ = stderr_word_ = LastWord();
  facts.emplace_back(TestBegan{test, at, offset});
}

void FstestsParser::end_with_verdict(std::size_t offset, std::vector<TestFact>& facts) {
  TestEnded ended;
  ended.at = running_->verdict.decided_at();
  ended.offset = offset;
  running_->verdict.tell(ended);
  any_ran_ |= !running_->verdict.unknown_test();
  tell(std::move(ended), facts);
}

void FstestsParser::end_with(Outcome outcome, Duration at, std::size_t offset,
                             std::vector<TestFact>& facts) {
  TestEnded ended;
  ended.at = at;
  ended.offset = offset;
  ended.outcome = std::move(outcome);
  any_ran_ = true;
  tell(std::move(ended), facts);
}

void FstestsParser::tell(TestEnded ended, std::vector<TestFact>& facts) {
  ended.test = running_->test;
  ended.duration = ended.at - running_->began;
  tests_[running_->test] = Progress::ended;
  running_.reset();
  facts.emplace_back(std::move(ended));
}

void FstestsParser::end_waiting(const Outcome& outcome, Duration at, std::size_t offset,
                                std::vector<TestFact>& facts) {
  for (std::size_t test = 0; test < tests_.size(); ++test) {
    if (tests_[test] != Progress::waiting) continue;
    begin(test, at, offset, facts);
    end_with(outcome, at, offset, facts);
  }
}

std::string FstestsParser::last_word(Stream first) const {
  const std::string out = stdout_word_.shown(), err = stderr_word_.shown();
  const bool choose_out = first == Stream::standard_output ? !out.empty() : err.empty();
  const std::string& word = choose_out ? out : err;
  return word.empty() ? "" : ": " + word;
}

}  // namespace

std::unique_ptr<OutputParser> make_fstests_parser(std::span<const TestId> batch,
                                                  std::string file_system) {
  return std::make_unique<FstestsParser>(batch, std::move(file_system));
}

}  // namespace ffci
