// What found splats mean for the attempt during which they came, under the job's allow-list. Here
// and nowhere else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernel_log/kernel_splat.hpp"
#include "model/attempt.hpp"
#include "model/job_spec.hpp"
#include "model/outcome.hpp"

namespace ffci {

// Why the splat may pass: the reason of the first allowance whose glob matches title or signature.
// That lockdep ran out of its tables always may, as in fstests: nothing is broken, only unchecked.
// Empty: it may not.
[[nodiscard]] std::string why_allowed(const FoundSplat& splat,
                                      const std::vector<KernelLogAllowance>& allowances);

[[nodiscard]] std::vector<KernelReport> kernel_reports(
    const std::vector<FoundSplat>& splats, const std::vector<KernelLogAllowance>& allowances);

// Crashed for the first fatal one that is not allowed, else Failed for the first other one.
// nullopt: the log does not speak against the attempt.
[[nodiscard]] std::optional<Outcome> outcome_from_kernel(
    const std::vector<FoundSplat>& splats, const std::vector<KernelLogAllowance>& allowances);

}  // namespace ffci
