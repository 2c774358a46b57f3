#include "cli/broken_off_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/text.hpp"
#include "remote/fetch.hpp"
#include "store/journal.hpp"
#include "store/run_sources.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr int command_version = 1;
constexpr std::uint64_t largest_command = 16ULL << 20, largest_spec = 16ULL << 20;
constexpr Duration longest_break = std::chrono::days(90 * 365);
constexpr std::string_view results_key = "reports.directory";

// What was typed, and where.
struct KeptCommand {
  SpecText spec;
  JobChoices choices;
};

Result<KeptCommand> read_command(const fs::path& folder) {
  const fs::path path = folder / "command.json";
  const auto text = read_file(path, largest_command);
  if (!text) return tl::unexpected(text.error());
  KeptCommand kept;
  std::vector<std::string> arguments;
  try {
    const auto json = nlohmann::json::parse(*text);
    if (json.at("version").get<int>() != command_version)
      throw std::invalid_argument("its version is not known to this ff-ci");
    kept.spec.working_directory = json.at("directory").get<std::string>();
    kept.spec.path = json.at("spec").get<std::string>();
    arguments = json.at("arguments").get<std::vector<std::string>>();
  } catch (const std::exception& error) {
    return fail(ErrorKind::data,
                fmt::format("{}: {}", path.string(), printable_line(error.what())));
  }
  auto spec = read_file(folder / "spec.yaml", largest_spec);
  if (!spec) return tl::unexpected(spec.error());
  kept.spec.text = std::move(*spec);
  auto parsed = parse_run(arguments);
  if (!parsed)
    return fail(ErrorKind::data, fmt::format("{}: {}", path.string(), parsed.error().message));
  kept.choices = std::move(parsed->choices);
  return kept;
}

// As it may be kept, and is compared: a URL in it without user, password and query.
std::string without_secrets(const std::string& argument) {
  const size_t scheme_end = argument.find("://");
  if (scheme_end == std::string::npos) return argument;
  size_t url = scheme_end;
  while (url > 0 && std::isalnum(static_cast<unsigned char>(argument[url - 1])) != 0)
    --url;
  return argument.substr(0, url) + shown_url(argument.substr(url));
}

// What was typed that decides what runs, and how. Not where the results are: the run was found
// there.
struct Rules {
  std::vector<SpecOverride> overrides;
  std::vector<std::string> patterns, excluded;
  std::string rerun;

  bool operator==(const Rules&) const = default;
  [[nodiscard]] bool any() const { return *this != Rules{}; }
};

Rules rules_of(const JobChoices& choices) {
  Rules rules{choices.overrides, choices.patterns, choices.excluded,
              without_secrets(choices.rerun.value_or(""))};
  std::erase_if(rules.overrides, [](const SpecOverride& one) { return one.path == results_key; });
  for (SpecOverride& one : rules.overrides)
    one.value = without_secrets(one.value);
  return rules;
}

// Where the runs are, as the command line or the spec says.
Result<std::string> results_directory(const JobChoices& choices,
                                      const std::optional<SpecText>& given) {
  if (given) {
    const auto spec = parse_job_spec(*given, choices.overrides);
    if (!spec) return tl::unexpected(spec.error());
    return spec->reports.directory;
  }
  for (const SpecOverride& typed : choices.overrides) {
    if (typed.path == results_key) return typed.value;
  }
  return std::string("results");
}

// Those that the run began with. Secrets of URLs are not kept, and have to be given again.
std::vector<SpecOverride> with_secrets(std::vector<SpecOverride> kept,
                                       const std::vector<SpecOverride>& typed) {
  for (SpecOverride& one : kept) {
    const auto again = std::ranges::find_if(typed, [&](const SpecOverride& other) {
      return other.path == one.path && other.path != results_key &&
             without_secrets(other.value) == one.value;
    });
    if (again != typed.end()) one.value = again->value;
  }
  return kept;
}

Result<void> check_same(const JobChoices& choices, const std::optional<SpecText>& given,
                        const KeptCommand& kept, const std::string& run_id) {
  const Rules typed = rules_of(choices);
  if (!given && !typed.any()) return {};
  if (typed != rules_of(kept.choices)) {
    return fail(ErrorKind::usage,
                fmt::format("run {} began with other options; leave them out, or give the same "
                            "ones (command.json in its folder has them)",
                            run_id));
  }
  if (!given || given->text == kept.spec.text) return {};
  return fail(ErrorKind::usage,
              fmt::format("{} is not as it was when run {} began (spec.yaml in its folder is); "
                          "leave it out to go on with what the run began with, or begin a new run",
                          choices.spec, run_id));
}

// Killed between its last event and its reports, a run has ended and yet not.
bool has_its_reports(const fs::path& folder) {
  std::error_code error;
  const auto ended = fs::last_write_time(folder / "journal.jsonl", error);
  const auto reported = fs::last_write_time(folder / "summary.json", error);
  return !error && reported >= ended;
}

// Why there is nothing to go on with.
Result<void> check_broken_off(const Run& run, const fs::path& folder, const std::string& results) {
  const std::string& id = run.header().run_id;
  if (!run.header().merged.empty())
    return fail(ErrorKind::usage,
                fmt::format("run {} was merged from others: go on with those", id));
  // Only what stands behind the last of its tests tells that it was the last.
  if (run.last_sequence() <= 1 + run.tests().size()) {
    return fail(ErrorKind::usage,
                fmt::format("run {} broke off before all of its tests were written down, and none "
                            "of them has run: begin a new run",
                            id));
  }
  if (!run.finish() || !has_its_reports(folder)) return {};
  if (run.finish()->how == RunFinished::How::completed)
    return fail(
        ErrorKind::usage,
        fmt::format("run {} in {} has ended: every test had its turn; to go on with a run of "
                    "another results directory, give JOB or --results-dir",
                    id, results));
  if (run.finish()->how == RunFinished::How::deadline)
    return fail(ErrorKind::usage, fmt::format("run {} has ended: its deadline has passed", id));
  return {};
}

}  // namespace

Result<void> keep_command(const fs::path& folder, const SpecText& spec, const JobChoices& choices) {
  std::vector<std::string> arguments;
  for (const std::string& typed : choices.arguments)
    arguments.push_back(without_secrets(typed));
  const nlohmann::ordered_json json{{"version", command_version},
                                    {"directory", spec.working_directory.string()},
                                    {"spec", spec.path},
                                    {"arguments", arguments}};
  if (const auto kept = write_file(folder / "spec.yaml", spec.text); !kept) return kept;
  return write_file(folder / "command.json",
                    json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

Result<BrokenOffRun> find_broken_off_run(const JobChoices& choices, WallTime now) {
  std::optional<SpecText> given;
  if (!choices.spec.empty()) {
    auto text = read_spec_text(choices.spec);
    if (!text) return tl::unexpected(text.error());
    given = std::move(*text);
  }
  const auto directory = results_directory(choices, given);
  if (!directory) return tl::unexpected(directory.error());
  const auto found = find_run_folder(*directory, *choices.resume);
  if (!found) return tl::unexpected(found.error());
  std::error_code error;
  const fs::path folder = fs::canonical(*found, error);
  if (error || folder.parent_path().filename() != "runs")
    return fail(ErrorKind::usage,
                fmt::format("{} is not in the runs/ of a results directory", found->string()));
  const std::string results_path = folder.parent_path().parent_path().string();
  auto results = ResultsTree::open(results_path);
  if (!results) return tl::unexpected(results.error());
  auto run = read_journal(folder / "journal.jsonl");
  if (!run) return tl::unexpected(run.error());
  if (const auto broken_off = check_broken_off(*run, folder, results_path); !broken_off)
    return tl::unexpected(broken_off.error());
  auto kept = read_command(folder);
  if (!kept) return tl::unexpected(kept.error());
  if (const auto same = check_same(choices, given, *kept, run->header().run_id); !same)
    return tl::unexpected(same.error());
  Duration since = std::chrono::duration_cast<Duration>(now - run->header().at);
  // Otherwise one of the two clocks is wrong, and the journal could not be read again.
  if (since < run->duration() || since > longest_break) since = run->duration();
  return BrokenOffRun{std::move(*results),
                      results_path,
                      folder,
                      std::make_shared<const Run>(std::move(*run)),
                      std::move(kept->spec),
                      with_secrets(std::move(kept->choices.overrides), choices.overrides),
                      choices.record ? choices.record : kept->choices.record,
                      since};
}

}  // namespace ffci
