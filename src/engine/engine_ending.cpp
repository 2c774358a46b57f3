// How a run ends: stopping early, winding up.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.hpp"

namespace ffci {

void Engine::end_run(Ending ending, RunFinished how, const std::string& why) {
  const bool first = ending_ == Ending::no;
  ending_ = std::max(ending_, ending);
  how_ = how;
  why_ended_ = why;
  record(RunStopping{why});
  if (first) finish_pending(why);
  if (ending_ == Ending::stop_starting) return;
  const Urgency urgency = ending_ == Ending::at_once ? Urgency::at_once : Urgency::in_order;
  stop_batches(urgency, NotRun{why});
  for (size_t host = 0; host < hosts_.size(); ++host) {
    for (size_t suite = 0; suite < plan_.suites.size(); ++suite) {
      const Scope scope = hosts_[host].suites[suite].scope;
      if (scope == Scope::setting_up ||
          (scope == Scope::tearing_down && urgency == Urgency::at_once)) {
        actions_.push_back(action::StopScope{host, outside(suite), urgency});
      }
    }
    if (hosts_[host].state == Host::State::stopping)
      actions_.push_back(action::StopHost{host, urgency});
  }
}

void Engine::stop_batches(Urgency urgency, const Outcome& stopped_as) {
  for (auto& [number, batch] : batches_) {
    if (!batch.stopped_as) batch.stopped_as = stopped_as;
    stop(number, batch, urgency);
  }
}

void Engine::wind_up() {
  if (unfinished_ > 0 || !batches_.empty() || gate_ != Gate::none) return;
  bool all_down = true;
  for (size_t index = 0; index < hosts_.size(); ++index) {
    Host& host = hosts_[index];
    if (host.state == Host::State::backing_off) host.state = Host::State::down;
    bool scopes_left = false;
    for (const SuiteOnHost& suite : host.suites) {
      scopes_left |= suite.scope == Scope::setting_up || suite.scope == Scope::tearing_down;
    }
    if (host.state == Host::State::starting || (host.state == Host::State::ready && !scopes_left)) {
      host.state = Host::State::stopping;
      actions_.push_back(action::StopHost{
          index, ending_ == Ending::at_once ? Urgency::at_once : Urgency::in_order});
    }
    all_down &= host.state == Host::State::down || host.state == Host::State::retired;
  }
  if (!all_down) return;
  finished_ = true;
  record(how_);
  actions_.push_back(action::Finish{});
}

}  // namespace ffci
