#include "report/failure_details.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/text.hpp"
#include "report/console_line.hpp"
#include "report/gate_text.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

constexpr std::size_t most_subtests = 10;
constexpr std::size_t most_kernel_reports = 10;
constexpr std::size_t most_lines = 20;

// Whose output explains the verdict: for a flaky test the last bad attempt, since the pass explains
// nothing.
const Attempt* attempt_to_show(const TestResult& test) {
  if (test.verdict() != Verdict::flaky) return test.deciding_attempt();
  const auto bad = std::find_if(
      test.attempts.rbegin(), test.attempts.rend(),
      [](const Attempt& attempt) { return attempt.outcome && is_bad(*attempt.outcome); });
  return bad == test.attempts.rend() ? nullptr : &*bad;
}

std::string other_attempts(const TestResult& test, const Attempt* shown) {
  std::string text;
  for (const Attempt& attempt : test.attempts) {
    if (&attempt == shown || !attempt.outcome) continue;
    const std::string place = place_of(attempt), reason = shown_line(reason_of(*attempt.outcome));
    text += fmt::format("  attempt {}{}{}: {}\n", attempt.number, place.empty() ? "" : " on ",
                        place, reason.empty() ? outcome_name(*attempt.outcome) : reason);
  }
  for (const Attempt& attempt : test.reruns) {
    if (!attempt.outcome) continue;
    const std::string place = place_of(attempt), reason = shown_line(reason_of(*attempt.outcome));
    text += fmt::format("  rerun {}{}{}{}: {}\n", attempt.number, place.empty() ? "" : " on ",
                        place, attempt.purpose == Purpose::base ? ", with the base kernel" : "",
                        reason.empty() ? outcome_name(*attempt.outcome) : reason);
  }
  return text;
}

std::string failed_subtests(const Attempt& attempt) {
  std::string text;
  std::size_t failed = 0;
  for (const Subtest& subtest : attempt.subtests) {
    if (subtest.status != Subtest::Status::failed) continue;
    if (++failed <= most_subtests)
      text += fmt::format("    not ok: {}\n", shown_line(subtest.name));
  }
  if (failed == 0) return {};
  if (failed > most_subtests) text += fmt::format("    and {} more\n", failed - most_subtests);
  return fmt::format("  {} of {} failed:\n{}", failed,
                     counted(attempt.subtests.size() + attempt.subtests_dropped, "subtest"), text);
}

std::string kernel_reports(const Attempt& attempt) {
  if (attempt.kernel_reports.empty()) return {};
  std::string text;
  std::size_t told = 0;
  for (const KernelReport& report : attempt.kernel_reports) {
    if (told == most_kernel_reports) break;
    ++told;
    text += fmt::format("    - {}", shown_line(report.title));
    if (!report.allowed.empty()) text += fmt::format(" (allowed: {})", shown_line(report.allowed));
    text += "\n";
  }
  const std::size_t untold = attempt.kernel_reports.size() - told;
  if (untold > 0) text += fmt::format("    and {} more\n", untold);
  return fmt::format("  the kernel reported:\n{}", text);
}

std::string last_output(const std::string& stream, const OutputExcerpt& output) {
  const std::vector<std::string> lines = last_lines(output, most_lines);
  if (lines.empty()) return {};
  return fmt::format("  last lines of {} ({}):\n  | {}\n", stream, human_size(output.bytes),
                     fmt::join(lines, "\n  | "));
}

}  // namespace

std::string failure_details(const TestResult& test, const TestJudgement* judged,
                            std::string_view results_path, const ConsoleOptions& options) {
  const bool github = options.ci == CiSystem::github;
  TestLine head = line_of(test);
  const std::string reason = std::exchange(head.reason, {});
  std::string body;
  if (!reason.empty()) body += fmt::format("  reason: {}\n", reason);
  if (judged != nullptr) {
    const bool told = judged->why == test.reason();
    body += fmt::format("  gate: {}\n", told ? judged_word(*judged) : judged_text(*judged));
  }
  const Attempt* shown = attempt_to_show(test);
  body += other_attempts(test, shown);
  if (shown != nullptr && shown->outcome) {
    const std::string of =
        test.attempts.size() == 1 ? "" : fmt::format(" of attempt {}", shown->number);
    body += kernel_reports(*shown);
    body += failed_subtests(*shown);
    body += last_output("stdout" + of, shown->standard_output) +
            last_output("stderr" + of, shown->standard_error) +
            last_output("dmesg" + of, shown->kernel_log);
  }
  if (shown != nullptr && !shown->files.empty()) {
    body += fmt::format(
        "  all of it: {}\n",
        shown_line((std::filesystem::path(results_path) / shown->files).string(), 1000));
  }
  // Inside a group's title colour shows as bare escapes.
  const std::string title = to_string(head, github ? Colour::no : options.colour);
  if (github) return github_group(trim(title), github_guarded(options.guard_token, body));
  return fmt::format("\n{}\n{}", title, body);
}

}  // namespace ffci
