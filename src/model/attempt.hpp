// Attempt is one try at one test: where it ran, how long, how it ended, and what it said.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "model/outcome.hpp"

namespace ffci {

// One result line within a test (KTAP / TAP).
struct Subtest {
  enum class Status {
    passed,
    failed,
    skipped,
    expected_failure,  // XFAIL, TODO
  };
  std::string name;  // nested ones joined: "suite.case"
  Status status = Status::passed;
  std::string reason;  // of a skip, a failure or an expected failure; may be empty

  bool operator==(const Subtest&) const = default;
};

[[nodiscard]] inline std::string_view subtest_status_name(Subtest::Status status) {
  switch (status) {
    case Subtest::Status::passed:
      return "passed";
    case Subtest::Status::failed:
      return "failed";
    case Subtest::Status::skipped:
      return "skipped";
    case Subtest::Status::expected_failure:
      return "expected_failure";
  }
  return "failed";
}

// What one stream of an attempt wrote. The whole (up to the cap) is in the attempt's file; the
// beginning and the end are kept here for the reports of attempts that did not pass. Text is valid
// UTF-8 and otherwise as the test wrote it, escapes included.
struct OutputExcerpt {
  std::uint64_t bytes = 0;      // written by the test
  std::uint64_t cut_bytes = 0;  // not in the attempt's file, because of the cap
  std::string head;             // the beginning; everything, when it is short
  std::string tail;             // the end, when head is not everything
  std::uint64_t between = 0;    // bytes between the two, which are only in the file

  bool operator==(const OutputExcerpt&) const = default;
};

// Something that the kernel reported while the attempt ran: a BUG, an oops, a warning, ….
struct KernelReport {
  std::string title;      // on one line, without what differs from run to run
  std::string signature;  // the same for the same defect, across runs
  std::string allowed;    // why the job's allow-list lets it pass; empty: it does not

  bool operator==(const KernelReport&) const = default;
};

// What an attempt was made for.
enum class Purpose {
  verdict,       // the test's own turn, and its retries
  confirmation,  // the test is suspected of a regression: one run more
  base,          // and one on a host with the base kernel
};

[[nodiscard]] inline std::string_view purpose_name(Purpose purpose) {
  switch (purpose) {
    case Purpose::verdict:
      return "verdict";
    case Purpose::confirmation:
      return "confirmation";
    case Purpose::base:
      return "base";
  }
  return "verdict";
}

[[nodiscard]] inline std::optional<Purpose> purpose_from_name(std::string_view name) {
  for (const Purpose purpose : {Purpose::verdict, Purpose::confirmation, Purpose::base}) {
    if (purpose_name(purpose) == name) return purpose;
  }
  return std::nullopt;
}

struct Attempt {
  Purpose purpose = Purpose::verdict;
  int number = 1;      // those for the verdict, and the others, count from 1 each
  std::string host;    // empty: it never reached one
  int slot = 0;        // of the host, from 1; 0: none
  Duration started{};  // since the run began
  Duration duration{};
  std::optional<Outcome> outcome;  // none: it is running, or ff-ci died while it was
  std::vector<Subtest> subtests;
  std::uint64_t subtests_dropped = 0;  // more than are kept
  OutputExcerpt standard_output, standard_error;
  OutputExcerpt kernel_log;                  // of the host, meanwhile
  OutputExcerpt trace;                       // of the tracer beside it; its text is in the file
  std::vector<KernelReport> kernel_reports;  // in that order; the first few, each signature once
  std::string teardown_problem;         // why the test's own teardown failed; empty: it did not
  std::string files;                    // the attempt's folder, relative to the run's; empty: none
  std::vector<std::string> kept_files;  // that came back from the host, relative to <files>/files
  std::string files_problem;            // why not all of them did; empty: they did

  bool operator==(const Attempt&) const = default;
};

// To an end of its own, be it a failure, a timeout or a crash: its duration tells how long the test
// takes.
[[nodiscard]] inline bool ran_to_its_end(const Attempt& attempt) {
  return attempt.outcome && !std::holds_alternative<HostLost>(*attempt.outcome) &&
         !std::holds_alternative<NotRun>(*attempt.outcome) &&
         !std::holds_alternative<SetupFailed>(*attempt.outcome);
}

}  // namespace ffci
