#include <doctest/doctest.h>

#include "gate/bad_rate.hpp"

using namespace ffci;

namespace {

PastResult in_run(const char* run_id, Verdict verdict, int bad_attempts = 0) {
  PastResult result;
  result.run_id = run_id;
  result.verdict = verdict;
  result.bad_attempts = bad_attempts;
  return result;
}

}  // namespace

TEST_CASE("Wilson's interval has the published values") {
  // R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  const auto check = [](std::size_t k, std::size_t n, double low, double high) {
    const Interval interval = wilson_interval(k, n);
    CHECK(interval.low == doctest::Approx(low).epsilon(0.001));
    CHECK(interval.high == doctest::Approx(high).epsilon(0.001));
  };
  check(81, 263, 0.2553, 0.3662);
  check(15, 148, 0.0624, 0.1605);
  check(0, 20, 0.0, 0.1611);
  check(1, 29, 0.0061, 0.1718);
  check(20, 20, 0.8389, 1.0);
  check(0, 0, 0, 1);
}

TEST_CASE("a test's rate counts the runs in which it passed or was bad") {
  TestHistory test;
  test.results = {in_run("6", Verdict::passed),     in_run("5", Verdict::flaky, 1),
                  in_run("4", Verdict::failed, 2),  in_run("3", Verdict::skipped),
                  in_run("2", Verdict::error),      in_run("1", Verdict::not_run),
                  in_run("0", Verdict::crashed, 1), in_run("0", Verdict::passed)};
  const BadRate rate = bad_rate(test);
  CHECK(rate.runs == 4);
  CHECK(rate.with_bad_attempt == 3);
  CHECK(rate.flaky == 1);
  CHECK(rate.bad_in_the_end == 2);
  CHECK(rate.rate == 0.75);
  CHECK(rate.confidence.low < 0.75);
  CHECK(bad_rate({}).runs == 0);
}
