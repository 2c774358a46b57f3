#include "engine/forecast.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>

#include "engine/expectation.hpp"

namespace ffci {
namespace {

constexpr Duration::rep near_best = 110, near_bound = 101;  // percent
// A run on so many hosts takes time to play, and a job that is still faster on more is not known.
constexpr int most_hosts = 1024;

// 1 to 8, then 12, 16, 24, 32, …
std::vector<int> shown_numbers() {
  std::vector<int> numbers(8);
  std::iota(numbers.begin(), numbers.end(), 1);
  for (int power = 8; power < most_hosts; power *= 2) {
    numbers.push_back(power + power / 2);
    numbers.push_back(2 * power);
  }
  return numbers;
}

class Forecaster {
 public:
  explicit Forecaster(const ForecastQuestion& question) : question_(question) {}

  Forecast make() {
    Forecast made;
    made.tests = question_.plan.tests.size();
    for (const TestCase& test : question_.plan.tests)
      made.unknown += !test.expected;
    made.test_time = std::accumulate(question_.takes.begin(), question_.takes.end(), Duration{});
    made.deadline = question_.plan.deadline;
    made.own = question_.own;
    find_bound(made);
    row(made.own);
    const int enough = find_best(made);
    const ForecastRow best = row(enough);
    made.best = best.wall;
    made.knee = fewest(enough, [&](const ForecastRow& candidate) {
      return candidate.not_run <= best.not_run && is_within(candidate.wall, near_best, best.wall);
    });
    const auto reaches = [&](const ForecastRow& candidate) {
      return candidate.not_run == 0 && is_within(candidate.wall, near_bound, made.longest_wall);
    };
    if (reaches(best)) made.longest_reached_with = fewest(enough, reaches);
    for (const int number : numbers_to_show(made.knee))
      made.rows.push_back(row(number));
    return made;
  }

 private:
  static bool is_within(Duration wall, Duration::rep percent, Duration of) {
    return 100 * wall <= percent * of;
  }
  static bool is_better(const ForecastRow& a, const ForecastRow& b) {
    return a.not_run != b.not_run ? a.not_run < b.not_run : a.wall < b.wall;
  }

  const ForecastRow& row(int hosts) {
    const auto [place, is_new] = rows_.try_emplace(hosts);
    if (!is_new) return place->second;
    EnginePlan plan = question_.plan;
    plan.hosts = question_.hosts(hosts);
    double slots = 0;
    for (const HostPlan& host : plan.hosts)
      slots += host.slots;
    const VirtualRun run = play(std::move(plan), question_.costs, question_.takes);
    const double all = slots * to_seconds(run.wall);
    place->second = {hosts, run.wall, all > 0 ? to_seconds(run.testing) / all : 0,
                     question_.plan.tests.size() - run.tests_run};
    return place->second;
  }

  // A shorter test of another suite may take more with its set-up.
  void find_bound(Forecast& made) {
    std::map<std::string, std::size_t> longest;  // by suite
    for (std::size_t test = 0; test < question_.takes.size(); ++test) {
      const auto [known, is_new] = longest.try_emplace(question_.plan.tests[test].id.suite, test);
      if (question_.takes[test] > question_.takes[known->second]) known->second = test;
    }
    EnginePlan plan = question_.plan;
    plan.hosts = question_.hosts(1);
    for (const auto& [suite, test] : longest) {
      const Duration takes = question_.takes[test];
      const Duration wall = wall_of_one_test(plan, question_.costs, test, takes);
      if (wall < made.longest_wall) continue;
      made.longest = plan.tests[test].id;
      made.longest_takes = takes;
      made.longest_wall = wall;
    }
  }

  // More hosts than tests are of no use.
  [[nodiscard]] int most_useful() const {
    return static_cast<int>(std::min<std::size_t>(most_hosts, question_.plan.tests.size()));
  }

  // The number of hosts with the best run: found by doubling, until the longest test is all that
  // counts, there are more hosts than tests, or more of them have brought nothing twice.
  int find_best(Forecast& made) {
    const int most = most_useful();
    int best = 1, in_vain = 0;
    for (int hosts = 1; hosts < most && in_vain < 2;) {
      const ForecastRow before = row(best);
      if (before.not_run == 0 && is_within(before.wall, near_bound, made.longest_wall)) break;
      hosts = std::min(most, 2 * hosts);
      const ForecastRow now = row(hosts);
      const bool gained =
          now.not_run < before.not_run || !is_within(before.wall, near_bound, now.wall);
      in_vain = gained ? 0 : in_vain + 1;
      if (is_better(now, before)) best = hosts;
    }
    if (best == most_hosts) made.tried_up_to = most_hosts;
    return best;
  }

  // The fewest hosts for which it is so, when it is so for `enough`: found by halving, as more
  // hosts are hardly ever slower.
  template <class Condition>
  int fewest(int enough, Condition condition) {
    int too_few = 0;
    while (enough - too_few > 1) {
      const int middle = too_few + (enough - too_few) / 2;
      (condition(row(middle)) ? enough : too_few) = middle;
    }
    for (const auto& [hosts, played] : rows_) {
      if (condition(played)) return std::min(enough, hosts);
    }
    return enough;
  }

  std::vector<int> numbers_to_show(int knee) const {
    std::vector<int> numbers{question_.own, knee};
    int beyond = 0;
    for (const int number : shown_numbers()) {
      const bool enough = beyond == 2 || number > most_useful();
      if (question_.most ? number > *question_.most : enough) break;
      numbers.push_back(number);
      beyond += number > knee;
    }
    if (question_.most) numbers.push_back(*question_.most);
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
  }

  const ForecastQuestion& question_;
  std::map<int, ForecastRow> rows_;
};

}  // namespace

std::vector<Duration> believed_durations(const EnginePlan& plan) {
  std::map<std::string, Duration> usual;
  for (const SuitePlan& suite : plan.suites)
    usual[suite.name] = usual_duration(plan, suite.name);
  std::vector<Duration> believed;
  for (const TestCase& test : plan.tests)
    believed.push_back(test.expected ? *test.expected : usual[test.id.suite]);
  return believed;
}

Forecast forecast(const ForecastQuestion& question) {
  return Forecaster(question).make();
}

}  // namespace ffci
