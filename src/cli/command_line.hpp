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
  std::string spec;                   // path, or "-"; empty: that of the run to go on with
  std::vector<std::string> patterns;  // the tests to run; none: all
  std::vector<std::string> excluded;  // patterns of those not to run
  std::vector<SpecOverride> overrides;
  bool groups_given = false;           // --groups is among them
  bool list = false;                   // run --list
  std::optional<std::string> resume;   // the run to go on with; no spec need be given then
  std::vector<std::string> arguments;  // as they were typed
  bool whole = false;                  // no shard, whatever the CI system's variables say
  std::optional<std::string> events;   // path, or "-"
  std::optional<std::string> record;   // run --record: the label; empty: the run's id
  std::optional<std::string> rerun;    // SOURCE of which only the failed tests are wanted
  ConsoleChoices console;
};

struct PlanChoices {
  JobChoices job;
  std::optional<int> max_hosts;
  bool json = false;
};

struct ValidateChoices {
  std::vector<std::string> specs;           // none: only known_issues is wanted
  std::optional<std::string> known_issues;  // a file, which is among the overrides too
  std::vector<SpecOverride> overrides;
};

struct ReportChoices {
  std::string source = "latest";
  std::string results = "results";
  std::optional<std::string> junit, summary;
  ConsoleChoices console;
};

struct MergeChoices {
  std::vector<std::string> sources;  // the shards' runs
  std::string results = "results";   // where the merged run goes
  std::optional<std::string> junit, summary;
  ConsoleChoices console;
};

struct RecordChoices {
  std::string label;  // empty: the run's id
  std::string source = "latest";
  std::string results = "results";
  bool force = false;
};

struct CompareChoices {
  enum class Format { text, json, markdown };
  std::string a;  // empty: the run before b
  std::string b = "latest";
  std::string results = "results";
  Format format = Format::text;
  bool strict_baseline = false;
};

struct HistoryChoices {
  std::vector<std::string> patterns;  // the tests to tell of; none: the runs
  std::size_t most = 20;              // runs, or results of each test
  bool json = false;
  bool rebuild = false;
  std::string results = "results";
};

// What was typed behind a command: its choices, or that its help is wanted.
template <class Choices>
struct Parsed {
  std::optional<std::string> help;  // the text
  Choices choices;
};

// Errors (usage) name the option and the nearest known one. `arguments` is what stands behind the
// command.
using Arguments = std::vector<std::string>;
[[nodiscard]] Result<Parsed<JobChoices>> parse_run(const Arguments& arguments);
[[nodiscard]] Result<Parsed<JobChoices>> parse_list(const Arguments& arguments);
[[nodiscard]] Result<Parsed<PlanChoices>> parse_plan(const Arguments& arguments);
[[nodiscard]] Result<Parsed<ValidateChoices>> parse_validate(const Arguments& arguments);
[[nodiscard]] Result<Parsed<ReportChoices>> parse_report(const Arguments& arguments);
[[nodiscard]] Result<Parsed<MergeChoices>> parse_merge(const Arguments& arguments);
[[nodiscard]] Result<Parsed<RecordChoices>> parse_record(const Arguments& arguments);
[[nodiscard]] Result<Parsed<CompareChoices>> parse_compare(const Arguments& arguments);
[[nodiscard]] Result<Parsed<HistoryChoices>> parse_history(const Arguments& arguments);

}  // namespace ffci
