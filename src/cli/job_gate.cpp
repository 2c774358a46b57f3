#include "cli/job_gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "base/text.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/known_issues.hpp"
#include "cli/load_source.hpp"
#include "remote/fetch.hpp"
#include "remote/url.hpp"
#include "report/console_line.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view all_runs = "history";

struct LoadedBaseline {
  Baseline baseline;
  BaselineFact fact;
};

std::vector<TestId> not_selectable(std::vector<TestId> known, const Job& job) {
  const std::unordered_set<TestId> selectable(job.selectable.begin(), job.selectable.end());
  std::unordered_set<TestId> seen;
  std::erase_if(
      known, [&](const TestId& id) { return selectable.contains(id) || !seen.insert(id).second; });
  return known;
}

bool is_in_the_open(const std::string& source) {
  const auto url = Url::parse(source);
  return url && !url->is_secure() && !url->is_of_this_machine();
}

// What is on disk needs none.
Result<std::optional<RequestToken>> token_of(const Job& job, const std::string& source) {
  const auto& token = job.spec.gate.token;
  if (!token || !is_url(source)) return std::nullopt;
  if (job.baseline_token.value_or("").empty()) {
    return fail(
        ErrorKind::usage,
        fmt::format("the variable {} that gate.baseline-token names is not set", token->variable));
  }
  if (is_in_the_open(source)) {
    fmt::print(stderr, "ff-ci: the token of {} goes to {} without TLS\n", token->variable,
               printable_line(shown_url(source)));
  }
  const bool bearer = token->header == "Authorization";
  return RequestToken{token->header, (bearer ? "Bearer " : "") + *job.baseline_token};
}

Result<LoadedBaseline> from_one_run(const Job& job, const std::string& source) {
  const auto token = token_of(job, source);
  if (!token) return tl::unexpected(token.error());
  const auto stored = load_source(job.spec.reports.directory, source, *token);
  if (!stored) return tl::unexpected(stored.error());
  if (const auto& shard = stored->run.header().shard) {
    return fail(ErrorKind::data, fmt::format("{} is shard {}/{} of a run, and knows nothing of the "
                                             "others' tests; `ff-ci merge` joins them",
                                             stored->shown, shard->index, shard->count));
  }
  LoadedBaseline loaded;
  loaded.baseline = baseline_of(stored->run, architecture_of(job.spec));
  loaded.fact.shown = stored->shown;
  std::error_code ignored;
  if (is_url(source)) {
    loaded.fact.source = shown_url(source);
  } else if (!stored->folder.empty()) {
    loaded.fact.source = stored->folder.string();
  } else {
    loaded.fact.source = fs::absolute(source, ignored).string();
  }
  std::vector<TestId> tests;
  for (const TestResult& test : stored->run.tests())
    tests.push_back(without_iteration(test.id));
  loaded.fact.vanished = not_selectable(std::move(tests), job);
  return loaded;
}

Result<LoadedBaseline> from_history(const Job& job, const std::string& except) {
  const std::string& results = job.spec.reports.directory;
  const auto nothing_known = [&] {
    return fail(ErrorKind::no_input,
                fmt::format("the history in {} knows no earlier run of these tests that could be "
                            "their baseline",
                            results));
  };
  std::error_code unknown;
  if (!fs::exists(fs::path(results) / "runs", unknown)) return nothing_known();
  auto history = complete_history(results);
  if (!history) return tl::unexpected(history.error());
  const std::string arch = architecture_of(job.spec);
  const RunFilter filter{except, false};
  std::vector<TestCase> tests;
  std::unordered_set<TestId> seen;
  for (const TestCase& test : job.plan.tests) {
    TestCase once = test;
    once.id = without_iteration(test.id);
    if (seen.insert(once.id).second) tests.push_back(std::move(once));
  }
  auto histories = history->histories_of(tests, filter);
  if (!histories) return tl::unexpected(histories.error());
  const auto signatures = history->signatures(arch, filter);
  if (!signatures) return tl::unexpected(signatures.error());
  auto last = history->last_tests_of(job.spec.name, filter);
  if (!last) return tl::unexpected(last.error());
  tell_notes(*history);

  std::erase_if(*histories, [&](const TestHistory& of_test) {
    return of_test.results.empty() || (!of_test.arch.empty() && of_test.arch != arch);
  });
  std::unordered_set<std::string> runs;
  for (const TestHistory& of_test : *histories) {
    for (const PastResult& result : of_test.results)
      runs.insert(result.run_id);
  }
  if (runs.empty() && !job.plan.tests.empty()) return nothing_known();
  LoadedBaseline loaded;
  loaded.baseline = baseline_of(*histories, *signatures);
  loaded.fact.source = all_runs;
  loaded.fact.shown = fmt::format("history ({})", counted(runs.size(), "run"));
  loaded.fact.vanished = not_selectable(std::move(*last), job);
  return loaded;
}

// A run that goes on finds its baseline where it was; of a URL the run has no secrets, the spec
// does.
std::string source_of(const Job& job, const Run* earlier) {
  if (earlier == nullptr) return *job.spec.gate.baseline;
  const std::string& source = earlier->header().baseline->source;
  return is_url(source) ? job.spec.gate.baseline.value_or(source) : source;
}

}  // namespace

Result<std::optional<JobGate>> load_gate(const Job& job, const Run* earlier) {
  const GateSpec& spec = job.spec.gate;
  const bool wanted =
      spec.baseline || !spec.known_issues.empty() || spec.fail_on.contains(FailOn::flaky);
  if (earlier != nullptr ? !earlier->header().gated : !wanted) return std::nullopt;
  auto issues = read_known_issues(spec.known_issues);
  if (!issues) return tl::unexpected(issues.error());
  const bool has_baseline =
      earlier != nullptr ? earlier->header().baseline.has_value() : spec.baseline.has_value();
  if (!has_baseline) return JobGate{Gate(spec, {}, std::move(*issues)), {}};

  const std::string source = source_of(job, earlier);
  auto loaded = source == all_runs
                    ? from_history(job, earlier != nullptr ? earlier->header().run_id : "")
                    : from_one_run(job, source);
  if (!loaded) {
    const bool none_yet =
        earlier == nullptr && loaded.error().kind == ErrorKind::no_input && spec.baseline_optional;
    if (!none_yet) {
      return fail(loaded.error().kind, "baseline: " + loaded.error().message);
    }
    fmt::print(stderr, "ff-ci: no baseline yet, so any failure counts: {}\n",
               printable_line(loaded.error().message, 1000));
    return JobGate{Gate(spec, {}, std::move(*issues)), {}};
  }
  if (earlier != nullptr) loaded->fact = *earlier->header().baseline;
  return JobGate{Gate(spec, std::move(loaded->baseline), std::move(*issues)),
                 std::move(loaded->fact)};
}

}  // namespace ffci
