// What file systems say when they find themselves corrupt. Messages that an injected I/O error or a
// shutdown on request brings along are none of these.
#include <algorithm>

#include "base/text.hpp"
#include "kernel_log/call_trace.hpp"
#include "kernel_log/splat_head.hpp"
#include "kernel_log/stable_text.hpp"

namespace ffci::kernel_log {
namespace {

using Role = SplatHead::Role;
using Stack = SplatHead::Stack;
constexpr auto npos = std::string_view::npos;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != npos;
}
bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [text](std::string_view part) { return contains(text, part); });
}
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}
std::string_view until(std::string_view text, std::string_view end) {
  return text.substr(0, text.find(end));
}

SplatHead corruption(std::string title) {
  SplatHead head;
  head.kind = SplatKind::corruption;
  head.splat_class = SplatClass::corruption;
  head.title = std::move(title);
  head.stack = Stack::none;
  return head;
}
SplatHead consequence(std::string title) {
  SplatHead head = corruption(std::move(title));
  head.role = Role::consequence;
  return head;
}
SplatHead assertion(std::string title) {
  SplatHead head;
  head.kind = SplatKind::assertion;
  head.title = std::move(title);
  head.role = Role::message;
  return head;
}

// "cond, file: fs/xfs/xfs_inode.c, line: 123", "cond, in fs/btrfs/inode.c:123"
std::string assertion_title(std::string_view prefix, std::string_view text) {
  const std::size_t end =
      std::min({text.rfind(", file: "), text.rfind(", in "), text.find(" :: "), text.size()});
  return std::string(prefix) + std::string(text.substr(0, std::min<std::size_t>(end, 160)));
}

std::optional<SplatHead> read_xfs(std::string_view text) {
  if (take(text, "Assertion failed: "))
    return assertion(assertion_title("XFS: Assertion failed: ", text));
  const bool metadata = text.starts_with("Metadata corruption detected at ");
  if (metadata || text.starts_with("Metadata CRC error detected at ")) {
    SplatHead head = corruption(metadata ? "XFS: Metadata corruption detected"
                                         : "XFS: Metadata CRC error detected");
    head.function = find_function(text);
    // "… xfs_inode block 0x2fc4e0 xfs_inode_buf_verify": the verifier tells more.
    const std::string_view last = text.substr(text.find_last_of(' ') + 1);
    if (last.starts_with("xfs_") && contains(last, "verify"))
      head.function = leading_function(last);
    return head;
  }
  if (text.starts_with("Internal error ")) {
    std::string title = "XFS: Internal error";
    const std::size_t file = text.find(" of file ");
    const std::size_t line = text.find(" at line ");
    if (file != npos && line != npos && line < file) {
      std::string_view name = until(until(text.substr(file + 9), ".  "), " ");
      while (take(name, "../"))
        continue;
      title +=
          " at " + std::string(name) + ":" + std::string(text.substr(line + 9, file - line - 9));
    }
    SplatHead head = corruption(title);
    head.function = find_function(text);
    head.stack = Stack::announced;
    return head;
  }
  if (text.starts_with("Corruption of in-memory data") ||
      text.starts_with("Corruption of on-disk metadata")) {
    SplatHead head = consequence("XFS: " + std::string(until(until(text, " detected"), " (")));
    head.function = find_function(text);
    return head;
  }
  if (text.starts_with("Corruption detected")) return consequence("XFS: Corruption detected");
  return std::nullopt;
}

// "in func:123: errno=-5 IO failure"
std::optional<SplatHead> read_btrfs_abort(std::string_view text) {
  if (!take(text, "in ") || !contains(text, "errno=")) return std::nullopt;
  SplatHead head =
      consequence("BTRFS error: " + std::string(until(text.substr(text.find("errno=")), " (")));
  head.function = leading_function(text);
  return head;
}

std::optional<SplatHead> read_btrfs(std::string_view level, std::string_view text) {
  if (level == "critical" || level == "panic" || level == "emergency")
    return corruption("BTRFS " + std::string(level) + ": " + without_values(text));
  if (level != "error" && !level.empty()) return std::nullopt;
  if (contains_any(text, {"parent transid verify failed", "bad tree block", "level verify failed",
                          "tree first key mismatch", "corrupt leaf", "corrupt node"}))
    return corruption("BTRFS error: " + without_values(until(until(text, " on "), " mirror ")));
  if (text.starts_with("Transaction aborted "))
    return consequence("BTRFS error: Transaction aborted");
  return read_btrfs_abort(text);
}

// ext4: "func:123: inode #2: comm ls: what" and "in func:123: what"
SplatHead read_ext4_error(std::string_view name, std::string_view text) {
  take(text, "in ");
  SplatHead head = corruption(std::string(name));
  head.function = leading_function(text);
  if (head.function.empty()) head.title += ": " + without_values(text);
  if (contains(text, "Detected aborted journal")) head.role = Role::consequence;
  return head;
}

std::optional<SplatHead> read_f2fs(std::string_view text) {
  if (!contains_any(text, {"nconsistent", "orrupt", "run fsck to fix", "nvalid blkaddr"}))
    return std::nullopt;
  return corruption("F2FS-fs: " + without_values(text));
}

std::optional<SplatHead> read_bcachefs(std::string_view text) {
  if (!contains_any(text, {"emergency read only", "inconsistency detected", "nconsistency",
                           "error validating", "fatal error"}))
    return std::nullopt;
  return corruption("bcachefs: " + without_values(text));
}

// What is between the brackets names the device; `text` goes on after it and its colon.
bool take_device(std::string_view& text) {
  if (!text.starts_with('(')) return false;
  const std::size_t end = text.find(')');
  if (end == npos || end > 200) return false;
  text.remove_prefix(end + 1);
  take(text, ":");
  text = trim(text);
  return true;
}

std::optional<SplatHead> read_named(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> errors[] = {
      {"EXT4-fs error ", "EXT4-fs error"}, {"EXT3-fs error ", "EXT3-fs error"},
      {"EXT2-fs error ", "EXT2-fs error"}, {"NILFS error ", "NILFS error"},
      {"OCFS2: ERROR ", "OCFS2 error"},
  };
  for (const auto& [beginning, name] : errors) {
    std::string_view rest = text;
    if (take(rest, beginning) && take_device(rest)) return read_ext4_error(name, rest);
  }
  for (const std::string_view name : {"FAT-fs ", "exFAT-fs "}) {
    std::string_view rest = text;
    if (take(rest, name) && take_device(rest) && take(rest, "error, "))
      return corruption(std::string(name) + "error: " + without_values(rest));
  }
  return std::nullopt;
}

}  // namespace

std::optional<SplatHead> read_filesystem_head(std::string_view text) {
  std::string_view rest = text;
  switch (text[0]) {
    case 'X':
      if (take(rest, "XFS: ") || (take(rest, "XFS ") && take_device(rest))) return read_xfs(rest);
      return std::nullopt;
    case 'B': {
      if (!take(rest, "BTRFS")) return std::nullopt;
      take(rest, ":");
      if (!take(rest, " ")) return std::nullopt;
      if (take(rest, "assertion failed: "))
        return assertion(assertion_title("BTRFS: assertion failed: ", rest));
      const std::string_view level = until(rest, " ");
      rest.remove_prefix(level.size());
      rest = trim(rest);
      if (!take_device(rest)) take(rest, ": ");
      return read_btrfs(level, rest);
    }
    case 'a':
      if (take(rest, "assertion failed: ") && contains(rest, ", in "))
        return assertion(assertion_title("assertion failed: ", rest));
      return std::nullopt;
    case 'A':
      // jbd2's J_ASSERT.
      if (take(rest, "Assertion failure in ")) {
        const std::size_t condition = rest.find('"');
        SplatHead head = assertion(
            "Assertion failure" +
            (condition == npos ? std::string() : ": " + std::string(rest.substr(condition, 160))));
        head.function = leading_function(rest);
        return head;
      }
      if (text.starts_with("Aborting journal on device"))
        return consequence("JBD2: journal aborted");
      return std::nullopt;
    case 'J':
      if (text.starts_with("JBD2: ") && contains(text, "etected aborted journal"))
        return consequence("JBD2: journal aborted");
      return std::nullopt;
    case 'F':
      if (take(rest, "F2FS-fs ") && take_device(rest)) return read_f2fs(rest);
      return read_named(text);
    case 'b':
      if (take(rest, "bcachefs ") && take_device(rest)) return read_bcachefs(rest);
      return std::nullopt;
    case 'G': {
      const std::size_t fatal = text.find(": fatal: ");
      if (text.starts_with("GFS2: fsid=") && fatal != npos)
        return corruption("GFS2 fatal: " + without_values(text.substr(fatal + 9)));
      return std::nullopt;
    }
    case 'E':
    case 'N':
    case 'O':
    case 'e':
      return read_named(text);
    default:
      return std::nullopt;
  }
}

}  // namespace ffci::kernel_log
