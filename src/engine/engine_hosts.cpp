// What becomes of hosts, and of the suites' set-ups on them: up, lost, started again, retired.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.hpp"

namespace ffci {
namespace {

constexpr int most_setups_lost = 2;

std::string set_up_failure(const SuitePlan& suite, const std::string& why) {
  return fmt::format("set-up of suite {} failed: {}", suite.name, why);
}

}  // namespace

void Engine::on(const input::AcceptHost& accept) {
  Host& host = hosts_.at(accept.host);
  if (host.state != Host::State::starting) return;
  host.state = Host::State::ready;
  host.failed_starts = 0;
  hosts_changed_ = true;
  // What could not be killed is still there when only the connection was lost.
  const bool same_boot = !accept.facts.boot_id.empty() && accept.facts.boot_id == host.boot_id;
  for (Slot& slot : host.slots) {
    if (slot.use != Slot::Use::retired || !same_boot) slot = Slot{.idle_since = now_};
  }
  host.boot_id = accept.facts.boot_id;
  host.used = false;
  host.worn.clear();
  host.being_replaced = false;
  record(accept.facts);
}

void Engine::on(const input::ReplaceHost& replace) {
  Host& host = hosts_.at(replace.host);
  if (host.state == Host::State::ready && host.used && host.worn.empty()) host.worn = replace.why;
}

void Engine::replace_worn_hosts() {
  if (ending_ != Ending::no || unfinished_ == 0) return;
  for (size_t index = 0; index < hosts_.size(); ++index) {
    Host& host = hosts_[index];
    if (host.worn.empty() || host.state != Host::State::ready) continue;
    const auto is_at_work = [](const Slot& slot) {
      return slot.use == Slot::Use::batch || slot.use == Slot::Use::set_up;
    };
    const auto is_being_torn_down = [](const SuiteOnHost& suite) {
      return suite.scope == Scope::tearing_down;
    };
    if (std::ranges::any_of(host.slots, is_at_work) ||
        std::ranges::any_of(host.suites, is_being_torn_down))
      continue;
    record(HostReplaced{plan_.hosts[index].name, std::exchange(host.worn, {})});
    host.slots.assign(host.slots.size(), Slot{});
    for (SuiteOnHost& suite : host.suites) {
      if (suite.setups_lost < most_setups_lost)
        suite = SuiteOnHost{.setups_lost = suite.setups_lost};
    }
    host.state = Host::State::starting;
    host.being_replaced = true;
    hosts_changed_ = true;
    actions_.push_back(action::StartHost{index});
  }
}

void Engine::on(const input::LoseHost& lose) {
  Host& host = hosts_.at(lose.host);
  if (host.state == Host::State::stopping) {
    host.state = Host::State::down;
    return;
  }
  if (host.state != Host::State::ready && host.state != Host::State::starting) return;
  const bool was_up = host.state == Host::State::ready;
  host.being_replaced = false;
  hosts_changed_ = true;
  if (!lose.for_good) record(HostLostFact{plan_.hosts[lose.host].name, lose.why});

  bool lost_by_a_test = false, tests_ran = false;
  for (const Slot& slot : host.slots) {
    if (slot.use != Slot::Use::batch) continue;
    Batch& batch = batches_.at(slot.batch);
    if (batch.running) {
      Attempt attempt;
      attempt.outcome = HostLost{lose.why};
      end_attempt(batch, *batch.running, std::move(attempt));
    }
    tests_ran = true;
    lost_by_a_test |= batch.lost_again;
    close_batch(slot.batch, {});
  }
  for (Slot& slot : host.slots) {
    if (slot.use != Slot::Use::retired) slot = Slot{};
  }
  for (size_t index = 0; index < host.suites.size(); ++index) {
    SuiteOnHost& suite = host.suites[index];
    SuiteOnHost next;
    next.setups_lost = suite.setups_lost;
    if (suite.scope == Scope::setting_up && !tests_ran) ++next.setups_lost;
    if (next.setups_lost >= most_setups_lost) {
      next.scope = Scope::unusable;
      next.failure =
          suite.setups_lost >= most_setups_lost
              ? suite.failure
              : set_up_failure(plan_.suites[index],
                               fmt::format("the host was lost during it {} times; at last: {}",
                                           next.setups_lost, lose.why));
    }
    suite = std::move(next);
  }

  if (was_up) host.lost_at = now_;
  if (!was_up) {
    ++host.failed_starts;
  } else if (!lost_by_a_test) {
    ++host.fruitless_lives;
  }
  const int in_vain = host.fruitless_lives + host.failed_starts;
  const bool may_yet_return =
      !was_up && host.lost_at && now_ < *host.lost_at + plan_.hosts[lose.host].return_within;
  if (lose.for_good) {
    retire(lose.host, lose.why);
  } else if (in_vain >= plan_.host_starts && !may_yet_return) {
    retire(lose.host,
           fmt::format("it could not be used {} times in a row; at last: {}", in_vain, lose.why));
  } else {
    const Duration longest = std::chrono::minutes(1);
    host.state = Host::State::backing_off;
    host.start_at =
        now_ + std::min(longest, plan_.host_backoff * (1 << std::clamp(in_vain - 1, 0, 10)));
    remind(host.start_at);
  }
}

void Engine::on(const input::FinishSetUp& finish) {
  Host& host = hosts_.at(finish.host);
  const size_t index = inside(finish.host, finish.suite);
  SuiteOnHost& suite = host.suites.at(index);
  if (suite.scope != Scope::setting_up) return;
  suite.scope = finish.failure ? Scope::unusable : Scope::ready;
  suite.set_up = !finish.failure;
  suite.setups_lost = 0;
  hosts_changed_ = true;
  suite.stop_at = Duration::max();
  if (finish.failure) suite.failure = set_up_failure(plan_.suites[finish.suite], *finish.failure);
  for (Slot& slot : host.slots) {
    if (slot.use == Slot::Use::set_up && slot.suite == index)
      slot = Slot{.idle_since = slot.idle_since};
  }
  record(SuiteSetUp{plan_.hosts[finish.host].name, plan_.suites[finish.suite].name, finish.took,
                    finish.failure});
}

void Engine::on(const input::FinishTearDown& finish) {
  SuiteOnHost& suite = hosts_.at(finish.host).suites.at(inside(finish.host, finish.suite));
  if (suite.scope != Scope::tearing_down) return;
  suite = SuiteOnHost{};
  hosts_changed_ = true;
  record(SuiteTornDown{plan_.hosts[finish.host].name, plan_.suites[finish.suite].name, finish.took,
                       finish.failure});
}

void Engine::on(const input::FinishHost& finish) {
  Host& host = hosts_.at(finish.host);
  if (host.state == Host::State::stopping) host.state = Host::State::down;
}

void Engine::retire(size_t host, const std::string& why) {
  hosts_[host].state = Host::State::retired;
  hosts_changed_ = true;
  record(HostRetired{plan_.hosts[host].name, why});
  if (may_use_any_host() || ending_ != Ending::no || unfinished_ == 0) return;
  // A run whose tests have all had their turns has not failed for want of hosts.
  const RunFinished how = rerunning_ ? how_ : RunFinished{RunFinished::How::no_hosts, 0};
  end_run(Ending::stop_starting, how, std::string(no_host_left));
}

// One that is not for base reruns only.
bool Engine::may_use_any_host() const {
  for (size_t host = 0; host < hosts_.size(); ++host) {
    if (!plan_.hosts[host].base && hosts_[host].state != Host::State::retired) return true;
  }
  return false;
}

}  // namespace ffci
