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

// Of its bad attempts; what a test passes with it takes for allowed.
std::vector<KernelReport> reports_of(const Subject& subject) {
  std::vector<KernelReport> reports;
  for_each_bad_attempt(subject, [&](const Attempt& attempt) {
    for (KernelReport& report : reports_of(attempt)) {
      const bool known = std::ranges::any_of(
          reports, [&](const KernelReport& other) { return other.signature == report.signature; });
      if (!known && report.allowed.empty()) reports.push_back(std::move(report));
    }
  });
  return reports;
}

std::string shown_p(double p) {
  return p < 0.0001 ? "p<0.0001" : fmt::format("p={:.2g}", p);
}

// "failed 4 of 4, baseline 0 of 20 (p=0.0001)"
std::string counts_of(const TestJudgement& test) {
  std::string text =
      fmt::format("failed {} of {}, baseline {} of {}", test.change_runs.bad, test.change_runs.runs,
                  test.baseline_runs.bad, test.baseline_runs.runs);
  if (test.base_host_runs.runs > 0)
    text +=
        fmt::format(" ({} of {} on base hosts)", test.base_host_runs.bad, test.base_host_runs.runs);
  if (test.p_value) text += fmt::format(" ({})", shown_p(*test.p_value));
  return text;
}

// What clean reruns can hide: a failure of rate q passes n of them with probability (1-q)^n.
std::string unseen(std::size_t reruns) {
  return fmt::format("one that fails every second run would go unseen in {:.2g} %",
                     100 * std::pow(0.5, static_cast<double>(reruns)));
}

// The state of one question.
class Session {
 public:
  Session(const GateSpec& spec, const Baseline* baseline, const std::vector<KnownIssue>& issues,
          const Run& run)
      : spec_(spec),
        baseline_(baseline),
        run_(run),
        issues_(issues, run.header().at),
        subjects_(subjects_of(run, baseline)) {}

  GateAnswer answer(const std::string& why_final) {
    for (Subject& subject : subjects_)
      look_at(subject);
    rule_on_failures(why_final);
    if (why_final.empty()) {
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
    if (subject.is == Verdict::flaky)
      return subject.decide(Decision::flaky, worst_result(subject).reason());
    if (judgement.change == Change::incomplete)
      return subject.decide(Decision::noted, worst_result(subject).reason());
    if (baseline_ == nullptr) {
      judgement.change = Change::unchanged;
    } else if (fails_on(FailOn::slower) && subject.is == Verdict::passed) {
      look_at_duration(subject);
    }
  }

  // True: that decides it.
  bool find_new_signatures(Subject& subject) {
    std::vector<std::string> titles;
    std::string known;
    for (const KernelReport& report : reports_of(subject)) {
      if (baseline_->signatures.contains(report.signature)) continue;
      if (const KnownIssue* issue = issues_.of_signature(subject.judgement.id, report)) {
        known = shown(*issue);
        continue;
      }
      add_new_signature(report, subject.judgement.id);
      subject.judgement.new_signatures.push_back(report.signature);
      titles.push_back(report.title);
    }
    for_each_bad_attempt(subject, [&](const Attempt& attempt) {
      const std::string signature = failure_signature_of(attempt);
      if (signature.empty() || !titles.empty()) return;
      if (subject.before != nullptr && subject.before->failure_signatures.contains(signature))
        return;
      const std::string reason = reason_of(*attempt.outcome);
      if (issues_.of_failure(subject.judgement.id, reason, {}) != nullptr) return;
      subject.judgement.new_signatures.push_back(signature);
      titles.push_back(reason);
    });
    if (titles.empty()) {
      if (!known.empty()) subject.judgement.known_issue = known;
      return false;
    }
    subject.judgement.change = Change::regression;
    std::string why = "new signature: " + titles.front();
    if (titles.size() > 1) why += fmt::format(" and {} more", titles.size() - 1);
    subject.decide(fails_on(FailOn::regression) ? Decision::regression : Decision::noted, why);
    return true;
  }

  void add_new_signature(const KernelReport& report, const TestId& test) {
    const auto known = std::ranges::find(new_signatures_, report.signature,
                                         [](const NewSignature& s) { return s.signature; });
    if (known != new_signatures_.end()) {
      known->tests.push_back(test);
    } else {
      new_signatures_.push_back({report.signature, report.title, {test}});
    }
  }

  void look_at_failure(Subject& subject) {
    const std::string reason = worst_result(subject).reason();
    TestJudgement& judgement = subject.judgement;
    const KnownIssue* issue = issues_.of_failure(judgement.id, reason, reports_of(subject));
    if (issue != nullptr) judgement.known_issue = shown(*issue);
    if (!judgement.known_issue.empty())
      return subject.decide(Decision::known, "known issue: " + judgement.known_issue);
    if (baseline_ == nullptr) return subject.decide(Decision::failure, reason);
    const Trials before = subject.before != nullptr ? subject.before->trials : Trials{};
    const auto rate = static_cast<double>(before.bad) / static_cast<double>(before.runs);
    if (before.runs > 0 &&
        (before.bad == before.runs || rate > 1 - RulingRules{}.least_difference)) {
      judgement.change = Change::known_failure;
      return subject.decide(Decision::known,
                            fmt::format("baseline failed {} of {}", before.bad, before.runs));
    }
    if (!fails_on(before.runs > 0 ? FailOn::regression : FailOn::new_failure))
      return subject.decide(Decision::noted, reason);
    if (spec_.confirm == 0)
      return subject.decide(Decision::regression,
                            fmt::format("{}, baseline {} of {}", reason, before.bad, before.runs));
    subject.suspicion = Subject::Suspicion::fails;
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
    const auto enough = static_cast<std::size_t>(spec_.confirm);
    subject.suspicion = Subject::Suspicion::slower;
    if (rerun.size() < enough) {
      subject.more =
          subject.rerun_attempts < static_cast<std::size_t>(spec_.confirm_limit)
              ? std::min(enough - rerun.size(),
                         static_cast<std::size_t>(spec_.confirm_limit) - subject.rerun_attempts)
              : 0;
      return subject.decide(Decision::inconclusive,
                            fmt::format("took {}, usually {}; not confirmed", human_duration(now),
                                        human_duration(limit->usual)));
    }
    const bool still = *judgement.duration > limit->longest;
    const std::string numbers =
        fmt::format("took {}, usually {}", human_duration(now), human_duration(limit->usual));
    subject.decide(still ? Decision::regression : Decision::noted,
                   rerun.empty() ? numbers
                                 : fmt::format("{}; {} of {} reruns", numbers,
                                               human_duration(*judgement.duration), rerun.size()));
  }

  void rule_on_failures(const std::string& why_final) {
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
      settle(*suspects[i], rulings[i], why_final);
  }

  static std::optional<Ruling> settled_before(const Subject& subject) {
    const std::optional<Decision>& settled = subject.results.front()->settled;
    if (settled == Decision::regression) return Ruling::regression;
    if (settled == Decision::flaky) return Ruling::flaky;
    if (settled == Decision::inconclusive) return Ruling::inconclusive;
    return std::nullopt;
  }

  static void settle(Subject& subject, const RuledSuspect& ruled, const std::string& why_final) {
    TestJudgement& judgement = subject.judgement;
    if (judgement.change_runs.runs > 0) judgement.p_value = ruled.p_value;
    const std::string counts = counts_of(judgement);
    const std::size_t reruns = judgement.change_runs.runs;
    switch (ruled.ruling) {
      case Ruling::regression:
        return subject.decide(Decision::regression, counts);
      case Ruling::flaky:
        return subject.decide(Decision::flaky, judgement.change_runs.bad == 0
                                                   ? fmt::format("{}; {}", counts, unseen(reruns))
                                                   : counts + ": no more often than before");
      case Ruling::inconclusive:
        return subject.decide(Decision::inconclusive, counts);
      case Ruling::rerun:
        subject.more = ruled.more;
        return subject.decide(
            Decision::inconclusive,
            fmt::format("{}{}; not confirmed{}{}", worst_result(subject).reason(),
                        reruns > 0 ? "; " + counts : "", why_final.empty() ? "" : ": ", why_final));
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
      if (spec_.base_ssh) order.base = all - std::min(all, subject->base_attempts);
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
    judgement.new_signatures = std::move(new_signatures_);
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
  KnownIssues issues_;
  std::vector<Subject> subjects_;
  std::vector<NewSignature> new_signatures_;
};

std::size_t count(const Judgement& judgement, Decision decision) {
  return static_cast<std::size_t>(std::ranges::count(
      judgement.tests, decision, [](const TestJudgement& test) { return test.decision; }));
}

std::size_t count(const Judgement& judgement, Change change) {
  return static_cast<std::size_t>(std::ranges::count(
      judgement.tests, change, [](const TestJudgement& test) { return test.change; }));
}

// "1 regression, 2 flaky"
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
  add(count(judgement, Change::new_failure) -
          std::min(count(judgement, Change::new_failure), count(judgement, Decision::failure)),
      "new failure", "new failures");
  add(count(judgement, Change::fixed), "fixed", "fixed");
  add(count(judgement, Change::vanished), "vanished", "vanished");
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
  return Session(spec_, baseline_ ? &*baseline_ : nullptr, issues_, run).answer(why_final);
}

Judgement joined(const std::vector<Judgement>& parts, const Run& run) {
  Judgement whole;
  std::unordered_map<TestId, std::size_t> places;
  for (const TestResult& test : run.tests())
    places.try_emplace(without_iteration(test.id), places.size());
  std::unordered_set<TestId> told;
  std::string not_judged;
  whole.result = parts.empty() ? GateResult::inconclusive : GateResult::passed;
  for (const Judgement& part : parts) {
    if (!part.baseline.empty() && whole.baseline.find(part.baseline) == std::string::npos)
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
    for (const NewSignature& signature : part.new_signatures) {
      const auto known = std::ranges::find(whole.new_signatures, signature.signature,
                                           [](const NewSignature& s) { return s.signature; });
      if (known == whole.new_signatures.end()) {
        whole.new_signatures.push_back(signature);
      } else {
        known->tests.insert(known->tests.end(), signature.tests.begin(), signature.tests.end());
      }
    }
    for (const KnownIssueNote& note : part.known_issues) {
      if (std::ranges::find(whole.known_issues, note) == whole.known_issues.end())
        whole.known_issues.push_back(note);
    }
  }
  const auto place = [&](const TestJudgement& test) {
    const auto known = places.find(test.id);
    return known == places.end() ? places.size() : known->second;
  };
  std::ranges::stable_sort(whole.tests, std::less(), place);
  const bool incomparable = std::ranges::all_of(
      parts, [](const Judgement& part) { return part.result == GateResult::incomparable; });
  if (incomparable && !parts.empty()) whole.result = GateResult::incomparable;
  whole.why = words_of(whole);
  if (!not_judged.empty()) whole.why += (whole.why.empty() ? "" : "; ") + not_judged;
  if (whole.why.empty()) whole.why = "nothing is worse";
  return whole;
}

}  // namespace ffci
