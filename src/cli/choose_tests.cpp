#include "cli/choose_tests.hpp"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

#include "base/text.hpp"
#include "cli/ci_shard.hpp"
#include "cli/environment.hpp"
#include "cli/load_source.hpp"
#include "engine/shards.hpp"
#include "store/plan_digest.hpp"
#include "suites/selection.hpp"

namespace ffci {
namespace {

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

}  // namespace

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

Result<std::string> leave_failures(const JobSpec& spec, const std::string& source,
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
    const TestId id = without_iteration(test.id);
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

Shard leave_shard(EnginePlan& plan, const ShardSpec& chosen) {
  const std::vector<int> shards = shards_of(plan, chosen.count);
  std::vector<PlannedTest> planned;
  std::vector<TestCase> left;
  for (size_t i = 0; i < plan.tests.size(); ++i) {
    TestCase& test = plan.tests[i];
    planned.push_back({test.id, shards[i]});
    if (shards[i] != chosen.index) continue;
    left.push_back(std::move(test));
    left.back().place = i + 1;
  }
  plan.tests = std::move(left);
  return {chosen.index, chosen.count, plan_digest(planned, chosen.count)};
}

}  // namespace ffci
