// YAML in, known issues out, or every complaint at once. The file is read alike by every job, so
// ${VAR} is not replaced in it: it is text. Reads nothing but its arguments; no exception leaves.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "model/known_issue.hpp"
#include "spec/load_job_spec.hpp"

namespace ffci {

// `shown_name` is the file as complaints name it. Complaints come in the order of its lines.
[[nodiscard]] tl::expected<std::vector<KnownIssue>, std::vector<SpecComplaint>> load_known_issues(
    const std::string& text, const std::string& shown_name);

}  // namespace ffci
