// The sections of a job spec, each read into its part of JobSpec. A section that is absent gives
// its defaults. What they return means something only while there are no complaints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/job_spec.hpp"
#include "spec/field.hpp"

namespace ffci::spec {

struct HostsSpec {
  std::optional<LocalHostsSpec> local;
  std::optional<SshHostsSpec> ssh;
};

[[nodiscard]] std::vector<SuiteSpec> read_suites(const Field& suites);
[[nodiscard]] HostsSpec read_hosts(const Field& hosts);
[[nodiscard]] RunSpec read_run(const Field& run);
[[nodiscard]] ReportsSpec read_reports(const Field& reports);

}  // namespace ffci::spec
