#include "kernel_log/splat_report.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "kernel_log/function_standing.hpp"

namespace ffci::kernel_log {
namespace {

constexpr std::size_t most_functions = 3;
constexpr std::size_t most_lines = 3000;
// Registers and the list of modules come before a stack; lockdep prints one for each lock of a
// chain first.
constexpr std::size_t most_lines_before_stack = 200;
// The place of a warning and its message stand next to each other.
constexpr std::size_t message_distance = 12;

std::string_view kind_word(SplatKind kind) {
  switch (kind) {
    case SplatKind::panic:
      return "panic";
    case SplatKind::oops:
      return "Oops";
    case SplatKind::kernel_bug:
    case SplatKind::bug:
      return "BUG";
    case SplatKind::kasan:
      return "KASAN";
    case SplatKind::kfence:
      return "KFENCE";
    case SplatKind::kmsan:
      return "KMSAN";
    case SplatKind::kcsan:
      return "KCSAN";
    case SplatKind::ubsan:
      return "UBSAN";
    case SplatKind::list_corruption:
      return "list-corruption";
    case SplatKind::slab:
      return "slab";
    case SplatKind::bad_page:
      return "bad-page";
    case SplatKind::warning:
      return "WARNING";
    case SplatKind::refcount:
      return "refcount";
    case SplatKind::assertion:
      return "assertion";
    case SplatKind::lockdep:
    case SplatKind::lockdep_exhausted:
      return "lockdep";
    case SplatKind::wrong_context:
      return "wrong-context";
    case SplatKind::hung_task:
      return "hung-task";
    case SplatKind::soft_lockup:
      return "soft-lockup";
    case SplatKind::hard_lockup:
      return "hard-lockup";
    case SplatKind::rcu_stall:
      return "rcu-stall";
    case SplatKind::workqueue_lockup:
      return "workqueue-lockup";
    case SplatKind::memory_leak:
      return "memory-leak";
    case SplatKind::corruption:
      return "corruption";
  }
  return "splat";
}

bool is_lock_list_entry(std::string_view text) {
  return trim(text).starts_with('#');
}

}  // namespace

SplatReport::SplatReport(SplatHead head, std::string_view caller)
    : head_(std::move(head)), caller_(caller) {
  add(head_.function, functions_);
  add(head_.other_function, functions_);
  if (head_.stack == SplatHead::Stack::none) trace_ = Trace::over;
  if (head_.stack == SplatHead::Stack::at_once) trace_ = Trace::reading;
}

bool SplatReport::is_stall() const {
  return head_.kind == SplatKind::soft_lockup || head_.kind == SplatKind::hard_lockup ||
         head_.kind == SplatKind::rcu_stall;
}

void SplatReport::add(std::string function, std::vector<std::string>& functions) {
  if (function.empty() || functions.size() == most_functions) return;
  const Standing standing = standing_of(function);
  if (standing == Standing::generic && generic_.empty()) generic_ = function;
  if (standing != Standing::tells) return;
  if (functions.empty() || functions.back() != function) functions.push_back(std::move(function));
}

bool SplatReport::absorb(const SplatHead& head) {
  using Role = SplatHead::Role;
  if (trace_ != Trace::awaited) return false;
  if (head.role == Role::died) {
    // "Oops: …" after an Oops would be a second one.
    if (head_.role == Role::died || head_.splat_class != SplatClass::crash ||
        head_.kind == SplatKind::panic)
      return false;
    head_.role = Role::died;
    return true;
  }
  if (lines_ > message_distance) return false;
  if (head.role == Role::place && head_.role == Role::message) {
    add(head.function, functions_);
    if (head.splat_class == SplatClass::crash) make_fatal();
    // "Oops: invalid opcode" may follow.
    head_.role = Role::begins;
    return true;
  }
  if (head.role == Role::message && head_.role == Role::place) {
    const SplatClass before = head_.splat_class;
    head_.kind = head.kind;
    head_.title = head.title;
    head_.joint = head.joint;
    if (before != SplatClass::crash) head_.splat_class = head.splat_class;
    head_.role = Role::begins;
    return true;
  }
  return false;
}

// "… at: xfs_ilock+0x1b/0x200" says where a lock was taken; "#0: … at: …" lists what is held.
void SplatReport::take_lock_site(std::string_view text) {
  constexpr std::string_view at = " at:";
  const std::size_t found = text.find(at);
  const bool follows = std::exchange(site_follows_, false);
  if (found == std::string_view::npos && !follows) return;
  std::string function =
      find_function(found == std::string_view::npos ? text : text.substr(found + at.size()));
  if (function.empty()) {
    site_follows_ = trim(text).ends_with(" at:");
    return;
  }
  if (is_lock_list_entry(text)) {
    if (held_at_.empty()) held_at_ = std::move(function);
  } else if (lock_sites_.size() < 2) {
    add(std::move(function), lock_sites_);
  }
}

void SplatReport::forget_interrupt() {
  functions_.clear();
  generic_.clear();
}

void SplatReport::take_trace_line(TraceLine line) {
  using Kind = TraceLine::Kind;
  switch (line.kind) {
    case Kind::begins:
      if (std::exchange(unrelated_trace_, false)) return;
      if (trace_ == Trace::awaited) trace_ = Trace::reading;
      return;
    case Kind::registers:
      if (line.function.empty() || trace_ == Trace::over) return;
      // A stalled CPU's registers come below the interrupt that found it.
      if (is_stall()) forget_interrupt();
      if (is_stall() || trace_ == Trace::awaited) add(std::move(line.function), functions_);
      return;
    case Kind::ends:
      if (trace_ == Trace::reading && frames_seen_) trace_ = Trace::over;
      return;
    case Kind::frame:
    case Kind::other:
      break;
  }
  if (trace_ != Trace::reading) return;
  const bool is_frame = line.kind == Kind::frame;
  const bool entry = is_frame && is_interrupt_entry(line.function);
  if (line.leaves_context || entry) {
    if (!is_stall() && frames_seen_) {
      trace_ = Trace::over;
      return;
    }
    if (is_stall() && is_frame) forget_interrupt();
  }
  if (!is_frame || entry) return;
  // What only reports is above what it reports, in the same context.
  frames_seen_ = frames_seen_ || standing_of(line.function) != Standing::machinery;
  add(std::move(line.function), functions_);
}

bool SplatReport::take(std::string_view text, std::string_view caller) {
  ++lines_;
  const bool hopeless = trace_ == Trace::awaited && lines_ > most_lines_before_stack &&
                        head_.kind != SplatKind::lockdep;
  if (lines_ > most_lines || hopeless) return false;
  // Another context writes in between. What is known of a stall comes from more than one.
  if (!caller.empty() && !caller_.empty() && caller != caller_ && !is_stall()) return true;
  if (text.starts_with("---[ end trace")) return false;
  for (const std::string_view other :
       {"grace-period kthread stack dump:", "FAULT_INJECTION: ", "page allocation failure",
        "vmalloc: allocation failure", "vmalloc error", "invoked oom-killer"}) {
    if (text.find(other) != std::string_view::npos) unrelated_trace_ = trace_ == Trace::awaited;
  }
  if (head_.kind == SplatKind::lockdep && trace_ == Trace::awaited) take_lock_site(text);
  if (trace_ != Trace::over || is_stall()) take_trace_line(read_trace_line(text));
  return true;
}

FoundSplat SplatReport::found() const {
  std::vector<std::string> functions = lock_sites_;
  for (const std::string& function : functions_) {
    if (functions.size() < most_functions &&
        std::find(functions.begin(), functions.end(), function) == functions.end())
      functions.push_back(function);
  }
  if (functions.empty() && !held_at_.empty()) functions.push_back(held_at_);
  if (functions.empty() && !generic_.empty()) functions.push_back(generic_);
  if (functions.empty() && !head_.function.empty()) functions.push_back(head_.function);

  FoundSplat splat;
  splat.kind = head_.kind;
  splat.splat_class = head_.splat_class;
  // Where a warning stands is part of its title, whatever that function is.
  const std::string function = head_.role == SplatHead::Role::place && !head_.function.empty()
                                   ? head_.function
                                   : (functions.empty() ? std::string() : functions.front());
  splat.title = head_.title;
  if (head_.kind == SplatKind::kcsan && functions.size() > 1) {
    splat.title += std::string(head_.joint) + functions[0] + " / " + functions[1];
  } else if (!function.empty()) {
    splat.title += std::string(head_.joint) + function;
  }
  splat.title = printable_line(splat.title, 250);

  splat.signature = std::string(kind_word(head_.kind)) + ':';
  for (const std::string& name : functions) {
    if (!splat.signature.ends_with(':')) splat.signature += '|';
    splat.signature += name;
  }
  if (functions.empty()) splat.signature += printable_line(head_.title, 250);
  return splat;
}

}  // namespace ffci::kernel_log
