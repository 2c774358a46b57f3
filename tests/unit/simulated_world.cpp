#include "simulated_world.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <tuple>

#include "engine/engine.hpp"
#include "engine_scenario.hpp"
#include "engine_witness.hpp"

namespace ffci::test {
namespace {

class World : Witness {
 public:
  World(Dice dice, KeepLog keep_log)
      : Witness(draw_scenario(dice), keep_log), dice_(dice), engine_(drawn_.plan) {}

  SimulationResult run() {
    draw_what_nobody_asked_for();
    deliver(input::Begin{});
    for (int steps = 0; !finished_; ++steps) {
      if (steps > 300'000) {
        claim(false, "the run ends");
        break;
      }
      if (answers_.empty() && !wake_at_) {
        claim(false, "the engine waits for nothing that will never come");
        break;
      }
      const bool wakes = wake_at_ && (answers_.empty() || *wake_at_ < answers_.top().at);
      const Milliseconds next = wakes ? *wake_at_ : answers_.top().at;
      if (next > now_) {
        now_ = next - 1;
        if (hosts_.size() < 10 || steps % 50 == 0) check_nothing_idles();
        now_ = next;
      }
      if (wakes) {
        wake_at_.reset();
        deliver(input::Tick{});
      } else {
        const Answer answer = answers_.top();
        answers_.pop();
        answer.give();
      }
    }
    check_the_end();
    return std::move(result_);
  }

 private:
  struct Answer {
    Milliseconds at;
    std::uint64_t order;
    std::function<void()> give;
    bool operator<(const Answer& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };
  // What happens by itself.

  void draw_what_nobody_asked_for() {
    for (size_t at = 0; at < hosts_.size(); ++at) {
      for (const HostFault& fault : drawn_.hosts[at].faults)
        later(fault.at, [this, at, fault] { suffer(at, fault); });
    }
    for (size_t at = 0; at < hosts_.size(); ++at) {
      for (const Milliseconds when : drawn_.hosts[at].wears)
        later(when, [this, at] { want_replacement(at); });
    }
    for (const Milliseconds at : drawn_.signals)
      later(at, [this] { end_by_force(input::Interrupt{15}); });
    if (drawn_.disk_full)
      later(*drawn_.disk_full, [this] { end_by_force(input::Abandon{"No space left on device"}); });
    for (const auto& [at, far] : drawn_.leaps) {
      later(at, [this, far = far] {
        leapt_ += far;
        now_ += far;
        if (dice_.chance(50)) deliver(input::Tick{});
      });
    }
  }

  void want_replacement(size_t at) {
    const SimulatedHost& host = hosts_[at];
    if (!host.up || host.silent || host.going || host.told_to_stop || host.retired) return;
    log("{} wants to be replaced", host_name(at));
    wear_out(at);
    deliver(input::ReplaceHost{at, "its kernel is tainted"});
  }

  void end_by_force(const Input& input) {
    forced_to_end_ = true;
    std::visit([this](const auto& what) { this->deliver(what); }, input);
  }

  void suffer(size_t at, const HostFault& fault) {
    SimulatedHost& host = hosts_[at];
    if (fault.kind == HostFault::Kind::cut_off)
      host.unreachable_until = std::max(host.unreachable_until, now_ + fault.lasts);
    if (!host.up && !host.starting) return;
    if (host.silent || host.going) return;
    log("{} {}", host_name(at),
        fault.kind == HostFault::Kind::dies    ? "dies"
        : fault.kind == HostFault::Kind::hangs ? "hangs"
                                               : "is cut off");
    if (fault.kind == HostFault::Kind::dies && dice_.chance(50)) return lose(at, "it rebooted");
    host.silent = true;
    later(dice_.between(0, to_notice), [this, at, life = host.life] {
      if (hosts_[at].life == life && hosts_[at].silent) lose(at, "it does not answer");
    });
    if (fault.kind != HostFault::Kind::cut_off) return;
    later(fault.lasts, [this, at, life = host.life] {
      SimulatedHost& back = hosts_[at];
      if (back.life != life || !back.silent) return;
      log("{} is heard again", host_name(at));
      back.silent = false;
      for (const auto& give : std::exchange(back.unheard, {}))
        give();
    });
  }

  // Doing what the engine asks.

  void later(Milliseconds in, std::function<void()> give) {
    answers_.push({now_ + in, ++order_, std::move(give)});
  }

  // Something that the host says, unless it is lost before.
  void hear(size_t at, Milliseconds in, std::function<void()> give) {
    later(in, [this, at, life = hosts_[at].life, give = std::move(give)] {
      if (hosts_[at].life != life || hosts_[at].going) return;
      if (hosts_[at].silent) {
        hosts_[at].unheard.push_back([this, at, life, give] {
          if (hosts_[at].life == life) give();
        });
      } else {
        give();
      }
    });
  }

  template <class What>
  void deliver_once(const What& what) {
    ++result_.inputs;
    for (const Action& action : engine_.handle(Duration(now_), what)) {
      claim(!finished_, "nothing is done after Finish");
      std::visit([this](const auto& asked) { this->perform(asked); }, action);
    }
    run_begins();
  }
  template <class What>
  void deliver(const What& what) {
    do {
      deliver_once(what);
    } while (dice_.chance(drawn_.repeats));
    if (dice_.chance(drawn_.repeats)) deliver(input::Tick{});
  }

  void run_begins() {
    while (!begins_.empty() && !closing_) {
      const BatchNumber batch = begins_.front();
      begins_.pop_front();
      begin(batch);
    }
  }

  void perform(const action::Record& record) { take_down(record.event); }
  void perform(const action::JudgeRun& judge) {
    log("the gate is asked {}", judge.why_final);
    check_may_ask_gate(judge.why_final);
    asked_ = true;
    later(dice_.chance(50) ? 0 : dice_.between(0, to_judge), [this, final = judge.why_final] {
      asked_ = false;
      if (!final.empty() || rounds_ == drawn_.rerun_rounds)
        return deliver(input::AcceptJudgement{});
      ++rounds_;
      deliver_once(input::OrderReruns{draw_orders()});
    });
  }
  std::vector<RerunOrder> draw_orders() {
    std::vector<RerunOrder> orders;
    for (int order = dice_.number(0, 6); order > 0; --order) {
      const bool known = selected_tests() > 0 && !dice_.chance(3);
      orders.push_back({known ? drawn_.plan.tests[dice_.index(selected_tests())].id
                              : TestId{"s1", "", "unknown", 1},
                        static_cast<size_t>(dice_.number(0, 4)),
                        static_cast<size_t>(dice_.number(0, 3))});
    }
    return orders;
  }
  void perform(const action::StartHost& start) {
    SimulatedHost& host = hosts_[start.host];
    log("start {}", host_name(start.host));
    claim(!host.up && !host.starting && !host.retired && !host.lost_for_good,
          "a host is started only when it is down, and never after it was retired");
    claim(!ending_ && !judged_, "no host is started once the run is ending");
    claim(!drawn_.plan.hosts[start.host].base || base_ordered_,
          "a base host is started when a rerun for it is ordered");
    claim(!host.lost_at || now_ >= *host.lost_at + drawn_.plan.host_backoff.count(),
          "a lost host is started again after a while");
    host.starting = true;
    ++host.life;
    ++starts_;
    hear(start.host, dice_.between(0, to_boot), [this, at = start.host] { come_up(at); });
  }
  void come_up(size_t at) {
    SimulatedHost& host = hosts_[at];
    const HostFate& fate = drawn_.hosts[at];
    if (!host.starting || host.told_to_stop) return;
    if (fate.refused) return lose(at, "permission denied", true);
    if (now_ < fate.reachable_from || now_ < host.unreachable_until ||
        dice_.chance(fate.bad_starts))
      return lose(at, "no route to host");
    host.starting = false;
    host.up = true;
    host.changed_at = now_;
    host.used = host.worn = host.being_replaced = false;
    if (drawn_.plan.hosts[at].renewable || dice_.chance(50)) {
      ++host.boots;
      for (Slot& slot : host.slots)
        slot.dead = false;
    }
    log("{} is up", host_name(at));
    deliver(input::AcceptHost{at, HostReady{host_name(at), "simulated", drawn_.plan.hosts[at].slots,
                                            "", "", "", fmt::format("boot {}", host.boots)}});
  }

  void perform(const action::StopHost& stop) {
    SimulatedHost& host = hosts_[stop.host];
    log("stop {}", host_name(stop.host));
    if (std::exchange(host.told_to_stop, true)) return;
    claim(judged_ || !drawn_.plan.gated || host.retired, "no host is stopped before the judgement");
    claim(std::all_of(host.slots.begin(), host.slots.end(),
                      [](const Slot& slot) { return slot.batch == 0; }),
          "a host is stopped when nothing runs there");
    const bool lost = host.silent || dice_.chance(drawn_.bad_ends);
    later(dice_.between(0, lost ? to_notice : 1'000), [this, at = stop.host, lost] {
      hosts_[at].up = hosts_[at].starting = false;
      ++hosts_[at].life;
      if (lost) {
        deliver(input::LoseHost{at, "it did not stop", dice_.chance(10)});
      } else {
        deliver(input::FinishHost{at});
      }
    });
  }

  void perform(const action::SetUpSuite& set_up) {
    SimulatedHost& host = hosts_[set_up.host];
    SuiteHere& suite = host.suites[set_up.suite];
    log("set up {} on {}", drawn_.plan.suites[set_up.suite].name, host_name(set_up.host));
    claim(host.up && !ending_ && !judged_,
          "a suite is set up on a host that is up, in a run that goes on");
    claim(suite.scope == Scope::none && suite.lost < most_setups_lost,
          "a suite is set up once in each life of a host, while it can be");
    suite.scope = Scope::setting_up;
    ++set_ups_;
    const SetUpFate fate = drawn_.hosts[set_up.host].set_ups[set_up.suite];
    if (fate == SetUpFate::hangs) return;
    hear(set_up.host, dice_.between(0, to_set_up), [this, set_up, fate] {
      if (fate == SetUpFate::kills_host) return lose(set_up.host, "the set-up killed it");
      finish_set_up(set_up.host, set_up.suite, fate == SetUpFate::fails);
    });
  }
  void finish_set_up(size_t at, size_t suite, bool fails) {
    SuiteHere& here = hosts_[at].suites[suite];
    if (!hosts_[at].up || here.scope != Scope::setting_up) return;
    here.scope = fails ? Scope::unusable : Scope::ready;
    here.set_up = !fails;
    here.lost = 0;
    hosts_[at].changed_at = now_;
    set_up_failed_ |= fails;
    deliver(input::FinishSetUp{
        at, suite, {}, fails ? std::optional<std::string>("exit status 1") : std::nullopt});
  }
  void perform(const action::TearDownSuite& tear_down) {
    SimulatedHost& host = hosts_[tear_down.host];
    claim(judged_ || !drawn_.plan.gated, "no suite is torn down before the judgement");
    claim(host.up && std::exchange(host.suites[tear_down.suite].set_up, false),
          "only what was set up is torn down");
    for (const Slot& slot : host.slots) {
      claim(slot.batch == 0 || slot.suite != tear_down.suite,
            "a suite is torn down when none of its tests runs there");
    }
    host.suites[tear_down.suite].scope = Scope::tearing_down;
    const SetUpFate fate = drawn_.hosts[tear_down.host].set_ups[tear_down.suite];
    if (fate == SetUpFate::works && !dice_.chance(drawn_.bad_ends)) {
      hear(tear_down.host, dice_.between(0, 1'000),
           [this, tear_down] { finish_tear_down(tear_down.host, tear_down.suite); });
    } else if (dice_.chance(50)) {
      hear(tear_down.host, dice_.between(0, 1'000),
           [this, at = tear_down.host] { lose(at, "the teardown killed it"); });
    }
  }
  void finish_tear_down(size_t at, size_t suite) {
    if (!hosts_[at].up || hosts_[at].suites[suite].scope != Scope::tearing_down) return;
    hosts_[at].suites[suite] = SuiteHere{};
    deliver(input::FinishTearDown{at, suite, {}, {}});
  }
  void perform(const action::StopScope& stop) {
    hear(stop.host, dice_.between(0, 500), [this, stop] {
      finish_set_up(stop.host, stop.suite, true);
      finish_tear_down(stop.host, stop.suite);
    });
  }

  void perform(const action::StartBatch& start) {
    log("{} attempt {} on {}/{}", fmt::join(names(start.tests), " "), start.attempts.front(),
        host_name(start.host), start.slot);
    result_.attempts += start.tests.size();
    if (start.tests.size() > 1) result_.in_company += start.tests.size();
    if (start.purpose != Purpose::verdict) ++result_.reruns;
    const std::vector<size_t> tests = tests_of(start);
    check_may_start(start, tests);

    SimulatedHost& host = hosts_[start.host];
    host.used = true;
    RunningBatch& batch = batches_[start.batch];
    batch.what = start;
    for (const Slot& slot : host.slots) {
      if (slot.batch == 0) continue;
      for (const size_t other : batches_.at(slot.batch).tests) {
        if (auto& running = tests_[other].running; running && running->batch == slot.batch)
          running->has_company = true;
      }
    }
    for (const size_t test : tests) {
      batch.order.insert(
          batch.order.begin() + static_cast<std::ptrdiff_t>(dice_.index(batch.tests.size() + 1)),
          batch.tests.size());
      batch.tests.push_back(test);
      batch.untried |= start.purpose == Purpose::verdict && tests_[test].attempts == 0;
      queued_.erase(test);
      tests_[test].running = RunningTest{.batch = start.batch, .host = start.host};
    }
    host.slots[static_cast<size_t>(start.slot - 1)] = {
        start.batch, start.suite, wants_to_be_alone(tests_[batch.tests.front()])};
    host.suites[start.suite].in_vain.try_emplace(start.slot);
    host.changed_at = now_;
    if (dice_.chance(drawn_.slow_begin)) {
      hear(start.host, dice_.between(0, to_begin), [this, batch = start.batch] { begin(batch); });
    } else {
      begins_.push_back(start.batch);
    }
  }
  static std::vector<std::string> names(const std::vector<TestId>& tests) {
    std::vector<std::string> names;
    for (const TestId& test : tests)
      names.push_back(to_string(test));
    return names;
  }

  // The command goes on to the next test that it knows, or to its end.
  void begin(BatchNumber number) {
    const auto found = batches_.find(number);
    if (found == batches_.end() || finished_) return;
    RunningBatch& batch = found->second;
    const size_t at = batch.what.host;
    if (drawn_.plan.suites[batch.what.suite].batches) {
      if (dice_.chance(drawn_.command_hangs)) return log("the command of batch {} hangs", number);
      if (dice_.chance(drawn_.command_ends) || drawn_.hosts[at].broken_slot == batch.what.slot)
        return close_batch(number, false);
    }
    while (batch.next < batch.order.size() &&
           drawn_.tests[batch.tests[batch.order[batch.next]]].kind == TestFate::Kind::never_begins)
      ++batch.next;
    if (batch.next == batch.order.size()) return close_batch(number, false);
    const size_t place = batch.order[batch.next++];
    const size_t test = batch.tests[place];
    const TestFate& fate = drawn_.tests[test];
    Slot& here = hosts_[at].slots[static_cast<size_t>(batch.what.slot - 1)];
    here.in_doubt = false;
    batch.running = place;
    tests_[test].running->began = now_;
    tests_[test].running->too_late = batch.stopped;
    tests_[test].running->has_company =
        std::any_of(hosts_[at].slots.begin(), hosts_[at].slots.end(),
                    [&](const Slot& slot) { return slot.batch != 0 && &slot != &here; });
    deliver(input::BeginTest{number, place, "files"});
    if (drawn_.hosts[at].kills_tests) {
      hear(at, dice_.between(0, fate.takes), [this, at] { lose(at, "its memory is bad"); });
    } else if (fate.kind == TestFate::Kind::kills_host) {
      hear(at, dice_.between(0, fate.takes), [this, number, place, at] {
        if (runs(number, place)) lose(at, "the test killed it");
      });
    } else if (fate.kind != TestFate::Kind::hangs) {
      hear(at, fate.takes, [this, number, place] {
        if (runs(number, place)) end_by_itself(number, place);
      });
    }
  }
  [[nodiscard]] bool runs(BatchNumber number, size_t place) const {
    const auto found = batches_.find(number);
    return found != batches_.end() && found->second.running == place;
  }

  void perform(const action::StopBatch& stop) {
    const auto found = batches_.find(stop.batch);
    if (found == batches_.end()) return;
    RunningBatch& batch = found->second;
    log("stop {}", fmt::join(names(batch.what.tests), " "));
    if (batch.running) tests_[batch.tests[*batch.running]].running->stopped = true;
    batch.hung |= !batch.stopped && !batch.running && !ending_;
    batch.stopped = true;
    hear(batch.what.host, stop.urgency == Urgency::at_once ? 0 : dice_.between(0, to_stop),
         [this, number = stop.batch] {
           const auto stopped = batches_.find(number);
           if (stopped == batches_.end()) return;
           if (stopped->second.running && dice_.chance(80))
             end_test(number, *stopped->second.running, NotRun{"stopped"});
           close_batch(number, true);
         });
  }
  void perform(const action::WakeAt& wake) {
    claim(wake.time >= last_event_, "the engine is not woken in the past");
    wake_at_ = wake.time.count();
  }
  void perform(const action::Finish&) { finished_ = true; }

  Outcome outcome_of(const TestFate& fate, bool has_company) {
    switch (fate.kind) {
      case TestFate::Kind::fails:
        return Failed{"exit status 1", {}};
      case TestFate::Kind::flaky:
        return dice_.chance(50) ? Outcome(Passed{}) : Outcome(Failed{"exit status 1", {}});
      case TestFate::Kind::blames_others:
        return has_company ? Outcome(Failed{"a warning", {}}) : Outcome(Passed{});
      case TestFate::Kind::skips:
        return Skipped{"not for this kernel"};
      case TestFate::Kind::cannot_be_set_up:
        return SetupFailed{"no such file"};
      case TestFate::Kind::oopses:
        return Crashed{"BUG", "signature"};
      default:
        return Passed{};
    }
  }

  void end_by_itself(BatchNumber number, size_t place) {
    const size_t test = batches_.at(number).tests[place];
    const size_t at = batches_.at(number).what.host;
    const bool batches = drawn_.plan.suites[batches_.at(number).what.suite].batches;
    const TestFate& fate = drawn_.tests[test];
    if (fate.kind == TestFate::Kind::says_nothing) return close_batch(number, false);
    const Outcome outcome = outcome_of(fate, tests_[test].running->has_company);
    end_test(number, place, outcome);
    const bool crashed = std::holds_alternative<Crashed>(outcome);
    if (crashed && drawn_.plan.hosts[at].renewable && dice_.chance(70)) want_replacement(at);
    if (crashed && dice_.chance(50)) {
      hear(at, dice_.between(0, 2'000), [this, number] { close_batch(number, false); });
    } else if (crashed && dice_.chance(50)) {
      close_batch(number, false);
    } else if (batches && dice_.chance(50)) {
      hear(at, dice_.between(0, 500), [this, number] { begin(number); });
    } else {
      begin(number);
    }
  }

  void end_test(BatchNumber number, size_t place, const Outcome& outcome) {
    RunningBatch& batch = batches_.at(number);
    const size_t at = batch.tests[place];
    SimulatedTest& test = tests_[at];
    const TestFate::Kind kind = drawn_.tests[at].kind;
    Slot& slot = hosts_[batch.what.host].slots[static_cast<size_t>(batch.what.slot - 1)];
    slot.in_doubt =
        std::holds_alternative<Crashed>(outcome) || std::holds_alternative<HostLost>(outcome);
    test.running->said = outcome;
    test.running->blames_company = kind == TestFate::Kind::blames_others;
    batch.running.reset();
    batch.ended.insert(place);
    Attempt result;
    result.outcome = outcome;
    const bool more = batch.ended.size() < batch.tests.size();
    const bool spoils = kind == TestFate::Kind::spoils;
    deliver(input::EndTest{number, place, result, spoils, kind == TestFate::Kind::blames_others});
    claim(!spoils || !more || batches_.at(number).stopped, "a spoilt batch is stopped");
  }

  void close_batch(BatchNumber number, bool stopped) {
    if (!batches_.contains(number)) return;
    keep_files(number);
    RunningBatch& batch = batches_.at(number);
    SimulatedHost& host = hosts_[batch.what.host];
    SuiteHere& suite = host.suites[batch.what.suite];
    Slot& slot = host.slots[static_cast<size_t>(batch.what.slot - 1)];
    const bool charges = batch.stopped ? batch.hung && batch.ended.empty() && !batch.running
                                       : !batch.running && !slot.in_doubt;
    if (drawn_.plan.suites[batch.what.suite].batches && !batch.fruitful && batch.untried &&
        !slot.in_doubt && !ending_)
      ++suite.in_vain[batch.what.slot];
    never_began_.clear();
    for (const size_t test : batch.tests) {
      if (!put_back_if_not_begun(test, number)) continue;
      never_began_[test] = 0;
    }
    slot = Slot{};
    host.changed_at = now_;
    std::optional<std::string> unusable;
    if (stopped && dice_.chance(drawn_.unkillable)) {
      unusable = "stuck in D state";
      if (drawn_.plan.hosts[batch.what.host].renewable) {
        wear_out(batch.what.host);
      } else {
        slot.dead = true;
      }
    }
    closing_ = true;
    deliver(input::EndBatch{number, unusable});
    closing_ = false;
    for (const auto& never_began : std::exchange(never_began_, {}))
      claim(ending_ || never_began.second == (charges ? 1 : 0),
            charges ? "what a command did not begin is charged"
                    : "what could not begin is not charged");
    for (size_t index = 0; index < host.suites.size(); ++index) {
      const SuiteHere& here = host.suites[index];
      if (ending_ || here.scope == Scope::unusable || !is_given_up(host, here)) continue;
      claim(std::none_of(tests_.begin(), tests_.end(),
                         [&](const SimulatedTest& test) {
                           return test.suite == index && test.finished == 0 &&
                                  is_base(test) == drawn_.plan.hosts[batch.what.host].base;
                         }),
            "batches that come to nothing cost the suite its host");
    }
    batches_.erase(number);
    run_begins();
  }

  void keep_files(BatchNumber number) {
    const RunningBatch& batch = batches_.at(number);
    for (size_t place = 0; place < batch.tests.size(); ++place) {
      if (!dice_.chance(20)) continue;
      keeping_ = FilesKept{
          batch.what.tests[place], batch.what.attempts[place], {}, {}, batch.what.purpose};
      const bool kept = batch.ended.contains(place);
      ++result_.inputs;
      for (const Action& action :
           engine_.handle(Duration(now_), input::KeepFiles{number, place, {"full"}, {}}))
        std::visit([this](const auto& asked) { this->perform(asked); }, action);
      claim(kept == !keeping_, "files are kept of tests that ended");
      keeping_.reset();
    }
  }

  // The driver gives the host up, and may end the tests itself that were running there.
  void lose(size_t at, const std::string& why, bool for_good = false) {
    SimulatedHost& host = hosts_[at];
    if ((!host.up && !host.starting) || host.going || host.told_to_stop || host.retired) return;
    host.going = true;
    log("{} is lost: {}", host_name(at), why);
    ++result_.hosts_lost;
    ++host.life;  // nothing more is heard of it
    const std::vector<BatchNumber> lost = batches_on(at);
    for (const BatchNumber number : lost) {
      const RunningBatch& batch = batches_.at(number);
      if (!batch.running) continue;
      const size_t place = *batch.running;
      const TestFate& fate = drawn_.tests[batch.tests[place]];
      if (fate.kind == TestFate::Kind::kills_host && fate.seen && !drawn_.hosts[at].kills_tests &&
          why == "the test killed it") {
        end_test(number, place, Crashed{"Kernel panic", "signature"});
      } else if (dice_.chance(drawn_.tells_before_loss)) {
        end_test(number, place, HostLost{why});
      }
    }
    if (!lost.empty() && dice_.chance(20)) {
      later(dice_.between(0, 2'000), [this, at, why, for_good] { tell_loss(at, why, for_good); });
    } else {
      tell_loss(at, why, for_good);
    }
  }

  [[nodiscard]] std::vector<BatchNumber> batches_on(size_t at) const {
    std::vector<BatchNumber> batches;
    for (const Slot& slot : hosts_[at].slots) {
      if (slot.batch != 0) batches.push_back(slot.batch);
    }
    return batches;
  }

  void tell_loss(size_t at, const std::string& why, bool for_good) {
    SimulatedHost& host = hosts_[at];
    const std::vector<BatchNumber> lost = batches_on(at);
    for (const BatchNumber number : lost) {
      for (const size_t test : batches_.at(number).tests)
        put_back_if_not_begun(test, number);
    }
    for (SuiteHere& suite : host.suites) {
      if (suite.scope == Scope::setting_up && lost.empty()) {
        if (++suite.lost == most_setups_lost) set_up_failed_ = true;
      }
      suite = SuiteHere{.lost = suite.lost};
    }
    for (Slot& slot : host.slots)
      slot = Slot{.dead = slot.dead};
    host.up = host.starting = host.silent = host.going = host.worn = host.being_replaced = false;
    host.unheard.clear();
    host.lost_for_good = for_good;
    host.lost_at = now_;
    ++host.lives_in_vain;
    losing_ = at;
    deliver(input::LoseHost{at, why, for_good});
    losing_.reset();
    for (const BatchNumber number : lost) {
      batches_.erase(number);
      if (dice_.chance(drawn_.late_inputs)) say_too_late(number);
    }
  }

  void say_too_late(BatchNumber number) {
    Attempt passed;
    passed.outcome = Passed{};
    for (const Input& input :
         {Input(input::BeginTest{number, 0, "files"}), Input(input::EndTest{number, 0, passed}),
          Input(input::KeepFiles{number, 0, {"full"}, {}}),
          Input(input::EndBatch{number, "stuck in D state"})}) {
      later(dice_.chance(50) ? 0 : dice_.between(0, 10'000), [this, input] {
        std::visit([this](const auto& what) { this->deliver(what); }, input);
      });
    }
  }

  Dice dice_;
  Engine engine_;
  std::deque<BatchNumber> begins_;
  int rounds_ = 0;        // of reruns that the gate has ordered
  bool closing_ = false;  // the end of a batch is being told: nothing begins yet
  std::priority_queue<Answer> answers_;
  std::uint64_t order_ = 0;
  std::optional<Milliseconds> wake_at_;
  bool finished_ = false;
};

}  // namespace

SimulationResult simulate(std::uint64_t seed, KeepLog keep_log) {
  return World(Dice(seed), keep_log).run();
}

}  // namespace ffci::test
