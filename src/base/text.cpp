#include "base/text.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace ffci {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

struct CodePoint {
  char32_t value = 0;
  size_t length = 1;  // bytes taken
  bool valid = false;
};

// Decodes by the well-formed byte sequences of Unicode 15, table 3-7 (no surrogates, no overlong
// forms).
CodePoint decode(std::string_view s) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char b0 = byte(0);
  if (b0 < 0x80) return {b0, 1, true};
  size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;
  char32_t value = 0;
  if (b0 >= 0xC2 && b0 <= 0xDF) {
    length = 2, value = b0 & 0x1F;
  } else if (b0 >= 0xE0 && b0 <= 0xEF) {
    length = 3, value = b0 & 0x0F;
    if (b0 == 0xE0) low = 0xA0;
    if (b0 == 0xED) high = 0x9F;
  } else if (b0 >= 0xF0 && b0 <= 0xF4) {
    length = 4, value = b0 & 0x07;
    if (b0 == 0xF0) low = 0x90;
    if (b0 == 0xF4) high = 0x8F;
  } else {
    return {};
  }
  for (size_t i = 1; i < length; ++i) {
    if (i >= s.size() || byte(i) < low || byte(i) > high) return {0, i, false};
    value = value << 6 | (byte(i) & 0x3F);
    low = 0x80, high = 0xBF;
  }
  return {value, length, true};
}

// How many bytes of `s`, which begins with ESC, are one terminal escape sequence (ECMA-48: CSI, OSC
// and other strings, short escapes).
size_t escape_length(std::string_view s) {
  if (s.size() < 2) return 1;
  const char kind = s[1];
  if (kind == '[') {
    size_t i = 2;
    while (i < s.size() && s[i] >= 0x20 && s[i] <= 0x3F)
      ++i;
    return i < s.size() && s[i] >= 0x40 && s[i] <= 0x7E ? i + 1 : i;
  }
  if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {
    for (size_t i = 2; i < s.size() && s[i] != '\n'; ++i) {
      if (s[i] == '\a') return i + 1;
      if (s[i] == '\x1B') return i + 1 < s.size() && s[i + 1] == '\\' ? i + 2 : i;
    }
    return 2;
  }
  size_t i = 1;
  while (i < s.size() && s[i] >= 0x20 && s[i] <= 0x2F)
    ++i;
  return i < s.size() && s[i] >= 0x30 && s[i] <= 0x7E ? i + 1 : i;
}

// Optimal string alignment: insertions, deletions, changes, and swaps of neighbours count one each.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> distance(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      size_t& here = distance[i][j];
      if (i == 0 || j == 0) {
        here = i + j;
        continue;
      }
      here = std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1,
                       distance[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        here = std::min(here, distance[i - 2][j - 2] + 1);
      }
    }
  }
  return distance[a.size()][b.size()];
}

}  // namespace

std::string_view trim(std::string_view text) {
  constexpr std::string_view space = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0;;) {
    const size_t end = text.find(separator, at);
    parts.push_back(text.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

bool glob_matches(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

bool is_glob(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

std::string nearest_word(std::string_view typed, std::span<const std::string> known) {
  if (typed.size() > 200) return {};
  const std::string* best = nullptr;
  size_t best_distance = 0;
  for (const std::string& word : known) {
    const size_t distance = edit_distance(typed, word);
    const size_t allowed = std::max<size_t>(1, std::max(typed.size(), word.size()) / 3);
    if (distance <= allowed && (best == nullptr || distance < best_distance))
      best = &word, best_distance = distance;
  }
  return best == nullptr ? std::string() : *best;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string> known) {
  const std::string word = nearest_word(typed, known);
  return word.empty() ? std::string() : fmt::format("; did you mean '{}'?", word);
}

bool is_header_name(std::string_view text) {
  constexpr std::string_view fit =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~";
  return !text.empty() && text.find_first_not_of(fit) == std::string_view::npos;
}

std::string shell_quote(std::string_view word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos)
    return std::string(word);
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  int shift = 0;
  if (!unit.empty()) {
    const size_t power = std::string_view("KMGT").find(
        static_cast<char>(std::toupper(static_cast<unsigned char>(unit[0]))));
    if (power != std::string_view::npos) {
      shift = 10 * (static_cast<int>(power) + 1);
      unit.remove_prefix(1);
      if (unit.starts_with('i')) unit.remove_prefix(1);
    }
    if (unit.starts_with('B')) unit.remove_prefix(1);
    if (!unit.empty()) return std::nullopt;
  }
  if (number > (std::uint64_t{1} << 62) >> shift) return std::nullopt;
  return number << shift;
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units))
    value /= 1024, ++unit;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string to_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const CodePoint point = decode(bytes);
    text += point.valid ? bytes.substr(0, point.length) : replacement;
    bytes.remove_prefix(point.length);
  }
  return text;
}

std::string printable(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    if (bytes[0] == '\x1B') {
      bytes.remove_prefix(escape_length(bytes));
      continue;
    }
    const CodePoint point = decode(bytes);
    const char32_t c = point.value;
    if (!point.valid || c == 0xFFFE || c == 0xFFFF) {
      text += replacement;
    } else if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7F && c < 0xA0)) {
      text += fmt::format("#x{:02X}", static_cast<unsigned>(c));
    } else {
      text += bytes.substr(0, point.length);
    }
    bytes.remove_prefix(point.length);
  }
  return text;
}

std::string printable_line(std::string_view bytes, size_t most) {
  // Nothing that is shown needs more than a few bytes of input per byte shown.
  std::string line = printable(bytes.substr(0, most * 8 + 64));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  line = std::string(trim(line));
  if (line.size() <= most) return line;
  size_t cut = most;
  while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80)
    --cut;
  line.resize(cut);
  return line + "…";
}

std::string printable_last_line(std::string_view bytes, size_t most) {
  const std::string_view text = trim(bytes);
  return printable_line(text.substr(text.rfind('\n') + 1), most);
}

}  // namespace ffci
