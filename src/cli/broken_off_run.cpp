#include "cli/broken_off_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/text.hpp"
#include "store/journal.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr int command_version = 1;
constexpr std::uint64_t largest_command = 16ULL << 20, largest_spec = 16ULL << 20;
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

// Without where the results are: the run was found there.
std::vector<SpecOverride> rules_of(std::vector<SpecOverride> overrides) {
  std::erase_if(overrides, [](const SpecOverride& one) { return one.path == results_key; });
  return overrides;
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

Result<void> check_same(const JobChoices& choices, const std::optional<SpecText>& given,
                        const KeptCommand& kept, const std::string& run_id) {
  const std::vector<SpecOverride> typed = rules_of(choices.overrides);
  if (!given && typed.empty()) return {};
  const bool same_tests = !given || (choices.patterns == kept.choices.patterns &&
                                     choices.excluded == kept.choices.excluded);
  if (typed != rules_of(kept.choices.overrides) || !same_tests) {
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

// Why there is nothing to go on with.
Result<void> check_broken_off(const Run& run) {
  const std::string& id = run.header().run_id;
  if (!run.header().merged.empty())
    return fail(ErrorKind::usage,
                fmt::format("run {} was merged from others: go on with those", id));
  if (!run.finish()) return {};
  if (run.finish()->how == RunFinished::How::completed)
    return fail(ErrorKind::usage, fmt::format("run {} has ended: every test had its turn", id));
  if (run.finish()->how == RunFinished::How::deadline)
    return fail(ErrorKind::usage, fmt::format("run {} has ended: its deadline has passed", id));
  return {};
}

}  // namespace

Result<void> keep_command(const fs::path& folder, const SpecText& spec, const JobChoices& choices) {
  const nlohmann::ordered_json json{{"version", command_version},
                                    {"directory", spec.working_directory.string()},
                                    {"spec", spec.path},
                                    {"arguments", choices.arguments}};
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
  const auto found = find_run(*directory, *choices.resume);
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
  if (const auto broken_off = check_broken_off(*run); !broken_off)
    return tl::unexpected(broken_off.error());
  auto kept = read_command(folder);
  if (!kept) return tl::unexpected(kept.error());
  if (const auto same = check_same(choices, given, *kept, run->header().run_id); !same)
    return tl::unexpected(same.error());
  const Duration since =
      std::max(run->duration(), std::chrono::duration_cast<Duration>(now - run->header().at));
  return BrokenOffRun{std::move(*results),
                      results_path,
                      folder,
                      std::make_shared<const Run>(std::move(*run)),
                      std::move(kept->spec),
                      std::move(kept->choices.overrides),
                      choices.record ? choices.record : kept->choices.record,
                      since};
}

}  // namespace ffci
