#include "gate/gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/quantile.hpp"
#include "gate/gate_words.hpp"
#include "gate/known_issues.hpp"
#include "gate/rerun_ruling.hpp"
#include "gate/signature_list.hpp"
#include "gate/slower.hpp"
#include "gate/subject.hpp"
#include "model/attempt_facts.hpp"

namespace ffci {
namespace {

// What the base kernel does, too, is not new.
std::unordered_set<std::string> base_signatures_of(const Run& run) {
  std::unordered_set<std::string> known;
  for (const TestResult& test : run.tests()) {
    for (const Attempt& attempt : test.reruns) {
      if (attempt.purpose != Purpose::base) continue;
      for (const KernelReport& report : reports_of(attempt))
        known.insert(report.signature);
    }
  }
  return known;
}

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
        subjects_(subjects_of(run, baseline)),
        base_signatures_(base_signatures_of(run)) {}

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
    count_trials(subject, subject.before != nullptr ? subject.before->trials : Trials{});
    if (baseline_ != nullptr && find_new_signatures(subject)) return;
    if (is_bad(subject.is)) return look_at_failure(subject);
    const bool incomplete = judgement.change == Change::incomplete;
    if (baseline_ == nullptr && !incomplete) judgement.change = Change::unchanged;
    if (subject.is == Verdict::flaky) {
      const bool excused = baseline_ != nullptr || all_findings_named(subject);
      return subject.decide(excused ? Decision::flaky : Decision::failure,
                            worst_result(subject).reason());
    }
    const bool skips = judgement.change == Change::run_to_skip;
    if (incomplete || skips)
      return subject.decide(
          skips && fails_on(FailOn::skipped) ? Decision::regression : Decision::noted,
          worst_result(subject).reason());
    if (judgement.change == Change::fixed) judgement.why = baseline_failed(subject);
    if (fails_on(FailOn::slower) && subject.is == Verdict::passed) look_at_duration(subject);
  }

  static void count_trials(Subject& subject, const Trials& before) {
    TestJudgement& judgement = subject.judgement;
    judgement.change_runs = subject.reruns;
    judgement.base_host_runs = subject.base_reruns;
    judgement.baseline_runs = {before.bad + subject.base_reruns.bad,
                               before.runs + subject.base_reruns.runs};
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
    Trials before = subject.before != nullptr ? subject.before->trials : Trials{};
    if (before.bad > 0 && badness(subject.is) > std::max(1, subject.before->worst)) {
      // A hang of a test that used to fail is another failure: it is compared with hangs.
      judgement.change = Change::regression;
      subject.counted = subject.is;
      before.bad = 0;
      count_reruns(subject);
      count_trials(subject, before);
    }
    if (failed_too_often_before(before, rules())) {
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
    return all_findings_named(subject) ? known : std::string();
  }

  bool all_findings_named(const Subject& subject) {
    return std::ranges::all_of(findings_of(subject), [&](const Finding& finding) {
      return known_issue_of(finding, subject) != nullptr;
    });
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

  [[nodiscard]] RulingRules rules() const {
    RulingRules rules;
    rules.confirm = static_cast<std::size_t>(spec_.confirm);
    rules.limit = static_cast<std::size_t>(spec_.confirm_limit);
    return rules;
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
    const std::vector<RuledSuspect> rulings = rule_on(counts, rules());
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
    if (ruled.reason) {
      return subject.decide(
          decision_of(ruled.ruling),
          counts_and_reason(judgement, subject.counted, *ruled.reason, subject.rerun_attempts));
    }
    subject.more = ruled.more;
    subject.decide(
        Decision::inconclusive,
        fmt::format("{}{}{}; not confirmed{}{}", worst_result(subject).reason(),
                    any_rerun ? "; " : "", any_rerun ? counts_of(judgement, subject.counted) : "",
                    why_final_.empty() ? "" : ": ", why_final_));
  }

  static Decision decision_of(Ruling ruling) {
    switch (ruling) {
      case Ruling::regression:
        return Decision::regression;
      case Ruling::flaky:
        return Decision::flaky;
      case Ruling::rerun:
      case Ruling::inconclusive:
        return Decision::inconclusive;
    }
    return Decision::inconclusive;
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
      if (spec_.base.any() && subject->suspicion == Subject::Suspicion::fails)
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
      ran |= has_result(subject.is);
      judgement.compared += has_result(subject.is) && has_result(subject.was);
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

  void conclude(Judgement& judgement, bool ran) const {
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
      judgement.why = nothing_compared;
    } else if (fails_on(FailOn::flaky) && any(Decision::flaky)) {
      judgement.result = GateResult::flaky;
    } else if (spec_.strict_baseline &&
               (any(Change::fixed) || any(Change::vanished) || any(Change::run_to_skip))) {
      judgement.result = GateResult::drift;
    }
  }

  const GateSpec& spec_;
  const Baseline* baseline_;
  const Run& run_;
  const std::string& why_final_;
  KnownIssues issues_;
  std::vector<Subject> subjects_;
  std::unordered_set<std::string> base_signatures_;
  SignatureList new_signatures_;
};

}  // namespace

Gate::Gate(GateSpec spec, std::optional<Baseline> baseline, std::vector<KnownIssue> issues)
    : spec_(std::move(spec)), baseline_(std::move(baseline)), issues_(std::move(issues)) {}

GateAnswer Gate::ask(const Run& run, const std::string& why_final) const {
  return Session(spec_, baseline_ ? &*baseline_ : nullptr, issues_, run, why_final).answer();
}

}  // namespace ffci
