#include "report/shown_text.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace ffci {
namespace {

constexpr std::size_t longest_line = 400;

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// A space into each `command`, `at_byte` bytes from its beginning.
std::string broken_up(std::string_view text, std::string_view command, std::size_t at_byte) {
  std::string result;
  for (;;) {
    const std::size_t at = text.find(command);
    if (at == std::string_view::npos) return result.append(text);
    result.append(text.substr(0, at + at_byte)).append(1, ' ').append(command.substr(at_byte));
    text.remove_prefix(at + command.size());
  }
}

std::string as_terminal_leaves_it(std::string_view line) {
  while (line.ends_with('\r'))
    line.remove_suffix(1);
  line = line.substr(line.rfind('\r') + 1);  // npos + 1 is 0
  const std::string text = without_commands(printable(beginning_of(line, longest_line)));
  return line.size() > longest_line ? text + "…" : text;
}

}  // namespace

std::string without_commands(std::string_view text) {
  return broken_up(broken_up(text, "##[", 2), "[[ATTACHMENT|", 1);
}

std::string shown_line(std::string_view text, std::size_t most) {
  return without_commands(printable_line(text, most));
}

std::vector<std::string> last_lines(const OutputExcerpt& output, std::size_t most) {
  const std::string joined = output.between == 0 ? output.head + output.tail : std::string();
  const std::string_view kept =
      output.between == 0 ? std::string_view(joined) : std::string_view(output.tail);
  std::string_view text = end_of(kept, most * longest_line);
  const bool begins_within_line =
      text.size() < kept.size() && kept[kept.size() - text.size() - 1] != '\n';
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.empty()) return {};
  std::vector<std::string_view> lines = split(text, '\n');
  const bool only_the_end_of_a_line = begins_within_line && lines.size() == 1;
  if (begins_within_line && !only_the_end_of_a_line) lines.erase(lines.begin());
  std::vector<std::string> shown;
  for (std::size_t i = lines.size() - std::min(most, lines.size()); i < lines.size(); ++i) {
    shown.push_back(as_terminal_leaves_it(lines[i]));
  }
  if (only_the_end_of_a_line) shown.front().insert(0, "…");
  return shown;
}

std::string_view beginning_of(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && continues_character(text[most]))
    --most;
  return text.substr(0, most);
}

std::string_view end_of(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t from = text.size() - most;
  while (from < text.size() && continues_character(text[from]))
    ++from;
  return text.substr(from);
}

}  // namespace ffci
