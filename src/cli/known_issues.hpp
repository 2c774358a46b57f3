// The known-issues file of a job, read. `run` and `validate` come here.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/known_issue.hpp"

namespace ffci {

// Errors: no_input: it can't be read; bad_spec: every complaint, one a line. An empty path is none.
[[nodiscard]] Result<std::vector<KnownIssue>> read_known_issues(const std::string& path);

}  // namespace ffci
