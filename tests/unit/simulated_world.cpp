#include "simulated_world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <set>

#include "engine/engine.hpp"

namespace ffci::test {
namespace {

using Milliseconds = std::int64_t;

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), plan_(draw_plan()), engine_(plan_) {
    hosts_.resize(plan_.hosts.size());
    for (size_t i = 0; i < hosts_.size(); ++i) {
      hosts_[i].slots.resize(static_cast<size_t>(plan_.hosts[i].slots));
      hosts_[i].suites.resize(plan_.suites.size());
    }
    for (size_t i = 0; i < plan_.tests.size(); ++i)
      tests_[plan_.tests[i].id].place = i;
  }

  SimulationResult run() {
    draw_catastrophes();
    deliver(input::Begin{});
    for (int steps = 0; !finished_; ++steps) {
      if (steps > 200'000) {
        claim(false, "the run ends");
        break;
      }
      if (answers_.empty() && !wake_at_) {
        claim(false, "the engine waits for nothing that will never come");
        break;
      }
      if (wake_at_ && (answers_.empty() || *wake_at_ < answers_.top().at)) {
        now_ = std::max(now_, *wake_at_);
        wake_at_.reset();
        deliver(input::Tick{});
        continue;
      }
      const Answer next = answers_.top();
      answers_.pop();
      now_ = std::max(now_, next.at);
      next.give();
    }
    check_the_end();
    result_.tests = plan_.tests.size();
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
  enum class Scope { none, setting_up, ready, unusable, tearing_down };
  struct SimulatedHost {
    bool up = false, starting = false, retired = false, told_to_stop = false;
    int life = 0;                    // counts its starts: answers of an earlier life are void
    std::vector<BatchNumber> slots;  // 0: idle
    std::set<size_t> dead_slots;
    std::vector<Scope> suites;
    std::vector<int> setups_lost = std::vector<int>(4);
  };
  struct SimulatedTest {
    size_t place = 0;
    int attempts = 0, bad = 0, lost = 0, finished = 0;
    bool pending = true;
    std::set<size_t> avoid;
  };
  struct RunningBatch {
    action::StartBatch what;
    int life = 0;
    bool stopping = false;
  };

  // Drawing.

  Milliseconds draw(Milliseconds low, Milliseconds high) {
    return low + static_cast<Milliseconds>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(int percent) { return draw(1, 100) <= percent; }

  EnginePlan draw_plan() {
    EnginePlan plan;
    kills_hosts_ = chance(30) ? 5 : 0;
    fails_ = chance(50) ? 20 : 3;
    hangs_ = chance(30) ? 5 : 0;
    bad_setups_ = chance(30) ? 30 : 0;
    dying_hosts_ = chance(40);
    for (Milliseconds suites = draw(1, 4); suites > 0; --suites) {
      SuitePlan suite;
      suite.name = fmt::format("s{}", suites);
      suite.has_setup = chance(40);
      suite.parallel = chance(60) ? 0 : static_cast<int>(draw(1, 3));
      plan.suites.push_back(suite);
    }
    for (Milliseconds tests = draw(0, 60); tests > 0; --tests) {
      TestCase test;
      test.id = {plan.suites[static_cast<size_t>(
                                 draw(0, static_cast<Milliseconds>(plan.suites.size()) - 1))]
                     .name,
                 "", fmt::format("t{}", tests), 1};
      takes_[test.id] = chance(80) ? draw(1, 2000) : draw(1, 60'000);
      if (chance(70)) test.expected = Duration(takes_[test.id] * draw(50, 150) / 100);
      if (chance(20)) test.timeout = Duration(draw(0, 20'000));
      plan.tests.push_back(test);
    }
    for (Milliseconds hosts = draw(0, 20) == 0 ? 0 : draw(1, 6); hosts > 0; --hosts) {
      plan.hosts.push_back({fmt::format("h{}", hosts), static_cast<int>(draw(1, 4))});
    }
    plan.order = static_cast<Order>(draw(0, 2));
    plan.seed = random_();
    plan.test_timeout = Duration(chance(90) || hangs_ > 0 ? draw(5'000, 90'000) : 0);
    if (chance(30)) plan.deadline = Duration(draw(1, 300'000));
    plan.retry_failures = static_cast<int>(draw(0, 3));
    plan.max_host_restarts = static_cast<int>(draw(0, 3));
    plan.stop_after_failures = chance(20) ? static_cast<int>(draw(1, 5)) : 0;
    return plan;
  }

  void draw_catastrophes() {
    if (dying_hosts_ && !hosts_.empty()) {
      for (Milliseconds deaths = draw(1, 20); deaths > 0; --deaths) {
        const auto host =
            static_cast<size_t>(draw(0, static_cast<Milliseconds>(hosts_.size()) - 1));
        later(draw(0, 200'000), [this, host] { die(host, "its kernel panicked"); });
      }
    }
    if (chance(15)) {
      const Milliseconds at = draw(0, 100'000);
      later(at, [this] { deliver(input::Interrupt{15}); });
      if (chance(50)) later(at + draw(0, 3'000), [this] { deliver(input::Interrupt{15}); });
    }
    if (chance(5))
      later(draw(0, 100'000), [this] { deliver(input::Abandon{"No space left on device"}); });
  }

  Outcome draw_outcome() {
    if (chance(fails_))
      return chance(80) ? Outcome(Failed{"exit status 1", {}}) : Outcome(Crashed{"BUG", "sig"});
    if (chance(5)) return Skipped{"not for this kernel"};
    if (chance(2)) return SetupFailed{"no"};
    return Passed{};
  }

  // Doing what the engine asks.

  void later(Milliseconds in, std::function<void()> give) {
    answers_.push({now_ + in, ++order_, std::move(give)});
  }

  template <class What>
  void deliver(const What& what) {
    for (const Action& action : engine_.handle(Duration(now_), what)) {
      claim(!finished_, "nothing is done after Finish");
      std::visit([this](const auto& asked) { this->perform(asked); }, action);
    }
    // What cli does: a batch's test has begun as soon as it was started.
    while (!begins_.empty()) {
      const BatchNumber batch = begins_.front();
      begins_.erase(begins_.begin());
      deliver(input::BeginTest{batch, 0, "files"});
    }
    if (!finished_) check_nothing_idles();
  }

  void perform(const action::Record& record) {
    claim(record.event.sequence == ++sequence_, "events are numbered without gaps");
    claim(record.event.time >= last_event_, "events are in order of time");
    last_event_ = record.event.time;
    std::visit([this](const auto& fact) { this->note(fact); }, record.event.fact);
  }
  void perform(const action::StartHost& start) {
    SimulatedHost& host = hosts_[start.host];
    log("start {}", plan_.hosts[start.host].name);
    claim(!host.up && !host.starting && !host.retired,
          "a host is started only when it is down, and never after it was retired");
    host.starting = true;
    const int life = ++host.life;
    later(draw(0, 5'000), [this, at = start.host, life] {
      SimulatedHost& started = hosts_[at];
      if (started.life != life || started.told_to_stop) return;
      started.starting = false;
      if (chance(dying_hosts_ ? 30 : 2)) {
        deliver(input::LoseHost{at, "it did not boot"});
      } else {
        started.up = true;
        deliver(input::AcceptHost{
            at, HostReady{plan_.hosts[at].name, "simulated", plan_.hosts[at].slots, "", "", ""}});
      }
    });
  }
  void perform(const action::StopHost& stop) {
    SimulatedHost& host = hosts_[stop.host];
    log("stop {}", plan_.hosts[stop.host].name);
    if (std::exchange(host.told_to_stop, true)) return;
    claim(std::all_of(host.slots.begin(), host.slots.end(), [](BatchNumber b) { return b == 0; }),
          "a host is stopped when nothing runs there");
    later(draw(0, 1'000), [this, at = stop.host] {
      hosts_[at].up = hosts_[at].starting = false;
      deliver(input::FinishHost{at});
    });
  }
  void perform(const action::SetUpSuite& set_up) {
    SimulatedHost& host = hosts_[set_up.host];
    claim(host.up && !ending_, "a suite is set up on a host that is up, in a run that goes on");
    claim(host.suites[set_up.suite] == Scope::none, "a suite is set up once per host");
    host.suites[set_up.suite] = Scope::setting_up;
    later(draw(0, 3'000), [this, set_up, life = host.life] {
      finish_set_up(set_up.host, set_up.suite, life, chance(bad_setups_));
    });
  }
  void finish_set_up(size_t at, size_t suite, int life, bool fails) {
    SimulatedHost& host = hosts_[at];
    if (host.life != life || !host.up || host.suites[suite] != Scope::setting_up) return;
    host.suites[suite] = fails ? Scope::unusable : Scope::ready;
    deliver(input::FinishSetUp{
        at, suite, {}, fails ? std::optional<std::string>("exit status 1") : std::nullopt});
  }
  void perform(const action::TearDownSuite& tear_down) {
    SimulatedHost& host = hosts_[tear_down.host];
    claim(host.up && host.suites[tear_down.suite] == Scope::ready,
          "only what was set up is torn down");
    for (const auto& [number, batch] : batches_) {
      claim(batch.what.host != tear_down.host || batch.what.suite != tear_down.suite,
            "a suite is torn down when none of its tests runs there");
    }
    host.suites[tear_down.suite] = Scope::tearing_down;
    later(draw(0, 1'000), [this, tear_down, life = host.life] {
      SimulatedHost& torn = hosts_[tear_down.host];
      if (torn.life != life || !torn.up) return;
      torn.suites[tear_down.suite] = Scope::none;
      deliver(input::FinishTearDown{tear_down.host, tear_down.suite, {}, {}});
    });
  }
  void perform(const action::StopScope& stop) {
    const int life = hosts_[stop.host].life;
    later(draw(0, 500), [this, stop, life] { finish_set_up(stop.host, stop.suite, life, true); });
  }
  void perform(const action::StartBatch& start) {
    SimulatedHost& host = hosts_[start.host];
    log("{} attempt {} on {}/{}", to_string(start.tests.front()), start.attempts.front(),
        plan_.hosts[start.host].name, start.slot);
    ++result_.attempts;
    claim(host.up && !host.told_to_stop, "no host is used after its death, or before it is up");
    claim(!ending_, "nothing is started once the run is ending");
    BatchNumber& slot = host.slots.at(static_cast<size_t>(start.slot - 1));
    claim(slot == 0 && !host.dead_slots.contains(static_cast<size_t>(start.slot)),
          "a slot runs one batch at a time");
    const SuitePlan& suite = plan_.suites[start.suite];
    claim(!suite.has_setup || host.suites[start.suite] == Scope::ready,
          "a suite's tests run where it was set up");
    int of_suite = 0, others = 0;
    for (const auto& [number, batch] : batches_) {
      if (batch.what.host != start.host) continue;
      (batch.what.suite == start.suite ? of_suite : others)++;
      claim(plan_.suites[batch.what.suite].parallel != 1,
            "nothing is started beside a test that wants to be alone");
    }
    claim(suite.parallel != 1 || of_suite + others == 0, "a test that wants to be alone is alone");
    claim(suite.parallel == 0 || of_suite < suite.parallel, "a suite's `parallel` is kept");
    SimulatedTest& test = tests_.at(start.tests.front());
    claim(test.pending && test.finished == 0, "only a test that waits is started");
    claim(start.attempts.front() == test.attempts + 1, "attempts are counted");
    test.pending = false;

    slot = start.batch;
    RunningBatch& batch = batches_[start.batch];
    batch.what = start;
    batch.life = host.life;
    begins_.push_back(start.batch);
    const Milliseconds takes = takes_.at(start.tests.front());
    if (chance(hangs_)) return;
    if (chance(kills_hosts_)) {
      later(draw(0, takes), [this, at = start.host, life = host.life] {
        if (hosts_[at].life == life) die(at, "the test killed it");
      });
      return;
    }
    later(takes,
          [this, number = start.batch, outcome = draw_outcome()] { end_batch(number, outcome); });
  }
  void perform(const action::StopBatch& stop) {
    const auto found = batches_.find(stop.batch);
    if (found == batches_.end()) return;
    later(stop.urgency == Urgency::at_once ? 0 : draw(0, 5'000),
          [this, number = stop.batch] { end_batch(number, NotRun{"stopped"}); });
  }
  void perform(const action::WakeAt& wake) { wake_at_ = wake.time.count(); }
  void perform(const action::Finish&) { finished_ = true; }

  void end_batch(BatchNumber number, const Outcome& outcome) {
    const auto found = batches_.find(number);
    if (found == batches_.end()) return;
    const action::StartBatch what = found->second.what;
    batches_.erase(found);
    hosts_[what.host].slots[static_cast<size_t>(what.slot - 1)] = 0;
    Attempt result;
    result.outcome = outcome;
    std::optional<std::string> unkillable;
    if (std::holds_alternative<NotRun>(outcome) && chance(5)) {
      unkillable = "stuck in D state";
      hosts_[what.host].dead_slots.insert(static_cast<size_t>(what.slot));
    }
    ends_in_progress_ = true;  // the slot is not free for the engine before EndBatch
    deliver(input::EndTest{number, 0, result});
    ends_in_progress_ = false;
    deliver(input::EndBatch{number, unkillable});
  }

  void die(size_t at, const std::string& why) {
    SimulatedHost& host = hosts_[at];
    if (!host.up || host.told_to_stop || host.retired) return;
    ++result_.hosts_lost;
    log("{} dies: {}", plan_.hosts[at].name, why);
    host.up = false;
    ++host.life;
    for (size_t suite = 0; suite < host.suites.size(); ++suite) {
      if (host.suites[suite] == Scope::ready) host.setups_lost[suite] = 0;
      if (host.suites[suite] == Scope::setting_up &&
          std::all_of(host.slots.begin(), host.slots.end(), [](BatchNumber b) { return b == 0; }))
        ++host.setups_lost[suite];
    }
    for (BatchNumber& slot : host.slots) {
      if (slot != 0) batches_.erase(std::exchange(slot, 0));
    }
    host.dead_slots.clear();
    std::fill(host.suites.begin(), host.suites.end(), Scope::none);
    deliver(input::LoseHost{at, why});
  }

  // What the engine says has happened.

  template <class Fact>
  void note(const Fact&) {}
  void note(const AttemptStarted& fact) { ++tests_.at(fact.test).attempts; }
  void note(const AttemptFinished& fact) {
    SimulatedTest& test = tests_.at(fact.test);
    log("{} attempt {}: {}", to_string(fact.test), fact.result.number,
        outcome_name(*fact.result.outcome));
    claim(fact.result.outcome.has_value(), "a finished attempt has an outcome");
    claim(fact.result.number >= test.attempts, "attempts are numbered");
    test.attempts = fact.result.number;
    if (is_bad(*fact.result.outcome)) ++test.bad;
    if (std::holds_alternative<HostLost>(*fact.result.outcome)) ++test.lost;
    claim(test.bad <= plan_.retry_failures + 1, "failure retries keep to their budget");
    claim(test.lost <= plan_.max_host_restarts + 1, "a test loses no more hosts than it may");
    test.pending = true;  // unless TestFinished follows
    for (size_t host = 0; host < plan_.hosts.size(); ++host) {
      if (plan_.hosts[host].name == fact.result.host) test.avoid.insert(host);
    }
  }
  void note(const TestFinished& fact) {
    SimulatedTest& test = tests_.at(fact.test);
    claim(++test.finished == 1, "a test is finished once");
    claim((test.attempts == 0) == fact.not_run.has_value(),
          "a test without an attempt says why, and no other does");
    test.pending = false;
  }
  void note(const HostRetired& fact) {
    for (size_t host = 0; host < plan_.hosts.size(); ++host) {
      if (plan_.hosts[host].name == fact.host) hosts_[host].retired = true;
    }
  }
  void note(const RunStopping&) { ending_ = true; }

  // Claims.

  void claim(bool holds, const char* what) {
    if (holds || result_.broken.size() >= 5) return;
    result_.broken.emplace_back(what);
    log("BROKEN: {}", what);
  }

  // No slot is idle while something could run there.
  void check_nothing_idles() {
    if (ending_ || ends_in_progress_) return;
    for (size_t at = 0; at < hosts_.size(); ++at) {
      const SimulatedHost& host = hosts_[at];
      if (!host.up || host.told_to_stop || host.retired) continue;
      size_t used = 0, in_set_up = 0;
      bool alone = false;
      std::vector<int> running(plan_.suites.size());
      for (const auto& [number, batch] : batches_) {
        if (batch.what.host != at) continue;
        ++used, ++running[batch.what.suite];
        alone |= plan_.suites[batch.what.suite].parallel == 1 ||
                 is_last_chance(tests_.at(batch.what.tests.front()));
      }
      for (size_t suite = 0; suite < plan_.suites.size(); ++suite) {
        if (host.suites[suite] != Scope::setting_up) continue;
        ++in_set_up;
        alone |= plan_.suites[suite].parallel == 1;
      }
      if (alone || used + in_set_up + host.dead_slots.size() >= host.slots.size()) continue;
      for (const auto& entry : tests_) {
        const TestId& id = entry.first;
        const SimulatedTest& test = entry.second;
        if (!test.pending || test.finished > 0) continue;
        const auto suite = static_cast<size_t>(
            std::find_if(plan_.suites.begin(), plan_.suites.end(),
                         [&](const SuitePlan& s) { return s.name == id.suite; }) -
            plan_.suites.begin());
        if (used + in_set_up > 0 && is_last_chance(test)) continue;
        const int parallel = plan_.suites[suite].parallel;
        const Scope scope = host.suites[suite];
        if (scope != Scope::none && scope != Scope::ready) continue;
        if (host.setups_lost[suite] > 1) continue;
        if (parallel == 1 ? used + in_set_up > 0 : parallel > 0 && running[suite] >= parallel)
          continue;
        const auto& expected = plan_.tests[test.place].expected;
        if (plan_.deadline && expected && Duration(now_) + *expected > *plan_.deadline) continue;
        if (test.avoid.contains(at) && could_run_elsewhere(test, suite)) continue;
        claim(false, "no slot is idle while something could run there");
        log("  {} could run on {}", to_string(id), plan_.hosts[at].name);
        return;
      }
    }
  }

  [[nodiscard]] bool is_last_chance(const SimulatedTest& test) const {
    return test.lost > 0 && test.lost >= plan_.max_host_restarts;
  }

  [[nodiscard]] bool could_run_elsewhere(const SimulatedTest& test, size_t suite) const {
    for (size_t other = 0; other < hosts_.size(); ++other) {
      if (!test.avoid.contains(other) && !hosts_[other].retired &&
          hosts_[other].suites[suite] != Scope::unusable)
        return true;
    }
    return false;
  }

  void check_the_end() {
    for (const auto& [id, test] : tests_)
      claim(test.finished == 1, "every selected test has exactly one verdict");
    claim(batches_.empty(), "nothing runs when the run is over");
    for (const SimulatedHost& host : hosts_)
      claim(host.retired || !host.up, "every host is down when the run is over");
    const Milliseconds slack =
        5'000 + 5'000 + 90'000 + 1'000;  // stopping, starting, a set-up to its limit, teardown
    if (plan_.deadline) claim(now_ <= plan_.deadline->count() + slack, "the deadline is kept");
  }

  template <class... Arguments>
  void log(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    if (result_.log.size() > 1'000'000) return;
    result_.log += fmt::format("{:>8} ", now_);
    result_.log += fmt::format(format, std::forward<Arguments>(arguments)...);
    result_.log += '\n';
  }

  std::mt19937_64 random_;
  int kills_hosts_ = 0, fails_ = 0, hangs_ = 0, bad_setups_ = 0;  // percent
  bool dying_hosts_ = false;
  std::map<TestId, Milliseconds> takes_;
  EnginePlan plan_;
  Engine engine_;

  std::vector<SimulatedHost> hosts_;
  std::map<TestId, SimulatedTest> tests_;
  std::map<BatchNumber, RunningBatch> batches_;
  std::vector<BatchNumber> begins_;
  std::priority_queue<Answer> answers_;
  std::uint64_t order_ = 0, sequence_ = 0;
  Duration last_event_{};
  Milliseconds now_ = 0;
  std::optional<Milliseconds> wake_at_;
  bool ending_ = false, finished_ = false, ends_in_progress_ = false;
  SimulationResult result_;
};

}  // namespace

SimulationResult simulate(std::uint64_t seed) {
  return World(seed).run();
}

}  // namespace ffci::test
