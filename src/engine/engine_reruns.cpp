// What the gate wants once every test has had its turns: further runs of suspects.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "engine/engine.hpp"

namespace ffci {

void Engine::ask_gate() {
  if (gate_ != Gate::ahead || unfinished_ > 0 || !batches_.empty()) return;
  gate_ = Gate::asked;
  actions_.push_back(action::JudgeRun{why_no_reruns()});
}

// Empty: there may be some.
std::string Engine::why_no_reruns() const {
  const bool early = how_.how == RunFinished::How::stopped_after_failures ||
                     how_.how == RunFinished::How::deadline;
  if (ending_ != Ending::no && (ending_ != Ending::stop_starting || !early || rerunning_))
    return why_ended_;
  if (!may_use_any_host()) return std::string(no_host_left);
  return rerunning_ && reruns_begun_ == 0 ? "the reruns before came to nothing" : "";
}

void Engine::on(const input::OrderReruns& order) {
  if (gate_ != Gate::asked) return;
  gate_ = Gate::ahead;
  end_at_deadline();
  if (!why_no_reruns().empty()) return;
  ending_ = Ending::no;
  rerunning_ = true;
  reruns_begun_ = 0;
  record(RerunsOrdered{order.orders});
  std::unordered_map<TestId, size_t> places;
  size_t rounds = 0;
  for (const RerunOrder& of_test : order.orders)
    rounds = std::max({rounds, of_test.change, of_test.base});
  for (size_t test = 0; test < tests_.size(); ++test) {
    if (tests_[test].purpose == Purpose::verdict) places.emplace(plan_.tests[test].id, test);
  }
  // One of each suspect after the other, so that change and base take turns.
  for (size_t round = 0; round < rounds; ++round) {
    for (const RerunOrder& of_test : order.orders) {
      const auto found = places.find(of_test.test);
      if (found == places.end()) continue;
      if (round < of_test.change) add_rerun(found->second, Purpose::confirmation);
      if (round < of_test.base) add_rerun(found->second, Purpose::base);
    }
  }
  for (size_t host = 0; host < hosts_.size(); ++host)
    prepare_for_reruns(host);
}

// What was left undone there while nothing more was to be started.
void Engine::prepare_for_reruns(size_t index) {
  Host& host = hosts_[index];
  bool wanted = false;
  for (size_t suite = 0; suite < plan_.suites.size(); ++suite) {
    if (for_base_hosts(suite) != plan_.hosts[index].base || unfinished_in_suite_[suite] == 0)
      continue;
    wanted = true;
    if (host.state == Host::State::ready) give_up_in_vain(index, suite);
  }
  if (host.state == Host::State::backing_off) remind(host.start_at);
  if (wanted && host.used) renew(index, "the reruns are to find it fresh");
  if (!wanted || host.state != Host::State::down) return;
  host.state = Host::State::starting;
  hosts_changed_ = true;
  actions_.push_back(action::StartHost{index});
}

void Engine::renew(size_t host, const std::string& why) {
  if (plan_.hosts[host].renewable) on(input::ReplaceHost{host, why});
}

void Engine::add_rerun(size_t of, Purpose purpose) {
  Test rerun;
  rerun.suite = tests_[of].suite + (purpose == Purpose::base ? suites_ : 0);
  if (rerun.suite >= plan_.suites.size()) return;  // there are no base hosts
  rerun.company = tests_[of].company;
  rerun.rank = tests_.size();
  rerun.tries = 1;
  rerun.alone = tests_[of].alone;
  rerun.purpose = purpose;
  rerun.of = of;
  TestCase test = plan_.tests[of];
  if (tests_[of].took) test.expected = tests_[of].took;
  plan_.tests.push_back(std::move(test));
  tests_.push_back(std::move(rerun));
  ++unfinished_;
  ++unfinished_in_suite_[tests_.back().suite];
  queue(tests_.size() - 1);
}

void Engine::on(const input::AcceptJudgement& accept) {
  if (gate_ != Gate::asked) return;
  gate_ = Gate::none;
  record(RunJudged{accept.judgement});
}

}  // namespace ffci
