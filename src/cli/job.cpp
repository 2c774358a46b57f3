#include "cli/job.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <unordered_map>
#include <unordered_set>

#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/broken_off_run.hpp"
#include "cli/ci_shard.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/load_source.hpp"
#include "engine/shards.hpp"
#include "store/plan_digest.hpp"
#include "suites/commands_suite.hpp"
#include "suites/fstests_suite.hpp"
#include "suites/fstests_tree.hpp"
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
  for (const std::string& line : lines) {
    if (!text.empty()) text += '\n';
    text += line;
  }
  return text;
}

// Where tests are selected from: this machine's tree, or that of the first host that is up.
Result<FstestsTree> fstests_tree(const JobSpec& spec, const FstestsSuiteSpec& suite,
                                 EarlyHosts& hosts) {
  const bool runs_here = spec.local || !spec.ssh;
  if (suite.tree || runs_here) return read_fstests_tree(suite.tree.value_or(suite.path));
  Command command;
  command.title = "the tests of " + suite.name;
  command.command = fstests_listing_script(".");
  command.directory = suite.path;
  command.directory_in_tree = std::string(".");
  const auto listing = hosts.ask(spec, command, largest_fstests_listing + 1);
  if (!listing) return tl::unexpected(listing.error());
  return read_fstests_listing(*listing);
}

class SuiteLoader {
 public:
  SuiteLoader(const JobSpec& spec, EarlyHosts& hosts) : spec_(spec), hosts_(hosts) {}

  Result<std::vector<std::unique_ptr<Suite>>> load() {
    for (const SuiteSpec& suite : spec_.suites) {
      const auto loaded = std::visit([this](const auto& one) { return load(one); }, suite);
      if (!loaded) return tl::unexpected(loaded.error());
    }
    if (!complaints_.empty()) return fail(ErrorKind::bad_spec, joined(complaints_));
    return std::move(suites_);
  }

 private:
  Result<void> load(const CommandsSuiteSpec& spec) {
    const RunsOn where = spec_.ssh && !spec_.local ? RunsOn::others_only : RunsOn::this_machine;
    LoadedSuites loaded = load_commands_suites(spec, arch_, where);
    complain(loaded.complaints);
    for (std::unique_ptr<Suite>& suite : loaded.suites)
      add(std::move(suite), spec.where);
    return {};
  }

  Result<void> load(const FstestsSuiteSpec& spec) {
    auto tree = fstests_tree(spec_, spec, hosts_);
    if (!tree && tree.error().kind != ErrorKind::no_input) return tl::unexpected(tree.error());
    if (!tree) {
      complain({fmt::format("{}: {}", spec.where, tree.error().message)});
      return {};
    }
    if (!tree->problem.empty())
      fmt::print(stderr, "ff-ci: suite {}: {}\n", spec.name, tree->problem);
    const FstestsSelection selection = select_fstests(spec, *tree);
    complain(selection.complaints);
    add(make_fstests_suite(spec, selection), spec.where);
    return {};
  }

  void add(std::unique_ptr<Suite> suite, const std::string& where) {
    const auto [first, added] = where_.try_emplace(suite->plan().name, where);
    if (!added) {
      complaints_.push_back(fmt::format("{}: there are two suites '{}'; the first is of {}", where,
                                        suite->plan().name, first->second));
    }
    suites_.push_back(std::move(suite));
  }
  void complain(const std::vector<std::string>& complaints) {
    complaints_.insert(complaints_.end(), complaints.begin(), complaints.end());
  }

  const JobSpec& spec_;
  EarlyHosts& hosts_;
  const std::string arch_ = architecture(spec_);
  std::vector<std::unique_ptr<Suite>> suites_;
  std::vector<std::string> complaints_;
  std::map<std::string, std::string> where_;  // each suite's name was given
};

// What was named on the command line; a test that the job leaves out may be named, too.
Result<std::vector<TestCase>> named_tests(const std::vector<TestCase>& all,
                                          const std::vector<TestCase>& others,
                                          const std::vector<std::string>& patterns) {
  std::vector<std::string> known, foreign;
  for (const std::string& pattern : patterns)
    (select_tests(all, {pattern}) ? known : foreign).push_back(pattern);
  if (foreign.empty() || others.empty()) return select_tests(all, patterns);
  std::vector<TestCase> any = all;
  any.insert(any.end(), others.begin(), others.end());
  auto added = select_tests(any, foreign);
  if (!added || known.empty()) return added;
  auto selected = select_tests(all, known);
  if (selected) selected->insert(selected->end(), added->begin(), added->end());
  return selected;
}

bool failed(const TestResult& test) {
  return is_bad(test.verdict()) || test.verdict() == Verdict::error;
}

// --rerun-failures: of `selected` what failed in that run. What failed there and is no longer of
// the job (`all`) is said. Returns why nothing is left; empty: something is.
Result<std::string> keep_failures(const JobSpec& spec, const std::string& source,
                                  const std::vector<TestCase>& all,
                                  std::vector<TestCase>& selected) {
  const auto earlier = load_source(spec.reports.directory, source);
  if (!earlier) return tl::unexpected(earlier.error());
  std::unordered_set<TestId> wanted, known;
  for (const TestCase& test : all)
    known.insert(test.id);
  for (const TestCase& test : selected)
    known.insert(test.id);
  for (const TestResult& test : earlier->run.tests()) {
    TestId id = test.id;
    id.iteration = 1;
    if (!failed(test) || !wanted.insert(id).second || known.contains(id)) continue;
    fmt::print(stderr, "ff-ci: {} failed in run {} and is no longer selected by the job\n",
               printable_line(to_string(id)), printable_line(earlier->shown));
  }
  std::erase_if(selected, [&](const TestCase& test) { return !wanted.contains(test.id); });
  if (wanted.empty()) return fmt::format("no failures in run {}", printable_line(earlier->shown));
  if (!selected.empty()) return std::string();
  return fmt::format("none of the {} failures in run {} was selected", wanted.size(),
                     printable_line(earlier->shown));
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

void set_expected(Job& job, const ExpectedDurations& durations) {
  job.typical.clear();
  for (TestCase& test : job.plan.tests) {
    test.expected.reset();
    TestId id = test.id;
    id.iteration = 1;
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

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// The tests of the job's suites, and those that they leave out.
struct JobTests {
  std::vector<TestCase> all, others;
};

// A job whose tests are yet to be selected from `tests`.
Result<Job> load_suites(const SpecText& text, const std::vector<SpecOverride>& overrides,
                        EarlyHosts& hosts, JobTests& tests) {
  auto spec = parse_job_spec(text, overrides);
  if (!spec) return tl::unexpected(spec.error());
  Job job;
  job.text = text;
  job.spec = std::move(*spec);
  if (const auto read = read_bpftrace_script(job.spec.run); !read)
    return tl::unexpected(read.error());
  auto suites = SuiteLoader(job.spec, hosts).load();
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
  if (job.spec.ssh) job.plan.host_return = job.spec.ssh->boot_timeout;
  return job;
}

Result<std::vector<TestCase>> selected_tests(const JobTests& tests, const JobChoices& choices) {
  auto selected = named_tests(tests.all, tests.others, choices.patterns);
  if (!selected || choices.excluded.empty()) return selected;
  // What the job leaves out may be excluded once more.
  std::vector<TestCase> any = tests.all;
  any.insert(any.end(), tests.others.begin(), tests.others.end());
  const auto excluded = select_tests(any, choices.excluded);
  if (!excluded) return tl::unexpected(excluded.error());
  std::unordered_set<TestId> out;
  for (const TestCase& test : *excluded)
    out.insert(test.id);
  std::erase_if(*selected, [&](const TestCase& test) { return out.contains(test.id); });
  return selected;
}

// As the spec says, or else the CI system. 1/1: all tests.
Result<ShardSpec> chosen_shard(const RunSpec& run) {
  if (run.shard) return *run.shard;
  const auto said = ci_shard(environment);
  if (!said) return tl::unexpected(said.error());
  if (!*said) return ShardSpec{};
  const ShardSpec shard = (*said)->shard;
  fmt::print(stderr, "ff-ci: shard {}/{}, as {} say; --shard off runs all tests\n", shard.index,
             shard.count, (*said)->said_by);
  return shard;
}

// Leaves the tests of this shard. What is known only here, from its own earlier runs, must not
// count in the split: the other shards do not know it.
Result<void> leave_shard(Job& job, const ShardSpec& chosen) {
  auto durations = expected_durations(job.spec, job.plan.tests, architecture(job.spec));
  if (!durations) return tl::unexpected(durations.error());
  set_expected(job, *durations);
  const std::vector<int> shards = shards_of(job.plan, chosen.count);
  std::vector<PlannedTest> planned;
  std::vector<TestCase> left;
  for (size_t i = 0; i < job.plan.tests.size(); ++i) {
    TestCase& test = job.plan.tests[i];
    planned.push_back({test.id, shards[i]});
    if (shards[i] != chosen.index) continue;
    left.push_back(std::move(test));
    left.back().place = i + 1;
  }
  job.plan.tests = std::move(left);
  job.shard = Shard{chosen.index, chosen.count, plan_digest(planned, chosen.count)};
  return {};
}

}  // namespace

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
  return fail(only_command_line ? ErrorKind::usage : ErrorKind::bad_spec, joined(lines));
}

Result<Job> load_job(const JobChoices& choices, EarlyHosts& hosts) {
  const auto text = read_spec_text(choices.spec);
  if (!text) return tl::unexpected(text.error());
  JobTests tests;
  auto job = load_suites(*text, choices.overrides, hosts, tests);
  if (!job) return job;
  auto selected = selected_tests(tests, choices);
  if (!selected) return tl::unexpected(selected.error());
  if (choices.rerun) {
    auto nothing = keep_failures(job->spec, *choices.rerun, tests.all, *selected);
    if (!nothing) return tl::unexpected(nothing.error());
    if (!nothing->empty()) job->nothing_selected = std::move(*nothing);
  }

  const RunSpec& run = job->spec.run;
  job->plan.tests = repeated(*selected, run.iterate);
  const auto shard = choices.whole ? ShardSpec{} : chosen_shard(run);
  if (!shard) return tl::unexpected(shard.error());
  if (shard->count > 1 && !job->plan.tests.empty()) {
    if (const auto left = leave_shard(*job, *shard); !left) return tl::unexpected(left.error());
  }
  auto durations = expected_durations(job->spec, job->plan.tests, architecture(job->spec));
  if (!durations) return tl::unexpected(durations.error());
  set_expected(*job, *durations);
  job->durations = durations->source;
  job->plan.seed = run.seed.value_or(std::random_device{}());
  job->plan.deadline = run.deadline;
  return job;
}

Result<Job> load_job_of(const BrokenOffRun& broken_off, EarlyHosts& hosts) {
  JobTests tests;
  auto job = load_suites(broken_off.spec, broken_off.overrides, hosts, tests);
  if (!job) return job;
  const Run& run = *broken_off.run;
  std::unordered_map<TestId, TestCase> known;
  for (const auto* some : {&tests.all, &tests.others}) {
    for (const TestCase& test : *some)
      known.try_emplace(test.id, test);
  }
  for (const TestResult& test : run.tests()) {
    TestId id = test.id;
    id.iteration = 1;
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
