#include "model/change.hpp"

#include <utility>

#include "model/name_table.hpp"

namespace ffci {
namespace {

constexpr std::pair<Change, std::string_view> names[] = {{Change::regression, "regression"},
                                                         {Change::fixed, "fixed"},
                                                         {Change::known_failure, "known_failure"},
                                                         {Change::new_failure, "new_failure"},
                                                         {Change::vanished, "vanished"},
                                                         {Change::added, "added"},
                                                         {Change::skip_to_run, "skip_to_run"},
                                                         {Change::run_to_skip, "run_to_skip"},
                                                         {Change::incomplete, "incomplete"},
                                                         {Change::completed, "completed"},
                                                         {Change::slower, "slower"},
                                                         {Change::unchanged, "unchanged"}};

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

}  // namespace

Change change_between(std::optional<Verdict> before, std::optional<Verdict> after) {
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

bool tells_good_or_bad(Verdict verdict) {
  return says(verdict) == Says::good || says(verdict) == Says::bad;
}

bool has_result(std::optional<Verdict> verdict) {
  return verdict && (tells_good_or_bad(*verdict) || verdict == Verdict::skipped);
}

std::string_view change_name(Change change) {
  return name_in(names, change);
}

std::optional<Change> change_from_name(std::string_view name) {
  return value_in(names, name);
}

}  // namespace ffci
