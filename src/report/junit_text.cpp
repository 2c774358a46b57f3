#include "report/junit_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/text.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

// Of GitLab's 30 MB; the rest is for the elements themselves, names and messages.
constexpr std::size_t budget_of_file = 16'000'000;
constexpr std::size_t longest_stream = 64 * 1024;
constexpr std::size_t longest_message = 300;
constexpr std::size_t excerpt_lines = 40;
constexpr std::size_t most_kernel_reports = 10;

std::size_t xml_size(char c) {
  switch (c) {
    case '&':
      return 5;
    case '<':
    case '>':
      return 4;
    case '"':
      return 6;
    case '\t':
    case '\n':
    case '\r':
      return 1;
    default:
      return static_cast<unsigned char>(c) < 0x20 ? 4 : 1;  // #x1B
  }
}

std::size_t xml_size(std::string_view text) {
  std::size_t size = 0;
  for (const char c : text)
    size += xml_size(c);
  return size;
}

// How many bytes, taken from `begin` on, make at most `most` bytes of XML.
template <class Iterator>
std::size_t fitting(Iterator begin, Iterator end, std::size_t most) {
  std::size_t size = 0, bytes = 0;
  for (; begin != end && size + xml_size(*begin) <= most; ++begin, ++bytes)
    size += xml_size(*begin);
  return bytes;
}

std::string_view xml_beginning(std::string_view text, std::size_t most) {
  return beginning_of(text, fitting(text.begin(), text.end(), most));
}

std::string_view xml_end(std::string_view text, std::size_t most) {
  return end_of(text, fitting(text.rbegin(), text.rend(), most));
}

// From the first line that begins in `text`, unless there is only one.
std::string_view from_line_start(std::string_view text) {
  const std::size_t line_end = text.find('\n');
  return line_end == std::string_view::npos || line_end + 1 == text.size()
             ? text
             : text.substr(line_end + 1);
}

// CR and CR LF are LF to every reader of XML; written so, the file is the same before and after.
std::string shown(std::string_view text) {
  std::string result = without_commands(printable(text));
  std::size_t end = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (result[i] == '\r' && i + 1 < result.size() && result[i + 1] == '\n') continue;
    result[end++] = result[i] == '\r' ? '\n' : result[i];
  }
  result.resize(end);
  return result;
}

std::string kernel_reports(const Attempt& attempt, std::size_t longest) {
  std::string text;
  std::size_t told = 0;
  for (const KernelReport& report : attempt.kernel_reports) {
    if (told++ == most_kernel_reports) break;
    text += "  " + junit_message(report.title, longest);
    if (!report.allowed.empty())
      text += fmt::format(" (allowed: {})", junit_message(report.allowed, longest));
    text += "\n";
  }
  return text;
}

JunitBudget budget_with_stream(std::size_t stream) {
  return {stream, stream / 8, std::clamp<std::size_t>(stream / 4, 64, longest_message)};
}

}  // namespace

JunitBudget junit_budget(const Run& run) {
  std::vector<std::size_t> sizes, sizes_of_excerpts;
  for (const TestResult& test : run.tests()) {
    for (const auto* attempts : {&test.attempts, &test.reruns}) {
      for (const Attempt& attempt : *attempts) {
        for (const OutputExcerpt* output : {&attempt.standard_output, &attempt.standard_error}) {
          sizes.push_back(xml_size(output->head) + xml_size(output->tail));
          sizes_of_excerpts.push_back(sizes.back());
        }
        // What the kernel said during a pass is kept, but not shown.
        if (attempt.outcome && std::holds_alternative<Passed>(*attempt.outcome)) continue;
        const OutputExcerpt& log = attempt.kernel_log;
        sizes_of_excerpts.push_back(xml_size(log.head) + xml_size(log.tail));
        sizes_of_excerpts.push_back(xml_size(kernel_reports(attempt, longest_message)));
      }
    }
  }
  std::size_t stream = longest_stream;
  for (; stream > 64; stream /= 2) {
    const JunitBudget budget = budget_with_stream(stream);
    std::size_t total = 0;
    for (const std::size_t size : sizes)
      total += std::min(size, budget.stream);
    for (const std::size_t size : sizes_of_excerpts)
      total += std::min(size, budget.excerpt);
    if (total <= budget_of_file) break;
  }
  return budget_with_stream(stream);
}

std::string junit_message(std::string_view text, std::size_t most) {
  const std::string line = shown_line(text, most);
  const std::string_view fits =
      xml_beginning(line, most + 3);  // of the "…" that shown_line may have added
  return std::string(fits);
}

std::string junit_kernel_reports(const Attempt& attempt, const JunitBudget& budget) {
  const std::string text = kernel_reports(attempt, budget.message);
  if (text.empty()) return {};
  const std::string_view fits = xml_beginning(text, budget.excerpt);
  const std::string_view whole_lines = fits.substr(0, fits.rfind('\n') + 1);
  const auto told = std::count(whole_lines.begin(), whole_lines.end(), '\n');
  const std::size_t untold = attempt.kernel_reports.size() - static_cast<std::size_t>(told);
  return fmt::format("the kernel reported:\n{}{}", whole_lines,
                     untold == 0 ? "" : fmt::format("  and {} more\n", untold));
}

std::string junit_stream(const OutputExcerpt& output, std::string_view file, std::size_t most) {
  const bool joins = output.between == 0;
  const std::string joined = joins ? output.head + output.tail : std::string();
  if (joins && xml_size(joined) <= most) return shown(joined);
  const std::string_view first = joins ? joined : output.head;
  const std::string_view last = joins ? joined : output.tail;
  const std::string_view head = xml_beginning(first, most / 4);
  std::string_view tail = last.substr(joins ? head.size() : 0);
  if (const std::string_view fits = xml_end(tail, most - most / 4); fits.size() < tail.size())
    tail = from_line_start(fits);
  const std::uint64_t kept = head.size() + tail.size();
  const std::uint64_t missing = output.bytes > kept ? output.bytes - kept : 0;
  std::string text = shown(head);
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  text += fmt::format("[... {} not shown{}{} ...]\n", human_size(missing),
                      file.empty() ? "" : "; see ", file);
  return text + shown(tail);
}

std::string junit_excerpt(const Attempt& attempt, std::size_t most) {
  std::string text;
  for (const auto& [name, output] :
       {std::pair{"stdout", &attempt.standard_output}, std::pair{"stderr", &attempt.standard_error},
        std::pair{"dmesg", &attempt.kernel_log}}) {
    const std::vector<std::string> lines = last_lines(*output, excerpt_lines);
    std::size_t from = lines.size(), size = 0;
    while (from > 0 && size + xml_size(lines[from - 1]) + 1 <= most)
      size += xml_size(lines[--from]) + 1;
    if (from == lines.size()) continue;
    text += fmt::format(
        "last lines of {}:\n{}\n", name,
        fmt::join(lines.begin() + static_cast<std::ptrdiff_t>(from), lines.end(), "\n"));
  }
  return text;
}

}  // namespace ffci
