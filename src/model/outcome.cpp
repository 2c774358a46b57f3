#include "model/outcome.hpp"

#include <fmt/format.h>

namespace ffci {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace

std::string_view outcome_name(const Outcome& outcome) {
  // In the order of the variant.
  static constexpr std::string_view names[] = {"passed",  "failed",    "skipped",      "timed_out",
                                               "crashed", "host_lost", "setup_failed", "not_run"};
  static_assert(std::size(names) == std::variant_size_v<Outcome>);
  return names[outcome.index()];
}

std::string reason_of(const Outcome& outcome) {
  return std::visit(Overloaded{
                        [](const Passed&) { return std::string(); },
                        [](const Failed& o) { return o.why; },
                        [](const Skipped& o) { return o.reason; },
                        [](const TimedOut& o) {
                          return fmt::format("timed out after {}", human_duration(o.limit));
                        },
                        [](const Crashed& o) { return o.why; },
                        [](const HostLost& o) { return o.why; },
                        [](const SetupFailed& o) { return o.why; },
                        [](const NotRun& o) { return o.why; },
                    },
                    outcome);
}

bool is_bad(const Outcome& outcome) {
  return std::holds_alternative<Failed>(outcome) || std::holds_alternative<TimedOut>(outcome) ||
         std::holds_alternative<Crashed>(outcome);
}

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
      return "passed";
    case Verdict::failed:
      return "failed";
    case Verdict::timed_out:
      return "timed_out";
    case Verdict::crashed:
      return "crashed";
    case Verdict::flaky:
      return "flaky";
    case Verdict::skipped:
      return "skipped";
    case Verdict::error:
      return "error";
    case Verdict::not_run:
      return "not_run";
  }
  return "not_run";
}

std::optional<Verdict> verdict_from_name(std::string_view name) {
  for (const Verdict verdict : all_verdicts) {
    if (verdict_name(verdict) == name) return verdict;
  }
  return std::nullopt;
}

bool is_bad(Verdict verdict) {
  return verdict == Verdict::failed || verdict == Verdict::timed_out || verdict == Verdict::crashed;
}

Verdict verdict_of(const std::vector<const Outcome*>& attempts) {
  Verdict bad = Verdict::passed;  // none yet
  bool passed = false, skipped = false, infrastructure = false;
  for (const Outcome* outcome : attempts) {
    passed |= std::holds_alternative<Passed>(*outcome);
    skipped |= std::holds_alternative<Skipped>(*outcome);
    infrastructure |=
        std::holds_alternative<HostLost>(*outcome) || std::holds_alternative<SetupFailed>(*outcome);
    if (std::holds_alternative<Failed>(*outcome)) bad = Verdict::failed;
    if (std::holds_alternative<TimedOut>(*outcome)) bad = Verdict::timed_out;
    if (std::holds_alternative<Crashed>(*outcome)) bad = Verdict::crashed;
  }
  if (passed) return bad == Verdict::passed ? Verdict::passed : Verdict::flaky;
  if (bad != Verdict::passed) return bad;
  if (skipped) return Verdict::skipped;
  return infrastructure ? Verdict::error : Verdict::not_run;
}

}  // namespace ffci
