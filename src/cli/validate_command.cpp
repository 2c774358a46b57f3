// ff-ci validate: every complaint about job specs and known-issues files, and nothing else.
#include <fmt/format.h>

#include <set>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/job.hpp"
#include "cli/known_issues.hpp"

namespace ffci {
namespace {

// nullopt: the file is as it should be.
std::optional<Error> complaint_of_issues(const std::string& path) {
  const auto issues = read_known_issues(path);
  return issues ? std::nullopt : std::optional(issues.error());
}

std::optional<Error> complaint_of_job(const std::string& path,
                                      const std::vector<SpecOverride>& overrides) {
  const auto text = read_spec_text(path);
  if (!text) return text.error();
  const auto spec = parse_job_spec(*text, overrides);
  if (!spec) return spec.error();
  return complaint_of_issues(spec->gate.known_issues);
}

}  // namespace

Result<ExitCode> validate_command(const ValidateChoices& choices) {
  std::optional<Error> all;
  std::set<std::string> said;  // jobs may share a known-issues file
  const auto judge = [&](const std::string& path, const std::optional<Error>& complaint) {
    if (!complaint) {
      fmt::print("{}: valid\n", path);
    } else if (!said.insert(complaint->message).second) {
      return;
    } else if (all) {
      all->message += "\n" + complaint->message;
    } else {
      all = complaint;
    }
  };
  for (const std::string& path : choices.specs)
    judge(path, complaint_of_job(path, choices.overrides));
  if (choices.specs.empty() && choices.known_issues)
    judge(*choices.known_issues, complaint_of_issues(*choices.known_issues));
  if (all) return tl::unexpected(*all);
  return ExitCode::ok;
}

}  // namespace ffci
