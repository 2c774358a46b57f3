// How a run goes on after a break.
#include <utility>

#include "engine/engine.hpp"
#include "model/attempt_facts.hpp"

namespace ffci {
namespace {

const Outcome* last_outcome(const TestResult& test) {
  return test.attempts.empty() || !test.attempts.back().outcome ? nullptr
                                                                : &*test.attempts.back().outcome;
}

}  // namespace

// What an earlier ff-ci did for the test. NotRun does not count: it was stopped with that ff-ci.
void Engine::remember(size_t index, const TestResult& earlier) {
  Test& test = tests_[index];
  for (const Attempt& attempt : earlier.attempts) {
    test.attempts = attempt.number;
    if (ran_to_its_end(attempt)) test.took = attempt.duration;
    if (!attempt.outcome || std::holds_alternative<NotRun>(*attempt.outcome)) continue;
    ++test.tries;
    if (is_bad(*attempt.outcome)) ++test.bad;
    if (std::holds_alternative<SetupFailed>(*attempt.outcome)) ++test.setup_failures;
    remember_host(test, attempt);
  }
  for (const Attempt& rerun : earlier.reruns) {
    test.last_rerun = rerun.number;
    if (rerun.outcome) remember_host(test, rerun);
  }
  test.finished = earlier.finished && earlier.verdict() != Verdict::not_run;
  if (test.finished && is_bad(earlier.verdict())) ++bad_tests_;
}

void Engine::remember_host(Test& test, const Attempt& ended) {
  const bool lost = std::holds_alternative<HostLost>(*ended.outcome);
  if (lost) ++test.hosts_lost;
  const bool setup_failed = std::holds_alternative<SetupFailed>(*ended.outcome);
  if (!lost && !setup_failed && !is_bad(*ended.outcome)) return;
  for (size_t host = 0; host < plan_.hosts.size(); ++host) {
    if (plan_.hosts[host].name == ended.host) test.avoid.insert(host);
  }
}

void Engine::on(const input::Resume& resume) {
  if (!plan_.earlier || std::exchange(begun_, true)) return;
  sequence_ = plan_.earlier->last_sequence();
  // Whoever goes on with a run that was stopped after so many failures wants to see more of them.
  if (plan_.stop_after_failures > 0 && bad_tests_ >= plan_.stop_after_failures) bad_tests_ = 0;
  record(resume.fact);
  for (size_t index = 0; index < tests_.size(); ++index) {
    const TestResult* before = plan_.earlier->find(plan_.tests[index].id);
    if (before == nullptr) continue;
    for (const auto* attempts : {&before->attempts, &before->reruns}) {
      for (const Attempt& attempt : *attempts) {
        if (!attempt.outcome)
          record(AttemptFinished{before->id, broken_off(attempt, plan_.earlier->duration())});
      }
    }
    if (tests_[index].finished) continue;
    // Its last attempt may have been kept, and not yet what follows from it.
    const Outcome* outcome = last_outcome(*before);
    if (outcome == nullptr || std::holds_alternative<NotRun>(*outcome) ||
        may_try_again(tests_[index], *outcome))
      continue;
    unqueue(index);
    if (tests_[index].bad > 0 && !std::holds_alternative<Passed>(*outcome)) ++bad_tests_;
    finish_test(index);
  }
  start_hosts();
}

}  // namespace ffci
