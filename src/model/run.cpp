#include "model/run.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ffci {

const Attempt* TestResult::deciding_attempt() const {
  const Verdict said = verdict();
  const auto decides = [said](const Attempt& attempt) {
    if (!attempt.outcome) return false;
    switch (said) {
      case Verdict::passed:
      case Verdict::flaky:
        return std::holds_alternative<Passed>(*attempt.outcome);
      case Verdict::failed:
        return std::holds_alternative<Failed>(*attempt.outcome);
      case Verdict::timed_out:
        return std::holds_alternative<TimedOut>(*attempt.outcome);
      case Verdict::crashed:
        return std::holds_alternative<Crashed>(*attempt.outcome);
      case Verdict::skipped:
        return std::holds_alternative<Skipped>(*attempt.outcome);
      case Verdict::error:
        return std::holds_alternative<HostLost>(*attempt.outcome) ||
               std::holds_alternative<SetupFailed>(*attempt.outcome);
      case Verdict::not_run:
        return true;
    }
    return false;
  };
  const auto last = std::find_if(attempts.rbegin(), attempts.rend(), decides);
  if (last != attempts.rend()) return &*last;
  return attempts.empty() ? nullptr : &attempts.back();
}

Verdict TestResult::verdict() const {
  std::vector<const Outcome*> outcomes;
  for (const Attempt& attempt : attempts) {
    if (attempt.outcome) outcomes.push_back(&*attempt.outcome);
  }
  return verdict_of(outcomes);
}

std::string TestResult::reason() const {
  const Attempt* decided = deciding_attempt();
  if (decided == nullptr) return not_run.value_or("the run ended before its turn");
  if (!decided->outcome) return fmt::format("was running on {} when ff-ci died", decided->host);
  if (verdict() != Verdict::flaky) return reason_of(*decided->outcome);
  for (const Attempt& attempt : attempts) {
    if (attempt.outcome && is_bad(*attempt.outcome)) {
      return fmt::format("passed on attempt {}; attempt {}: {}", decided->number, attempt.number,
                         reason_of(*attempt.outcome));
    }
  }
  return {};
}

Duration TestResult::duration() const {
  const Attempt* decided = deciding_attempt();
  return decided == nullptr ? Duration{} : decided->duration;
}

void Run::apply(const RunEvent& event) {
  const Duration before = duration_;
  duration_ = std::max(duration_, event.time);
  last_sequence_ = std::max(last_sequence_, event.sequence);
  struct Fold {
    Run& run;
    Duration now, before;

    void operator()(const RunStarted& fact) { run.header_ = fact; }
    void operator()(const TestSelected& fact) {
      TestResult& test = run.test(fact.test);
      test.expected = fact.expected;
      test.place = fact.place;
    }
    void operator()(const HostReady& fact) {
      HostRecord& host = run.host(fact.host);
      if (host.state == "lost") ++host.restarts;
      host.kind = fact.kind, host.kernel = fact.kernel, host.arch = fact.arch,
      host.isolation = fact.isolation;
      host.boot_id = fact.boot_id, host.log_in = fact.log_in;
      host.slots = fact.slots;
      host.state = "ready";
    }
    void operator()(const HostLostFact& fact) {
      run.host(fact.host).state = "lost";
      run.problems_.push_back(fmt::format("host {} was lost: {}", fact.host, fact.why));
    }
    void operator()(const HostReplaced& fact) { run.host(fact.host).state = "replaced"; }
    void operator()(const HostRetired& fact) {
      run.host(fact.host).state = "retired";
      run.problems_.push_back(fmt::format("host {} was retired: {}", fact.host, fact.why));
    }
    void operator()(const SlotRetired& fact) {
      run.problems_.push_back(
          fmt::format("slot {} of {} was retired: {}", fact.slot, fact.host, fact.why));
    }
    void operator()(const SuiteSetUp& fact) {
      if (fact.failure)
        run.problems_.push_back(fmt::format("set-up of suite {} failed on {}: {}", fact.suite,
                                            fact.host, *fact.failure));
    }
    void operator()(const SuiteTornDown& fact) {
      if (fact.failure) {
        run.problems_.push_back(fmt::format("teardown of suite {} failed on {}: {}", fact.suite,
                                            fact.host, *fact.failure));
      }
    }
    void operator()(const AttemptStarted& fact) {
      Attempt& attempt = run.attempt(fact.test, fact.purpose, fact.attempt);
      attempt.host = fact.host, attempt.slot = fact.slot, attempt.files = fact.files;
      attempt.started = now;
    }
    void operator()(const AttemptFinished& fact) {
      run.attempt(fact.test, fact.result.purpose, fact.result.number) = fact.result;
      if (!fact.result.host.empty()) run.host(fact.result.host).busy += fact.result.duration;
      if (!fact.result.teardown_problem.empty()) {
        run.problems_.push_back(fmt::format("teardown of {} failed: {}", to_string(fact.test),
                                            fact.result.teardown_problem));
      }
    }
    void operator()(const FilesKept& fact) {
      Attempt& attempt = run.attempt(fact.test, fact.purpose, fact.attempt);
      attempt.kept_files = fact.kept_files;
      attempt.files_problem = fact.files_problem;
    }
    void operator()(const TestFinished& fact) {
      TestResult& test = run.test(fact.test);
      test.finished = true;
      test.not_run = fact.not_run;
    }
    void operator()(const RerunsOrdered& fact) {
      for (const RerunOrder& order : fact.orders) {
        if (order.settled) run.test(order.test).settled = order.settled;
      }
    }
    void operator()(const RunJudged& fact) { run.judgement_ = fact.judgement; }
    void operator()(const RunStopping& fact) { run.stops_.push_back(fact.why); }
    void operator()(const RunFinished& fact) { run.finish_ = fact; }
    void operator()(const RunResumed&) {
      run.paused_ += now - before;
      run.finish_.reset();
      run.judgement_.reset();
      run.stops_.clear();
      for (TestResult& test : run.tests_) {
        if (test.verdict() != Verdict::not_run) continue;
        test.finished = false;
        test.not_run.reset();
      }
    }
  };
  std::visit(Fold{*this, event.time, before}, event.fact);
}

const TestResult* Run::find(const TestId& id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &tests_[found->second];
}

TestResult& Run::test(const TestId& id) {
  const auto [at, added] = index_.try_emplace(id, tests_.size());
  if (added) tests_.emplace_back().id = id;
  return tests_[at->second];
}

Attempt& Run::attempt(const TestId& id, Purpose purpose, int number) {
  TestResult& of = test(id);
  std::vector<Attempt>& attempts = purpose == Purpose::verdict ? of.attempts : of.reruns;
  const auto at =
      std::lower_bound(attempts.begin(), attempts.end(), number,
                       [](const Attempt& attempt, int wanted) { return attempt.number < wanted; });
  if (at != attempts.end() && at->number == number) return *at;
  Attempt added;
  added.purpose = purpose;
  added.number = number;
  return *attempts.insert(at, std::move(added));
}

HostRecord& Run::host(const std::string& name) {
  const auto at = std::find_if(hosts_.begin(), hosts_.end(),
                               [&](const HostRecord& host) { return host.name == name; });
  if (at != hosts_.end()) return *at;
  hosts_.emplace_back().name = name;
  return hosts_.back();
}

VerdictCounts Run::counts() const {
  VerdictCounts counts;
  for (const Verdict verdict : all_verdicts)
    counts[verdict] = 0;
  for (const TestResult& test : tests_)
    ++counts[test.verdict()];
  return counts;
}

std::string_view run_result_name(RunResult result) {
  switch (result) {
    case RunResult::passed:
      return "passed";
    case RunResult::failed:
      return "failed";
    case RunResult::regression:
      return "regression";
    case RunResult::incomplete:
      return "incomplete";
    case RunResult::flaky:
      return "flaky";
    case RunResult::drift:
      return "drift";
    case RunResult::nothing_run:
      return "nothing_run";
    case RunResult::no_hosts:
      return "no_hosts";
    case RunResult::interrupted:
      return "interrupted";
  }
  return "incomplete";
}

RunResult result_of(const Run& run) {
  const VerdictCounts counts = run.counts();
  const bool any_bad = std::any_of(counts.begin(), counts.end(), [](const auto& count) {
    return is_bad(count.first) && count.second > 0;
  });
  const auto gate_says = [&](GateResult result) {
    return run.judgement() && run.judgement()->result == result;
  };
  if (gate_says(GateResult::regression)) return RunResult::regression;
  if (gate_says(GateResult::failed) || (any_bad && !run.header().gated)) return RunResult::failed;
  if (!run.finish() || (run.header().gated && !run.judgement())) return RunResult::incomplete;
  if (run.finish()->how == RunFinished::How::interrupted) return RunResult::interrupted;
  if (run.finish()->how == RunFinished::How::no_hosts) return RunResult::no_hosts;
  if (run.header().shard && run.tests().empty()) return RunResult::passed;  // others have them all
  if (counts.at(Verdict::error) + counts.at(Verdict::not_run) > 0) return RunResult::incomplete;
  if (gate_says(GateResult::inconclusive)) return RunResult::incomplete;
  if (counts.at(Verdict::passed) + counts.at(Verdict::flaky) == 0 && !any_bad)
    return RunResult::nothing_run;
  if (gate_says(GateResult::incomparable)) return RunResult::incomplete;
  if (gate_says(GateResult::flaky)) return RunResult::flaky;
  if (gate_says(GateResult::drift)) return RunResult::drift;
  return RunResult::passed;
}

}  // namespace ffci
