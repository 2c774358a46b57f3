// The half of the engine that looks at the whole state after each input and hands out work.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.hpp"

namespace ffci {

void Engine::advance() {
  end_at_deadline();
  do_what_is_due();
  if (!may_use_any_host() && ending_ == Ending::no && unfinished_ > 0) {
    end_run(Ending::stop_starting, {RunFinished::How::no_hosts, 0}, "the job has no host");
  }
  replace_worn_hosts();
  count_places();
  give_up_unusable_suites();
  for (size_t host = 0; host < hosts_.size(); ++host)
    fill_slots(host);
  give_up_what_cannot_end_in_time();
  ask_gate();
  tear_down_finished_suites();
  wind_up();
  ask_to_be_woken();
}

void Engine::end_at_deadline() {
  if (!plan_.deadline || now_ < *plan_.deadline || ending_ >= Ending::in_order) return;
  end_run(Ending::in_order, {RunFinished::How::deadline, 0},
          fmt::format("the run's deadline of {} came first", human_duration(*plan_.deadline)));
}

void Engine::remind(Duration at) {
  due_ = std::min(due_, at);
}

void Engine::do_what_is_due() {
  if (now_ < due_) return;
  due_ = Duration::max();
  for (auto& [number, batch] : batches_) {
    if (batch.stop_at > now_) {
      remind(batch.stop_at);
      continue;
    }
    if (batch.running) {
      const TestCase& test = plan_.tests[batch.places[*batch.running].test];
      batch.stopped_as = TimedOut{test.timeout.value_or(plan_.test_timeout)};
    } else {
      batch.hung = true;
    }
    stop(number, batch, Urgency::in_order);
  }
  for (size_t index = 0; index < hosts_.size(); ++index) {
    Host& host = hosts_[index];
    for (size_t suite = 0; suite < plan_.suites.size(); ++suite) {
      SuiteOnHost& scope = host.suites[suite];
      if (scope.stop_at > now_) {
        remind(scope.stop_at);
        continue;
      }
      scope.stop_at = Duration::max();
      actions_.push_back(action::StopScope{index, outside(suite), Urgency::in_order});
    }
    if (host.state != Host::State::backing_off || ending_ != Ending::no) continue;
    if (host.start_at > now_) {
      remind(host.start_at);
      continue;
    }
    host.state = Host::State::starting;
    actions_.push_back(action::StartHost{index});
  }
}

void Engine::count_places() {
  if (!std::exchange(hosts_changed_, false)) return;
  for (size_t suite = 0; suite < places_.size(); ++suite) {
    places_[suite] = Places{};
    for (size_t host = 0; host < hosts_.size(); ++host) {
      if (usable(host, suite)) {
        ++places_[suite].usable;
        if (is_as_good_as_up(hosts_[host])) ++places_[suite].up;
        places_[suite].slots += usable_slots(host, suite);
      }
      if (hosts_[host].suites[suite].set_up) ++places_[suite].set_up;
    }
  }
}

// A suite that is unusable wherever it could still run: its tests are errors, with the reason.
void Engine::give_up_unusable_suites() {
  for (size_t suite = 0; suite < pending_.size(); ++suite) {
    if (pending_[suite].empty() || places_[suite].usable > 0) continue;
    const auto failed_on = std::find_if(hosts_.begin(), hosts_.end(), [&](const Host& host) {
      return host.suites[suite].scope == Scope::unusable;
    });
    if (failed_on == hosts_.end() && !for_base_hosts(suite)) continue;
    for (const size_t test : take_pending(suite)) {
      if (failed_on == hosts_.end()) {  // the base hosts are gone, and the run can do without
        finish_test(test);
        continue;
      }
      const auto host = static_cast<size_t>(failed_on - hosts_.begin());
      tests_[tests_[test].of].avoid.insert(host);
      Attempt attempt;
      reserve_attempt(test);
      attempt.purpose = tests_[test].purpose;
      attempt.number = next_attempt(test);
      attempt.host = plan_.hosts[host].name;
      attempt.started = now_;
      attempt.outcome = SetupFailed{failed_on->suites[suite].failure};
      record(AttemptFinished{plan_.tests[test].id, std::move(attempt)});
      finish_test(test);
    }
  }
}

bool Engine::is_as_good_as_up(const Host& host) const {
  return host.state == Host::State::ready || host.being_replaced;
}

bool Engine::usable(size_t host, size_t suite) const {
  if (for_base_hosts(suite) != plan_.hosts[host].base) return false;
  const Host::State state = hosts_[host].state;
  const bool alive = state == Host::State::ready || state == Host::State::starting ||
                     state == Host::State::backing_off;
  return alive && hosts_[host].suites[suite].scope != Scope::unusable;
}

size_t Engine::usable_slots(size_t host, size_t suite) const {
  const SuitePlan& plan = plan_.suites[suite];
  std::ptrdiff_t slots = 0;
  for (size_t slot = 0; slot < hosts_[host].slots.size(); ++slot)
    slots += hosts_[host].slots[slot].use != Slot::Use::retired && !in_vain(host, slot, suite);
  if (plan.parallel > 0) slots = std::min<std::ptrdiff_t>(slots, plan.parallel);
  if (plan.test_devices) slots = std::min<std::ptrdiff_t>(slots, device_sets(host));
  return static_cast<size_t>(slots);
}

// At least one: without any, what needs them would wait for ever.
int Engine::device_sets(size_t host) const {
  return std::max(1, plan_.hosts[host].test_devices);
}

bool Engine::is_last_chance(const Test& test) const {
  const int lost = tests_[test.of].hosts_lost;
  return lost > 0 && lost >= plan_.max_host_restarts;
}

bool Engine::wants_to_be_alone(const Test& test) const {
  return plan_.suites[test.suite].parallel == 1 || test.alone || is_last_chance(test);
}

// The time from which the test may run in this idle slot, as things are now. Another host that is
// down comes first as well, as it may be back in a moment.
Duration Engine::may_run_from(const Test& test, size_t host, const Slot& slot) const {
  const std::set<size_t>& avoid = tests_[test.of].avoid;
  if (!avoid.contains(host)) return Duration::min();
  Places others = places_[test.suite];
  for (const size_t avoided : avoid) {
    if (!usable(avoided, test.suite)) continue;
    --others.usable;
    if (is_as_good_as_up(hosts_[avoided])) --others.up;
  }
  if (others.usable == 0) return Duration::min();
  if (others.up > 0 && is_last_chance(test)) return Duration::max();
  return std::max(slot.idle_since, test.queued_at) + plan_.wait_for_other_host;
}

std::optional<size_t> Engine::first_runnable(size_t suite, size_t host, const Slot& slot,
                                             bool host_idle) {
  auto& pending = pending_[suite];
  for (auto next = pending.begin(); next != pending.end();) {
    const size_t test = next->second;
    if (plan_.deadline && plan_.tests[test].expected &&
        now_ + *plan_.tests[test].expected > *plan_.deadline) {
      too_late_.push_back(test);
      leave_company(test);
      next = pending.erase(next);
      continue;
    }
    ++next;
    if (!host_idle && wants_to_be_alone(tests_[test])) continue;
    const Duration from = may_run_from(tests_[test], host, slot);
    if (from <= now_) return test;
    remind(from);
  }
  return std::nullopt;
}

// What the host's next idle slot should run. A suite with `parallel: 1` has the host to itself, so
// it goes first while the host is idle.
std::optional<Engine::Pick> Engine::pick(size_t index, size_t idle_slot) {
  const Host& host = hosts_[index];
  bool idle = true;
  int sets_in_use = 0;
  for (const Slot& slot : host.slots) {
    if (slot.alone || slot.in_doubt) return std::nullopt;
    sets_in_use += slot.use == Slot::Use::batch && plan_.suites[slot.suite].test_devices;
    idle &= slot.use != Slot::Use::batch && slot.use != Slot::Use::set_up;
  }
  std::optional<Pick> best;
  std::tuple<bool, Turn> best_turn;
  for (size_t suite = 0; suite < pending_.size(); ++suite) {
    if (pending_[suite].empty() || for_base_hosts(suite) != plan_.hosts[index].base) continue;
    const SuiteOnHost& here = host.suites[suite];
    const int parallel = plan_.suites[suite].parallel;
    if (here.scope == Scope::setting_up || here.scope == Scope::unusable ||
        here.scope == Scope::tearing_down)
      continue;
    if (in_vain(index, idle_slot, suite)) continue;
    if (parallel > 0 && here.running >= parallel) continue;
    if (plan_.suites[suite].test_devices && sets_in_use >= device_sets(index)) continue;
    const std::optional<size_t> test = first_runnable(suite, index, host.slots[idle_slot], idle);
    if (!test) continue;
    const std::tuple turn(parallel != 1, Turn{tests_[*test].tries, tests_[*test].rank});
    if (!best || turn < best_turn) best = Pick{suite, *test}, best_turn = turn;
  }
  return best;
}

void Engine::fill_slots(size_t index) {
  Host& host = hosts_[index];
  if (host.state != Host::State::ready || !host.worn.empty() || ending_ != Ending::no) return;
  for (size_t slot = 0; slot < host.slots.size(); ++slot) {
    if (host.slots[slot].use != Slot::Use::idle) continue;
    const std::optional<Pick> next = pick(index, slot);
    if (!next) continue;
    SuiteOnHost& suite = host.suites[next->suite];
    if (plan_.suites[next->suite].has_setup && suite.scope == Scope::none) {
      suite.scope = Scope::setting_up;
      suite.stop_at = plan_.test_timeout.count() > 0 ? now_ + plan_.test_timeout : Duration::max();
      remind(suite.stop_at);
      host.slots[slot] = Slot{.use = Slot::Use::set_up,
                              .suite = next->suite,
                              .idle_since = host.slots[slot].idle_since,
                              .alone = plan_.suites[next->suite].parallel == 1};
      actions_.push_back(action::SetUpSuite{index, outside(next->suite)});
    } else {
      start_batch(index, slot, *next);
    }
  }
}

void Engine::give_up_what_cannot_end_in_time() {
  if (ending_ != Ending::no || too_late_.empty() || unfinished_ > too_late_.size()) return;
  const RunFinished how = rerunning_ ? how_ : RunFinished{RunFinished::How::deadline, 0};
  end_run(Ending::stop_starting, how,
          fmt::format("it was not expected to end before the run's deadline of {}",
                      human_duration(*plan_.deadline)));
}

void Engine::tear_down_finished_suites() {
  if (gate_ != Gate::none) return;
  for (size_t suite = 0; suite < plan_.suites.size(); ++suite) {
    if (places_[suite].set_up == 0 || unfinished_in_suite_[suite] > 0) continue;
    for (size_t index = 0; index < hosts_.size(); ++index) {
      SuiteOnHost& here = hosts_[index].suites[suite];
      if (hosts_[index].state != Host::State::ready || !here.set_up ||
          here.scope == Scope::tearing_down || here.running > 0)
        continue;
      here.scope = Scope::tearing_down;
      here.set_up = false;
      hosts_changed_ = true;
      here.stop_at = plan_.test_timeout.count() > 0 ? now_ + plan_.test_timeout : Duration::max();
      remind(here.stop_at);
      actions_.push_back(action::TearDownSuite{index, outside(suite)});
      if (ending_ == Ending::at_once)
        actions_.push_back(action::StopScope{index, outside(suite), Urgency::at_once});
    }
  }
}

void Engine::ask_to_be_woken() {
  if (finished_) return;
  Duration next = due_;
  if (plan_.deadline && ending_ < Ending::in_order) next = std::min(next, *plan_.deadline);
  if (next == wake_at_ || next == Duration::max()) return;
  wake_at_ = next;
  actions_.push_back(action::WakeAt{next});
}

}  // namespace ffci
