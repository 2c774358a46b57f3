#include "kernel_log/kernel_splat.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/text.hpp"
#include "kernel_log/console_line.hpp"
#include "kernel_log/splat_head.hpp"
#include "kernel_log/splat_report.hpp"

namespace ffci {
namespace {

using kernel_log::SplatHead;
using kernel_log::SplatReport;

// How far apart a splat and the panic or shutdown that it caused may be.
constexpr std::uint64_t consequence_distance = 500;

// The panics that only say that something before was bad enough.
bool panics_over_something(std::string_view title) {
  static constexpr std::string_view reasons[] = {"Fatal exception",
                                                 "panic_on_warn",
                                                 "panic_on_oops",
                                                 "panic_on_taint",
                                                 "hung_task:",
                                                 "softlockup:",
                                                 "ard LOCKUP",
                                                 "RCU Stall",
                                                 "kasan.fault",
                                                 "kfence.fault",
                                                 "Oops",
                                                 "killing interrupt handler",
                                                 "Attempted to kill init"};
  return std::any_of(std::begin(reasons), std::end(reasons), [title](std::string_view reason) {
    return title.find(reason) != std::string_view::npos;
  });
}

// The found splats, each signature once. Lines are counted from the log's beginning.
class SplatList {
 public:
  // `begun` is the line of its head, `line` the one that the log has come to.
  void add(FoundSplat splat, std::uint64_t begun, std::uint64_t line) {
    const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.splat.signature == splat.signature;
    });
    if (same != entries_.end()) {
      if (splat.fatal()) same->splat.splat_class = SplatClass::crash;
      latest_ = static_cast<std::size_t>(same - entries_.begin());
    } else {
      if (entries_.size() == SplatFinder::most_splats && !make_room_for(splat)) return;
      latest_ = entries_.size();
      entries_.push_back({std::move(splat), begun});
    }
    latest_line_ = line;
  }
  // The one that a panic in `line` may be about; nullptr: none is near.
  FoundSplat* before(std::uint64_t line) {
    if (entries_.empty() || line - latest_line_ > consequence_distance) return nullptr;
    return &entries_[latest_].splat;
  }
  [[nodiscard]] std::vector<FoundSplat> splats() const {
    std::vector<Entry> entries = entries_;
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.begun < b.begun; });
    std::vector<FoundSplat> splats;
    for (Entry& entry : entries)
      splats.push_back(std::move(entry.splat));
    return splats;
  }

 private:
  struct Entry {
    FoundSplat splat;
    std::uint64_t begun = 0;
  };

  bool make_room_for(const FoundSplat& splat) {
    if (!splat.fatal()) return false;
    const auto lesser = std::find_if(entries_.rbegin(), entries_.rend(),
                                     [](const Entry& entry) { return !entry.splat.fatal(); });
    if (lesser == entries_.rend()) return false;
    entries_.erase(std::next(lesser).base());
    return true;
  }

  std::vector<Entry> entries_;
  std::size_t latest_ = 0;
  std::uint64_t latest_line_ = 0;
};

}  // namespace

class SplatFinder::Reader {
 public:
  // A line; a record, of which only the beginning can be that of a splat: what follows a newline
  // may be the name of a task or a file.
  void read(std::string_view text, std::string_view caller);
  void read_record(std::string_view text, std::string_view caller);
  void read_console(std::string_view line);
  [[nodiscard]] std::vector<FoundSplat> splats(Unfinished unfinished) const;

 private:
  bool read_head(std::string_view text, std::string_view caller);
  void panicked(SplatHead head, std::string_view caller);
  void begin(SplatHead head, std::string_view caller);
  void close();
  [[nodiscard]] bool corruption_is_known() const {
    return line_ - corruption_line_ <= consequence_distance;
  }

  SplatList list_;
  std::optional<SplatReport> open_;
  std::uint64_t open_line_ = 0;
  std::uint64_t line_ = consequence_distance + 1;
  std::uint64_t corruption_line_ = 0;
  std::uint64_t cut_line_ = 0;  // of the last "cut here"
  bool stamped_ = false;        // a line has had the kernel's time
};

void SplatFinder::Reader::close() {
  if (open_) list_.add(open_->found(), open_line_, line_);
  open_.reset();
}

void SplatFinder::Reader::begin(SplatHead head, std::string_view caller) {
  if (head.splat_class == SplatClass::corruption ||
      head.title.find("Transaction aborted") != std::string::npos)
    corruption_line_ = line_;
  // A single line does not end the report that it interrupts.
  if (head.stack == SplatHead::Stack::none) {
    list_.add(SplatReport(std::move(head), caller).found(), line_, line_);
    return;
  }
  close();
  open_.emplace(std::move(head), caller);
  open_line_ = line_;
}

void SplatFinder::Reader::panicked(SplatHead head, std::string_view caller) {
  if (panics_over_something(head.title)) {
    if (open_) {
      open_->make_fatal();
      return;
    }
    if (FoundSplat* cause = list_.before(line_)) {
      cause->splat_class = SplatClass::crash;
      return;
    }
  }
  begin(std::move(head), caller);
}

bool SplatFinder::Reader::read_head(std::string_view text, std::string_view caller) {
  ++line_;
  if (text.starts_with("------------[ cut here ]")) {
    cut_line_ = line_;
    return true;
  }
  auto head = kernel_log::read_splat_head(text);
  if (!head) return false;
  // What stands between "cut here" and the place is the message of a WARN().
  if (cut_line_ > 0 && line_ - cut_line_ <= 3 && head->role == SplatHead::Role::begins &&
      head->kind == SplatKind::bug)
    head->role = SplatHead::Role::message;
  if (head->kind == SplatKind::panic) {
    panicked(*std::move(head), caller);
  } else if (head->role == SplatHead::Role::consequence && corruption_is_known()) {
    corruption_line_ = line_;
  } else if (!open_ || !open_->absorb(*head)) {
    begin(*std::move(head), caller);
  }
  return true;
}

void SplatFinder::Reader::read(std::string_view text, std::string_view caller) {
  if (!read_head(text, caller) && open_ && !open_->take(text, caller)) close();
}

void SplatFinder::Reader::read_record(std::string_view text, std::string_view caller) {
  if (text.find('\n') == std::string_view::npos) {
    read(text, caller);
    return;
  }
  std::string whole(text);
  std::replace(whole.begin(), whole.end(), '\n', ' ');
  if (read_head(whole, caller)) return;
  for (const std::string_view line : split(text, '\n')) {
    if (open_ && !open_->take(line, caller)) close();
  }
}

void SplatFinder::Reader::read_console(std::string_view line) {
  std::string plain;
  if (line.find('\x1B') != std::string_view::npos) {
    plain = printable(line);
    line = plain;
  }
  const kernel_log::ConsoleLine read_line = kernel_log::read_console_line(line);
  stamped_ |= read_line.stamped;
  if (read_line.from_user || stamped_ != read_line.stamped) return;
  read(read_line.text, read_line.caller);
}

std::vector<FoundSplat> SplatFinder::Reader::splats(Unfinished unfinished) const {
  SplatList list = list_;
  if (open_ && unfinished == Unfinished::included) list.add(open_->found(), open_line_, line_);
  return list.splats();
}

SplatFinder::SplatFinder() : reader_(std::make_unique<Reader>()) {}
SplatFinder::~SplatFinder() = default;
SplatFinder::SplatFinder(SplatFinder&&) noexcept = default;
SplatFinder& SplatFinder::operator=(SplatFinder&&) noexcept = default;

void SplatFinder::feed(const KernelLogLine& line) {
  if (!line.from_kernel) return;
  reader_->read_record(std::string_view(line.text).substr(0, longest_line), line.caller);
}

void SplatFinder::feed(std::string_view line) {
  reader_->read_console(line.substr(0, longest_line));
}

std::vector<FoundSplat> SplatFinder::splats(Unfinished unfinished) const {
  return reader_->splats(unfinished);
}

std::vector<FoundSplat> find_splats(std::string_view log_text) {
  SplatFinder finder;
  while (!log_text.empty()) {
    const std::size_t end = log_text.find('\n');
    finder.feed(log_text.substr(0, end));
    log_text.remove_prefix(end == std::string_view::npos ? log_text.size() : end + 1);
  }
  return finder.splats();
}

}  // namespace ffci
