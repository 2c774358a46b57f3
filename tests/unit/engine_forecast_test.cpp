#include <doctest/doctest.h>
#include <fmt/format.h>

#include "engine/forecast.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

// Tests of a suite of commands, one slot to each host.
ForecastQuestion question(const std::vector<Duration>& takes) {
  ForecastQuestion asked;
  for (size_t place = 0; place < takes.size(); ++place) {
    TestCase test;
    test.id = {"s", "", fmt::format("t{}", place), 1};
    test.expected = takes[place];
    asked.plan.tests.push_back(test);
  }
  asked.plan.suites = {{.name = "s"}};
  asked.takes = takes;
  asked.hosts = [](int number) {
    std::vector<HostPlan> hosts;
    for (int host = 0; host < number; ++host)
      hosts.push_back({fmt::format("h{}", host), 1, 1});
    return hosts;
  };
  return asked;
}

// On one host that has so many slots.
std::vector<HostPlan> slots(int number) {
  return {{"local", number, number}};
}

std::vector<int> numbers(const Forecast& made) {
  std::vector<int> all;
  for (const ForecastRow& row : made.rows)
    all.push_back(row.hosts);
  return all;
}

}  // namespace

TEST_CASE("the longest test bounds the run, and the knee is where the others fit beside it") {
  std::vector<Duration> takes(10, 1s);
  takes.push_back(5s);
  const Forecast made = forecast(question(takes));
  CHECK(made.test_time == 15s);
  CHECK(made.row(1).wall == 15s);
  CHECK(made.row(2).wall == 8s);
  CHECK(made.row(3).wall == 5s);
  CHECK(made.best == 5s);
  CHECK(made.knee == 3);
  CHECK(made.longest.name == "t10");
  CHECK(made.longest_takes == 5s);
  CHECK(made.longest_wall == 5s);
  CHECK(made.longest_reached_with == 3);
  CHECK(made.row(3).utilisation == doctest::Approx(1));
  CHECK(made.row(5).utilisation == doctest::Approx(0.6));
  CHECK(host_minutes(made.row(3)) == doctest::Approx(0.25));
}

TEST_CASE("the knee comes before the bound when it is near enough") {
  // 10 s are the bound, and 84 s of tests an even 10.5 s on 8 hosts.
  std::vector<Duration> takes(74, 1s);
  takes.push_back(10s);
  const Forecast made = forecast(question(takes));
  CHECK(made.row(8).wall == 11s);
  CHECK(made.row(7).wall == 12s);
  CHECK(made.knee == 8);
  CHECK(made.longest_reached_with == 9);
}

TEST_CASE("what a run costs beside its tests counts in the bound") {
  ForecastQuestion asked = question({5s, 1s, 6s});
  asked.plan.suites = {{.name = "s"}, {.name = "costly", .has_setup = true}};
  asked.plan.tests[0].id.suite = "costly";
  asked.costs = {.host_start = 30s, .suites = {{}, {.set_up = 10s}}};
  const Forecast made = forecast(asked);
  CHECK(made.longest.name == "t0");
  CHECK(made.longest_takes == 5s);
  CHECK(made.longest_wall == 45s);
}

TEST_CASE("a job that more slots can't help has its knee at one, and never reaches the bound") {
  ForecastQuestion asked = question(std::vector<Duration>(20, 1s));
  asked.plan.suites[0].parallel = 1;
  asked.hosts = slots;
  asked.own = 4;
  const Forecast made = forecast(asked);
  CHECK(made.best == 20s);
  CHECK(made.knee == 1);
  CHECK(!made.longest_reached_with);
  CHECK(!made.tried_up_to);
  CHECK(made.row(4).wall == 20s);
}

TEST_CASE("the rows are few, and those of the knee and the job are among them") {
  ForecastQuestion asked = question(std::vector<Duration>(400, 1s));
  asked.own = 29;
  CHECK(forecast(asked).knee == 400);
  CHECK(numbers(forecast(asked)) == std::vector<int>{1,  2,  3,  4,  5,  6,   7,   8,   12,  16, 24,
                                                     29, 32, 48, 64, 96, 128, 192, 256, 384, 400});
  asked.most = 20;
  CHECK(numbers(forecast(asked)) == std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 29, 400});
  CHECK(numbers(forecast(question({1s}))) == std::vector<int>{1});
}

TEST_CASE("where more hosts are not tried, that is said") {
  const Forecast made = forecast(question(std::vector<Duration>(2048, 1s)));
  CHECK(made.tried_up_to == 1024);
  CHECK(made.best == 2s);
  CHECK(!made.longest_reached_with);
}

TEST_CASE("the knee of a job with a deadline runs as many tests as any number of hosts can") {
  ForecastQuestion asked = question(std::vector<Duration>(12, 5s));
  asked.plan.deadline = 12s;
  const Forecast made = forecast(asked);
  CHECK(made.row(1).not_run == 10);
  CHECK(made.row(1).wall == 10s);
  CHECK(made.row(6).not_run == 0);
  CHECK(made.best == 5s);
  CHECK(made.knee == 12);
}

TEST_CASE("a test without a known duration is believed to be usual for its suite") {
  ForecastQuestion asked = question({2s, 4s, 7s, 1s});
  asked.plan.suites.push_back({.name = "new"});
  asked.plan.tests[2].expected.reset();
  asked.plan.tests[3].expected.reset();
  asked.plan.tests[3].id.suite = "new";
  CHECK(believed_durations(asked.plan) == std::vector<Duration>{2s, 4s, 3s, 3s});
  CHECK(forecast(asked).unknown == 2);
}
