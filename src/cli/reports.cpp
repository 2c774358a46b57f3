#include "cli/reports.hpp"

#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string_view>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/environment.hpp"
#include "report/junit.hpp"
#include "report/summary.hpp"

namespace ffci {
namespace {

std::string variable(const char* name) {
  return environment(name).value_or("");
}

bool wants_colour(ColourChoice choice, int descriptor) {
  if (choice != ColourChoice::automatic) return choice == ColourChoice::always;
  return variable("NO_COLOR").empty() && variable("TERM") != "dumb" &&
         ::isatty(descriptor) == 1;  // no-color.org
}

CiSystem ci_system() {
  if (variable("GITHUB_ACTIONS") == "true") return CiSystem::github;
  if (!variable("GITLAB_CI").empty()) return CiSystem::gitlab;
  return CiSystem::none;
}

std::string random_token() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

}  // namespace

Result<void> write_reports(const Run& run, const ReportPlaces& places) {
  Result<void> all;
  const auto write = [&](const std::filesystem::path& path, const std::string& content) {
    const auto written = write_file(path, content);
    if (all && !written) all = written;
  };
  const std::string summary = summary_json(run);
  const std::string junit = junit_xml(run);
  if (!places.run_folder.empty()) {
    write(places.run_folder / "summary.json", summary);
    write(places.run_folder / "junit.xml", junit);
  }
  if (places.summary) write(*places.summary, summary);
  if (places.junit) write(*places.junit, junit);
  return all;
}

Result<ExitCode> ended_with(ExitCode code, const Result<void>& written) {
  if (written) return code;
  if (code != ExitCode::regression) return tl::unexpected(written.error());
  fmt::print(stderr, "ff-ci: {}\n", printable(written.error().message));
  return code;
}

ConsoleOptions console_options(const ConsoleChoices& choices, int descriptor) {
  ConsoleOptions options;
  options.verbose = choices.verbose;
  options.colour = wants_colour(choices.colour, descriptor) ? Colour::yes : Colour::no;
  options.ci = ci_system();
  options.guard_token = random_token();
  options.print_failure_list = choices.print_failure_list;
  options.print_n_slowest = choices.print_n_slowest;
  options.print_duration_histogram = choices.print_duration_histogram;
  return options;
}

bool LogWriter::takes_more(int wait_ms) const {
  pollfd writable{descriptor_, POLLOUT, 0};
  return ::poll(&writable, 1, wait_ms) > 0;
}

void LogWriter::operator()(std::string_view text) {
  // A pipe that is ready takes PIPE_BUF bytes without blocking.
  while (!text.empty()) {
    if (!takes_more(dropped_ > 0 ? 0 : 2000)) {
      dropped_ += text.size();
      return;
    }
    if (dropped_ > 0) {
      const std::string note =
          fmt::format("[ff-ci: {} bytes of the log were dropped here: nobody read it]\n",
                      std::exchange(dropped_, 0));
      if (write_all(descriptor_, note) != 0) return;
      continue;
    }
    if (write_all(descriptor_, text.substr(0, PIPE_BUF)) != 0) return;
    text.remove_prefix(std::min<size_t>(text.size(), PIPE_BUF));
  }
}

}  // namespace ffci
