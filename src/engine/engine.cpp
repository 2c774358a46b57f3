#include "engine/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <unordered_map>

#include "engine/expectation.hpp"

namespace ffci {

Engine::Engine(EnginePlan plan) : plan_(std::move(plan)) {
  std::unordered_map<std::string, size_t> suites;
  for (size_t suite = 0; suite < plan_.suites.size(); ++suite)
    suites[plan_.suites[suite].name] = suite;
  pending_.resize(plan_.suites.size());
  unfinished_in_suite_.resize(plan_.suites.size());
  places_.resize(plan_.suites.size());

  const std::vector<Duration> expected = expected_durations(plan_);
  const std::vector<size_t> ranks = start_ranks(plan_, expected);
  tests_.resize(plan_.tests.size());
  for (size_t i = 0; i < tests_.size(); ++i) {
    tests_[i].suite = suites.at(plan_.tests[i].id.suite);
    tests_[i].expected = expected[i];
    tests_[i].rank = ranks[i];
    ++unfinished_in_suite_[tests_[i].suite];
    queue(i);
  }
  unfinished_ = tests_.size();

  for (const HostPlan& host : plan_.hosts) {
    Host& added = hosts_.emplace_back();
    added.slots.resize(static_cast<size_t>(host.slots));
    added.suites.resize(plan_.suites.size());
  }
}

std::vector<Action> Engine::handle(Duration now, const Input& input) {
  if (finished_) return {};
  now_ = std::max(now_, now);
  std::visit([this](const auto& what) { this->on(what); }, input);
  if (begun_) advance();
  return std::exchange(actions_, {});
}

void Engine::record(decltype(RunEvent::fact) fact) {
  actions_.push_back(action::Record{RunEvent{++sequence_, now_, std::move(fact)}});
}

// What happened outside.

void Engine::on(const input::Begin& begin) {
  if (std::exchange(begun_, true)) return;
  record(begin.header);
  for (const TestCase& test : plan_.tests)
    record(TestSelected{test.id, test.expected});
  for (size_t host = 0; host < hosts_.size(); ++host)
    actions_.push_back(action::StartHost{host});
}

void Engine::on(const input::BeginTest& begin) {
  const auto found = batches_.find(begin.batch);
  if (found == batches_.end()) return;
  Batch& batch = found->second;
  if (begin.test >= batch.tests.size() || batch.ended[begin.test] || batch.running) return;
  const TestCase& test = plan_.tests[batch.tests[begin.test]];
  batch.running = begin.test;
  slot_of(batch).in_doubt = false;
  batch.files = begin.files;
  batch.began = now_;
  const Duration limit = test.timeout.value_or(plan_.test_timeout);
  batch.stop_at = limit.count() > 0 && !batch.stopped_as ? now_ + limit : Duration::max();
  remind(batch.stop_at);
  const int attempt = ++tests_[batch.tests[begin.test]].attempts;
  record(AttemptStarted{test.id, attempt, plan_.hosts[batch.host].name, batch.slot, begin.files});
}

void Engine::on(const input::EndTest& end) {
  const auto found = batches_.find(end.batch);
  if (found == batches_.end() || found->second.running != end.test || !end.result.outcome) return;
  end_attempt(found->second, end.test, end.result);
}

void Engine::on(const input::KeepFiles& keep) {
  const auto found = batches_.find(keep.batch);
  if (found == batches_.end() || keep.test >= found->second.tests.size()) return;
  const size_t test = found->second.tests[keep.test];
  record(
      FilesKept{plan_.tests[test].id, tests_[test].attempts, keep.kept_files, keep.files_problem});
}

void Engine::on(const input::EndBatch& end) {
  const auto found = batches_.find(end.batch);
  if (found == batches_.end()) return;
  const size_t host = found->second.host;
  const int slot = found->second.slot;
  if (found->second.running) {
    Attempt attempt;
    attempt.outcome = NotRun{"the command ended without a result of this test"};
    end_attempt(found->second, *found->second.running, std::move(attempt));
  }
  close_batch(end.batch, "the command ended without running it");
  if (!end.slot_unusable) return;

  Host& on = hosts_[host];
  on.slots[static_cast<size_t>(slot - 1)].use = Slot::Use::retired;
  record(SlotRetired{plan_.hosts[host].name, slot, *end.slot_unusable});
  if (std::all_of(on.slots.begin(), on.slots.end(),
                  [](const Slot& s) { return s.use == Slot::Use::retired; })) {
    retire(host, "none of its slots is usable");
    actions_.push_back(action::StopHost{host, Urgency::at_once});
  }
}

void Engine::on(const input::Tick&) {
  wake_at_ = Duration::max();
}

void Engine::on(const input::Interrupt& interrupt) {
  const std::string why =
      fmt::format("interrupted by {}", interrupt.signal == SIGTERM ? "SIGTERM" : "SIGINT");
  const Ending ending =
      how_.how == RunFinished::How::interrupted ? Ending::at_once : Ending::in_order;
  end_run(ending, {RunFinished::How::interrupted, interrupt.signal}, why);
}

void Engine::on(const input::Abandon& abandon) {
  if (how_.how != RunFinished::How::results_unwritable) {
    end_run(Ending::in_order, {RunFinished::How::results_unwritable, 0}, abandon.why);
  }
}

// What becomes of tests.

Engine::Slot& Engine::slot_of(const Batch& batch) {
  return hosts_[batch.host].slots[static_cast<size_t>(batch.slot - 1)];
}

void Engine::end_attempt(Batch& batch, size_t place, Attempt result) {
  const size_t test = batch.tests[place];
  result.number = tests_[test].attempts;
  result.host = plan_.hosts[batch.host].name;
  result.slot = batch.slot;
  result.started = batch.began;
  if (result.duration == Duration{}) result.duration = now_ - batch.began;
  if (result.files.empty()) result.files = batch.files;
  const bool host_lost = std::holds_alternative<HostLost>(*result.outcome);
  batch.lost_again = host_lost && tests_[test].hosts_lost > 0;
  slot_of(batch).in_doubt = host_lost || std::holds_alternative<Crashed>(*result.outcome);
  // A test that ended by itself before it was stopped keeps the outcome it had.
  if (batch.stopped_as && (host_lost || std::holds_alternative<NotRun>(*result.outcome))) {
    const bool maybe_the_host = host_lost && std::holds_alternative<TimedOut>(*batch.stopped_as) &&
                                tests_[test].hosts_lost == 0;
    if (!maybe_the_host) result.outcome = *batch.stopped_as;
  }

  batch.ended[place] = true;
  batch.running.reset();
  batch.stop_at = Duration::max();
  if (!host_lost && !std::holds_alternative<NotRun>(*result.outcome))
    hosts_[batch.host].fruitless_lives = 0;
  const Outcome outcome = *result.outcome;
  record(AttemptFinished{plan_.tests[test].id, std::move(result)});
  decide(test, outcome, batch.host);
}

// Tests of the batch that never began go back to the queue; when nothing but the command's own end
// explains it (`why_unfinished`), that counts as an attempt, so that it can't go on for ever.
void Engine::close_batch(BatchNumber number, const std::string& why_unfinished) {
  const Batch batch = std::move(batches_.at(number));
  batches_.erase(number);
  const Slot slot = std::exchange(slot_of(batch), Slot{});
  slot_of(batch).idle_since = std::min(slot.idle_since, now_);
  --hosts_[batch.host].suites[tests_[batch.tests.front()].suite].running;

  for (size_t place = 0; place < batch.tests.size(); ++place) {
    if (batch.ended[place]) continue;
    const size_t test = batch.tests[place];
    if (batch.stopped_as || slot.in_doubt || why_unfinished.empty()) {
      if (ending_ == Ending::no) {
        queue(test);
      } else {
        finish_test(test, "the run was ended before its turn");
      }
      continue;
    }
    Attempt attempt;
    attempt.number = ++tests_[test].attempts;
    attempt.host = plan_.hosts[batch.host].name;
    attempt.slot = batch.slot;
    attempt.started = now_;
    attempt.outcome = NotRun{why_unfinished};
    record(AttemptFinished{plan_.tests[test].id, attempt});
    decide(test, *attempt.outcome, batch.host);
  }
}

// After an attempt: another one, or was it the last? Failures, failed set-ups and lost hosts have
// budgets of their own.
void Engine::decide(size_t index, const Outcome& outcome, size_t host) {
  Test& test = tests_[index];
  bool again = false;
  if (is_bad(outcome)) {
    again = ++test.bad <= plan_.retry_failures;
  } else if (std::holds_alternative<HostLost>(outcome)) {
    again = ++test.hosts_lost <= plan_.max_host_restarts;
  } else if (!std::holds_alternative<Passed>(outcome) &&
             !std::holds_alternative<Skipped>(outcome)) {
    again = ++test.setup_failures <= plan_.retry_setups;
  }
  if (again && ending_ == Ending::no) {
    test.avoid.insert(host);
    queue(index);
    return;
  }
  if (test.bad > 0 && !std::holds_alternative<Passed>(outcome)) ++bad_tests_;
  finish_test(index);
  if (plan_.stop_after_failures > 0 && bad_tests_ >= plan_.stop_after_failures &&
      ending_ == Ending::no) {
    end_run(
        Ending::stop_starting, {RunFinished::How::stopped_after_failures, 0},
        fmt::format("stopped after {} failed {}", bad_tests_, bad_tests_ == 1 ? "test" : "tests"));
  }
}

void Engine::queue(size_t test) {
  tests_[test].queued_at = now_;
  pending_[tests_[test].suite].emplace(Turn{tests_[test].attempts, tests_[test].rank}, test);
}

void Engine::finish_test(size_t test, std::optional<std::string> not_run) {
  tests_[test].finished = true;
  --unfinished_;
  --unfinished_in_suite_[tests_[test].suite];
  if (tests_[test].attempts > 0) not_run.reset();
  record(TestFinished{plan_.tests[test].id, std::move(not_run)});
}

void Engine::finish_pending(const std::string& why) {
  for (auto& suite : pending_) {
    for (const auto& [turn, test] : std::exchange(suite, {}))
      finish_test(test, why);
  }
  for (const size_t test : std::exchange(too_late_, {}))
    finish_test(test, why);
}

}  // namespace ffci
