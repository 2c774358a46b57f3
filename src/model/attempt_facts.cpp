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
  return report != attempt.kernel_reports.end() ? report->signature : failure_signature_of(attempt);
}

std::vector<KernelReport> reports_of(const Attempt& attempt) {
  std::vector<KernelReport> reports;
  for (const KernelReport& report : attempt.kernel_reports) {
    if (!report.signature.empty()) reports.push_back(report);
  }
  const auto* crashed = attempt.outcome ? std::get_if<Crashed>(&*attempt.outcome) : nullptr;
  if (crashed == nullptr || crashed->signature.empty()) return reports;
  const bool told = std::ranges::any_of(
      reports, [&](const KernelReport& r) { return r.signature == crashed->signature; });
  if (!told) reports.push_back({crashed->why, crashed->signature, {}});
  return reports;
}

std::string failure_signature_of(const Attempt& attempt) {
  const auto* failed = attempt.outcome ? std::get_if<Failed>(&*attempt.outcome) : nullptr;
  return failed == nullptr ? std::string() : failed->signature;
}

Attempt broken_off(Attempt attempt, Duration ended) {
  attempt.outcome = NotRun{"ff-ci was killed while it ran"};
  attempt.duration = std::max(Duration{}, ended - attempt.started);
  return attempt;
}

}  // namespace ffci
