// The marks that a CI system reads in a log: groups that fold, annotations, and GitHub's guard
// around text that a guest wrote. Everything is whole lines. Titles are ours or went through
// shown_line.
#pragma once

#include <string>
#include <string_view>

#include "base/time.hpp"

namespace ffci {

enum class CiSystem { none, github, gitlab };

// `body` under a title, to be folded by GitHub.
[[nodiscard]] std::string github_group(std::string_view title, std::string_view body);
// `body` with the runner deaf to workflow commands until it reads `token` again. Without a token:
// just the body.
[[nodiscard]] std::string github_guarded(std::string_view token, std::string_view body);
// GitHub shows the first ten of a step beside the job.
[[nodiscard]] std::string github_error(std::string_view title, std::string_view message);

// `name`: letters, digits and _. `at`: of its end, which is all that is known when it is written.
[[nodiscard]] std::string gitlab_section(std::string_view name, std::string_view title, WallTime at,
                                         std::string_view body);

}  // namespace ffci
