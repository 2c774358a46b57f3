#include "engine/expectation.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

#include "base/quantile.hpp"

namespace ffci {

std::vector<Duration> expected_durations(const EnginePlan& plan) {
  std::map<std::string, std::vector<Duration>> known_by_suite;
  std::vector<Duration> known;
  for (const TestCase& test : plan.tests) {
    if (!test.expected) continue;
    known_by_suite[test.id.suite].push_back(*test.expected);
    known.push_back(*test.expected);
  }
  std::map<std::string, Duration> unknown_in_suite;
  const Duration unknown = percentile(std::move(known), 90).value_or(Duration::zero());
  for (auto& [suite, durations] : known_by_suite)
    unknown_in_suite[suite] = *percentile(std::move(durations), 90);

  std::vector<Duration> expected;
  expected.reserve(plan.tests.size());
  for (const TestCase& test : plan.tests) {
    const auto suite = unknown_in_suite.find(test.id.suite);
    expected.push_back(test.expected                     ? *test.expected
                       : suite == unknown_in_suite.end() ? unknown
                                                         : suite->second);
  }
  return expected;
}

Duration usual_duration(const EnginePlan& plan, const std::string& suite) {
  Duration sum{};
  Duration::rep known = 0;
  for (const TestCase& test : plan.tests) {
    if (test.id.suite != suite || !test.expected) continue;
    sum += *test.expected;
    ++known;
  }
  return known > 0 ? sum / known : std::chrono::seconds(3);
}

std::vector<size_t> start_ranks(const EnginePlan& plan, const std::vector<Duration>& expected) {
  std::vector<size_t> sequence(plan.tests.size());
  std::iota(sequence.begin(), sequence.end(), size_t{0});
  if (plan.order == Order::slowest_first) {
    std::stable_sort(sequence.begin(), sequence.end(),
                     [&](size_t a, size_t b) { return expected[a] > expected[b]; });
  } else if (plan.order == Order::random) {
    // Fisher-Yates by hand: std::shuffle may differ between standard libraries, and a seed must
    // mean the same order everywhere.
    std::mt19937_64 random(plan.seed);
    for (size_t left = sequence.size(); left > 1; --left)
      std::swap(sequence[left - 1], sequence[random() % left]);
  }
  std::vector<size_t> ranks(sequence.size());
  for (size_t rank = 0; rank < sequence.size(); ++rank)
    ranks[sequence[rank]] = rank;
  return ranks;
}

}  // namespace ffci
