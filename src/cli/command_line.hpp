// What the user typed, checked: one struct per group of options. Every key of the job spec has an
// option, and the option wins.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "spec/load_job_spec.hpp"

namespace ffci {

enum class ColourChoice { automatic, always, never };

struct ConsoleChoices {
  bool verbose = false;
  ColourChoice colour = ColourChoice::automatic;
  bool print_failure_list = false;
  std::size_t print_n_slowest = 0;
  bool print_duration_histogram = false;
};

// `run` and `list`.
struct JobChoices {
  std::string spec;  // path, or "-"
  std::vector<std::string> patterns;
  std::vector<SpecOverride> overrides;
  bool list = false;                  // run --list
  std::optional<std::string> events;  // path, or "-"
  ConsoleChoices console;
};

struct ValidateChoices {
  std::vector<std::string> specs;
  std::vector<SpecOverride> overrides;
};

struct ReportChoices {
  std::string source = "latest";
  std::string results = "results";
  std::optional<std::string> junit, summary;
  ConsoleChoices console;
};

struct CompareChoices {
  std::string a;  // empty: the run before b
  std::string b = "latest";
  std::string results = "results";
};

struct HelpWanted {
  std::string text;
};

// HelpWanted stands in the error's place when --help was asked for.
template <class Choices>
struct Parsed {
  std::optional<HelpWanted> help;
  Choices choices;
};

// Errors (usage) name the option and the nearest known one. `arguments` is what stands behind the
// command.
[[nodiscard]] Result<Parsed<JobChoices>> parse_run(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Parsed<JobChoices>> parse_list(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Parsed<ValidateChoices>> parse_validate(
    const std::vector<std::string>& arguments);
[[nodiscard]] Result<Parsed<ReportChoices>> parse_report(const std::vector<std::string>& arguments);
[[nodiscard]] Result<Parsed<CompareChoices>> parse_compare(
    const std::vector<std::string>& arguments);

}  // namespace ffci
