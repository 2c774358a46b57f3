// The suites of a job spec, with their tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/early_hosts.hpp"
#include "model/job_spec.hpp"
#include "suites/suite.hpp"

namespace ffci {

// `arch`: of the hosts. These come up when one of them must be asked for the tests. Errors:
// bad_spec: every complaint, one a line; those of EarlyHosts.
[[nodiscard]] Result<std::vector<std::unique_ptr<Suite>>> load_suites(const JobSpec& spec,
                                                                      const std::string& arch,
                                                                      EarlyHosts& hosts);

}  // namespace ffci
