// EnginePlan: all that the engine knows before a run: what, where, and the rules.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/job_spec.hpp"
#include "model/run.hpp"
#include "model/test_case.hpp"

namespace ffci {

struct HostPlan {
  std::string name;
  int slots = 1;
  int test_devices = 1;      // sets of them: how many commands that need one run at once
  bool base = false;         // it runs the base kernel: nothing but reruns for the gate run there
  bool renewable = false;    // starting it anew costs little, and leaves nothing of what ran there
  Duration return_within{};  // one that was up is not retired for failed starts within this time
};

struct EnginePlan {
  std::vector<TestCase> tests;  // as listed; each id once; each suite is in `suites`
  std::vector<SuitePlan> suites;
  std::vector<HostPlan> hosts;
  // What was done before, when the run goes on after a break: it has the same tests. Its tests are
  // not begun again once they have a result, and keep the budgets that they have used.
  std::shared_ptr<const Run> earlier;

  bool gated = false;  // the gate is asked at the end, and may want further runs
  Order order = Order::slowest_first;
  std::uint64_t seed = 0;   // of the random order
  Duration test_timeout{};  // for tests that name none, and for set-up and teardown; zero: no limit
  std::optional<Duration> deadline;      // of the run, since it began
  std::optional<Duration> batch_target;  // of a batch's expected time; none: batches of one test
  int retry_failures = 0;                // further attempts after bad ones
  int retry_setups = 1;                  // further attempts after the test's own set-up failed
  int max_host_restarts = 3;             // further attempts after the host was lost under the test
  int stop_after_failures = 0;           // 0: never
  int host_starts = 4;  // lives of a host in a row that come to nothing before it is retired
  // How long an idle slot leaves a test that failed on its host to another host.
  Duration wait_for_other_host = std::chrono::seconds(15);
  Duration host_backoff = std::chrono::seconds(
      1);  // before the second start in a row; doubles each time, up to a minute
};

}  // namespace ffci
