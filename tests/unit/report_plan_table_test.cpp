#include "report/plan_table.hpp"

#include <doctest/doctest.h>

#include "golden.hpp"

using namespace std::chrono_literals;

namespace ffci::test {
namespace {

Forecast on_machines() {
  Forecast made;
  made.job = "nightly";
  made.unit = HostUnit::machine;
  made.slots_each = 2;
  made.local_slots = 1;
  made.durations = "run 20260131T120000Z";
  made.tests = 672;
  made.unknown = 3;
  made.test_time = 17min + 31s;
  made.deadline = 8min;
  made.rows = {
      {1, 6min + 3s, 0.966, 12}, {4, 2min, 0.975, 0}, {12, 35s + 750ms, 0.9, 0}, {16, 33s, 0.5, 0}};
  made.own = 4;
  made.knee = 12;
  made.best = 33s;
  made.longest = {"ext4", "4k", "generic/475"};
  made.longest_takes = 31s;
  made.longest_wall = 33s;
  made.longest_reached_with = 16;
  return made;
}

}  // namespace

TEST_CASE("a plan is told as a table and what follows from it, and as JSON") {
  check_golden("plan.txt", plan_table(on_machines()));
  check_golden("plan.json", plan_json(on_machines()));
}

TEST_CASE("a plan for slots of this machine speaks of slots, and of what is not known") {
  Forecast made;
  made.job = "new";
  made.tests = made.unknown = 2;
  made.test_time = 6s;
  made.rows = {{1, 6s, 1, 0}};
  made.best = 6s;
  made.longest = {"s", "", "t"};
  made.longest_takes = made.longest_wall = 3s;
  made.tried_up_to = 1;
  CHECK(plan_table(made) ==
        "job new: 2 tests, 6.00s of testing\n"
        "no known duration for any test: taken to be usual for the suite (3s if nothing is known); "
        "the figures are a guess\n"
        "\n"
        "   slots  wall time  in use     slot-minutes\n"
        "       1      6.00s    100%              0.1  this job, knee\n"
        "\n"
        "this job: 1 slot: 6.00s\n"
        "knee: 1 slot: 6.00s, within 10 % of the shortest possible on up to 1 slot, 6.00s\n"
        "longest test: s/t, 3.00s: no run with it is shorter than 3.00s; not reached with 1 slot\n"
        "failures, retries and lost hosts are not predicted\n");
}

TEST_CASE("names in a plan are fit for a log") {
  Forecast made = on_machines();
  made.job = "::error::\x1b[1m";
  made.longest.name = "##[command]";
  const std::string text = plan_table(made);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("##[command]") == std::string::npos);
}

}  // namespace ffci::test
