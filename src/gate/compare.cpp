#include "gate/compare.hpp"

#include <utility>

namespace ffci {
namespace {

// What a verdict says of the test; a flaky test passed in the end.
enum class Says { nothing, good, bad, skipped };

Says says(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
    case Verdict::flaky:
      return Says::good;
    case Verdict::failed:
    case Verdict::timed_out:
    case Verdict::crashed:
      return Says::bad;
    case Verdict::skipped:
      return Says::skipped;
    case Verdict::error:
    case Verdict::not_run:
      return Says::nothing;
  }
  return Says::nothing;
}

Change change_of(std::optional<Verdict> before, std::optional<Verdict> after) {
  if (!after) return Change::vanished;
  const Says now = says(*after);
  if (now == Says::nothing) return Change::incomplete;
  if (!before) return now == Says::bad ? Change::new_failure : Change::added;
  const Says then = says(*before);
  if (now == Says::bad) {
    if (then == Says::good) return Change::regression;
    return then == Says::bad ? Change::known_failure : Change::new_failure;
  }
  if (then == now) return Change::unchanged;
  if (then == Says::nothing) return Change::completed;
  if (now == Says::skipped) return Change::run_to_skip;
  return then == Says::bad ? Change::fixed : Change::skip_to_run;
}

}  // namespace

std::string_view change_name(Change change) {
  switch (change) {
    case Change::regression:
      return "regression";
    case Change::fixed:
      return "fixed";
    case Change::known_failure:
      return "known_failure";
    case Change::new_failure:
      return "new_failure";
    case Change::vanished:
      return "vanished";
    case Change::added:
      return "added";
    case Change::skip_to_run:
      return "skip_to_run";
    case Change::run_to_skip:
      return "run_to_skip";
    case Change::incomplete:
      return "incomplete";
    case Change::completed:
      return "completed";
    case Change::unchanged:
      return "unchanged";
  }
  return "unchanged";
}

RunComparison compare_runs(const Run& a, const Run& b) {
  RunComparison comparison{a.header().run_id, b.header().run_id, {}};
  const auto add = [&](const TestResult* before, const TestResult* after) {
    TestChange change;
    change.id = (after != nullptr ? after : before)->id;
    if (before != nullptr)
      change.before = before->verdict(), change.duration_before = before->duration();
    if (after != nullptr)
      change.after = after->verdict(), change.duration_after = after->duration(),
      change.reason = after->reason();
    change.change = change_of(change.before, change.after);
    comparison.tests.push_back(std::move(change));
  };
  for (const TestResult& after : b.tests())
    add(a.find(after.id), &after);
  for (const TestResult& before : a.tests()) {
    if (b.find(before.id) == nullptr) add(&before, nullptr);
  }
  return comparison;
}

}  // namespace ffci
