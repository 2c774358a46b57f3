// Witness: what is so in a simulated run, host by host and test by test, and what must hold of it.
// The world that derives from it does things, and keeps the state here as they happen; whatever the
// engine records or starts is compared with it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/action.hpp"
#include "engine_scenario.hpp"
#include "simulated_world.hpp"

namespace ffci::test {

// What the driver keeps to, at most.
inline constexpr Milliseconds to_boot = 5'000, to_notice = 40'000, to_stop = 5'000,
                              to_set_up = 3'000, to_begin = 2'000, to_judge = 2'000;
// Before the engine gives a suite up on a host.
inline constexpr int most_setups_lost = 2, most_batches_in_vain = 2;

// "h12", counted from 1.
inline size_t host_called(const std::string& name) {
  return static_cast<size_t>(std::stoul(name.substr(1))) - 1;
}

class Witness {
 protected:
  enum class Scope { none, setting_up, ready, unusable, tearing_down };
  struct Slot {
    BatchNumber batch = 0;  // 0: idle
    size_t suite = 0;
    bool alone = false, dead = false;
    bool in_doubt = false;  // its test ended in a way that may mean that the host is lost
  };
  struct SuiteHere {
    Scope scope = Scope::none;
    int lost = 0;                     // set-ups, in a row
    std::map<int, int> in_vain = {};  // batches in a row, by the slot that took them
    bool set_up = false;
  };
  struct SimulatedHost {
    bool up = false, starting = false, retired = false, lost_for_good = false, told_to_stop = false;
    bool going = false;   // its loss is about to be told
    bool silent = false;  // what it says does not arrive, for the time being
    bool worn = false;    // it is to be replaced
    bool used = false;    // something was begun there since it came up
    bool being_replaced = false;
    std::vector<std::function<void()>> unheard;
    int boots = 0;
    int life = 0;           // counts its starts and ends: answers of another life are void
    int lives_in_vain = 0;  // in a row, of those in which no test ended, and of failed starts
    std::vector<Slot> slots;
    std::vector<SuiteHere> suites;
    Milliseconds unreachable_until = 0;
    std::optional<Milliseconds> lost_at;
    Milliseconds changed_at = 0;  // when something began or ended there last
  };
  struct RunningTest {
    BatchNumber batch = 0;
    size_t host = 0;
    std::optional<Milliseconds> began = {};
    std::optional<Outcome> said = {};  // by the world
    bool stopped = false;
    bool too_late = false;        // it began when its batch had been stopped
    bool has_company = false;     // another batch ran on its host meanwhile
    bool blames_company = false;  // and it said so
  };
  struct SimulatedTest {
    size_t suite = 0;
    int attempts = 0, bad = 0, lost = 0, not_set_up = 0, finished = 0;
    Milliseconds queued_at = 0;
    std::set<size_t> avoid;
    std::optional<int> blamed_others;  // the number of its attempt that did
    std::optional<RunningTest> running;
    std::vector<Outcome> outcomes;
    std::optional<Duration> took;  // the last attempt that ran to its end
    Purpose purpose = Purpose::verdict;
    size_t of = 0;               // the test that it is a rerun of, or itself
    std::optional<int> number;   // a rerun's, once it was started
    std::vector<size_t> reruns;  // of it
    int rerun_numbers = 0;       // given out
    int lost_in_reruns = 0;
  };
  struct RunningBatch {
    action::StartBatch what;
    std::vector<size_t> tests;      // by place in the plan
    std::vector<size_t> order;      // of their places in the batch
    size_t next = 0;                // in `order`
    std::optional<size_t> running;  // its place in the batch
    std::set<size_t> ended;         // places in the batch
    bool stopped = false, hung = false;
    bool untried = false;   // it has a test that was never tried
    bool fruitful = false;  // one of its tests passed, failed, …
  };

  Witness(Scenario drawn, KeepLog keep_log)
      : drawn_(std::move(drawn)),
        hosts_(drawn_.hosts.size()),
        tests_(drawn_.tests.size()),
        keep_log_(keep_log == KeepLog::yes) {
    for (size_t i = 0; i < hosts_.size(); ++i) {
      hosts_[i].slots.resize(static_cast<size_t>(drawn_.plan.hosts[i].slots));
      hosts_[i].suites.resize(drawn_.plan.suites.size());
    }
    for (size_t i = 0; i < tests_.size(); ++i) {
      const std::string& name = drawn_.plan.tests[i].id.suite;
      while (drawn_.plan.suites[tests_[i].suite].name != name)
        ++tests_[i].suite;
      tests_[i].of = i;
      queued_.insert(i);
      places_[drawn_.plan.tests[i].id] = i;
    }
    result_.tests = tests_.size();
    result_.hosts = hosts_.size();
  }

  void take_down(const RunEvent& event) {
    claim(event.sequence == ++sequence_, "events are numbered without gaps");
    claim(event.time >= last_event_, "events are in order of time");
    last_event_ = event.time;
    std::visit([this](const auto& fact) { this->note(fact); }, event.fact);
  }

  void wear_out(size_t at) {
    hosts_[at].worn |= drawn_.plan.hosts[at].renewable && hosts_[at].up && hosts_[at].used;
  }
  // Such a test goes back to the queue without an event.
  bool put_back_if_not_begun(size_t test, BatchNumber batch) {
    auto& running = tests_[test].running;
    if (!running || running->batch != batch || running->began) return false;
    running.reset();
    queue(test);
    return true;
  }
  void queue(size_t test) {
    queued_.insert(test);
    tests_[test].queued_at = now_;
  }

  void claim(bool holds, const char* what) {
    if (holds || result_.broken.size() >= 5) return;
    result_.broken.emplace_back(what);
    log("BROKEN: {}", what);
  }

  [[nodiscard]] const std::string& host_name(size_t at) const { return drawn_.plan.hosts[at].name; }

  template <class... Arguments>
  void log(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    if (!keep_log_ || result_.log.size() > 1'000'000) return;
    result_.log += fmt::format("{:>8} ", now_);
    result_.log += fmt::format(format, std::forward<Arguments>(arguments)...);
    result_.log += '\n';
  }

  // Those of the plan; the others are reruns.
  [[nodiscard]] size_t selected_tests() const { return result_.tests; }
  [[nodiscard]] static bool is_base(const SimulatedTest& test) {
    return test.purpose == Purpose::base;
  }
  [[nodiscard]] const std::set<size_t>& avoided_by(const SimulatedTest& test) const {
    return tests_[test.of].avoid;
  }
  [[nodiscard]] int hosts_lost_by(const SimulatedTest& test) const {
    return tests_[test.of].lost + tests_[test.of].lost_in_reruns;
  }
  [[nodiscard]] bool is_last_chance(const SimulatedTest& test) const {
    const int lost = hosts_lost_by(test);
    return lost > 0 && lost >= drawn_.plan.max_host_restarts;
  }
  [[nodiscard]] bool wants_to_be_alone(const SimulatedTest& test) const {
    return drawn_.plan.suites[test.suite].parallel == 1 || is_last_chance(test) ||
           test.blamed_others ||
           drawn_.plan.tests[static_cast<size_t>(&test - tests_.data())].alone;
  }
  [[nodiscard]] int slot_of(const SimulatedTest& test) const {
    return batches_.at(test.running->batch).what.slot;
  }
  [[nodiscard]] static bool is_in_vain(const SuiteHere& suite, int slot) {
    const auto batches = suite.in_vain.find(slot);
    return batches != suite.in_vain.end() && batches->second >= most_batches_in_vain;
  }
  // Its batches came to nothing in each slot that took one and still lives.
  [[nodiscard]] static bool none_may_be_fruitful(const SimulatedHost& host,
                                                 const SuiteHere& suite) {
    bool any = false;
    for (const auto& [slot, batches] : suite.in_vain) {
      any |= is_in_vain(suite, slot);
      if (!host.slots.at(static_cast<size_t>(slot - 1)).dead && !is_in_vain(suite, slot))
        return false;
    }
    return any;
  }
  // And there is such a slot.
  [[nodiscard]] static bool is_given_up(const SimulatedHost& host, const SuiteHere& suite) {
    return none_may_be_fruitful(host, suite) &&
           std::any_of(suite.in_vain.begin(), suite.in_vain.end(), [&](const auto& slot) {
             return !host.slots.at(static_cast<size_t>(slot.first - 1)).dead;
           });
  }
  [[nodiscard]] int sets_in_use(const SimulatedHost& host) const {
    return static_cast<int>(
        std::count_if(host.slots.begin(), host.slots.end(), [&](const Slot& slot) {
          return slot.batch != 0 && drawn_.plan.suites[slot.suite].test_devices;
        }));
  }
  [[nodiscard]] bool may_use_any_host() const {
    for (size_t at = 0; at < hosts_.size(); ++at) {
      if (!drawn_.plan.hosts[at].base && !hosts_[at].retired) return true;
    }
    return false;
  }

  // The place of a test, or of the rerun with that number, which is one that has none yet.
  size_t place_of(const TestId& id, Purpose purpose, int number) {
    const size_t of = places_.at(id);
    if (purpose == Purpose::verdict) return of;
    for (const size_t rerun : tests_[of].reruns) {
      if (tests_[rerun].number != number) continue;
      claim(tests_[rerun].purpose == purpose, "reruns of all purposes share their numbers");
      return rerun;
    }
    claim(number == ++tests_[of].rerun_numbers, "reruns are numbered without gaps");
    for (const size_t rerun : tests_[of].reruns) {
      if (tests_[rerun].number || tests_[rerun].finished > 0 || tests_[rerun].purpose != purpose)
        continue;
      tests_[rerun].number = number;
      return rerun;
    }
    claim(false, "no rerun is made that was not ordered");
    return of;
  }
  std::vector<size_t> tests_of(const action::StartBatch& start) {
    std::vector<size_t> tests;
    for (size_t i = 0; i < start.tests.size(); ++i)
      tests.push_back(place_of(start.tests[i], start.purpose, start.attempts.at(i)));
    return tests;
  }

  void check_may_ask_gate(const std::string& why_final) {
    claim(drawn_.plan.gated && !judged_ && !asked_, "the gate of a gated plan is asked, and once");
    claim(std::ranges::all_of(hosts_,
                              [](const SimulatedHost& host) {
                                return std::ranges::all_of(
                                    host.slots, [](const Slot& slot) { return slot.batch == 0; });
                              }),
          "the gate is asked when nothing runs");
    for (size_t i = 0; i < selected_tests(); ++i)
      claim(tests_[i].finished == 1, "every test has its verdict before the gate is asked");
    const bool hopeless = !may_use_any_host();
    claim(!why_final.empty() || (!forced_to_end_ && !hopeless),
          "the gate is told that there can't be any reruns");
    claim(why_final.empty() || ending_ || hopeless || reruns_begun_ == 0,
          "there may be reruns as long as nothing speaks against them");
    for (size_t i = selected_tests(); i < tests_.size(); ++i) {
      if (tests_[i].finished > 0) continue;
      bool could_run = false;
      for (size_t at = 0; at < hosts_.size() && !ending_; ++at)
        could_run |= may_be_used(at, tests_[i]);
      claim(!could_run, "a rerun is left out only where nothing could run it");
      tests_[i].finished = 1;
      queued_.erase(i);
    }
    reruns_begun_ = 0;
  }

  void check_may_start(const action::StartBatch& start, const std::vector<size_t>& tests) {
    const SuitePlan& suite = drawn_.plan.suites[start.suite];
    const TestId& first = start.tests.front();
    std::set<std::string> names;
    claim(start.tests.size() == start.attempts.size(), "each test of a batch has its number");
    claim(!judged_, "nothing is started after the judgement");
    claim((start.purpose == Purpose::base) == drawn_.plan.hosts[start.host].base,
          "base hosts run base reruns and nothing else");
    claim(start.purpose == Purpose::verdict || start.tests.size() == 1,
          "a rerun is a batch of its own");
    for (size_t i = 0; i < start.tests.size(); ++i) {
      const SimulatedTest& test = tests_[tests[i]];
      check_may_start(start, tests[i]);
      claim(start.attempts[i] == test.number.value_or(test.attempts + 1), "attempts are counted");
      claim(start.tests[i].configuration == first.configuration, "a batch is of one configuration");
      claim(names.insert(start.tests[i].name).second, "no name is twice in a batch");
      if (start.tests.size() == 1) continue;
      claim(suite.batches && drawn_.plan.batch_target, "only some suites have batches");
      claim(test.attempts == 0, "what was tried before has a batch of its own");
      claim(suite.parallel == 1 || !wants_to_be_alone(test),
            "what is to be alone has a batch of its own");
    }
    claim(!suite.test_devices ||
              sets_in_use(hosts_[start.host]) < drawn_.plan.hosts[start.host].test_devices,
          "each batch that needs test devices has a set of them");
  }
  void check_may_start(const action::StartBatch& start, size_t place) {
    const SimulatedTest& test = tests_[place];
    const SimulatedHost& host = hosts_[start.host];
    const SuitePlan& suite = drawn_.plan.suites[start.suite];
    claim(start.suite == test.suite, "a test is started as one of its suite");
    claim(queued_.contains(place) && !test.running && test.finished == 0,
          "only a test that waits is started");
    claim(host.up && !host.told_to_stop && !host.retired,
          "no host is used after its end, or before it is up");
    claim(!host.worn, "nothing is started on a host that is to be replaced");
    claim(!ending_, "nothing is started once the run is ending");
    const Slot& slot = host.slots.at(static_cast<size_t>(start.slot - 1));
    claim(slot.batch == 0 && !slot.dead, "a slot runs one batch at a time");
    claim(!is_in_vain(host.suites[start.suite], start.slot),
          "a slot takes no more batches of a suite when they came to nothing there");
    claim(!suite.has_setup || host.suites[start.suite].scope == Scope::ready,
          "a suite's tests run where it was set up");
    int of_suite = 0, others = 0;
    for (const Slot& other : host.slots) {
      claim(!other.in_doubt, "nothing is started where a host may just have been lost");
      if (other.batch == 0) continue;
      (other.suite == start.suite ? of_suite : others)++;
      claim(!other.alone, "nothing is started beside a test that wants to be alone");
    }
    claim(!wants_to_be_alone(test) || of_suite + others == 0,
          "a test that wants to be alone is alone");
    claim(suite.parallel == 0 || of_suite < suite.parallel, "a suite's `parallel` is kept");
    if (!avoided_by(test).contains(start.host)) return;
    const auto [other_host, other_up] = other_hosts(test);
    claim(!other_up || !is_last_chance(test),
          "a last chance is not taken on a host that was lost while another one is up");
    claim(!other_host || now_ >= test.queued_at + drawn_.plan.wait_for_other_host.count(),
          "a test goes back to its host only after a while, if another one may take it");
  }

  // A rerun for base hosts that are gone is over, and nobody says so.
  [[nodiscard]] bool can_any_test_run() const {
    return std::ranges::any_of(tests_, [&](const SimulatedTest& test) {
      if (test.finished > 0) return false;
      for (size_t at = 0; at < hosts_.size(); ++at) {
        if (may_be_used(at, test)) return true;
      }
      return false;
    });
  }

  // No slot is idle while something could run there.
  void check_nothing_idles() {
    if (ending_) return;
    for (size_t at = 0; at < hosts_.size(); ++at) {
      const SimulatedHost& host = hosts_[at];
      if (!host.up || host.told_to_stop || host.retired) continue;
      if (host.worn) {
        claim(!is_at_rest(host) || !can_any_test_run(), "no host waits in vain to be replaced");
        continue;
      }
      if (queued_.empty()) continue;
      size_t used = 0, dead = 0, in_set_up = 0;
      bool closed = false;
      for (const Slot& slot : host.slots) {
        used += slot.batch != 0;
        dead += slot.dead;
        closed |= slot.alone || slot.in_doubt;
      }
      for (size_t suite = 0; suite < host.suites.size(); ++suite) {
        if (host.suites[suite].scope != Scope::setting_up) continue;
        ++in_set_up;
        closed |= drawn_.plan.suites[suite].parallel == 1;
      }
      if (closed || used + in_set_up + dead >= host.slots.size()) continue;
      for (const size_t test : queued_) {
        if (!should_run(test, at, used, in_set_up)) continue;
        claim(false, "no slot is idle while something could run there");
        log("  {} could run on {}", to_string(drawn_.plan.tests[test].id), host_name(at));
        return;
      }
    }
  }

  void check_the_end() {
    for (const SimulatedTest& test : tests_) {
      claim(test.finished == 1, "every selected test has exactly one verdict");
      claim(!test.running, "no test runs when the run is over");
      claim(test.purpose == Purpose::verdict || test.outcomes.size() <= 1,
            "a rerun has one attempt");
    }
    claim(selected_ == selected_tests(), "every test is selected once");
    claim(judged_ == drawn_.plan.gated, "a gated run has a judgement");
    claim(batches_.empty(), "nothing runs when the run is over");
    for (const SimulatedHost& host : hosts_)
      claim(host.retired || !host.up, "every host is down when the run is over");
    using How = RunFinished::How;
    claim(how_ == How::completed || ended_early_, "a run that ends early says so");
    claim(how_ != How::no_hosts || !may_use_any_host(), "a run has no hosts when all are retired");
    claim(how_ != How::completed ||
              std::all_of(tests_.begin(), tests_.begin() + static_cast<long>(selected_tests()),
                          [](const auto& test) { return test.attempts > 0; }),
          "in a completed run every test had its turn");
    check_the_time();
    check_the_healthy();
  }

  Scenario drawn_;
  Milliseconds now_ = 0, leapt_ = 0;
  std::vector<SimulatedHost> hosts_;
  std::vector<SimulatedTest> tests_;
  std::unordered_map<TestId, size_t> places_;
  std::set<size_t> queued_;
  // While the end of a batch is told: how often each of its tests that never began was charged.
  std::map<size_t, int> never_began_;
  std::optional<FilesKept> keeping_;  // what is being told
  std::map<BatchNumber, RunningBatch> batches_;
  std::optional<size_t> losing_;  // the host whose loss is being told
  bool set_up_failed_ = false;    // of some suite, on some host
  bool ending_ = false;           // nothing more is to be started
  bool ended_early_ = false;      // that was so, be it before the reruns
  bool forced_to_end_ = false;    // by a signal, or for want of a place for results
  bool asked_ = false, judged_ = false, base_ordered_ = false;
  int reruns_begun_ = 0;  // since the gate was asked
  Duration last_event_{};
  std::uint64_t starts_ = 0, set_ups_ = 0;
  SimulationResult result_;

 private:
  // What the engine says has happened.

  template <class Fact>
  void note(const Fact&) {}
  void note(const TestSelected& fact) {
    claim(places_.at(fact.test) == selected_++, "tests are selected as they were listed");
  }
  void note(const AttemptStarted& fact) {
    SimulatedTest& test = tests_[place_of(fact.test, fact.purpose, fact.attempt)];
    ++test.attempts;
    if (test.purpose != Purpose::verdict) ++reruns_begun_;
    claim(fact.attempt == test.number.value_or(test.attempts),
          "attempts are numbered without gaps");
    claim(test.running && test.running->began && !test.running->said &&
              host_name(test.running->host) == fact.host,
          "an attempt has started where the test was started");
  }
  void note(const AttemptFinished& fact) {
    const size_t place = place_of(fact.test, fact.result.purpose, fact.result.number);
    SimulatedTest& test = tests_[place];
    claim(fact.result.outcome.has_value(), "a finished attempt has an outcome");
    const Outcome& outcome = *fact.result.outcome;
    log("{} attempt {}: {}", to_string(fact.test), fact.result.number, outcome_name(outcome));
    if (!test.running || !test.running->began) ++test.attempts;
    const auto charged = never_began_.find(place);
    if (charged != never_began_.end() && !test.running && std::holds_alternative<NotRun>(outcome))
      ++charged->second;
    claim(fact.result.number == test.number.value_or(test.attempts),
          "attempts are numbered without gaps");
    claim(is_true(place, outcome), "an attempt ended as it did in the world");
    test.outcomes.push_back(outcome);
    if (test.running && (is_bad(outcome) || std::holds_alternative<Passed>(outcome) ||
                         std::holds_alternative<Skipped>(outcome))) {
      batches_.at(test.running->batch).fruitful = true;
      hosts_[test.running->host].suites[test.suite].in_vain[slot_of(test)] = 0;
    }
    const bool free = std::holds_alternative<NotRun>(outcome) && test.running &&
                      test.running->too_late && has_ended_others(place);
    if (free) {
      test.running.reset();
      queue(place);
      return;
    }
    if (test.running && test.running->said &&
        !std::holds_alternative<HostLost>(*test.running->said) &&
        !std::holds_alternative<NotRun>(outcome))
      hosts_[test.running->host].lives_in_vain = 0;
    if (test.purpose != Purpose::verdict) return finish_rerun(place, fact.result);
    if (ran_to_its_end(fact.result)) test.took = fact.result.duration;
    if (is_bad(outcome)) {
      ++test.bad;
    } else if (std::holds_alternative<HostLost>(outcome)) {
      ++test.lost;
    } else if (!std::holds_alternative<Passed>(outcome) &&
               !std::holds_alternative<Skipped>(outcome)) {
      ++test.not_set_up;
    }
    if (test.running && test.running->blames_company && test.running->has_company &&
        std::holds_alternative<Failed>(outcome) && !test.blamed_others)
      test.blamed_others = test.attempts;
    claim(test.bad <= drawn_.plan.retry_failures + (test.blamed_others ? 2 : 1),
          "failure retries keep to their budget");
    claim(test.lost <= drawn_.plan.max_host_restarts + 1, "a test loses no more hosts than it may");
    claim(test.not_set_up <= drawn_.plan.retry_setups + 1 ||
              std::holds_alternative<SetupFailed>(outcome),
          "set-up retries keep to their budget");
    avoid_host(test, fact.result);
    test.running.reset();
    queue(place);  // unless TestFinished follows
  }
  // For an attempt of it that did not pass there.
  static void avoid_host(SimulatedTest& test, const Attempt& ended) {
    if (!std::holds_alternative<Passed>(*ended.outcome) &&
        !std::holds_alternative<Skipped>(*ended.outcome))
      test.avoid.insert(host_called(ended.host));
  }
  void finish_rerun(size_t place, const Attempt& result) {
    SimulatedTest& rerun = tests_[place];
    claim(++rerun.finished == 1, "a rerun ends once");
    avoid_host(tests_[rerun.of], result);
    if (is_bad(*result.outcome)) wear_out(host_called(result.host));
    if (std::holds_alternative<HostLost>(*result.outcome)) ++tests_[rerun.of].lost_in_reruns;
    rerun.running.reset();
    queued_.erase(place);
  }
  void note(const RerunsOrdered& fact) {
    claim(!judged_ && !forced_to_end_, "no reruns are ordered in a run that has to end");
    ending_ = false;
    const bool has_base = drawn_.ordinary_hosts() < static_cast<long>(hosts_.size());
    for (const RerunOrder& order : fact.orders) {
      const auto found = places_.find(order.test);
      if (found == places_.end()) continue;
      for (size_t i = 0; i < order.change; ++i)
        add_rerun(found->second, Purpose::confirmation);
      for (size_t i = 0; i < order.base && has_base; ++i)
        add_rerun(found->second, Purpose::base);
    }
    for (size_t at = 0; at < hosts_.size(); ++at) {
      const bool wanted = std::ranges::any_of(tests_, [&](const SimulatedTest& test) {
        return test.finished == 0 && is_base(test) == drawn_.plan.hosts[at].base;
      });
      if (wanted && hosts_[at].used) wear_out(at);
    }
  }
  void add_rerun(size_t of, Purpose purpose) {
    base_ordered_ |= purpose == Purpose::base;
    const size_t place = tests_.size();
    tests_[of].reruns.push_back(place);
    SimulatedTest rerun;
    rerun.suite = tests_[of].suite;
    rerun.blamed_others = tests_[of].blamed_others;
    rerun.purpose = purpose;
    rerun.of = of;
    tests_.push_back(std::move(rerun));
    drawn_.tests.push_back(TestFate(drawn_.tests[of]));
    drawn_.plan.tests.push_back(TestCase(drawn_.plan.tests[of]));
    if (tests_[of].took) drawn_.plan.tests[place].expected = tests_[of].took;
    queue(place);
  }
  void note(const RunJudged&) { judged_ = true; }
  [[nodiscard]] bool is_at_rest(const SimulatedHost& host) const {
    return std::ranges::none_of(host.slots, [](const Slot& slot) { return slot.batch != 0; }) &&
           std::ranges::none_of(host.suites, [](const SuiteHere& suite) {
             return suite.scope == Scope::setting_up || suite.scope == Scope::tearing_down;
           });
  }
  [[nodiscard]] bool are_tests_left() const {
    return std::ranges::any_of(tests_,
                               [](const SimulatedTest& test) { return test.finished == 0; });
  }
  void note(const HostReplaced& fact) {
    SimulatedHost& host = hosts_[host_called(fact.host)];
    claim(host.up && host.worn && is_at_rest(host) && are_tests_left() && !ending_,
          "a host is replaced when it is to be, nothing runs there and there are tests left");
    host.up = host.worn = host.silent = false;
    host.being_replaced = true;
    host.unheard.clear();
    host.lost_at.reset();
    host.slots.assign(host.slots.size(), Slot{});
    for (SuiteHere& suite : host.suites)
      suite = SuiteHere{.lost = suite.lost};
  }
  void note(const TestFinished& fact) {
    const size_t place = places_.at(fact.test);
    SimulatedTest& test = tests_[place];
    claim(++test.finished == 1, "a test is finished once");
    claim((test.attempts == 0) == fact.not_run.has_value(),
          "a test without an attempt says why, and no other does");
    claim(!fact.not_run || !fact.not_run->starts_with("it was not expected to end") ||
              is_too_late(place),
          "a test is not run for want of time only when it has none");
    claim(ending_ || !test.blamed_others || test.attempts > *test.blamed_others,
          "a test that others may have failed has another attempt");
    queued_.erase(place);
  }
  void note(const SuiteSetUp& fact) {
    if (!fact.failure || fact.failure->find("batches in a row") == std::string::npos) return;
    size_t suite = 0;
    while (drawn_.plan.suites[suite].name != fact.suite)
      ++suite;
    SuiteHere& here = hosts_[host_called(fact.host)].suites[suite];
    log("{} can't be run on {}", fact.suite, fact.host);
    claim(
        none_may_be_fruitful(hosts_[host_called(fact.host)], here) && here.scope != Scope::unusable,
        "a suite can't be run on a host when its batches came to nothing there");
    here.scope = Scope::unusable;
    set_up_failed_ = true;
  }
  void note(const FilesKept& fact) {
    claim(keeping_ && fact.test == keeping_->test && fact.attempt == keeping_->attempt &&
              fact.purpose == keeping_->purpose,
          "files are those of the attempt in that batch");
    keeping_.reset();
  }
  void note(const HostRetired& fact) {
    SimulatedHost& host = hosts_[host_called(fact.host)];
    host.retired = true;
    claim(host.lost_for_good || host.lives_in_vain >= drawn_.plan.host_starts ||
              std::all_of(host.slots.begin(), host.slots.end(),
                          [](const Slot& slot) { return slot.dead; }),
          "a host is retired for good reason");
  }
  void note(const RunStopping&) { ending_ = ended_early_ = true; }
  void note(const RunFinished& fact) { how_ = fact.how; }

  [[nodiscard]] bool has_ended_others(size_t test) const {
    const RunningBatch& batch = batches_.at(tests_[test].running->batch);
    return std::any_of(batch.ended.begin(), batch.ended.end(),
                       [&](size_t place) { return batch.tests[place] != test; });
  }
  [[nodiscard]] bool is_too_late(size_t test) const {
    const auto& expected = drawn_.plan.tests[test].expected;
    return drawn_.plan.deadline && expected && Duration(now_) + *expected > *drawn_.plan.deadline;
  }
  [[nodiscard]] bool may_be_used(size_t at, const SimulatedTest& test) const {
    const SimulatedHost& host = hosts_[at];
    const SuiteHere& suite = host.suites[test.suite];
    return drawn_.plan.hosts[at].base == is_base(test) && !host.retired &&
           suite.scope != Scope::unusable && suite.lost < most_setups_lost;
  }

  // Whether there are hosts for it that it has not failed on or lost, and whether one is up.
  [[nodiscard]] std::pair<bool, bool> other_hosts(const SimulatedTest& test) const {
    bool any = false, any_up = false;
    for (size_t host = 0; host < hosts_.size(); ++host) {
      if (avoided_by(test).contains(host) || !may_be_used(host, test)) continue;
      any = true;
      any_up |= hosts_[host].up || hosts_[host].being_replaced;
    }
    return {any, any_up};
  }

  // Whether the test's attempt ended like that.
  [[nodiscard]] bool is_true(size_t place, const Outcome& outcome) const {
    const auto& running = tests_[place].running;
    if (!running) {
      return (std::holds_alternative<SetupFailed>(outcome) && set_up_failed_) ||
             (std::holds_alternative<NotRun>(outcome) && never_began_.contains(place));
    }
    const bool lost = losing_ == running->host ||
                      (running->said && std::holds_alternative<HostLost>(*running->said));
    if (std::holds_alternative<HostLost>(outcome)) return lost;
    if (std::holds_alternative<NotRun>(outcome))
      return running->stopped || (running->too_late && ending_) || !running->said ||
             std::holds_alternative<NotRun>(*running->said);
    if (std::holds_alternative<TimedOut>(outcome)) {
      const TestCase& test = drawn_.plan.tests[place];
      const Milliseconds limit = test.timeout.value_or(drawn_.plan.test_timeout).count();
      return running->stopped && limit > 0 && now_ >= running->began.value_or(now_) + limit &&
             (drawn_.tests[place].kind != TestFate::Kind::passes ||
              (lost && hosts_lost_by(tests_[place]) > 0));
    }
    return running->said && running->said->index() == outcome.index();
  }

  [[nodiscard]] bool should_run(size_t place, size_t at, size_t used, size_t in_set_up) const {
    const SimulatedTest& test = tests_[place];
    const SimulatedHost& host = hosts_[at];
    const Scope scope = host.suites[test.suite].scope;
    if (!may_be_used(at, test) || (scope != Scope::none && scope != Scope::ready)) return false;
    if (used + in_set_up > 0 && wants_to_be_alone(test)) return false;
    size_t slots = 0;
    for (size_t slot = 0; slot < host.slots.size(); ++slot)
      slots += host.slots[slot].batch == 0 && !host.slots[slot].dead &&
               !is_in_vain(host.suites[test.suite], static_cast<int>(slot) + 1);
    if (slots <= in_set_up) return false;
    const int parallel = drawn_.plan.suites[test.suite].parallel;
    if (parallel > 0 && std::count_if(host.slots.begin(), host.slots.end(), [&](const Slot& slot) {
                          return slot.batch != 0 && slot.suite == test.suite;
                        }) >= parallel)
      return false;
    if (drawn_.plan.suites[test.suite].test_devices &&
        sets_in_use(host) >= drawn_.plan.hosts[at].test_devices)
      return false;
    if (is_too_late(place)) return false;
    if (!avoided_by(test).contains(at)) return true;
    const auto [others, others_up] = other_hosts(test);
    if (others_up && is_last_chance(test)) return false;
    return !others || now_ >= std::max(host.changed_at, test.queued_at) +
                                  drawn_.plan.wait_for_other_host.count();
  }

  void check_the_time() {
    const Milliseconds slack = to_stop + to_boot + 90'000 + to_notice +
                               1'000 +  // … a set-up to its limit, a teardown
                               2 * to_judge;
    if (drawn_.plan.deadline)
      claim(now_ <= drawn_.plan.deadline->count() + slack + leapt_, "the deadline is kept");
    // All that was done, one after the other.
    Milliseconds longest = drawn_.plan.test_timeout.count();
    for (const TestCase& test : drawn_.plan.tests)
      longest = std::max<Milliseconds>(longest, test.timeout.value_or(Duration{}).count());
    for (const TestFate& test : drawn_.tests)
      longest = std::max(longest, test.takes);
    const auto steps = static_cast<Milliseconds>(result_.attempts + starts_ + set_ups_ + 10);
    const Milliseconds each = longest + to_begin + to_stop + to_notice + to_boot + 60'000 +
                              drawn_.plan.wait_for_other_host.count();
    claim(now_ <= steps * each + (drawn_.rerun_rounds + 2) * to_judge + leapt_,
          "the run takes no longer than what it did");
  }

  // What must hold when the world is kind enough.
  void check_the_healthy() {
    const long killers = drawn_.count(TestFate::Kind::kills_host);
    const bool nothing_else =
        !drawn_.may_end_early() && drawn_.set_ups_work() && drawn_.ordinary_hosts() > 0 &&
        drawn_.count(TestFate::Kind::hangs) == 0 && drawn_.plan.max_host_restarts > 0 &&
        drawn_.unkillable == 0 && !drawn_.batches_may_come_to_nothing();
    const bool only_killers = nothing_else && drawn_.bad_hosts() == 0;
    const bool one_bad_host =
        nothing_else && killers == 0 && drawn_.bad_hosts() == 1 && drawn_.ordinary_hosts() > 1;
    result_.no_host_may_be_retired = only_killers && killers < drawn_.plan.host_starts;
    result_.healthy_tests_must_pass = result_.no_host_may_be_retired || one_bad_host;
    for (size_t i = 0; i < selected_tests(); ++i) {
      const TestFate& fate = drawn_.tests[i];
      if (fate.kind == TestFate::Kind::blames_others && result_.healthy_tests_must_pass &&
          tests_[i].bad == (tests_[i].blamed_others ? 1 : 0) && tests_[i].not_set_up == 0)
        claim(std::holds_alternative<Passed>(tests_[i].outcomes.back()),
              "a test that others have failed passes when it is alone");
      if (fate.kind != TestFate::Kind::passes) continue;
      std::vector<const Outcome*> outcomes;
      for (const Outcome& outcome : tests_[i].outcomes)
        outcomes.push_back(&outcome);
      const Verdict verdict = verdict_of(outcomes);
      // Its time may have been up twice when its host was lost.
      if (result_.healthy_tests_must_pass && tests_[i].bad + tests_[i].not_set_up == 0)
        claim(verdict == Verdict::passed, "every healthy test passes where it can");
      if (!ended_early_ && verdict == Verdict::error)
        claim(set_up_failed_ || tests_[i].lost > drawn_.plan.max_host_restarts ||
                  tests_[i].not_set_up > drawn_.plan.retry_setups,
              "a healthy test is an error only when it lost all the hosts that it may");
      claim(
          verdict != Verdict::failed && verdict != Verdict::crashed && verdict != Verdict::skipped,
          "a healthy test is never bad");
    }
    for (const SimulatedHost& host : hosts_)
      claim(!host.retired || !result_.no_host_may_be_retired, "killer tests do not cost a host");
  }

  bool keep_log_;
  std::uint64_t sequence_ = 0;
  size_t selected_ = 0;
  std::optional<RunFinished::How> how_;
};

}  // namespace ffci::test
