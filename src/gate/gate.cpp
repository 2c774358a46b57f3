#include "gate/gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/quantile.hpp"
#include "base/text.hpp"
#include "gate/known_issues.hpp"
#include "gate/rerun_ruling.hpp"
#include "gate/slower.hpp"
#include "model/attempt_facts.hpp"

namespace ffci {
namespace {

// A test in all its iterations, and what is to be said of it.
struct Subject {
  TestJudgement judgement;
  std::vector<const TestResult*> results;
  const BaselineTest* before = nullptr;
  std::optional<Verdict> was;
  Verdict is = Verdict::not_run;
  Trials reruns, base_reruns;
  std::size_t rerun_attempts = 0, base_attempts = 0;  // those that gave no result, too
  enum class Suspicion { none, fails, slower };
  Suspicion suspicion = Suspicion::none;
  std::size_t more = 0;  // reruns to be made

  void decide(Decision decision, std::string why) {
    judgement.decision = decision;
    judgement.why = std::move(why);
  }
};

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

const TestResult& worst_result(const Subject& subject) {
  return **std::ranges::find(subject.results, subject.is,
                             [](const TestResult* test) { return test->verdict(); });
}

void count_reruns(Subject& subject) {
  for (const TestResult* test : subject.results) {
    for (const Attempt& attempt : test->reruns) {
      const bool base = attempt.purpose == Purpose::base;
      ++(base ? subject.base_attempts : subject.rerun_attempts);
      if (!attempt.outcome) continue;
      const bool bad = is_bad(*attempt.outcome);
      if (!bad && !std::holds_alternative<Passed>(*attempt.outcome)) continue;
      Trials& trials = base ? subject.base_reruns : subject.reruns;
      ++trials.runs;
      if (bad) ++trials.bad;
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

// What the base kernel does, too, is not new.
void add_base_signatures(const Run& run, std::unordered_set<std::string>& known) {
  for (const TestResult& test : run.tests()) {
    for (const Attempt& attempt : test.reruns) {
      if (attempt.purpose != Purpose::base) continue;
      for (const KernelReport& report : reports_of(attempt))
        known.insert(report.signature);
    }
  }
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

// What no rerun excuses.
struct Finding {
  KernelReport report;  // or what stands for one, where a test says that its file system is broken
  bool of_kernel = false;  // met by any test of the baseline, it is not new
};

std::vector<Finding> findings_of(const Attempt& attempt) {
  std::vector<Finding> findings;
  for (KernelReport& report : reports_of(attempt)) {
    if (report.allowed.empty()) findings.push_back({std::move(report), true});
  }
  if (const std::string signature = failure_signature_of(attempt); !signature.empty())
    findings.push_back({{reason_of(*attempt.outcome), signature, {}}, false});
  return findings;
}

// Of its bad attempts; what a test passes with it takes for allowed.
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

// Those that decided what it is, for the known issues.
std::vector<KernelReport> deciding_reports(const TestResult& test) {
  std::vector<KernelReport> reports;
  if (const Attempt* decided = test.deciding_attempt()) {
    for (Finding& finding : findings_of(*decided))
      reports.push_back(std::move(finding.report));
  }
  return reports;
}

std::string shown_p(double p) {
  if (p < 0.00005) return "p<0.0001";
  return p < 0.001 ? fmt::format("p={:.4f}", p) : fmt::format("p={:.2g}", p);
}

// "baseline 0 of 24 (0 of 4 on base hosts; p=0.0001)"
std::string baseline_counts(const TestJudgement& test, const std::string& p = {}) {
  if (test.baseline_runs.runs == 0) return "no run of it in the baseline";
  std::string beside = p;
  if (test.base_host_runs.runs > 0) {
    beside = fmt::format("{} of {} on base hosts{}{}", test.base_host_runs.bad,
                         test.base_host_runs.runs, p.empty() ? "" : "; ", p);
  }
  return fmt::format("baseline {} of {}{}", test.baseline_runs.bad, test.baseline_runs.runs,
                     beside.empty() ? "" : fmt::format(" ({})", beside));
}

// "failed 4 of 4, baseline 0 of 20 (p=0.0001)"
std::string counts_of(const TestJudgement& test) {
  const bool tells_p = test.p_value && test.change_runs.bad > 0;
  return fmt::format("failed {} of {}, {}", test.change_runs.bad, test.change_runs.runs,
                     baseline_counts(test, tells_p ? shown_p(*test.p_value) : std::string()));
}

// By their rates, without rounding.
bool more_often(const Trials& a, const Trials& b) {
  return a.bad * std::max<std::size_t>(b.runs, 1) > b.bad * std::max<std::size_t>(a.runs, 1);
}

// What clean reruns can hide: a failure of rate q passes n of them with probability (1-q)^n.
std::string why_flaky(const TestJudgement& test) {
  if (test.change_runs.runs > 0 && test.change_runs.bad == 0) {
    return fmt::format("a bug that fails every second run would go unseen in {:.2g} % of cases",
                       100 * std::pow(0.5, static_cast<double>(test.change_runs.runs)));
  }
  return more_often(test.change_runs, test.baseline_runs) ? "about as often as before"
                                                          : "no more often than before";
}

std::string why_inconclusive(const TestJudgement& test, std::size_t attempts,
                             const GateSpec& spec) {
  if (test.change_runs.runs < static_cast<std::size_t>(std::min(spec.confirm, spec.confirm_limit)))
    return fmt::format("only {} of {} reruns gave a result", test.change_runs.runs, attempts);
  return attempts >= static_cast<std::size_t>(spec.confirm_limit)
             ? "more often than before, but that may be chance"
             : "the baseline is too short to tell";
}

// Each signature once, with all its tests.
class NewSignatures {
 public:
  void add(const NewSignature& signature) {
    const auto [at, added] = index_.try_emplace(signature.signature, all_.size());
    if (added) {
      all_.push_back(signature);
    } else {
      std::vector<TestId>& tests = all_[at->second].tests;
      tests.insert(tests.end(), signature.tests.begin(), signature.tests.end());
    }
  }
  [[nodiscard]] std::vector<NewSignature> take() { return std::move(all_); }

 private:
  std::vector<NewSignature> all_;
  std::unordered_map<std::string, std::size_t> index_;
};

// The state of one question.
class Session {
 public:
  Session(const GateSpec& spec, const Baseline* baseline, const std::vector<KnownIssue>& issues,
          const Run& run, const std::string& why_final)
      : spec_(spec),
        baseline_(baseline),
        run_(run),
        why_final_(why_final),
        issues_(issues, run.header().at),
        subjects_(subjects_of(run, baseline)) {
    add_base_signatures(run, base_signatures_);
  }

  GateAnswer answer() {
    for (Subject& subject : subjects_)
      look_at(subject);
    rule_on_failures();
    if (why_final_.empty()) {
      if (auto orders = orders_of_suspects(); !orders.empty()) return orders;
    }
    return judgement();
  }

 private:
  [[nodiscard]] bool fails_on(FailOn what) const { return spec_.fail_on.contains(what); }

  void look_at(Subject& subject) {
    TestJudgement& judgement = subject.judgement;
    judgement.change = change_between(subject.was, subject.is);
    judgement.change_runs = subject.reruns;
    if (subject.before != nullptr) judgement.baseline_runs = subject.before->trials;
    judgement.baseline_runs.bad += subject.base_reruns.bad;
    judgement.baseline_runs.runs += subject.base_reruns.runs;
    judgement.base_host_runs = subject.base_reruns;
    if (baseline_ != nullptr && find_new_signatures(subject)) return;
    if (is_bad(subject.is)) return look_at_failure(subject);
    const bool has_result = judgement.change != Change::incomplete;
    if (baseline_ == nullptr && has_result) judgement.change = Change::unchanged;
    if (subject.is == Verdict::flaky)
      return subject.decide(Decision::flaky, worst_result(subject).reason());
    if (!has_result || judgement.change == Change::run_to_skip)
      return subject.decide(Decision::noted, worst_result(subject).reason());
    if (judgement.change == Change::fixed) judgement.why = baseline_failed(subject);
    if (fails_on(FailOn::slower) && subject.is == Verdict::passed) look_at_duration(subject);
  }

  // True: that decides it.
  bool find_new_signatures(Subject& subject) {
    std::vector<std::string> titles;
    for (const Finding& finding : findings_of(subject)) {
      const KernelReport& report = finding.report;
      if (is_in_baseline(finding, subject)) continue;
      if (const KnownIssue* issue = known_issue_of(finding, subject)) {
        subject.judgement.known_issue = shown(*issue);
        continue;
      }
      if (finding.of_kernel) add_new_signature(report, subject.judgement.id);
      subject.judgement.new_signatures.push_back(report.signature);
      titles.push_back(report.title);
    }
    if (titles.empty()) return false;
    subject.judgement.change = Change::regression;
    std::string why = "new signature: " + titles.front();
    if (titles.size() > 1) why += fmt::format(" and {} more", titles.size() - 1);
    const bool is_new = subject.before == nullptr || subject.before->trials.runs == 0;
    if (fails_on(FailOn::regression) || (is_new && fails_on(FailOn::new_failure))) {
      subject.decide(Decision::regression, why);
    } else {
      subject.decide(subject.is == Verdict::flaky ? Decision::flaky : Decision::noted, why);
    }
    return true;
  }

  [[nodiscard]] bool is_in_baseline(const Finding& finding, const Subject& subject) const {
    const std::string& signature = finding.report.signature;
    if (finding.of_kernel)
      return baseline_->signatures.contains(signature) || base_signatures_.contains(signature);
    if (subject.before != nullptr && subject.before->failure_signatures.contains(signature))
      return true;
    return std::ranges::any_of(subject.results, [&](const TestResult* test) {
      return std::ranges::any_of(test->reruns, [&](const Attempt& attempt) {
        return attempt.purpose == Purpose::base && failure_signature_of(attempt) == signature;
      });
    });
  }

  void add_new_signature(const KernelReport& report, const TestId& test) {
    new_signatures_.add({report.signature, report.title, {test}});
  }

  void look_at_failure(Subject& subject) {
    const std::string reason = worst_result(subject).reason();
    TestJudgement& judgement = subject.judgement;
    judgement.known_issue = known_issue_of(subject);
    if (!judgement.known_issue.empty())
      return subject.decide(Decision::known, judgement.known_issue);
    if (baseline_ == nullptr) return subject.decide(Decision::failure, reason);
    const Trials before = subject.before != nullptr ? subject.before->trials : Trials{};
    // So often that no rerun could fail more often by the least difference.
    const bool nearly_always =
        static_cast<double>(before.bad) >
        (1 - RulingRules{}.least_difference) * static_cast<double>(before.runs);
    if (before.runs > 0 && (before.bad == before.runs || nearly_always)) {
      judgement.change = Change::known_failure;
      return subject.decide(Decision::known, baseline_failed(subject));
    }
    if (!fails_on(before.runs > 0 ? FailOn::regression : FailOn::new_failure)) {
      // A baseline that broke off must not make it green.
      if (fails_on(FailOn::regression) && lacks_result(subject))
        return subject.decide(Decision::inconclusive,
                              reason + "; the baseline has no result of it");
      return subject.decide(Decision::noted, reason);
    }
    if (spec_.confirm == 0)
      return subject.decide(Decision::regression,
                            fmt::format("{}, {}", reason, baseline_counts(judgement)));
    subject.suspicion = Subject::Suspicion::fails;
  }

  // The baseline should know the test, and could not tell.
  static bool lacks_result(const Subject& subject) {
    return subject.was == Verdict::error || subject.was == Verdict::not_run;
  }

  static std::string baseline_failed(const Subject& subject) {
    const Trials& before = subject.before->trials;
    return fmt::format("baseline failed {} of {}", before.bad, before.runs);
  }

  const KnownIssue* known_issue_of(const Finding& finding, const Subject& subject) {
    const TestId& test = subject.judgement.id;
    return finding.of_kernel ? issues_.of_kernel_report(test, finding.report)
                             : issues_.of_broken_file_system(test, finding.report);
  }

  // Empty: there is none, or another iteration failed in a way, or with a signature, that nobody
  // knows.
  std::string known_issue_of(const Subject& subject) {
    std::string known;
    for (const TestResult* test : subject.results) {
      if (!is_bad(test->verdict())) continue;
      const KnownIssue* issue =
          issues_.of_failure(subject.judgement.id, test->reason(), deciding_reports(*test));
      if (issue == nullptr) return {};
      if (known.empty() || test->verdict() == subject.is) known = shown(*issue);
    }
    if (baseline_ != nullptr) return known;  // new signatures were found before
    const bool all_named = std::ranges::all_of(findings_of(subject), [&](const Finding& finding) {
      return known_issue_of(finding, subject) != nullptr;
    });
    return all_named ? known : std::string();
  }

  void look_at_duration(Subject& subject) {
    if (subject.before == nullptr) return;
    std::vector<Duration> took, rerun;
    for (const TestResult* test : subject.results) {
      if (test->verdict() == Verdict::passed) took.push_back(test->duration());
      for (const Attempt& attempt : test->reruns) {
        const bool passed = attempt.outcome && std::holds_alternative<Passed>(*attempt.outcome);
        if (passed && attempt.purpose == Purpose::confirmation) rerun.push_back(attempt.duration);
      }
    }
    const auto limit = slower_limit(subject.before->durations, spec_.slower);
    const Duration now = median(took).value_or(Duration{});
    if (!limit || now <= limit->longest) return;
    TestJudgement& judgement = subject.judgement;
    judgement.change = Change::slower;
    judgement.duration = median(rerun).value_or(now);
    judgement.usual_duration = limit->usual;
    subject.suspicion = Subject::Suspicion::slower;
    const auto enough = static_cast<std::size_t>(spec_.confirm);
    const auto most = static_cast<std::size_t>(spec_.confirm_limit);
    const std::string numbers =
        fmt::format("took {}, usually {}", human_duration(now), human_duration(limit->usual));
    if (rerun.size() < enough) {
      const std::size_t left = most - std::min(most, subject.rerun_attempts);
      subject.more = std::min(enough - rerun.size(), left);
      const std::string why = subject.more > 0 ? why_final_
                                               : fmt::format("only {} of {} reruns passed",
                                                             rerun.size(), subject.rerun_attempts);
      return subject.decide(Decision::inconclusive, fmt::format("{}; not confirmed{}{}", numbers,
                                                                why.empty() ? "" : ": ", why));
    }
    if (rerun.empty()) return subject.decide(Decision::regression, numbers);
    const bool still = *judgement.duration > limit->longest;
    subject.decide(still ? Decision::regression : Decision::noted,
                   fmt::format("{}; {}{} in {} reruns", numbers, still ? "" : "only ",
                               human_duration(*judgement.duration), rerun.size()));
  }

  void rule_on_failures() {
    std::vector<Subject*> suspects;
    std::vector<Suspect> counts;
    for (Subject& subject : subjects_) {
      if (subject.suspicion != Subject::Suspicion::fails) continue;
      suspects.push_back(&subject);
      counts.push_back({subject.judgement.change_runs, subject.judgement.baseline_runs,
                        subject.rerun_attempts, settled_before(subject)});
    }
    RulingRules rules;
    rules.confirm = static_cast<std::size_t>(spec_.confirm);
    rules.limit = static_cast<std::size_t>(spec_.confirm_limit);
    const std::vector<RuledSuspect> rulings = rule_on(counts, rules);
    for (std::size_t i = 0; i < suspects.size(); ++i)
      settle(*suspects[i], rulings[i]);
  }

  static std::optional<Ruling> settled_before(const Subject& subject) {
    const std::optional<Decision>& settled = subject.results.front()->settled;
    if (settled == Decision::regression) return Ruling::regression;
    if (settled == Decision::flaky) return Ruling::flaky;
    if (settled == Decision::inconclusive) return Ruling::inconclusive;
    return std::nullopt;
  }

  void settle(Subject& subject, const RuledSuspect& ruled) const {
    TestJudgement& judgement = subject.judgement;
    const bool any_rerun = judgement.change_runs.runs > 0;
    if (any_rerun && judgement.baseline_runs.runs > 0) judgement.p_value = ruled.p_value;
    const std::string counts = counts_of(judgement);
    switch (ruled.ruling) {
      case Ruling::regression:
        return subject.decide(Decision::regression, counts);
      case Ruling::flaky:
        return subject.decide(Decision::flaky, fmt::format("{}; {}", counts, why_flaky(judgement)));
      case Ruling::inconclusive:
        return subject.decide(
            Decision::inconclusive,
            fmt::format("{}; {}", counts,
                        why_inconclusive(judgement, subject.rerun_attempts, spec_)));
      case Ruling::rerun:
        subject.more = ruled.more;
        return subject.decide(
            Decision::inconclusive,
            fmt::format("{}{}{}; not confirmed{}{}", worst_result(subject).reason(),
                        any_rerun ? "; " : "", any_rerun ? counts : "",
                        why_final_.empty() ? "" : ": ", why_final_));
    }
  }

  // The longest first, as in the run itself.
  std::vector<RerunOrder> orders_of_suspects() {
    std::vector<const Subject*> wanted;
    std::vector<RerunOrder> settled;
    for (const Subject& subject : subjects_) {
      if (subject.more > 0) {
        wanted.push_back(&subject);
      } else if (subject.suspicion == Subject::Suspicion::fails) {
        settled.push_back({subject.results.front()->id, 0, 0, subject.judgement.decision});
      }
    }
    if (wanted.empty()) return {};
    std::ranges::stable_sort(wanted, std::greater(), [](const Subject* subject) {
      return subject->results.front()->duration();
    });
    std::vector<RerunOrder> orders;
    for (const Subject* subject : wanted) {
      RerunOrder& order = orders.emplace_back();
      order.test = subject->results.front()->id;
      order.change = subject->more;
      const std::size_t all = subject->rerun_attempts + subject->more;
      // How long a test takes is compared with the baseline's runs alone.
      if (spec_.base_ssh && subject->suspicion == Subject::Suspicion::fails)
        order.base = all - std::min(all, subject->base_attempts);
    }
    orders.insert(orders.end(), settled.begin(), settled.end());
    return orders;
  }

  Judgement judgement() {
    Judgement judgement;
    if (run_.header().baseline) judgement.baseline = run_.header().baseline->shown;
    bool ran = false;
    for (Subject& subject : subjects_) {
      const bool has_result = tells_good_or_bad(subject.is) || subject.is == Verdict::skipped;
      const bool had_result =
          subject.was && (tells_good_or_bad(*subject.was) || subject.was == Verdict::skipped);
      ran |= has_result;
      judgement.compared += has_result && had_result;
      const bool to_be_told = subject.judgement.change != Change::unchanged &&
                              subject.judgement.change != Change::added &&
                              subject.judgement.change != Change::completed;
      if (to_be_told || subject.judgement.decision != Decision::noted)
        judgement.tests.push_back(std::move(subject.judgement));
    }
    if (run_.header().baseline) add_vanished(judgement);
    judgement.new_signatures = new_signatures_.take();
    judgement.known_issues = issues_.notes(run_);
    conclude(judgement, ran);
    return judgement;
  }

  void add_vanished(Judgement& judgement) const {
    for (const TestId& id : run_.header().baseline->vanished) {
      TestJudgement& test = judgement.tests.emplace_back();
      test.id = id;
      test.change = Change::vanished;
      test.decision = fails_on(FailOn::vanished) ? Decision::regression : Decision::noted;
      test.why = "is in the baseline, and not selected any more";
    }
  }

  void conclude(Judgement& judgement, bool ran) const;

  const GateSpec& spec_;
  const Baseline* baseline_;
  const Run& run_;
  const std::string& why_final_;
  KnownIssues issues_;
  std::vector<Subject> subjects_;
  std::unordered_set<std::string> base_signatures_;
  NewSignatures new_signatures_;
};

std::size_t count(const Judgement& judgement, Decision decision) {
  return static_cast<std::size_t>(std::ranges::count(
      judgement.tests, decision, [](const TestJudgement& test) { return test.decision; }));
}

std::size_t count(const Judgement& judgement, Change change) {
  return static_cast<std::size_t>(std::ranges::count(
      judgement.tests, change, [](const TestJudgement& test) { return test.change; }));
}

std::size_t count_noted(const Judgement& judgement, Change change) {
  return static_cast<std::size_t>(
      std::ranges::count_if(judgement.tests, [&](const TestJudgement& test) {
        return test.decision == Decision::noted && test.change == change;
      }));
}

// "1 regression, 2 flaky": each test once.
std::string words_of(const Judgement& judgement) {
  std::string text;
  const auto add = [&](std::size_t number, std::string_view one, std::string_view many) {
    if (number == 0) return;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number, number == 1 ? one : many);
  };
  add(count(judgement, Decision::regression), "regression", "regressions");
  add(count(judgement, Decision::failure), "failure", "failures");
  add(count(judgement, Decision::inconclusive), "inconclusive", "inconclusive");
  add(count(judgement, Decision::flaky), "flaky", "flaky");
  add(count(judgement, Decision::known), "known failure", "known failures");
  add(count_noted(judgement, Change::regression), "failure that does not count",
      "failures that do not count");
  add(count_noted(judgement, Change::new_failure), "new failure", "new failures");
  add(count_noted(judgement, Change::fixed), "fixed", "fixed");
  add(count_noted(judgement, Change::vanished), "vanished", "vanished");
  add(count_noted(judgement, Change::run_to_skip), "skipped now", "skipped now");
  return text;
}

void Session::conclude(Judgement& judgement, bool ran) const {
  judgement.why = words_of(judgement);
  const auto any = [&](auto what) { return count(judgement, what) > 0; };
  if (any(Decision::regression)) {
    judgement.result = GateResult::regression;
  } else if (any(Decision::failure)) {
    judgement.result = GateResult::failed;
  } else if (any(Decision::inconclusive)) {
    judgement.result = GateResult::inconclusive;
  } else if (baseline_ != nullptr && ran && judgement.compared == 0) {
    judgement.result = GateResult::incomparable;
    judgement.why = "no test has a result both here and in the baseline";
  } else if (fails_on(FailOn::flaky) && any(Decision::flaky)) {
    judgement.result = GateResult::flaky;
  } else if (spec_.strict_baseline && (any(Change::fixed) || any(Change::vanished))) {
    judgement.result = GateResult::drift;
  }
  if (judgement.why.empty()) judgement.why = "nothing is worse";
}

}  // namespace

Gate::Gate(GateSpec spec, std::optional<Baseline> baseline, std::vector<KnownIssue> issues)
    : spec_(std::move(spec)), baseline_(std::move(baseline)), issues_(std::move(issues)) {}

GateAnswer Gate::ask(const Run& run, const std::string& why_final) const {
  return Session(spec_, baseline_ ? &*baseline_ : nullptr, issues_, run, why_final).answer();
}

Judgement joined(const std::vector<Judgement>& parts, const Run& run) {
  Judgement whole;
  std::unordered_map<TestId, std::size_t> places;
  for (const TestResult& test : run.tests())
    places.try_emplace(without_iteration(test.id), places.size());
  std::unordered_set<TestId> told;
  std::unordered_set<std::string> baselines;
  NewSignatures new_signatures;
  std::string not_judged;
  whole.result = parts.empty() ? GateResult::inconclusive : GateResult::passed;
  for (const Judgement& part : parts) {
    if (!part.baseline.empty() && baselines.insert(part.baseline).second)
      whole.baseline += (whole.baseline.empty() ? "" : ", ") + part.baseline;
    if (part.result == GateResult::inconclusive && part.tests.empty())
      not_judged += (not_judged.empty() ? "" : ", ") + part.why;
    // A part may have nothing that it could be compared by.
    if (part.result != GateResult::incomparable) whole.result = std::min(whole.result, part.result);
    whole.compared += part.compared;
    for (const TestJudgement& test : part.tests) {
      if (test.change != Change::vanished || told.insert(test.id).second)
        whole.tests.push_back(test);
    }
    for (const NewSignature& signature : part.new_signatures)
      new_signatures.add(signature);
    for (const KnownIssueNote& note : part.known_issues) {
      if (std::ranges::find(whole.known_issues, note) == whole.known_issues.end())
        whole.known_issues.push_back(note);
    }
  }
  whole.new_signatures = new_signatures.take();
  const auto place = [&](const TestJudgement& test) {
    const auto known = places.find(test.id);
    return known == places.end() ? places.size() : known->second;
  };
  std::ranges::stable_sort(whole.tests, std::less(), place);
  // Parts without a test have nothing to compare either, and do not make up for it.
  const bool incomparable = whole.compared == 0 && std::ranges::any_of(parts, [](const auto& part) {
                              return part.result == GateResult::incomparable;
                            });
  if (incomparable) whole.result = std::min(whole.result, GateResult::incomparable);
  whole.why = words_of(whole);
  if (!not_judged.empty()) whole.why += (whole.why.empty() ? "" : "; ") + not_judged;
  if (whole.why.empty()) whole.why = "nothing is worse";
  return whole;
}

}  // namespace ffci
