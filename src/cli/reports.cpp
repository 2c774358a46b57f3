#include "cli/reports.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string_view>

#include "base/file.hpp"
#include "report/junit.hpp"
#include "report/summary.hpp"

namespace ffci {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

bool wants_colour(ColourChoice choice, int descriptor) {
  if (choice != ColourChoice::automatic) return choice == ColourChoice::always;
  return environment("NO_COLOR").empty() && environment("TERM") != "dumb" &&
         ::isatty(descriptor) == 1;  // no-color.org
}

CiSystem ci_system() {
  if (environment("GITHUB_ACTIONS") == "true") return CiSystem::github;
  if (!environment("GITLAB_CI").empty()) return CiSystem::gitlab;
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
  write(places.run_folder / "summary.json", summary);
  write(places.run_folder / "junit.xml", junit);
  if (places.summary) write(*places.summary, summary);
  if (places.junit) write(*places.junit, junit);
  return all;
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

std::function<void(std::string_view)> log_writer(int descriptor) {
  return
      [descriptor](std::string_view text) { static_cast<void>(write_all(descriptor, text) == 0); };
}

}  // namespace ffci
