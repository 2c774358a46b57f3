#include "engine/virtual_run.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>

#include "engine/engine.hpp"

namespace ffci {
namespace {

// Tests are told apart by their places: that is all the engine hands back of them, and short names
// are quickly copied. What goes together (suite, configuration, iteration) stays so.
EnginePlan prepared(EnginePlan plan) {
  for (std::size_t place = 0; place < plan.tests.size(); ++place) {
    plan.tests[place].id.name = std::to_string(place);
    plan.tests[place].timeout.reset();
  }
  plan.test_timeout = {};
  return plan;
}

std::size_t place_of(const TestId& id) {
  std::size_t place = 0;
  std::from_chars(id.name.data(), id.name.data() + id.name.size(), place);
  return place;
}

class VirtualWorld {
 public:
  VirtualWorld(const EnginePlan& plan, const VirtualCosts& costs,
               const std::vector<Duration>& takes)
      : costs_(costs), takes_(takes), hosts_(plan.hosts), engine_(plan) {
    for (const SuitePlan& suite : plan.suites) {
      VirtualCosts::Suite cost = costs.of(suites_.size());
      if (!suite.has_setup) cost.set_up = cost.tear_down = {};
      if (!suite.batches) cost.call_before = cost.call_after = {};
      suites_.push_back(cost);
    }
  }

  VirtualRun play() {
    give(input::Begin{});
    while (!finished_) {
      const bool something_happens = !later_.empty() && later_.top().at <= wake_at_;
      if (!something_happens && wake_at_ == Duration::max()) break;
      const Duration next =
          something_happens ? later_.top().at : std::exchange(wake_at_, Duration::max());
      now_ = std::max(now_, next);
      if (!something_happens) {
        give(input::Tick{});
        continue;
      }
      const auto what = later_.top().what;
      later_.pop();
      std::visit([this](const auto& one) { this->happen(one); }, what);
    }
    run_.wall = now_;
    return run_;
  }

 private:
  struct HostUp {
    std::size_t host;
  };
  struct HostDown {
    std::size_t host;
  };
  struct SetUpOver {
    std::size_t host, suite;
    Duration took;
    bool stopped = false;
  };
  struct TearDownOver {
    std::size_t host, suite;
    Duration took;
  };
  // Of a batch: its next test begins, the test that runs ends, all of it is over.
  struct TestBegins {
    BatchNumber batch;
  };
  struct TestEnds {
    BatchNumber batch;
  };
  struct BatchOver {
    BatchNumber batch;
  };
  struct Later {
    Duration at;
    std::uint64_t order;  // what comes at the same time comes as it was asked for
    std::variant<HostUp, HostDown, SetUpOver, TearDownOver, TestBegins, TestEnds, BatchOver> what;

    bool operator<(const Later& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };
  struct Batch {
    std::size_t suite = 0;
    std::vector<std::size_t> tests;  // by place in the plan
    std::size_t next = 0;            // or, while a test runs, that one
    Duration began{};
    bool running = false;
  };

  void give(const Input& input) {
    for (const Action& action : engine_.handle(now_, input))
      std::visit([this](const auto& what) { this->on(what); }, action);
  }
  template <class What>
  void after(Duration delay, What what) {
    later_.push({now_ + delay, ++order_, what});
  }

  // What the engine wants.

  void on(const action::Record&) {}
  void on(const action::StartHost& start) { after(costs_.host_start, HostUp{start.host}); }
  void on(const action::StopHost& stop) { after(costs_.host_stop, HostDown{stop.host}); }
  void on(const action::SetUpSuite& scope) {
    const Duration takes = suites_[scope.suite].set_up;
    after(takes, SetUpOver{scope.host, scope.suite, takes});
  }
  void on(const action::TearDownSuite& scope) {
    const Duration takes = suites_[scope.suite].tear_down;
    after(takes, TearDownOver{scope.host, scope.suite, takes});
  }
  // Either of the two is under way; the engine knows which. What was to end it comes too late.
  void on(const action::StopScope& scope) {
    after({}, SetUpOver{scope.host, scope.suite, {}, true});
    after({}, TearDownOver{scope.host, scope.suite, {}});
  }
  void on(const action::StartBatch& start) {
    Batch& batch = batches_[start.batch];
    batch.suite = start.suite;
    for (const TestId& test : start.tests)
      batch.tests.push_back(place_of(test));
    ++run_.commands;
    const VirtualCosts::Suite& cost = suites_[start.suite];
    after(cost.call_before + cost.per_test, TestBegins{start.batch});
  }
  void on(const action::StopBatch& stop) {
    const auto found = batches_.find(stop.batch);
    if (found == batches_.end()) return;
    if (std::exchange(found->second.running, false)) run_.testing += now_ - found->second.began;
    after({}, BatchOver{stop.batch});
  }
  void on(const action::JudgeRun&) {}  // a plan has no gate
  void on(const action::WakeAt& wake) { wake_at_ = wake.time; }
  void on(const action::Finish&) { finished_ = true; }

  // What then happens.

  void happen(const HostUp& up) {
    const HostPlan& host = hosts_[up.host];
    HostReady facts;
    facts.host = host.name;
    facts.slots = host.slots;
    give(input::AcceptHost{up.host, std::move(facts)});
  }
  void happen(const HostDown& down) { give(input::FinishHost{down.host}); }
  void happen(const SetUpOver& over) {
    input::FinishSetUp finish{over.host, over.suite, over.took, {}};
    if (over.stopped) finish.failure = "it was stopped";
    give(finish);
  }
  void happen(const TearDownOver& over) {
    give(input::FinishTearDown{over.host, over.suite, over.took, {}});
  }
  void happen(const TestBegins& begins) {
    const auto found = batches_.find(begins.batch);
    if (found == batches_.end()) return;
    Batch& batch = found->second;
    batch.began = now_;
    batch.running = true;
    after(takes_[batch.tests[batch.next]], TestEnds{begins.batch});
    give(input::BeginTest{begins.batch, batch.next, ""});
  }
  void happen(const TestEnds& ends) {
    const auto found = batches_.find(ends.batch);
    if (found == batches_.end() || !found->second.running) return;
    Batch& batch = found->second;
    run_.testing += now_ - batch.began;
    ++run_.tests_run;
    batch.running = false;
    const std::size_t ended = batch.next++;
    const VirtualCosts::Suite& cost = suites_[batch.suite];
    if (batch.next < batch.tests.size()) {
      after(cost.per_test, TestBegins{ends.batch});
    } else {
      after(cost.call_after, BatchOver{ends.batch});
    }
    input::EndTest end{ends.batch, ended, {}};
    end.result.outcome = Passed{};
    give(end);
  }
  void happen(const BatchOver& over) {
    if (batches_.erase(over.batch) > 0) give(input::EndBatch{over.batch, {}});
  }

  const VirtualCosts& costs_;
  const std::vector<Duration>& takes_;
  std::vector<HostPlan> hosts_;
  std::vector<VirtualCosts::Suite> suites_;
  Engine engine_;
  std::priority_queue<Later> later_;
  std::uint64_t order_ = 0;
  std::unordered_map<BatchNumber, Batch> batches_;
  Duration now_{}, wake_at_ = Duration::max();
  bool finished_ = false;
  VirtualRun run_;
};

}  // namespace

VirtualRun play(EnginePlan plan, const VirtualCosts& costs, const std::vector<Duration>& takes) {
  return VirtualWorld(prepared(std::move(plan)), costs, takes).play();
}

Duration wall_of_one_test(const EnginePlan& plan, const VirtualCosts& costs, std::size_t test,
                          Duration takes) {
  EnginePlan alone = plan;
  alone.tests = {plan.tests[test]};
  alone.hosts.resize(std::min<std::size_t>(1, alone.hosts.size()));
  alone.deadline.reset();
  return play(std::move(alone), costs, {takes}).wall;
}

}  // namespace ffci
