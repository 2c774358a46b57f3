#include "suites/fstests_verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/text.hpp"

namespace ffci {
namespace {

constexpr std::size_t most_complaints = 8;
constexpr std::size_t longest_complaint = 200;
constexpr std::size_t longest_reason = 300;
constexpr std::size_t most_reason_bytes = 2048;
constexpr std::string_view not_run = "[not run]";
// check prints at least this many blanks behind a name before it runs the test; with -n, fewer.
constexpr std::size_t blanks_behind_name = 7;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

bool is_time(std::string_view word) {
  return word.ends_with('s') && all_digits(word.substr(0, word.size() - 1));
}

// "[12:34:56]", of -T.
bool is_clock(std::string_view word) {
  return word.size() == 10 && word[0] == '[' && word[3] == ':' && word[6] == ':' &&
         word[9] == ']' && all_digits(word.substr(1, 2)) && all_digits(word.substr(4, 2)) &&
         all_digits(word.substr(7, 2));
}

// The first word, and `text` without it; empty: there is none.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

bool is_blank(std::string_view text) {
  while (!trim(text).empty()) {
    if (!is_clock(take_word(text))) return false;
  }
  return true;
}

// "  2s ...  1s", "[12:34:56] [12:34:57] 1s": nothing but what check itself prints for a pass.
bool is_plain_pass(std::string_view text) {
  std::string_view word;
  while (!trim(text).empty()) {
    word = take_word(text);
    if (!is_time(word) && !is_clock(word) && word != "...") return false;
  }
  return is_time(word);
}

// " 1s" at the end, whatever is before it.
bool ends_like_pass(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(" \t\r") + 1);
  const std::size_t before = text.find_last_of(" \t");
  return before != std::string_view::npos && is_time(text.substr(before + 1));
}

// N of "N] …".
std::optional<int> status_at(std::string_view text) {
  int status = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (error != std::errc() || end == text.data() + text.size() || *end != ']') return std::nullopt;
  return status >= 0 && status <= 255 ? std::optional(status) : std::nullopt;
}

enum class Mark {
  dumped_core,
  exit_status,
  mismatch,
  no_output,
  file_system,
  overlay,
  repair,
  repair_failed,
  dmesg,
  kmemleak,
};
// As check, common/rc and the common/<fs> print them.
constexpr std::pair<std::string_view, Mark> marks[] = {
    {"[dumped core]", Mark::dumped_core},
    {"[failed, exit status ", Mark::exit_status},
    {"- output mismatch (see ", Mark::mismatch},
    {"no qualified output", Mark::no_output},
    {"_filesystem: filesystem on ", Mark::file_system},
    {"_overlay_check_fs: overlayfs on ", Mark::overlay},
    {"Trying to repair broken TEST_DEV file system", Mark::repair},
    {"_repair_test_fs: failed", Mark::repair_failed},
    {"_check_dmesg: something found", Mark::dmesg},
    {"_check_kmemleak: something found", Mark::kmemleak},
};

// "DEVICE is inconsistent (r)" of the text behind a mark.
std::string_view without_see(std::string_view text) {
  return trim(text.substr(0, text.find(" (see ")));
}

}  // namespace

bool tells_unknown_test(std::string_view rest) {
  rest = trim(rest);
  return rest == "- unknown test, ignored" || rest == "- no such test?";
}

bool tells_keyring(std::string_view line) {
  return trim(line).starts_with("Joined session keyring: ");
}

void FstestsVerdict::read_first_line(std::string_view rest, Duration at) {
  if (standing_ >= Standing::decided) return;
  standing_ = Standing::open;
  if (tells_unknown_test(rest)) return decide(End::unknown, Standing::closed, at);
  if (trim(rest) == "[expunged]") return decide(End::expunged, Standing::closed, at);
  if (trim(rest).empty() && rest.size() < blanks_behind_name) return;
  const std::string_view before = rest.substr(0, rest.find(not_run));
  if (before.size() < rest.size() && before.find("[failed,") == std::string_view::npos) {
    decide(End::not_run, Standing::decided, at);
    return add_reason(rest.substr(before.size() + not_run.size()));
  }
  read_line(rest, at);
  // What check found wrong it tells on the line itself or on lines of their own, never after it.
  if (standing_ == Standing::decided && trim(rest).ends_with(']')) blank_seen_ = true;
}

void FstestsVerdict::read_line(std::string_view line, Duration at) {
  if (standing_ == Standing::closed || all_said_) return;
  if (end_ == End::not_run) return add_reason(line);
  if (standing_ != Standing::decided) {
    const std::string_view before = line.substr(0, line.find(not_run));
    if (before.size() < line.size() && is_blank(before)) {
      decide(End::not_run, Standing::decided, at);
      return add_reason(line.substr(before.size() + not_run.size()));
    }
  }
  if (read_complaints(line, at)) return;
  if (standing_ == Standing::decided) {
    if (is_blank(line) && !std::exchange(blank_seen_, true)) decided_at_ = at;
  } else if (is_plain_pass(line)) {
    decide(End::passed, Standing::closed, at);
  } else if (ends_like_pass(line)) {
    decide(End::passed, Standing::provisional, at);
  } else if (!is_blank(line)) {
    standing_ = Standing::open;
  } else if (standing_ == Standing::open) {
    decide(End::without_reason, Standing::provisional, at);
  }
}

void FstestsVerdict::interrupt() {
  if (standing_ == Standing::provisional) standing_ = Standing::open;
}

void FstestsVerdict::tell(TestEnded& ended) const {
  switch (end_) {
    case End::passed:
      ended.outcome = Passed{};
      return;
    case End::not_run:
      ended.outcome = Skipped{printable_line(reason_, longest_reason)};
      return;
    case End::expunged:
      ended.outcome = Skipped{"expunged"};
      return;
    case End::unknown:
      ended.outcome = NotRun{"fstests there does not know this test"};
      return;
    case End::without_reason:
      ended.outcome = Failed{"./check printed neither a time nor a reason", {}};
      return;
    case End::failed:
      break;
  }
  const bool broken = std::ranges::any_of(complaints_, [](const Complaint& complaint) {
    return complaint.blame == Blame::file_system;
  });
  ended.outcome = Failed{complaints(), exit_, broken ? "inconsistent file system" : ""};
  ended.spoils_batch = repaired_ || broken;
  ended.shared_blame =
      !repaired_ && std::ranges::all_of(complaints_, [](const Complaint& complaint) {
        return complaint.blame == Blame::kernel;
      });
}

void FstestsVerdict::decide(End end, Standing standing, Duration at) {
  end_ = end;
  standing_ = standing;
  decided_at_ = at;
}

// A reason may have several lines; with -T it begins on the second, behind "TEST -- ".
void FstestsVerdict::add_reason(std::string_view line) {
  if (reason_.size() >= most_reason_bytes || tells_keyring(line)) return;
  if (reason_.empty() && line.starts_with('\t')) {
    std::string_view behind_name = line;
    take_word(behind_name);
    if (take_word(behind_name) == "--") line = behind_name;
  }
  if (!reason_.empty()) reason_ += '\n';
  reason_ += trim(line).substr(0, most_reason_bytes);
}

bool FstestsVerdict::read_complaints(std::string_view text, Duration at) {
  std::vector<std::pair<std::size_t, Mark>> found;
  for (const auto& [words, mark] : marks) {
    // The last one: before it the test's own output may stand.
    const std::size_t place = text.rfind(words);
    if (place != std::string_view::npos) found.emplace_back(place + words.size(), mark);
  }
  std::ranges::sort(found);
  bool complained = false;
  for (const auto& [place, mark] : found) {
    const std::string_view rest = text.substr(place);
    bool counts = true;
    switch (mark) {
      case Mark::dumped_core:
        complain("dumped core", Blame::test);
        break;
      case Mark::exit_status:
        if (const std::optional<int> status = status_at(rest)) {
          exit_ = ExitStatus{ExitStatus::Kind::exited, *status};
          complain(describe(*exit_), Blame::test);
        } else {
          counts = false;
        }
        break;
      case Mark::mismatch:
        complain("output mismatch", Blame::test);
        all_said_ = true;
        break;
      case Mark::no_output:
        counts = trim(rest).empty();
        if (counts) complain("no qualified output", Blame::test);
        all_said_ |= counts;
        break;
      case Mark::file_system:
        complain(fmt::format("file system on {}", without_see(rest)), Blame::file_system);
        break;
      case Mark::overlay:
        complain(fmt::format("overlayfs on {}", without_see(rest)), Blame::file_system);
        break;
      case Mark::repair:
        repaired_ = true;
        break;
      case Mark::repair_failed:
        complain("the test device could not be repaired", Blame::file_system);
        break;
      case Mark::dmesg:
        complain("dmesg: something was found in the kernel's log", Blame::kernel);
        break;
      case Mark::kmemleak:
        complain("kmemleak: something was found", Blame::kernel);
        break;
    }
    complained |= counts;
  }
  if (complained) decide(End::failed, Standing::decided, at);
  return complained;
}

void FstestsVerdict::complain(std::string_view text, Blame blame) {
  Complaint complaint{printable_line(text, longest_complaint), blame};
  const bool known = std::ranges::any_of(
      complaints_, [&](const Complaint& other) { return other.text == complaint.text; });
  if (!known && complaints_.size() < most_complaints) complaints_.push_back(std::move(complaint));
}

std::string FstestsVerdict::complaints() const {
  std::string text;
  for (const Complaint& complaint : complaints_) {
    text += (text.empty() ? "" : ", ") + complaint.text;
  }
  return text.empty() ? "the test device was found broken" : text;
}

}  // namespace ffci
