#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/comparison.hpp"
#include "report/comparison_lists.hpp"
#include "report/console_line.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

constexpr std::size_t room_for_the_note = 200;

// Foreign text as a code span, the one place where Markdown knows no markup: no HTML, link,
// mention, emoji or escape. Nothing ends it but a backtick, so it holds none; it stands in no
// table, where a
// '|' would count.
std::string code(std::string_view text) {
  std::string line = shown_line(text);
  std::replace(line.begin(), line.end(), '`', '\'');
  return line.empty() ? "(nothing)" : "`" + line + "`";
}

std::string test_line(const TestChange& test, ComparisonList::Shows shows) {
  if (shows == ComparisonList::Shows::durations) {
    return fmt::format("- {} {}\n", code(to_string(test.id)),
                       shown_durations(test.duration_before, test.duration_after, "→"));
  }
  const std::string reason = why(test);
  return fmt::format("- {} {}{}\n", code(to_string(test.id)), shown_verdicts(test, "→"),
                     reason.empty() ? "" : ": " + code(reason));
}

std::string heading(ComparisonResult result) {
  switch (result) {
    case ComparisonResult::regression:
      return "Regressions";
    case ComparisonResult::incomplete:
      return "Incomplete";
    case ComparisonResult::drift:
      return "No regression, and the baseline is out of date";
    case ComparisonResult::no_change:
      return "No regression";
  }
  return "Incomplete";
}

// The runs side by side: numbers only.
std::string table(const RunSide& a, const RunSide& b) {
  std::string text = "| | earlier | later |\n|---|---:|---:|\n";
  const auto row = [&](std::string_view what, const auto& before, const auto& after) {
    text += fmt::format("| {} | {} | {} |\n", what, before, after);
  };
  row("tests", a.tests, b.tests);
  for (const Verdict verdict : all_verdicts) {
    const int before = a.counts.at(verdict), after = b.counts.at(verdict);
    std::string name(verdict_name(verdict));
    std::replace(name.begin(), name.end(), '_', ' ');
    if (before + after > 0) row(name, before, after);
  }
  row("test time", human_duration(a.test_time), human_duration(b.test_time));
  row("retries", a.retries, b.retries);
  row("crashed attempts", a.crashed_attempts, b.crashed_attempts);
  return text;
}

// Lines that are wanted most come first, so that the end is what is cut.
std::vector<std::string> all_lines(const RunComparison& comparison) {
  const ComparisonVerdict verdict = verdict_of(comparison);
  std::vector<std::string> lines;
  lines.push_back(fmt::format("## {}\n\n", heading(verdict.result)));
  lines.push_back(fmt::format("{}. Compared: {} with {}.\n\n", verdict.why,
                              code(comparison.b.shown), code(comparison.a.shown)));
  for (const std::string& note : comparison_notes(comparison, code))
    lines.push_back(note + "\n\n");
  lines.push_back(table(comparison.a, comparison.b));
  if (!comparison.new_signatures.empty()) {
    lines.push_back(
        fmt::format("\n### New kernel reports ({})\n\n", comparison.new_signatures.size()));
    for (const NewSignature& signature : comparison.new_signatures) {
      lines.push_back(fmt::format("- {} {}: in {}, first {}\n", code(signature.signature),
                                  code(signature.title), counted(signature.tests.size(), "test"),
                                  code(to_string(signature.tests.front()))));
    }
  }
  for (const ComparisonList& list : comparison_lists(comparison)) {
    lines.push_back(fmt::format("\n### {} ({})\n\n", list.title, list.tests.size()));
    for (const TestChange* test : list.tests)
      lines.push_back(test_line(*test, list.shows));
  }
  return lines;
}

}  // namespace

std::string comparison_markdown(const RunComparison& comparison, std::size_t most) {
  const std::vector<std::string> lines = all_lines(comparison);
  std::size_t total = 0;
  for (const std::string& line : lines)
    total += line.size();
  const std::size_t room = total <= most ? most : most - std::min(most, room_for_the_note);
  std::string text;
  std::size_t shown = 0;
  while (shown < lines.size() && text.size() + lines[shown].size() <= room)
    text += lines[shown++];
  if (shown < lines.size()) {
    text += fmt::format("\n{} of {} lines ({} of {} bytes) were cut here.\n", lines.size() - shown,
                        lines.size(), total - text.size(), total);
  }
  return text;
}

}  // namespace ffci
