#include "gate/known_issues.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace ffci {
namespace {

bool fits(const std::string& pattern, const std::string& text) {
  return pattern.empty() || glob_matches(pattern, text);
}

bool is_about(const KnownIssue& issue, const TestId& test) {
  return fits(issue.suite, test.suite) && fits(issue.configuration, test.configuration) &&
         fits(issue.test, test.name);
}

bool has_signature(const KnownIssue& issue, const KernelReport& report) {
  return !issue.signature.empty() && (glob_matches(issue.signature, report.signature) ||
                                      glob_matches(issue.signature, report.title));
}

std::string date(const std::chrono::year_month_day& day) {
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

std::string patterns(const KnownIssue& issue) {
  std::string text;
  const auto add = [&](std::string_view key, const std::string& pattern) {
    if (!pattern.empty())
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key, printable_line(pattern, 200));
  };
  add("suite", issue.suite);
  add("test", issue.test);
  add("configuration", issue.configuration);
  add("message", issue.message);
  add("signature", issue.signature);
  return text;
}

std::string names(const std::vector<TestId>& tests) {
  constexpr std::size_t most = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, tests.size()); ++i)
    text += (i == 0 ? "" : ", ") + to_string(tests[i]);
  if (tests.size() > most) text += fmt::format(" and {} more", tests.size() - most);
  return text;
}

}  // namespace

std::string shown(const KnownIssue& issue) {
  return fmt::format("{} ({})", issue.reason, issue.link);
}

KnownIssues::KnownIssues(const std::vector<KnownIssue>& issues, WallTime now) {
  const auto today = std::chrono::floor<std::chrono::days>(now);
  for (const KnownIssue& issue : issues)
    entries_.push_back({&issue, std::chrono::sys_days(issue.expires) < today, {}});
}

template <class Meant>
const KnownIssue* KnownIssues::find(const TestId& test, Meant meant) {
  const KnownIssue* found = nullptr;
  for (Entry& entry : entries_) {
    if (!is_about(*entry.issue, test) || !meant(*entry.issue)) continue;
    if (entry.expired) {
      remember(entry, test);
    } else if (found == nullptr) {
      found = entry.issue;
    }
  }
  return found;
}

const KnownIssue* KnownIssues::of_failure(const TestId& test, const std::string& reason,
                                          const std::vector<KernelReport>& reports) {
  return find(test, [&](const KnownIssue& issue) {
    return fits(issue.message, reason) &&
           (issue.signature.empty() ||
            std::ranges::any_of(reports, [&](const auto& r) { return has_signature(issue, r); }));
  });
}

const KnownIssue* KnownIssues::of_kernel_report(const TestId& test, const KernelReport& report) {
  return find(test, [&](const KnownIssue& issue) { return has_signature(issue, report); });
}

const KnownIssue* KnownIssues::of_broken_file_system(const TestId& test,
                                                     const KernelReport& failure) {
  return find(test, [&](const KnownIssue& issue) {
    const bool told = !issue.message.empty() && glob_matches(issue.message, failure.title);
    return issue.signature.empty()
               ? told
               : has_signature(issue, failure) && fits(issue.message, failure.title);
  });
}

// All questions about a test come one after the other.
void KnownIssues::remember(Entry& entry, const TestId& test) {
  if (entry.would_match.empty() || entry.would_match.back() != test)
    entry.would_match.push_back(test);
}

std::vector<KnownIssueNote> KnownIssues::notes(const Run& run) const {
  std::vector<KnownIssueNote> notes;
  const auto note = [&](KnownIssueNote::Kind kind, const KnownIssue& issue,
                        const std::string& text) {
    notes.push_back({kind, issue.where, fmt::format("{} ({})", text, patterns(issue))});
  };
  for (const Entry& entry : entries_) {
    const KnownIssue& issue = *entry.issue;
    if (entry.expired) {
      std::string text = "expired on " + date(issue.expires);
      if (!entry.would_match.empty()) text += ", and would cover " + names(entry.would_match);
      note(KnownIssueNote::Kind::expired, issue, text);
      continue;
    }
    if (issue.test.empty()) continue;  // any test may meet its signature, or none
    bool selected = false, bad = false;
    std::vector<TestId> passed;
    for (const TestResult& test : run.tests()) {
      if (!is_about(issue, test.id)) continue;
      selected = true;
      const Verdict verdict = test.verdict();
      bad |= is_bad(verdict) || verdict == Verdict::flaky;
      if (verdict == Verdict::passed) passed.push_back(test.id);
    }
    if (!selected && !run.header().shard) {
      note(KnownIssueNote::Kind::unmatched, issue, "no selected test is meant");
    } else if (!bad && !passed.empty()) {
      note(KnownIssueNote::Kind::unexpected_pass, issue, "passed: " + names(passed));
    }
  }
  return notes;
}

}  // namespace ffci
