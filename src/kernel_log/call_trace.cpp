#include "kernel_log/call_trace.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"

namespace ffci::kernel_log {
namespace {

constexpr std::size_t longest_name = 128;

bool is_hex(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '$';
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::size_t take_hex(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_hex);
  const auto length = static_cast<std::size_t>(end - text.begin());
  text.remove_prefix(length);
  return length;
}

std::string plain_name(std::string_view name) {
  take(name, ".");  // ppc64's first ABI
  name = name.substr(0, std::min(name.find('.'), longest_name));
  for (const std::string_view prefix :
       {"__x64_", "__ia32_", "__arm64_", "__s390x_", "__riscv_", "__powerpc_", "__se_", "__do_"}) {
    if (name.starts_with(prefix) && name.substr(prefix.size()).starts_with("sys_"))
      name.remove_prefix(prefix.size());
  }
  return std::string(name);
}

struct Symbol {
  std::string_view name;
  std::string_view after;
};

// "name+0x1c/0x20", `plus` being where its "+0x" is.
Symbol symbol_at(std::string_view text, std::size_t plus) {
  std::string_view after = text.substr(plus);
  if (!take(after, "+0x") || take_hex(after) == 0 || !take(after, "/0x") || take_hex(after) == 0)
    return {};
  std::size_t start = plus;
  while (start > 0 && is_name(text[start - 1]))
    --start;
  return {text.substr(start, plus - start), after};
}

// "<TASK>", "</IRQ>", "<EOI> …"
bool take_context_mark(std::string_view& text, bool& leaves) {
  if (text.size() < 4 || text[0] != '<') return false;
  std::string_view inside = text.substr(1);
  const bool closing = take(inside, "/");
  const std::size_t end = inside.find('>');
  if (end == std::string_view::npos || end == 0 || end > 12) return false;
  const std::string_view name = inside.substr(0, end);
  if (!std::all_of(name.begin(), name.end(), [](char c) {
        return std::isupper(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '#' ||
               std::isdigit(static_cast<unsigned char>(c)) != 0;
      }))
    return false;
  leaves |= closing || name == "EOI" || name == "EOE";
  text = trim(inside.substr(end + 1));
  return true;
}

// "[<ffffffff81234567>] ", "[c0000000001] [c0000000002] "
void take_addresses(std::string_view& text) {
  while (text.starts_with('[')) {
    std::string_view rest = text.substr(1);
    const bool angled = take(rest, "<");
    if (take_hex(rest) == 0 || (angled && !take(rest, ">")) || !take(rest, "]")) return;
    text = trim(rest);
  }
}

// 32 bit arm: "(callee) from [<8028986c>] (caller+0x64/0x84)", "callee from caller+0x64/0x84"
std::string_view callee_of_arm_frame(std::string_view text) {
  const bool bracketed = take(text, "(");
  const auto end = std::find_if_not(text.begin(), text.end(), is_name);
  const std::string_view callee = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  std::string_view rest = text.substr(callee.size());
  if (bracketed && !take(rest, ")")) return {};
  return take(rest, " from ") ? callee : std::string_view();
}

TraceLine read_frame(std::string_view text) {
  TraceLine line;
  while (take_context_mark(text, line.leaves_context))
    continue;
  take_addresses(text);
  if (const std::string_view callee = callee_of_arm_frame(text); !callee.empty()) {
    line.kind = TraceLine::Kind::frame;
    line.function = plain_name(callee);
    return line;
  }
  const std::size_t plus = text.find("+0x");
  if (plus == std::string_view::npos || plus == 0 || plus > 300) return line;
  const Symbol symbol = symbol_at(text, plus);
  // "? func" and "(func" do not begin with the name.
  if (symbol.name.size() != plus || symbol.after.starts_with(" (unreliable)")) return line;
  line.kind = TraceLine::Kind::frame;
  line.function = plain_name(symbol.name);
  return line;
}

// "RIP: 0010:func+0x1/0x2": the low bits of the segment say whether it is the kernel's.
TraceLine read_instruction_pointer(std::string_view rest) {
  TraceLine line;
  rest = trim(rest);
  std::string_view segment = rest;
  if (take_hex(segment) == 4 && segment.starts_with(':') && (rest[3] == '3' || rest[3] == 'b')) {
    line.kind = TraceLine::Kind::ends;
    return line;
  }
  line.kind = TraceLine::Kind::registers;
  line.function = find_function(rest);
  return line;
}

bool is_other_section(std::string_view text) {
  static constexpr std::string_view beginnings[] = {"Modules linked in:",
                                                    "Kernel Offset:",
                                                    "Last Breaking-Event-Address",
                                                    "---[",
                                                    "irq event stamp:",
                                                    "Instruction dump:",
                                                    "The buggy address",
                                                    "Object ",
                                                    "Memory state",
                                                    "Showing all locks",
                                                    "FAULT_INJECTION:",
                                                    "------------"};
  return std::any_of(std::begin(beginnings), std::end(beginnings),
                     [text](std::string_view beginning) { return text.starts_with(beginning); }) ||
         (text.ends_with(':') && text.size() < 120);
}

}  // namespace

std::string find_function(std::string_view text) {
  for (std::size_t plus = text.find("+0x"); plus != std::string_view::npos;
       plus = text.find("+0x", plus + 1)) {
    const Symbol symbol = symbol_at(text, plus);
    if (!symbol.name.empty()) return plain_name(symbol.name);
  }
  return {};
}

std::string leading_function(std::string_view text) {
  text = trim(text);
  const auto end = std::find_if_not(text.begin(), text.end(), is_name);
  return plain_name(text.substr(0, static_cast<std::size_t>(end - text.begin())));
}

TraceLine read_trace_line(std::string_view text) {
  text = trim(text);
  TraceLine line;
  for (const std::string_view header :
       {"Call Trace:", "Call trace:", "Backtrace:", "backtrace:", "backtrace (crc "}) {
    if (text.starts_with(header)) {
      line.kind = TraceLine::Kind::begins;
      return line;
    }
  }
  // riscv's registers end so, and the frames follow.
  if (text.starts_with("status: ") && text.find(" cause: ") != std::string_view::npos) {
    line.kind = TraceLine::Kind::begins;
    return line;
  }
  for (const std::string_view name : {"RIP:", "IP:", "EIP:"}) {
    std::string_view rest = text;
    if (take(rest, name)) return read_instruction_pointer(rest);
  }
  for (const std::string_view name :
       {"pc :", "pc:", "PC is at ", "epc :", "epc   :", "NIP [", "NIP:", "Krnl PSW :", "ERA:"}) {
    if (!text.starts_with(name)) continue;
    line.kind = TraceLine::Kind::registers;
    line.function = find_function(text);
    return line;
  }
  line = read_frame(text);
  if (line.kind == TraceLine::Kind::other && !line.leaves_context && is_other_section(text))
    line.kind = TraceLine::Kind::ends;
  return line;
}

}  // namespace ffci::kernel_log
