// How batches are formed, how they end, and what becomes of the tests they leave undone.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.hpp"

namespace ffci {
namespace {

constexpr int most_batches_in_vain = 2;

// The test itself, or the kernel under it, had a say.
bool says_something(const Outcome& outcome) {
  return is_bad(outcome) || std::holds_alternative<Passed>(outcome) ||
         std::holds_alternative<Skipped>(outcome);
}

}  // namespace

// What waits.

bool Engine::shares_batches(size_t suite) const {
  return plan_.suites[suite].batches && plan_.batch_target;
}

void Engine::queue(size_t index) {
  Test& test = tests_[index];
  test.queued_at = now_;
  pending_[test.suite].emplace(Turn{test.tries, test.rank}, index);
  if (!shares_batches(test.suite) || test.tries > 0 || test.alone) return;
  companies_[test.company].emplace(test.rank, index);
  workloads_[test.suite].add(plan_.tests[index].expected);
}

void Engine::unqueue(size_t index) {
  pending_[tests_[index].suite].erase(Turn{tests_[index].tries, tests_[index].rank});
  leave_company(index);
}

void Engine::leave_company(size_t index) {
  const Test& test = tests_[index];
  if (companies_[test.company].erase(test.rank) > 0)
    workloads_[test.suite].remove(plan_.tests[index].expected);
}

std::vector<size_t> Engine::take_pending(size_t suite) {
  std::vector<size_t> taken;
  for (const auto& [turn, test] : std::exchange(pending_[suite], {})) {
    leave_company(test);
    taken.push_back(test);
  }
  return taken;
}

void Engine::put_back(size_t test) {
  if (ending_ == Ending::no) {
    queue(test);
  } else {
    finish_test(test, "the run was ended before its turn");
  }
}

// How a batch begins.

// `first` and those that go with it, out of the queue. What was not tried yet has no host to avoid.
std::vector<size_t> Engine::take_batch(size_t first) {
  const Test& test = tests_[first];
  const Workload& work = workloads_[test.suite];
  auto& company = companies_[test.company];
  std::vector<size_t> taken{first};
  if (!company.contains(test.rank)) {
    unqueue(first);
    return taken;
  }
  const size_t slots = places_[test.suite].slots;
  Duration limit = work.batch_limit(*plan_.batch_target, slots, now_);
  if (plan_.deadline) limit = std::min(limit, *plan_.deadline - now_);
  unqueue(first);
  Duration takes = work.expected(plan_.tests[first].expected);
  if (work.wants_own_batch(takes, slots, now_)) return taken;
  while (!company.empty()) {
    const size_t next = company.begin()->second;
    takes += work.expected(plan_.tests[next].expected);
    if (takes > limit) break;
    unqueue(next);
    taken.push_back(next);
  }
  return taken;
}

void Engine::start_batch(size_t host, size_t slot, Pick pick) {
  const Test& first = tests_[pick.test];
  const std::vector<size_t> tests = take_batch(pick.test);
  const BatchNumber number = ++last_batch_;
  Slot& used = hosts_[host].slots[slot];
  for (const Slot& other : hosts_[host].slots) {
    if (other.use == Slot::Use::batch) batches_.at(other.batch).has_company = true;
  }
  used =
      Slot{.use = Slot::Use::batch,
           .batch = number,
           .suite = pick.suite,
           .idle_since = tests_[first.of].avoid.contains(host) ? used.idle_since : Duration::max(),
           .alone = wants_to_be_alone(first)};
  ++hosts_[host].suites[pick.suite].running;
  hosts_[host].used = true;
  hosts_[host].suites[pick.suite].batches_in_vain.try_emplace(slot);

  Batch& batch = batches_[number];
  batch.host = host;
  batch.slot = static_cast<int>(slot) + 1;
  batch.suite = pick.suite;
  batch.started = now_;
  Workload& workload = workloads_[pick.suite];
  Duration takes = workload.call_cost();
  action::StartBatch start{number, host, batch.slot, outside(pick.suite), {}, {}, first.purpose};
  for (const size_t test : tests) {
    batch.places.push_back({test, 0, false});
    batch.untried |= tests_[test].tries == 0;
    takes += workload.expected(plan_.tests[test].expected);
    start.tests.push_back(plan_.tests[test].id);
    reserve_attempt(test);
    start.attempts.push_back(tests_[test].attempts + 1);
  }
  batch.expected_end = now_ + takes;
  workload.begin_batch(batch.expected_end);
  batch.most_silence = most_silence(batch);
  wait_for_next_test(batch);
  actions_.push_back(std::move(start));
}

// How long no test of it may run. Where a command is one test, that begins with its command.
Duration Engine::most_silence(const Batch& batch) const {
  if (!plan_.suites[batch.suite].batches || plan_.test_timeout.count() == 0) return Duration::max();
  Duration most = plan_.test_timeout;
  for (const Batch::Place& place : batch.places)
    most = std::max(most, plan_.tests[place.test].timeout.value_or(Duration{}));
  return most;
}

void Engine::wait_for_next_test(Batch& batch) {
  const bool limited = batch.most_silence != Duration::max() && !batch.stopped;
  batch.stop_at = limited ? now_ + batch.most_silence : Duration::max();
  remind(batch.stop_at);
}

// How it ends.

void Engine::stop(BatchNumber number, Batch& batch, Urgency urgency) {
  batch.stopped = true;
  batch.stop_at = Duration::max();
  actions_.push_back(action::StopBatch{number, urgency});
}

Engine::Slot& Engine::slot_of(const Batch& batch) {
  return hosts_[batch.host].slots[static_cast<size_t>(batch.slot - 1)];
}

void Engine::end_attempt(Batch& batch, size_t place, Attempt result, bool shared_blame) {
  const size_t index = batch.places[place].test;
  Test& test = tests_[index];
  result.purpose = test.purpose;
  result.number = batch.places[place].attempt;
  result.host = plan_.hosts[batch.host].name;
  result.slot = batch.slot;
  result.started = batch.began;
  if (result.duration == Duration{}) result.duration = now_ - batch.began;
  if (result.files.empty()) result.files = batch.files;
  const bool host_lost = std::holds_alternative<HostLost>(*result.outcome);
  const int lost_before = tests_[test.of].hosts_lost;
  batch.lost_again = host_lost && lost_before > 0;
  slot_of(batch).in_doubt = host_lost || std::holds_alternative<Crashed>(*result.outcome);
  // A test that ended by itself before it was stopped keeps the outcome it had.
  if (batch.stopped_as && (host_lost || std::holds_alternative<NotRun>(*result.outcome))) {
    const bool maybe_the_host =
        host_lost && std::holds_alternative<TimedOut>(*batch.stopped_as) && lost_before == 0;
    if (!maybe_the_host) result.outcome = *batch.stopped_as;
  }
  batch.ended_in_vain = std::holds_alternative<NotRun>(*result.outcome);
  if (batch.began_too_late && std::holds_alternative<NotRun>(*result.outcome))
    result.outcome = NotRun{"its batch was being stopped when it began"};

  const Outcome outcome = *result.outcome;
  if (ran_to_its_end(result)) test.took = result.duration;
  batch.places[place].ended = true;
  batch.last_ended = now_;
  batch.running.reset();
  batch.stopped_as.reset();
  wait_for_next_test(batch);
  if (!host_lost && !std::holds_alternative<NotRun>(outcome))
    hosts_[batch.host].fruitless_lives = 0;
  if (test.purpose != Purpose::verdict && is_bad(outcome))
    renew(batch.host, "a rerun was bad there, and the next one is to find it fresh");
  if (says_something(outcome)) {
    batch.fruitful = true;
    hosts_[batch.host].suites[batch.suite].batches_in_vain[static_cast<size_t>(batch.slot - 1)] = 0;
    const bool was_cut_off =
        std::holds_alternative<TimedOut>(outcome) || std::holds_alternative<Crashed>(outcome);
    if (!plan_.tests[index].expected && !was_cut_off)
      workloads_[batch.suite].learn_test(result.duration);
  }
  if (!batch.fruitful) batch.why_in_vain = reason_of(outcome);
  record(AttemptFinished{plan_.tests[index].id, std::move(result)});
  if (batch.began_too_late && batch.charged && std::holds_alternative<NotRun>(outcome)) {
    put_back(index);
    return;
  }
  batch.charged = true;
  if (shared_blame && batch.has_company && std::holds_alternative<Failed>(outcome) &&
      !test.tried_alone)
    test.alone = test.tried_alone = true;
  decide(index, outcome, batch.host);
}

void Engine::on(const input::EndBatch& end) {
  const auto found = batches_.find(end.batch);
  if (found == batches_.end()) return;
  Batch& batch = found->second;
  const size_t host = batch.host;
  const int slot = batch.slot;
  std::optional<std::string> why_not_begun;
  if (batch.running) {
    Attempt attempt;
    attempt.outcome = NotRun{"the command ended without a result of this test"};
    end_attempt(batch, *batch.running, std::move(attempt));
  } else if (batch.hung && !batch.charged) {
    why_not_begun = "the command hung before running it";
  } else if (!batch.stopped && !slot_of(batch).in_doubt && !batch.ended_in_vain) {
    why_not_begun = "the command ended without running it";
  }
  if (why_not_begun && !batch.fruitful && batch.why_in_vain.empty())
    batch.why_in_vain = *why_not_begun;
  learn_call(batch);
  judge(batch);
  close_batch(end.batch, why_not_begun);
  if (!end.slot_unusable) return;

  if (plan_.hosts[host].renewable) return renew(host, *end.slot_unusable);
  Host& on = hosts_[host];
  on.slots[static_cast<size_t>(slot - 1)].use = Slot::Use::retired;
  hosts_changed_ = true;
  record(SlotRetired{plan_.hosts[host].name, slot, *end.slot_unusable});
  if (std::all_of(on.slots.begin(), on.slots.end(),
                  [](const Slot& s) { return s.use == Slot::Use::retired; })) {
    retire(host, "none of its slots is usable");
    actions_.push_back(action::StopHost{host, Urgency::at_once});
    return;
  }
  if (ending_ != Ending::no) return;
  for (size_t suite = 0; suite < plan_.suites.size(); ++suite)
    give_up_in_vain(host, suite);
}

// Tests of it that never began go back to the queue; when there is a reason in their own command
// (`why_not_begun`), that counts as an attempt, so that it can't go on for ever.
void Engine::close_batch(BatchNumber number, const std::optional<std::string>& why_not_begun) {
  const Batch batch = std::move(batches_.at(number));
  batches_.erase(number);
  const Slot slot = std::exchange(slot_of(batch), Slot{});
  slot_of(batch).idle_since = std::min(slot.idle_since, now_);
  --hosts_[batch.host].suites[batch.suite].running;
  workloads_[batch.suite].end_batch(batch.expected_end);

  for (const Batch::Place& place : batch.places) {
    if (place.ended) continue;
    if (!why_not_begun) {
      put_back(place.test);
      continue;
    }
    Attempt attempt;
    attempt.purpose = tests_[place.test].purpose;
    attempt.number = next_attempt(place.test);
    attempt.host = plan_.hosts[batch.host].name;
    attempt.slot = batch.slot;
    attempt.started = now_;
    attempt.outcome = NotRun{*why_not_begun};
    record(AttemptFinished{plan_.tests[place.test].id, attempt});
    decide(place.test, *attempt.outcome, batch.host);
  }
}

// What the command took beside its tests, if all went well.
void Engine::learn_call(const Batch& batch) {
  const bool all_ended = std::all_of(batch.places.begin(), batch.places.end(),
                                     [](const Batch::Place& place) { return place.ended; });
  if (!plan_.suites[batch.suite].batches || batch.stopped || !all_ended) return;
  workloads_[batch.suite].learn_call(*batch.first_began - batch.started + now_ - *batch.last_ended);
}

// When batches come to nothing one after the other, it is not their tests that are broken.
void Engine::judge(const Batch& batch) {
  if (!plan_.suites[batch.suite].batches || ending_ != Ending::no) return;
  if (batch.fruitful || !batch.untried || slot_of(batch).in_doubt) return;
  SuiteOnHost& suite = hosts_[batch.host].suites[batch.suite];
  ++suite.batches_in_vain[static_cast<size_t>(batch.slot - 1)];
  suite.why_in_vain = batch.why_in_vain;
  hosts_changed_ = true;
  give_up_in_vain(batch.host, batch.suite);
}

bool Engine::in_vain(size_t host, size_t slot, size_t suite) const {
  const auto& batches = hosts_[host].suites[suite].batches_in_vain;
  const auto found = batches.find(slot);
  return found != batches.end() && found->second >= most_batches_in_vain;
}

// Unless a slot that took the suite's batches may yet take another one. One that runs one now may.
void Engine::give_up_in_vain(size_t host, size_t index) {
  SuiteOnHost& suite = hosts_[host].suites[index];
  if (suite.scope == Scope::unusable || unfinished_in_suite_[index] == 0) return;
  bool any = false;
  for (const auto& [slot, batches] : suite.batches_in_vain) {
    if (hosts_[host].slots[slot].use == Slot::Use::retired) continue;
    if (!in_vain(host, slot, index)) return;
    any = true;
  }
  if (!any) return;
  suite.scope = Scope::unusable;
  const std::string why = fmt::format("{} batches in a row came to nothing; at last: {}",
                                      most_batches_in_vain, suite.why_in_vain);
  suite.failure = fmt::format("suite {} can't be run: {}", plan_.suites[index].name, why);
  hosts_changed_ = true;
  record(SuiteSetUp{plan_.hosts[host].name, plan_.suites[index].name, {}, why});
}

}  // namespace ffci
