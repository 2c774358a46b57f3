#include "gate/baseline.hpp"

#include <algorithm>

#include "model/attempt_facts.hpp"

namespace ffci {
namespace {

void add(BaselineTest& test, Verdict verdict, std::size_t bad_attempts, Duration duration) {
  const bool passed = verdict == Verdict::passed || verdict == Verdict::flaky;
  test.trials.bad += bad_attempts;
  test.trials.runs += bad_attempts + (passed ? 1 : 0);
  if (passed) test.durations.push_back(duration);
  // The first one that is told is the newest; a skip tells more than that nothing is known.
  if (!tells_good_or_bad(verdict) && (!test.otherwise || verdict == Verdict::skipped))
    test.otherwise = verdict;
}

std::string arch_of(const Run& run, const TestResult& test) {
  const Attempt* decided = test.deciding_attempt();
  if (decided == nullptr) return {};
  const auto host =
      std::ranges::find(run.hosts(), decided->host, [](const HostRecord& h) { return h.name; });
  return host == run.hosts().end() ? std::string() : host->arch;
}

}  // namespace

int badness(Verdict verdict) {
  constexpr Verdict worse[] = {Verdict::failed, Verdict::timed_out, Verdict::crashed};
  const auto* const found = std::ranges::find(worse, verdict);
  return found == std::end(worse) ? 0 : static_cast<int>(found - std::begin(worse)) + 1;
}

int badness(const Outcome& outcome) {
  return badness(verdict_of(std::vector<const Outcome*>{&outcome}));
}

Baseline baseline_of(const Run& run, const std::string& arch) {
  Baseline baseline;
  for (const TestResult& test : run.tests()) {
    const std::string here = arch_of(run, test);
    if (!arch.empty() && !here.empty() && here != arch) continue;
    std::set<std::string> failures;
    for (const auto* attempts : {&test.attempts, &test.reruns}) {
      for (const Attempt& attempt : *attempts) {
        for (const KernelReport& report : reports_of(attempt))
          baseline.signatures.insert(report.signature);
        if (std::string signature = failure_signature_of(attempt); !signature.empty())
          failures.insert(std::move(signature));
      }
    }
    BaselineTest& of_test = baseline.tests[without_iteration(test.id)];
    const auto bad = std::ranges::count_if(test.attempts, [](const Attempt& attempt) {
      return attempt.outcome && is_bad(*attempt.outcome);
    });
    add(of_test, test.verdict(), static_cast<std::size_t>(bad), test.duration());
    of_test.failure_signatures.merge(failures);
    for (const Attempt& attempt : test.attempts)
      of_test.worst = std::max(of_test.worst, attempt.outcome ? badness(*attempt.outcome) : 0);
  }
  return baseline;
}

Baseline baseline_of(std::span<const TestHistory> histories,
                     std::span<const PastSignature> signatures) {
  Baseline baseline;
  for (const TestHistory& history : histories) {
    BaselineTest& test = baseline.tests[without_iteration(history.id)];
    for (const PastResult& result : history.results) {
      add(test, result.verdict, static_cast<std::size_t>(std::max(0, result.bad_attempts)),
          result.duration);
      // Of earlier attempts the history does not tell how bad they were.
      test.worst = std::max({test.worst, badness(result.verdict), result.bad_attempts > 0 ? 1 : 0});
    }
  }
  for (const PastSignature& known : signatures) {
    baseline.signatures.insert(known.signature);
    const auto test = baseline.tests.find(known.test);
    if (test != baseline.tests.end()) test->second.failure_signatures.insert(known.signature);
  }
  return baseline;
}

std::optional<Verdict> verdict_of(const BaselineTest& test) {
  if (test.trials.runs == 0) return test.otherwise;
  return test.trials.bad == test.trials.runs ? Verdict::failed : Verdict::passed;
}

}  // namespace ffci
