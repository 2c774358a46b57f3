#include "kernel_log/splat_head.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "kernel_log/call_trace.hpp"
#include "kernel_log/stable_text.hpp"

namespace ffci::kernel_log {
namespace {

using Role = SplatHead::Role;
using Stack = SplatHead::Stack;
constexpr auto npos = std::string_view::npos;

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != npos;
}
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}
std::string_view until(std::string_view text, std::string_view end) {
  return text.substr(0, text.find(end));
}

SplatHead head_of(SplatKind kind, SplatClass splat_class, std::string title) {
  SplatHead head;
  head.kind = kind;
  head.splat_class = splat_class;
  head.title = std::move(title);
  return head;
}
SplatHead crash(SplatKind kind, std::string title) {
  return head_of(kind, SplatClass::crash, std::move(title));
}
SplatHead warning(SplatKind kind, std::string title) {
  return head_of(kind, SplatClass::warning, std::move(title));
}

// What lockdep and its kin found, whatever word and brackets stand before it.
std::optional<SplatHead> read_lockdep(std::string_view text) {
  static constexpr std::string_view findings[] = {
      "possible circular locking dependency detected",
      "possible recursive locking detected",
      "possible irq lock inversion dependency detected",
      "possible reason: unannotated irqs-off",
      "inconsistent lock state",
      "suspicious RCU usage",
      "bad unlock balance detected",
      "bad contention detected",
      "held lock freed",
      "lock held when returning to user space",
      "lock held at task exit time",
      "still has locks held",
      "Nested lock was not taken",
      "Invalid wait context",
      "trying to register non-static key",
      "key not in .data",
  };
  const auto found = [](std::string_view finding) {
    SplatHead head = warning(SplatKind::lockdep, std::string(finding));
    head.joint = ": ";
    return head;
  };
  for (const std::string_view finding : findings) {
    if (contains(text, finding)) return found(finding);
  }
  const std::size_t arrow = text.find("-safe -> ");
  if (arrow != npos && contains(text, "-unsafe lock order detected")) {
    return found("irq-safe -> irq-unsafe lock order detected");
  }
  return std::nullopt;
}

// "slab-use-after-free in func+0x1/0x2"
SplatHead read_sanitizer(std::string_view text, SplatKind kind, std::string_view name) {
  const std::string_view what = until(until(text, " in "), " on ");
  SplatHead head =
      head_of(kind,
              kind == SplatKind::kasan || kind == SplatKind::kfence ? SplatClass::crash
                                                                    : SplatClass::warning,
              std::string(name) + ": " + without_values(what));
  head.function = find_function(text);
  if (kind != SplatKind::kasan) head.stack = Stack::at_once;
  return head;
}

// "data-race in func1 / func2", in alphabetic order, or "data-race in func+0x1/0x2".
SplatHead read_data_race(std::string_view text) {
  SplatHead head = warning(SplatKind::kcsan, "KCSAN: " + without_values(until(text, " in ")));
  head.stack = Stack::none;
  head.function = find_function(text);
  const std::size_t in = text.find(" in ");
  if (!head.function.empty() || in == npos) return head;
  const std::string_view functions = text.substr(in + 4);
  head.function = leading_function(functions);
  const std::size_t other = functions.find(" / ");
  if (other != npos) head.other_function = leading_function(functions.substr(other + 3));
  return head;
}

SplatHead read_bug(std::string_view text) {
  if (take(text, "KASAN: ")) return read_sanitizer(text, SplatKind::kasan, "KASAN");
  if (take(text, "KFENCE: ")) return read_sanitizer(text, SplatKind::kfence, "KFENCE");
  if (take(text, "KMSAN: ")) return read_sanitizer(text, SplatKind::kmsan, "KMSAN");
  if (take(text, "KCSAN: ")) return read_data_race(text);
  if (contains(text, "NULL pointer dereference"))
    return crash(SplatKind::oops, "BUG: kernel NULL pointer dereference");
  if (text.starts_with("unable to handle") || text.starts_with("Unable to handle"))
    return crash(SplatKind::oops, "BUG: unable to handle page fault");
  if (contains(text, "stack guard page was hit"))
    return crash(SplatKind::oops, "BUG: stack guard page was hit");
  if (text.starts_with("soft lockup")) return warning(SplatKind::soft_lockup, "soft lockup");
  if (text.starts_with("workqueue lockup")) {
    SplatHead head = warning(SplatKind::workqueue_lockup, "workqueue lockup");
    head.stack = Stack::none;
    return head;
  }
  if (text.starts_with("sleeping function called from invalid context")) {
    const std::string place = source_place(text);
    return warning(SplatKind::wrong_context, "BUG: sleeping function called from invalid context" +
                                                 (place.empty() ? place : " at " + place));
  }
  if (text.starts_with("scheduling while atomic"))
    return warning(SplatKind::wrong_context, "BUG: scheduling while atomic");
  if (text.starts_with("using ") && contains(text, " in preemptible")) {
    return warning(SplatKind::wrong_context,
                   "BUG: " + std::string(until(text, " in preemptible")) + " in preemptible code");
  }
  if (text.starts_with("workqueue leaked"))
    return warning(SplatKind::wrong_context, "BUG: workqueue leaked lock or atomic");
  if (text.starts_with("MAX_") && contains(text, " too low")) {
    SplatHead head = warning(SplatKind::lockdep_exhausted, "BUG: " + std::string(until(text, "!")));
    head.stack = Stack::none;
    return head;
  }
  if (text.starts_with("spinlock ") || text.starts_with("rwlock ") || text.starts_with("rtmutex "))
    return warning(SplatKind::lockdep, "BUG: " + std::string(until(until(text, " on "), ",")));
  if (auto head = read_lockdep(text)) return *head;
  if (text.starts_with("Bad page "))
    return crash(SplatKind::bad_page, "BUG: " + std::string(until(text, " in process")));
  if (text.starts_with("memory leak")) return warning(SplatKind::memory_leak, "memory leak");
  if (text.starts_with("Dentry ") && contains(text, "still in use")) {
    SplatHead head = warning(SplatKind::bug, "BUG: Dentry still in use");
    head.role = Role::message;
    return head;
  }
  if (text.starts_with("Bad rss-counter") || text.starts_with("non-zero ")) {
    SplatHead head =
        warning(SplatKind::bug, "BUG: " + std::string(until(until(text, " mm:"), ":")));
    head.stack = Stack::none;
    return head;
  }
  return crash(SplatKind::bug, "BUG: " + without_values(text));
}

std::optional<SplatHead> read_warning(std::string_view text) {
  if (const std::string place = source_place(text); !place.empty() && contains(text, "at ")) {
    SplatHead head = warning(SplatKind::warning, "WARNING at " + place);
    head.function = find_function(text);
    head.joint = " ";
    head.role = Role::place;
    return head;
  }
  if (auto head = read_lockdep(text)) return head;
  // Some say the word without a WARN_ON() behind it; these mean no harm.
  for (const std::string_view harmless :
       {"he mand mount option", "workqueue cpumask: ", "Unprivileged eBPF is enabled",
        "fbcon: Driver", "mitigation options", "not compiled with CPU_SRSO", "/etc/ssh/moduli",
        "in DT_FLAGS_1"}) {
    if (contains(text, harmless)) return std::nullopt;
  }
  // The unwinder's own complaint goes on with addresses and a task.
  if (text.starts_with("kernel stack ")) text = until(text, " at ");
  SplatHead head = warning(SplatKind::warning, "WARNING: " + without_values(text));
  head.stack = Stack::none;
  return head;
}

std::optional<SplatHead> read_info(std::string_view text) {
  if (text.starts_with("task ") &&
      (contains(text, " blocked for more than ") || contains(text, " can't die for more than ") ||
       contains(text, " blocked in I/O wait for more than ")))
    return warning(SplatKind::hung_task, "hung task");
  if (text.starts_with("rcu") && contains(text, "detected") && contains(text, " stall"))
    return warning(SplatKind::rcu_stall, "RCU stall");
  return read_lockdep(text);
}

// "Oops: 0002 [#1] SMP", "general protection fault, probably for …: 0000 [#1]", "Internal error:
// Oops: 96000004 [#1] SMP": the number is how often the kernel has died.
std::optional<SplatHead> read_death(std::string_view text) {
  const std::size_t mark = text.find("[#");
  if (mark == npos || mark == 0 || mark + 3 >= text.size() || !is_digit(text[mark + 2]) ||
      text.find(']', mark) == npos)
    return std::nullopt;
  std::string_view what = trim(text.substr(0, mark));
  // The error code, with s390's " ilc:2" and ppc's ", sig: 11".
  if (const std::size_t ilc = what.find(" ilc:"); ilc != npos) what = what.substr(0, ilc);
  const std::size_t colon = what.find_last_of(':');
  if (colon != npos && colon + 1 < what.size() &&
      trim(what.substr(colon)).find_first_not_of(": 0123456789abcdefABCDEF") == npos)
    what = what.substr(0, colon);
  what = until(what, ", ");
  while (what.ends_with(':') || what.ends_with(' '))
    what.remove_suffix(1);
  if (what.size() > 4 && what.starts_with("Oops: ")) what.remove_prefix(6);
  if (what.empty() || !std::isalpha(static_cast<unsigned char>(what[0]))) return std::nullopt;
  SplatHead head = crash(SplatKind::oops, without_values(what));
  head.role = Role::died;
  return head;
}

// SLUB: "BUG kmalloc-64 (Tainted: G    B): Poison overwritten"
std::optional<SplatHead> read_slab_bug(std::string_view text) {
  const std::size_t taint = text.find(" (");
  const std::size_t end = text.find("): ");
  if (taint == npos || end == npos || end < taint) return std::nullopt;
  const std::string_view cache = text.substr(0, taint);
  const std::string_view what = text.substr(end + 3);
  // An old KASAN dumps the object that its own report is about.
  if (contains(what, "kasan: ")) return std::nullopt;
  const bool remaining = contains(what, "emaining");
  SplatHead head =
      head_of(SplatKind::slab, remaining ? SplatClass::warning : SplatClass::crash,
              "BUG " + std::string(cache) + ": " +
                  (remaining ? std::string("Objects remaining") : without_values(what)));
  // Newer kernels add a WARN().
  head.role = Role::message;
  return head;
}

std::string without_dot(std::string_view text) {
  while (text.ends_with('.'))
    text.remove_suffix(1);
  return std::string(text);
}

SplatHead message(SplatHead head) {
  head.role = Role::message;
  return head;
}

// "ODEBUG: free active (active state 0) object: … object type: timer_list hint: …"
std::string debug_object_title(std::string_view text) {
  constexpr std::string_view key = "object type: ";
  const std::size_t type = text.find(key);
  return std::string(until(text, " (")) +
         (type == npos ? std::string()
                       : " " + std::string(until(text.substr(type + key.size()), " ")));
}

std::optional<SplatHead> read_by_first_word(std::string_view text) {
  switch (text[0]) {
    case 'B': {
      std::string_view rest = text;
      if (take(rest, "BUG ")) return read_slab_bug(rest);
      if (text.starts_with("BTRFS: Transaction aborted") ||
          text.starts_with("btrfs: Transaction aborted"))
        return message(warning(SplatKind::warning, without_values(text)));
      break;
    }
    case 'C': {
      // loongarch: "CPU 3 Unable to handle kernel …"
      const std::size_t at = text.find(" Unable to handle kernel ");
      if (text.starts_with("CPU ") && at != npos && at < 10)
        return read_by_first_word(text.substr(at + 1));
      break;
    }
    case 'D':
      if (text.starts_with("DEBUG_LOCKS_WARN_ON("))
        return message(warning(SplatKind::lockdep, std::string(text)));
      break;
    case 'K':
      if (text.starts_with("Kernel panic - not syncing")) {
        text.remove_prefix(std::string_view("Kernel panic - not syncing").size());
        take(text, ": ");
        SplatHead head =
            crash(SplatKind::panic, "Kernel panic: " + without_values(until(text, " in: ")));
        head.function = find_function(text);
        return head;
      }
      break;
    case 'O':
      if (text.starts_with("ODEBUG: ") && contains(text, " object"))
        return message(warning(SplatKind::warning, debug_object_title(text)));
      break;
    case 'U':
      if (text.starts_with("Unable to handle kernel NULL pointer dereference"))
        return crash(SplatKind::oops, "BUG: kernel NULL pointer dereference");
      if (text.starts_with("Unable to handle kernel ") && !contains(text, "NULL pointer"))
        return crash(SplatKind::oops, "BUG: unable to handle page fault");
      if (text.starts_with("UBSAN: ")) {
        const std::string place = source_place(text);
        return warning(SplatKind::ubsan, without_values(until(text, " in ")) +
                                             (place.empty() ? place : " at " + place));
      }
      break;
    case 'V':
      if (text.starts_with("VFS: Busy inodes after unmount") ||
          text.starts_with("VFS: Close: file count is 0"))
        return message(crash(SplatKind::bug, std::string(until(until(text, " of "), " (f_op"))));
      break;
    case 'k':
      if (text.starts_with("kernel BUG at ")) {
        const std::string place = source_place(text);
        SplatHead head =
            crash(SplatKind::kernel_bug, "kernel BUG" + (place.empty() ? place : " at " + place));
        head.role = Role::place;
        return head;
      }
      if (text.starts_with("kmemleak: ") && contains(text, " new suspected memory leak")) {
        SplatHead head = warning(SplatKind::memory_leak, "kmemleak: new suspected memory leaks");
        head.stack = Stack::none;
        return head;
      }
      break;
    case 'l':
      if ((text.starts_with("list_add ") || text.starts_with("list_del ") ||
           text.starts_with("list_add_") || text.starts_with("list_del_")) &&
          (contains(text, "corruption") || contains(text, "double add")))
        return message(crash(SplatKind::list_corruption,
                             std::string(text.substr(0, 8)) +
                                 (contains(text, "corruption") ? " corruption" : " double add")));
      break;
    case 'r':
      if (text.starts_with("refcount_t: "))
        return message(warning(SplatKind::refcount, without_dot(text)));
      break;
    case 't':
    case 'P':
      if (text.starts_with("traps: PANIC: ") || text.starts_with("PANIC: ")) {
        take(text, "traps: ");
        return crash(SplatKind::oops, std::string(until(text, ",")));
      }
      break;
    default:
      break;
  }
  return read_filesystem_head(text);
}

// What follows `word` at the beginning of the line or of a subsystem's message ("watchdog: BUG: ").
std::optional<std::string_view> after_word(std::string_view text, std::string_view word) {
  const std::size_t at = text.find(word);
  if (at == npos || at > 64) return std::nullopt;
  const std::string_view before = text.substr(0, at);
  if (at > 0 && (!before.ends_with(": ") || !std::all_of(before.begin(), before.end(), [](char c) {
        return is_word(c) || c == ' ' || c == ':' || c == '-' || c == '/' || c == '#';
      })))
    return std::nullopt;
  return text.substr(at + word.size());
}

}  // namespace

std::optional<SplatHead> read_splat_head(std::string_view text) {
  text = trim(text);
  // Older kernels frame what lockdep finds: "[ INFO: … ]".
  if (text.starts_with("[ ") && text.ends_with(" ]")) text = trim(text.substr(2, text.size() - 4));
  if (text.size() < 4) return std::nullopt;
  if (auto head = read_by_first_word(text)) return head;
  if (const auto subject = after_word(text, "BUG: ")) return read_bug(*subject);
  if (const auto subject = after_word(text, "WARNING: ")) return read_warning(*subject);
  if (const auto subject = after_word(text, "INFO: ")) return read_info(*subject);
  if (const auto subject = after_word(text, "ERR: ")) return read_lockdep(*subject);
  if (contains(text, "ard LOCKUP") &&
      (text.starts_with("watchdog: ") || text.starts_with("Watchdog ") ||
       text.starts_with("NMI watchdog: ")))
    return warning(SplatKind::hard_lockup, "hard lockup");
  return read_death(text);
}

}  // namespace ffci::kernel_log
