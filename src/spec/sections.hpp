// The sections of a job spec, each read into its part of JobSpec. A section that is absent gives
// its defaults. What they return means something only while there are no complaints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/job_spec.hpp"
#include "spec/field.hpp"

namespace ffci::spec {

[[nodiscard]] std::vector<CommandsSuiteSpec> read_suites(const Field& suites);
[[nodiscard]] std::optional<LocalHostsSpec> read_hosts(const Field& hosts);
[[nodiscard]] RunSpec read_run(const Field& run);
[[nodiscard]] ReportsSpec read_reports(const Field& reports);

}  // namespace ffci::spec
