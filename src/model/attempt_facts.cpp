#include "model/attempt_facts.hpp"

#include <algorithm>

namespace ffci {

std::string signature_of(const Attempt& attempt) {
  if (attempt.outcome) {
    const auto* crashed = std::get_if<Crashed>(&*attempt.outcome);
    if (crashed != nullptr && !crashed->signature.empty()) return crashed->signature;
  }
  const auto report =
      std::find_if(attempt.kernel_reports.begin(), attempt.kernel_reports.end(),
                   [](const KernelReport& candidate) { return candidate.allowed.empty(); });
  return report == attempt.kernel_reports.end() ? std::string() : report->signature;
}

Attempt broken_off(Attempt attempt, Duration ended) {
  attempt.outcome = NotRun{"ff-ci was killed while it ran"};
  attempt.duration = std::max(Duration{}, ended - attempt.started);
  return attempt;
}

}  // namespace ffci
