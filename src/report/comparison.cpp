#include "report/comparison.hpp"

#include <fmt/format.h>

#include "report/comparison_lists.hpp"
#include "report/console_line.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

constexpr std::size_t most_named_tests = 10;  // behind a signature

std::string shown(std::string_view text) {
  return shown_line(text);
}

std::string test_line(const TestChange& test, ComparisonList::Shows shows) {
  if (shows == ComparisonList::Shows::durations) {
    return fmt::format("  - {}  {}\n", shown_name(test.id),
                       shown_durations(test.duration_before, test.duration_after, "->"));
  }
  const std::string reason = shown_line(why(test));
  return fmt::format("  - {}  {}{}{}\n", shown_name(test.id), shown_verdicts(test, "->"),
                     reason.empty() ? "" : "  ", reason);
}

std::string signature_lines(const NewSignature& signature) {
  std::string names;
  for (std::size_t i = 0; i < signature.tests.size() && i < most_named_tests; ++i)
    names += (i == 0 ? "" : ", ") + shown_name(signature.tests[i]);
  if (signature.tests.size() > most_named_tests)
    names += fmt::format(" and {} more", signature.tests.size() - most_named_tests);
  return fmt::format("  - {}  {}\n    in {}\n", shown_line(signature.signature),
                     shown_line(signature.title), names);
}

}  // namespace

// A line never begins with foreign text.
std::string comparison_text(const RunComparison& comparison) {
  std::string text;
  if (!comparison.new_signatures.empty()) {
    text += fmt::format("New kernel reports ({}):\n", comparison.new_signatures.size());
    for (const NewSignature& signature : comparison.new_signatures)
      text += signature_lines(signature);
    text += '\n';
  }
  for (const ComparisonList& list : comparison_lists(comparison)) {
    text += fmt::format("{} ({}):\n", list.title, list.tests.size());
    for (const TestChange* test : list.tests)
      text += test_line(*test, list.shows);
    text += '\n';
  }
  for (const std::string& note : comparison_notes(comparison, shown))
    text += note + '\n';
  const RunSide &a = comparison.a, &b = comparison.b;
  text += fmt::format("from {} to {}: {}\n", shown(a.shown), shown(b.shown),
                      comparison_counts(comparison));
  text += fmt::format("test time {}; retries {} -> {}; crashed attempts {} -> {}\n",
                      shown_durations(a.test_time, b.test_time, "->"), a.retries, b.retries,
                      a.crashed_attempts, b.crashed_attempts);
  const ComparisonVerdict verdict = verdict_of(comparison);
  std::string name(comparison_result_name(verdict.result));
  for (char& c : name)
    c = c == '_' ? ' ' : c;
  return text + fmt::format("result: {}: {}\n", name, verdict.why);
}

}  // namespace ffci
