// ff-ci validate: every complaint about job specs, and nothing else.
#include <fmt/format.h>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/job.hpp"

namespace ffci {

Result<ExitCode> validate_command(const std::vector<std::string>& arguments) {
  auto parsed = parse_validate(arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (parsed->help) {
    fmt::print("{}", parsed->help->text);
    return ExitCode::ok;
  }
  std::optional<Error> all;
  for (const std::string& path : parsed->choices.specs) {
    const auto spec = read_job_spec(path, parsed->choices.overrides);
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
