// ff-ci validate: every complaint about job specs, and nothing else.
#include <fmt/format.h>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/job.hpp"

namespace ffci {

Result<ExitCode> validate_command(const ValidateChoices& choices) {
  std::optional<Error> all;
  for (const std::string& path : choices.specs) {
    const auto text = read_spec_text(path);
    const auto spec = text ? parse_job_spec(*text, choices.overrides)
                           : Result<JobSpec>(tl::unexpected(text.error()));
    if (spec) {
      fmt::print("{}: valid\n", path);
    } else if (all) {
      all->message += "\n" + spec.error().message;
    } else {
      all = spec.error();
    }
  }
  if (all) return tl::unexpected(*all);
  return ExitCode::ok;
}

}  // namespace ffci
