#include "cli/list_tests.hpp"
#include <boost/asio/io_context.hpp>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/commands.hpp"

namespace ffci {

ExitCode list_tests(const Job& job, const JobChoices& choices) {
  std::string text;
  for (const TestCase& test : job.plan.tests) {
    text += printable_line(to_string(test.id), 1000);
    if (choices.console.verbose) {
      const Duration limit = test.timeout.value_or(job.plan.test_timeout);
      text +=
          fmt::format("\tlimit {}\texpected {}", limit.count() > 0 ? human_duration(limit) : "none",
                      test.expected ? human_duration(*test.expected) : "unknown");
    }
    text += '\n';
  }
  fmt::print("{}", text);
  if (job.plan.tests.empty() && choices.rerun)
    fmt::print(stderr, "ff-ci: {}\n", job.nothing_selected);
  return job.plan.tests.empty() ? ExitCode::nothing_run : ExitCode::ok;
}

Result<ExitCode> list_command(const JobChoices& choices) {
  boost::asio::io_context loop(1);
  EarlyHosts hosts(loop);
  const auto job = load_job(choices, hosts);
  if (!job) return tl::unexpected(job.error());
  return list_tests(*job, choices);
}

}  // namespace ffci
