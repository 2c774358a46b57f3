#include "kernel_log/splat_outcome.hpp"

#include "base/text.hpp"

namespace ffci {

std::string why_allowed(const FoundSplat& splat,
                        const std::vector<KernelLogAllowance>& allowances) {
  for (const KernelLogAllowance& allowance : allowances) {
    if (glob_matches(allowance.match, splat.title) ||
        glob_matches(allowance.match, splat.signature))
      return allowance.reason.empty() ? "allowed by the job" : allowance.reason;
  }
  if (splat.kind == SplatKind::lockdep_exhausted)
    return "lockdep ran out of room and checks no further";
  return {};
}

std::vector<KernelReport> kernel_reports(const std::vector<FoundSplat>& splats,
                                         const std::vector<KernelLogAllowance>& allowances) {
  std::vector<KernelReport> reports;
  reports.reserve(splats.size());
  for (const FoundSplat& splat : splats)
    reports.push_back({splat.title, splat.signature, why_allowed(splat, allowances)});
  return reports;
}

std::optional<Outcome> outcome_from_kernel(const std::vector<FoundSplat>& splats,
                                           const std::vector<KernelLogAllowance>& allowances) {
  std::optional<Outcome> outcome;
  for (const FoundSplat& splat : splats) {
    if (!why_allowed(splat, allowances).empty()) continue;
    const std::string why = "kernel: " + splat.title;
    if (splat.fatal()) return Crashed{why, splat.signature};
    if (!outcome) outcome = Failed{why, std::nullopt};
  }
  return outcome;
}

}  // namespace ffci
