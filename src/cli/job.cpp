#include "cli/job.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

#include <filesystem>
#include <random>
#include <unordered_map>

#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/broken_off_run.hpp"
#include "cli/choose_tests.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/environment.hpp"
#include "cli/load_suites.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t largest_spec = 16ULL << 20;
constexpr std::uint64_t largest_bpftrace_script = 100ULL << 10;  // it is one argument there

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

// A job whose tests are yet to be selected from `tests`.
Result<Job> unselected_job(const SpecText& text, const std::vector<SpecOverride>& overrides,
                           EarlyHosts& hosts, JobTests& tests) {
  auto spec = parse_job_spec(text, overrides);
  if (!spec) return tl::unexpected(spec.error());
  Job job;
  job.text = text;
  job.spec = std::move(*spec);
  if (job.spec.gate.token)
    job.baseline_token = take_from_environment(job.spec.gate.token->variable);
  if (const auto read = read_bpftrace_script(job.spec.run); !read)
    return tl::unexpected(read.error());
  auto suites = load_suites(job.spec, architecture_of(job.spec), hosts);
  if (!suites) return tl::unexpected(suites.error());
  job.suites = std::move(*suites);
  for (const auto& suite : job.suites) {
    const std::vector<TestCase> left_out = suite->other_tests();
    tests.others.insert(tests.others.end(), left_out.begin(), left_out.end());
    const std::vector<TestCase> of_suite = suite->tests();
    tests.all.insert(tests.all.end(), of_suite.begin(), of_suite.end());
    job.plan.suites.push_back(suite->plan());
  }

  const RunSpec& run = job.spec.run;
  job.plan.order = run.order;
  job.plan.test_timeout = run.test_timeout;
  job.plan.batch_target = run.batch_target;
  job.plan.retry_failures = run.retry_failures;
  job.plan.max_host_restarts = run.max_host_restarts;
  job.plan.stop_after_failures = run.stop_after_failures;
  return job;
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

void set_expected(Job& job, const ExpectedDurations& durations) {
  job.typical.clear();
  for (TestCase& test : job.plan.tests) {
    test.expected.reset();
    const TestId id = without_iteration(test.id);
    if (const auto known = durations.by_test.find(id); known != durations.by_test.end()) {
      test.expected = known->second;
    } else if (const auto named = durations.by_name.find(id.name);
               named != durations.by_name.end()) {
      test.expected = named->second;
    }
    const auto typical = durations.typical.find(id);
    job.typical.push_back(typical == durations.typical.end() ? test.expected
                                                             : std::optional(typical->second));
  }
}

Result<void> expect_durations(Job& job, History::Of of) {
  const auto durations =
      expected_durations(job.spec, job.plan.tests, architecture_of(job.spec), of);
  if (!durations) return tl::unexpected(durations.error());
  set_expected(job, *durations);
  job.durations = durations->source;
  return {};
}

}  // namespace

std::string architecture_of(const JobSpec& spec) {
  if (only_on_others(spec)) {
    const auto& [ssh, qemu, mkosi] = spec.remote;
    if (ssh && !ssh->arch.empty()) return ssh->arch;
    if (qemu && !qemu->arch.empty()) return qemu->arch;
    if (mkosi && !mkosi->arch.empty()) return mkosi->arch;
  }
  utsname system{};
  return ::uname(&system) == 0 ? system.machine : "";
}

Result<SpecText> read_spec_text(const std::string& path) {
  auto text = read_file(path == "-" ? "/dev/stdin" : path, largest_spec);
  if (!text) return tl::unexpected(text.error());
  std::error_code ignored;
  return SpecText{std::move(*text), path, fs::current_path(ignored)};
}

Result<JobSpec> parse_job_spec(const SpecText& text, const std::vector<SpecOverride>& overrides) {
  const bool standard_input = text.path == "-";
  SpecSource source;
  source.text = text.text;
  source.shown_name = standard_input ? "stdin" : text.path;
  source.working_directory = text.working_directory;
  source.directory = standard_input
                         ? text.working_directory
                         : (text.working_directory / text.path).lexically_normal().parent_path();
  source.environment = environment;
  auto spec = load_job_spec(source, overrides);
  if (spec) return std::move(*spec);
  std::vector<std::string> lines;
  bool only_command_line = true;
  for (const SpecComplaint& complaint : spec.error()) {
    lines.push_back(complaint.text);
    only_command_line &= complaint.origin == SpecComplaint::Origin::command_line;
  }
  return fail(only_command_line ? ErrorKind::usage : ErrorKind::bad_spec,
              fmt::format("{}", fmt::join(lines, "\n")));
}

Result<Job> load_job(const JobChoices& choices, EarlyHosts& hosts) {
  const auto text = read_spec_text(choices.spec);
  if (!text) return tl::unexpected(text.error());
  JobTests tests;
  auto job = unselected_job(*text, choices.overrides, hosts, tests);
  if (!job) return job;
  auto selected = selected_tests(tests, choices);
  if (!selected) return tl::unexpected(selected.error());
  if (choices.rerun) {
    auto nothing = leave_failures(job->spec, *choices.rerun, tests.all, *selected);
    if (!nothing) return tl::unexpected(nothing.error());
    if (!nothing->empty()) job->nothing_selected = std::move(*nothing);
  }

  if (job->spec.gate.baseline) {
    for (const auto* some : {&tests.all, &*selected}) {
      for (const TestCase& test : *some)
        job->selectable.push_back(test.id);
    }
  }
  const RunSpec& run = job->spec.run;
  job->plan.tests = repeated(*selected, run.iterate);
  const auto shard = choices.whole ? ShardSpec{} : chosen_shard(run);
  if (!shard) return tl::unexpected(shard.error());
  if (shard->count > 1 && !job->plan.tests.empty()) {
    // What is known only here, of earlier shards, must not count in the split: the others do not
    // know it.
    if (const auto known = expect_durations(*job, History::Of::whole_runs); !known)
      return tl::unexpected(known.error());
    job->shard = leave_shard(job->plan, *shard);
  }
  if (const auto known = expect_durations(*job, History::Of::all_runs); !known)
    return tl::unexpected(known.error());
  job->plan.seed = run.seed.value_or(std::random_device{}());
  job->plan.deadline = run.deadline;
  return job;
}

Result<Job> load_job_of(const BrokenOffRun& broken_off, EarlyHosts& hosts) {
  JobTests tests;
  auto job = unselected_job(broken_off.spec, broken_off.overrides, hosts, tests);
  if (!job) return job;
  const Run& run = *broken_off.run;
  std::unordered_map<TestId, TestCase> known;
  for (const auto* some : {&tests.all, &tests.others}) {
    for (const TestCase& test : *some)
      known.try_emplace(test.id, test);
  }
  for (const TestResult& test : run.tests()) {
    const TestId id = without_iteration(test.id);
    const auto found = known.find(id);
    if (found == known.end()) {
      return fail(ErrorKind::usage,
                  fmt::format("run {} can't go on: the job no longer has its test {}",
                              run.header().run_id, to_string(id)));
    }
    TestCase& planned = job->plan.tests.emplace_back(found->second);
    planned.id = test.id;
    planned.expected = test.expected;
    planned.place = test.place;
  }
  job->durations = run.header().durations;
  job->shard = run.header().shard;
  job->plan.seed = run.header().seed;
  job->plan.earlier = broken_off.run;
  if (job->spec.run.deadline) {
    const Duration active = run.duration() - run.paused();
    job->plan.deadline = broken_off.since + *job->spec.run.deadline - active;
  }
  job->spec.reports.directory = broken_off.results_directory;
  return job;
}

}  // namespace ffci
