// KnownIssues: which failures and signatures of a run are known, and what its owner should look at.
// Pure; an entry counts until the end of its last day, in UTC, and then only to say so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/judgement.hpp"
#include "model/known_issue.hpp"
#include "model/run.hpp"

namespace ffci {

class KnownIssues {
 public:
  // `now`: when the run began.
  KnownIssues(const std::vector<KnownIssue>& issues, WallTime now);

  // The entry that takes a failure on, if there is one; what was found so is remembered for the
  // notes. An entry with a signature is meant only where one of `reports` has it.
  [[nodiscard]] const KnownIssue* of_failure(const TestId& test, const std::string& reason,
                                             const std::vector<KernelReport>& reports);
  // An entry that names the signature, not just the test; remembered likewise.
  [[nodiscard]] const KnownIssue* of_kernel_report(const TestId& test, const KernelReport& report);
  // One that names its signature or its message, which is the title here.
  [[nodiscard]] const KnownIssue* of_broken_file_system(const TestId& test,
                                                        const KernelReport& failure);

  // To be asked after all failures were.
  [[nodiscard]] std::vector<KnownIssueNote> notes(const Run& run) const;

 private:
  struct Entry {
    const KnownIssue* issue;
    bool expired = false;
    std::vector<TestId> would_match;  // failures of tests, when it has expired
  };
  template <class Meant>
  [[nodiscard]] const KnownIssue* find(const TestId& test, Meant meant);
  static void remember(Entry& entry, const TestId& test);

  std::vector<Entry> entries_;
};

// "reason (link)"
[[nodiscard]] std::string shown(const KnownIssue& issue);

}  // namespace ffci
