#include "gate/subject.hpp"

#include <algorithm>
#include <unordered_map>

#include "model/attempt_facts.hpp"

namespace ffci {
namespace {

// Of several iterations: any failure counts, and then what is missing.
Verdict worst_verdict(const std::vector<const TestResult*>& results) {
  constexpr Verdict worst_first[] = {Verdict::crashed, Verdict::timed_out, Verdict::failed,
                                     Verdict::error,   Verdict::not_run,   Verdict::flaky,
                                     Verdict::passed,  Verdict::skipped};
  for (const Verdict verdict : worst_first) {
    if (std::ranges::any_of(results,
                            [&](const TestResult* test) { return test->verdict() == verdict; }))
      return verdict;
  }
  return Verdict::not_run;
}

template <class Visit>
void for_each_bad_attempt(const Subject& subject, Visit visit) {
  for (const TestResult* test : subject.results) {
    for (const auto* attempts : {&test->attempts, &test->reruns}) {
      for (const Attempt& attempt : *attempts) {
        if (attempt.purpose != Purpose::base && attempt.outcome && is_bad(*attempt.outcome))
          visit(attempt);
      }
    }
  }
}

std::vector<Finding> findings_of(const Attempt& attempt) {
  std::vector<Finding> findings;
  for (KernelReport& report : reports_of(attempt)) {
    if (report.allowed.empty()) findings.push_back({std::move(report), true});
  }
  if (const std::string signature = failure_signature_of(attempt); !signature.empty())
    findings.push_back({{reason_of(*attempt.outcome), signature, {}}, false});
  return findings;
}

}  // namespace

void count_reruns(Subject& subject) {
  subject.reruns = subject.base_reruns = {};
  subject.rerun_attempts = subject.base_attempts = 0;
  for (const TestResult* test : subject.results) {
    for (const Attempt& attempt : test->reruns) {
      const bool base = attempt.purpose == Purpose::base;
      ++(base ? subject.base_attempts : subject.rerun_attempts);
      if (!attempt.outcome) continue;
      const bool bad = is_bad(*attempt.outcome);
      if (!bad && !std::holds_alternative<Passed>(*attempt.outcome)) continue;
      Trials& trials = base ? subject.base_reruns : subject.reruns;
      ++trials.runs;
      if (badness(*attempt.outcome) >= badness(subject.counted)) ++trials.bad;
    }
  }
}

std::vector<Subject> subjects_of(const Run& run, const Baseline* baseline) {
  std::vector<Subject> subjects;
  std::unordered_map<TestId, std::size_t> index;
  for (const TestResult& test : run.tests()) {
    TestId id = without_iteration(test.id);
    const auto [at, added] = index.try_emplace(id, subjects.size());
    if (added) subjects.emplace_back().judgement.id = std::move(id);
    subjects[at->second].results.push_back(&test);
  }
  for (Subject& subject : subjects) {
    subject.is = worst_verdict(subject.results);
    count_reruns(subject);
    if (baseline == nullptr) continue;
    const auto known = baseline->tests.find(subject.judgement.id);
    if (known == baseline->tests.end()) continue;
    subject.before = &known->second;
    subject.was = verdict_of(known->second);
  }
  return subjects;
}

const TestResult& worst_result(const Subject& subject) {
  return **std::ranges::find(subject.results, subject.is,
                             [](const TestResult* test) { return test->verdict(); });
}

std::vector<Finding> findings_of(const Subject& subject) {
  std::vector<Finding> findings;
  for_each_bad_attempt(subject, [&](const Attempt& attempt) {
    for (Finding& finding : findings_of(attempt)) {
      const bool known = std::ranges::any_of(findings, [&](const Finding& other) {
        return other.report.signature == finding.report.signature;
      });
      if (!known) findings.push_back(std::move(finding));
    }
  });
  return findings;
}

std::vector<KernelReport> deciding_reports(const TestResult& test) {
  std::vector<KernelReport> reports;
  if (const Attempt* decided = test.deciding_attempt()) {
    for (Finding& finding : findings_of(*decided))
      reports.push_back(std::move(finding.report));
  }
  return reports;
}

}  // namespace ffci
