#include "cli/job.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <unordered_set>

#include "base/file.hpp"
#include "base/text.hpp"
#include "store/expected_durations.hpp"
#include "suites/commands_suite.hpp"
#include "suites/selection.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t largest_spec = 16ULL << 20;
constexpr std::uint64_t largest_bpftrace_script = 100ULL << 10;  // it is one argument there

// Of the hosts: this machine's, unless the spec says that of the others.
std::string architecture(const JobSpec& spec) {
  if (spec.ssh && !spec.ssh->arch.empty() && !spec.local) return spec.ssh->arch;
  utsname system{};
  return ::uname(&system) == 0 ? system.machine : "";
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines)
    text += (text.empty() ? "" : "\n") + line;
  return text;
}

Result<std::vector<std::unique_ptr<Suite>>> load_suites(const JobSpec& spec) {
  std::vector<std::unique_ptr<Suite>> suites;
  std::vector<std::string> complaints;
  std::map<std::string, std::string> where;  // each suite's name was given
  const std::string arch = architecture(spec);
  for (const SuiteSpec& suite_spec : spec.suites) {
    const auto* listed = std::get_if<CommandsSuiteSpec>(&suite_spec);
    if (listed == nullptr) continue;
    const CommandsSuiteSpec& commands = *listed;
    LoadedSuites loaded = load_commands_suites(
        commands, arch, spec.ssh && !spec.local ? RunsOn::others_only : RunsOn::this_machine);
    complaints.insert(complaints.end(), loaded.complaints.begin(), loaded.complaints.end());
    for (std::unique_ptr<Suite>& suite : loaded.suites) {
      const auto [first, added] = where.try_emplace(suite->plan().name, commands.where);
      if (!added) {
        complaints.push_back(fmt::format("{}: there are two suites '{}'; the first is of {}",
                                         commands.where, suite->plan().name, first->second));
      }
      suites.push_back(std::move(suite));
    }
  }
  if (!complaints.empty()) return fail(ErrorKind::bad_spec, joined(complaints));
  return suites;
}

Result<void> read_bpftrace_script(RunSpec& run) {
  if (run.bpftrace_script.empty()) return {};
  auto program = read_file(run.bpftrace_script, largest_bpftrace_script);
  if (!program) return tl::unexpected(program.error());
  if (trim(*program).empty())
    return fail(ErrorKind::no_input,
                fmt::format("{} holds no bpftrace program", run.bpftrace_script));
  run.bpftrace = std::move(*program);
  return {};
}

std::vector<TestCase> repeated(const std::vector<TestCase>& tests, int times) {
  std::vector<TestCase> all;
  for (int iteration = 1; iteration <= times; ++iteration) {
    for (TestCase test : tests) {
      test.id.iteration = iteration;
      all.push_back(std::move(test));
    }
  }
  return all;
}

void set_expected(std::vector<TestCase>& tests, const ExpectedDurations& durations) {
  for (TestCase& test : tests) {
    TestId id = test.id;
    id.iteration = 1;
    if (const auto known = durations.by_test.find(id); known != durations.by_test.end())
      test.expected = known->second;
  }
}

}  // namespace

Result<JobSpec> read_job_spec(const std::string& path, const std::vector<SpecOverride>& overrides) {
  const bool standard_input = path == "-";
  auto text = read_file(standard_input ? "/dev/stdin" : path, largest_spec);
  if (!text) return tl::unexpected(text.error());
  SpecSource source;
  source.text = std::move(*text);
  source.shown_name = standard_input ? "stdin" : path;
  std::error_code ignored;
  source.working_directory = fs::current_path(ignored);
  source.directory = standard_input ? source.working_directory
                                    : fs::absolute(path, ignored).lexically_normal().parent_path();
  source.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  auto spec = load_job_spec(source, overrides);
  if (spec) return std::move(*spec);
  std::vector<std::string> lines;
  bool only_command_line = true;
  for (const SpecComplaint& complaint : spec.error()) {
    lines.push_back(complaint.text);
    only_command_line &= complaint.origin == SpecComplaint::Origin::command_line;
  }
  return fail(only_command_line ? ErrorKind::usage : ErrorKind::bad_spec, joined(lines));
}

Result<Job> load_job(const JobChoices& choices) {
  auto spec = read_job_spec(choices.spec, choices.overrides);
  if (!spec) return tl::unexpected(spec.error());
  Job job;
  job.spec = std::move(*spec);
  if (const auto read = read_bpftrace_script(job.spec.run); !read)
    return tl::unexpected(read.error());

  auto suites = load_suites(job.spec);
  if (!suites) return tl::unexpected(suites.error());
  job.suites = std::move(*suites);

  std::vector<TestCase> all;
  for (const auto& suite : job.suites) {
    const std::vector<TestCase> tests = suite->tests();
    all.insert(all.end(), tests.begin(), tests.end());
    job.plan.suites.push_back(suite->plan());
  }
  auto selected = select_tests(all, choices.patterns);
  if (!selected) return tl::unexpected(selected.error());
  if (!choices.excluded.empty()) {
    const auto excluded = select_tests(all, choices.excluded);
    if (!excluded) return tl::unexpected(excluded.error());
    std::unordered_set<TestId> out;
    for (const TestCase& test : *excluded)
      out.insert(test.id);
    std::erase_if(*selected, [&](const TestCase& test) { return out.contains(test.id); });
  }

  const RunSpec& run = job.spec.run;
  job.plan.tests = repeated(*selected, run.iterate);
  auto durations = expected_durations_from(job.spec.reports.directory, run.durations);
  if (!durations) return tl::unexpected(durations.error());
  set_expected(job.plan.tests, *durations);
  job.durations = durations->source;

  job.plan.order = run.order;
  job.plan.seed = run.seed.value_or(std::random_device{}());
  job.plan.test_timeout = run.test_timeout;
  job.plan.deadline = run.deadline;
  job.plan.retry_failures = run.retry_failures;
  job.plan.max_host_restarts = run.max_host_restarts;
  job.plan.stop_after_failures = run.stop_after_failures;
  if (job.spec.ssh) job.plan.host_return = job.spec.ssh->boot_timeout;
  return job;
}

}  // namespace ffci
