#include "kernel_log/console_line.hpp"

#include <cstddef>

namespace ffci::kernel_log {
namespace {

constexpr auto npos = std::string_view::npos;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end]))
    ++end;
  return end - at;
}

std::size_t spaces_at(std::string_view text, std::size_t at) {
  const std::size_t end = text.find_first_not_of(' ', at);
  return (end == npos ? text.size() : end) - at;
}

// The length of "[   12.345678]" at `at`; 0: there is none.
std::size_t time_at(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  end += spaces_at(text, end);
  const std::size_t seconds = digits_at(text, end);
  end += seconds;
  if (seconds == 0 || end >= text.size() || text[end] != '.') return 0;
  ++end;
  const std::size_t fraction = digits_at(text, end);
  end += fraction;
  if (fraction != 6 || end >= text.size() || text[end] != ']') return 0;
  return end + 1 - at;
}

// "[  T123]", "[    C1]": CONFIG_PRINTK_CALLER.
std::string_view take_caller(std::string_view& text) {
  std::size_t at = spaces_at(text, 0);
  if (at >= text.size() || text[at] != '[') return {};
  ++at;
  at += spaces_at(text, at);
  if (at >= text.size() || (text[at] != 'T' && text[at] != 'C')) return {};
  const std::size_t digits = digits_at(text, at + 1);
  const std::size_t end = at + 1 + digits;
  if (digits == 0 || end >= text.size() || text[end] != ']') return {};
  const std::string_view caller = text.substr(at, end - at);
  text.remove_prefix(end + 1);
  return caller;
}

}  // namespace

ConsoleLine read_console_line(std::string_view line) {
  while (line.ends_with('\r'))
    line.remove_suffix(1);
  ConsoleLine read{line, {}, false, false};
  std::size_t at = 0;
  if (line.starts_with('<')) {
    const std::size_t digits = digits_at(line, 1);
    if (digits > 0 && digits < 5 && line.substr(1 + digits).starts_with('>')) {
      at = digits + 2;
      read.text = line.substr(at);
      // A facility other than 0.
      read.from_user = digits > 1 || line[1] > '7';
    }
  }
  for (at = line.find('[', at); at != npos; at = line.find('[', at + 1)) {
    const std::size_t length = time_at(line, at);
    if (length == 0) continue;
    read.stamped = true;
    read.text = line.substr(at + length);
    read.caller = take_caller(read.text);
    if (read.text.starts_with(' ')) read.text.remove_prefix(1);
    break;
  }
  return read;
}

}  // namespace ffci::kernel_log
