// Outcome is how one attempt at a test ended; Verdict is what all attempts together say of the
// test. A verdict is never stored: verdict_of derives it from the attempts, here and nowhere else.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "model/exit_status.hpp"

namespace ffci {

struct Passed {
  bool operator==(const Passed&) const = default;
};
struct Failed {
  std::string why;
  std::optional<ExitStatus> exit;  // none: the test's own output said so
  std::string signature = {};      // of what no rerun may excuse: a broken file system; else empty
  bool operator==(const Failed&) const = default;
};
struct Skipped {
  std::string reason;
  bool operator==(const Skipped&) const = default;
};
struct TimedOut {
  Duration limit{};
  bool operator==(const TimedOut&) const = default;
};
// The kernel or the host died, or the kernel oopsed, while this test ran.
struct Crashed {
  std::string why;
  std::string signature;
  bool operator==(const Crashed&) const = default;
};
// Infrastructure: the host went away, and not because of the test.
struct HostLost {
  std::string why;
  bool operator==(const HostLost&) const = default;
};
// Infrastructure: the set-up of the suite or of the test failed, so the test itself never ran.
struct SetupFailed {
  std::string why;
  bool operator==(const SetupFailed&) const = default;
};
// Begun or handed out, and stopped by us before it could say anything.
struct NotRun {
  std::string why;
  bool operator==(const NotRun&) const = default;
};

using Outcome =
    std::variant<Passed, Failed, Skipped, TimedOut, Crashed, HostLost, SetupFailed, NotRun>;

// "passed", "failed", "skipped", "timed_out", "crashed", "host_lost", "setup_failed", "not_run":
// the word in journal and summary.
[[nodiscard]] std::string_view outcome_name(const Outcome& outcome);
// Why it ended so, for people; empty for a pass.
[[nodiscard]] std::string reason_of(const Outcome& outcome);
// The test (or the kernel under it) is to blame: failed, timed out or crashed.
[[nodiscard]] bool is_bad(const Outcome& outcome);

enum class Verdict {
  passed,
  failed,
  timed_out,
  crashed,
  flaky,    // passed, after a bad attempt
  skipped,  // it declined to run
  error,    // infrastructure: set-up failed, or the host was lost again and again
  not_run,  // never got its turn
};

inline constexpr Verdict all_verdicts[] = {Verdict::passed,  Verdict::failed, Verdict::timed_out,
                                           Verdict::crashed, Verdict::flaky,  Verdict::skipped,
                                           Verdict::error,   Verdict::not_run};

[[nodiscard]] std::string_view verdict_name(Verdict verdict);
[[nodiscard]] std::optional<Verdict> verdict_from_name(std::string_view name);
[[nodiscard]] bool is_bad(Verdict verdict);

// A pass beats everything before it (flaky when something bad was before it); otherwise the last
// bad outcome counts, then a skip, then infrastructure trouble; without any of these the test did
// not run.
[[nodiscard]] Verdict verdict_of(const std::vector<const Outcome*>& attempts);

}  // namespace ffci
