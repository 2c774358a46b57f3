#include "engine/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <tuple>
#include <unordered_map>

#include "engine/expectation.hpp"

namespace ffci {

Engine::Engine(EnginePlan plan) : plan_(std::move(plan)) {
  std::unordered_map<std::string, size_t> suites;
  for (size_t suite = 0; suite < plan_.suites.size(); ++suite)
    suites[plan_.suites[suite].name] = suite;
  suites_ = plan_.suites.size();
  if (std::ranges::any_of(plan_.hosts, &HostPlan::base)) {
    for (size_t suite = 0; suite < suites_; ++suite)
      plan_.suites.push_back(SuitePlan(plan_.suites[suite]));
  }
  gate_ = plan_.gated ? Gate::ahead : Gate::none;
  pending_.resize(plan_.suites.size());
  for (const SuitePlan& suite : plan_.suites)
    workloads_.emplace_back(usual_duration(plan_, suite.name));
  unfinished_in_suite_.resize(plan_.suites.size());
  places_.resize(plan_.suites.size());

  const std::vector<Duration> expected = expected_durations(plan_);
  const std::vector<size_t> ranks = start_ranks(plan_, expected);
  tests_.resize(plan_.tests.size());
  std::map<std::tuple<size_t, std::string, int>, size_t> companies;
  for (size_t i = 0; i < tests_.size(); ++i) {
    const TestId& id = plan_.tests[i].id;
    tests_[i].suite = suites.at(id.suite);
    tests_[i].of = i;
    tests_[i].company =
        companies.try_emplace({tests_[i].suite, id.configuration, id.iteration}, companies.size())
            .first->second;
    companies_.resize(companies.size());
    tests_[i].rank = ranks[i];
    tests_[i].alone = plan_.tests[i].alone;
    if (plan_.earlier) {
      if (const TestResult* before = plan_.earlier->find(id)) remember(i, *before);
    }
    if (tests_[i].finished) continue;
    ++unfinished_;
    ++unfinished_in_suite_[tests_[i].suite];
    queue(i);
  }

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
    record(TestSelected{test.id, test.expected, test.place});
  start_hosts();
}

void Engine::start_hosts() {
  for (size_t host = 0; host < hosts_.size(); ++host) {
    if (unfinished_ > 0 && !plan_.hosts[host].base) {
      actions_.push_back(action::StartHost{host});
    } else {
      hosts_[host].state = Host::State::down;
    }
  }
}

void Engine::on(const input::BeginTest& begin) {
  const auto found = batches_.find(begin.batch);
  if (found == batches_.end()) return;
  Batch& batch = found->second;
  if (begin.test >= batch.places.size() || batch.running) return;
  Batch::Place& place = batch.places[begin.test];
  if (place.ended) return;
  const TestCase& test = plan_.tests[place.test];
  batch.running = begin.test;
  if (!batch.first_began) batch.first_began = now_;
  slot_of(batch).in_doubt = false;
  batch.files = begin.files;
  batch.began = now_;
  batch.has_company = std::any_of(
      hosts_[batch.host].slots.begin(), hosts_[batch.host].slots.end(),
      [&](const Slot& s) { return s.use == Slot::Use::batch && s.batch != begin.batch; });
  batch.began_too_late = batch.stopped && !batch.stopped_as;
  const Duration limit = test.timeout.value_or(plan_.test_timeout);
  batch.stop_at = limit.count() > 0 && !batch.stopped ? now_ + limit : Duration::max();
  remind(batch.stop_at);
  place.attempt = next_attempt(place.test);
  const Purpose purpose = tests_[place.test].purpose;
  if (purpose != Purpose::verdict) ++reruns_begun_;
  record(AttemptStarted{test.id, place.attempt, plan_.hosts[batch.host].name, batch.slot,
                        begin.files, begin.batch, purpose});
}

void Engine::on(const input::EndTest& end) {
  const auto found = batches_.find(end.batch);
  if (found == batches_.end() || found->second.running != end.test || !end.result.outcome) return;
  Batch& batch = found->second;
  end_attempt(batch, end.test, end.result, end.shared_blame);
  if (!end.spoils_batch || batch.stopped) return;
  const bool more = std::any_of(batch.places.begin(), batch.places.end(),
                                [](const Batch::Place& place) { return !place.ended; });
  if (more) stop(end.batch, batch, Urgency::in_order);
}

void Engine::on(const input::KeepFiles& keep) {
  const auto found = batches_.find(keep.batch);
  if (found == batches_.end() || keep.test >= found->second.places.size()) return;
  const Batch::Place& place = found->second.places[keep.test];
  if (!place.ended) return;
  record(FilesKept{plan_.tests[place.test].id, place.attempt, keep.kept_files, keep.files_problem,
                   tests_[place.test].purpose});
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

// After an attempt: another one, or was it the last? Failures, failed set-ups and lost hosts have
// budgets of their own.
void Engine::decide(size_t index, const Outcome& outcome, size_t host) {
  Test& test = tests_[index];
  const bool lost = std::holds_alternative<HostLost>(outcome);
  if (!std::holds_alternative<Passed>(outcome) && !std::holds_alternative<Skipped>(outcome))
    tests_[test.of].avoid.insert(host);
  if (lost) ++tests_[test.of].hosts_lost;
  if (test.purpose != Purpose::verdict) return finish_test(index);
  if (is_bad(outcome)) ++test.bad;
  if (std::holds_alternative<SetupFailed>(outcome) || std::holds_alternative<NotRun>(outcome))
    ++test.setup_failures;
  if (may_try_again(test, outcome) && ending_ == Ending::no) {
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

// The number of the next attempt, before it is begun: several reruns of a test may be under way.
void Engine::reserve_attempt(size_t index) {
  Test& test = tests_[index];
  if (test.purpose == Purpose::verdict || std::exchange(test.numbered, true)) return;
  test.attempts = tests_[test.of].last_rerun++;
}

int Engine::next_attempt(size_t test) {
  ++tests_[test].tries;
  return ++tests_[test].attempts;
}

bool Engine::may_try_again(const Test& test, const Outcome& outcome) const {
  if (is_bad(outcome)) return test.bad <= plan_.retry_failures + (test.tried_alone ? 1 : 0);
  if (std::holds_alternative<HostLost>(outcome)) return test.hosts_lost <= plan_.max_host_restarts;
  if (std::holds_alternative<Passed>(outcome) || std::holds_alternative<Skipped>(outcome))
    return false;
  return test.setup_failures <= plan_.retry_setups;
}

void Engine::finish_test(size_t test, std::optional<std::string> not_run) {
  tests_[test].finished = true;
  --unfinished_;
  --unfinished_in_suite_[tests_[test].suite];
  if (tests_[test].purpose != Purpose::verdict) return;
  if (tests_[test].attempts > 0) not_run.reset();
  record(TestFinished{plan_.tests[test].id, std::move(not_run)});
}

void Engine::finish_pending(const std::string& why) {
  for (size_t suite = 0; suite < pending_.size(); ++suite) {
    for (const size_t test : take_pending(suite))
      finish_test(test, why);
  }
  for (const size_t test : std::exchange(too_late_, {}))
    finish_test(test, why);
}

}  // namespace ffci
