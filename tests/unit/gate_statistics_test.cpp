#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "gate/false_discovery.hpp"
#include "gate/fisher.hpp"
#include "gate/rerun_ruling.hpp"

using namespace ffci;

namespace {

doctest::Approx about(double value, double relative = 1e-9) {
  return doctest::Approx(value).epsilon(relative).scale(0);
}

// As many reruns as attempts.
Suspect suspect(Trials change, Trials baseline) {
  return {change, baseline, change.runs, {}};
}

RuledSuspect alone(const Suspect& suspect, const RulingRules& rules = {}) {
  return rule_on({&suspect, 1}, rules).front();
}

bool is_rerun(const RuledSuspect& ruled, std::size_t more) {
  return ruled.ruling == Ruling::rerun && ruled.more == more && !ruled.reason;
}

bool is_final(const RuledSuspect& ruled, Ruling ruling) {
  return ruled.ruling == ruling && ruled.more == 0 && ruled.reason;
}

}  // namespace

TEST_CASE("Fisher's exact test has the published values") {
  // The lady tasting tea: R. A. Fisher, The Design of Experiments (1935), chapter II.
  CHECK(fisher_p_value({4, 4}, {0, 4}) == about(1.0 / 70));
  CHECK(fisher_p_value({3, 4}, {1, 4}) == about(17.0 / 70));
  CHECK(fisher_p_value({2, 4}, {2, 4}) == about(53.0 / 70));
  CHECK(fisher_p_value({1, 4}, {3, 4}) == about(69.0 / 70));
  CHECK(fisher_p_value({0, 4}, {4, 4}) == 1);
  // Convictions of the twins of criminals, 10 of 13 and 2 of 17: Fisher, JRSS 98 (1935), page 48.
  CHECK(fisher_p_value({10, 13}, {2, 17}) == about(0.000465180943363));
}

TEST_CASE("a test that never failed in N runs and fails in all K reruns has p = 1 / C(K + N, K)") {
  const auto p = [](std::size_t n, std::size_t k) { return fisher_p_value({k, k}, {0, n}); };
  const std::size_t sizes[] = {1, 2, 3, 4};
  const double expected[][4] = {{1. / 4, 1. / 10, 1. / 20, 1. / 35},
                                {1. / 6, 1. / 21, 1. / 56, 1. / 126},
                                {1. / 11, 1. / 66, 1. / 286, 1. / 1001},
                                {1. / 21, 1. / 231, 1. / 1771, 1. / 10626}};
  const std::size_t baselines[] = {3, 5, 10, 20};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      CHECK(p(baselines[i], sizes[j]) == about(expected[i][j]));
}

TEST_CASE("Fisher's exact test agrees with SciPy") {
  // scipy.stats.fisher_exact([[bad, runs - bad], [baseline bad, its runs - its bad]],
  // alternative="greater").pvalue, of SciPy 1.10.1, which adds up logarithms of gamma functions:
  // the larger the numbers, the fewer digits agree.
  const struct {
    Trials change, baseline;
    double p, relative = 1e-9;
  } cases[] = {
      {{0, 3}, {0, 10}, 1},
      {{3, 3}, {0, 3}, 0.05},
      {{3, 3}, {0, 5}, 0.0178571428571},
      {{3, 3}, {0, 10}, 0.0034965034965},
      {{6, 6}, {0, 5}, 0.0021645021645},
      {{12, 12}, {0, 1}, 0.0769230769231},
      {{12, 12}, {0, 2}, 0.010989010989},
      {{12, 12}, {1, 2}, 0.142857142857},
      {{9, 12}, {0, 4}, 0.0192307692308},
      {{11, 12}, {0, 3}, 0.00879120879121},
      {{1, 12}, {0, 10}, 0.545454545455},
      {{5, 12}, {2, 10}, 0.267801857585},
      {{7, 12}, {1, 20}, 0.0015530076153},
      {{2, 15}, {3, 10}, 0.935968379447},
      {{12, 12}, {15, 20}, 0.07699030669},
      {{1, 3}, {20, 20}, 1},
      {{3, 3}, {20, 20}, 1},
      {{1, 1}, {0, 1000}, 0.000999000999001},
      {{12, 12}, {3, 1000}, 2.01657167454e-25},
      {{40, 100}, {20, 100}, 0.00159590841296},
      {{100, 1000}, {80, 1000}, 0.0687400754143},
      {{1000, 2000}, {1000, 3000}, 4.12463120432e-32, 1e-8},
      {{60, 10000}, {30, 10000}, 0.00100664853867},
      {{3, 100000}, {0, 100000}, 0.124998124992, 1e-8},
      {{500, 100000}, {0, 100000}, 1.63467889861e-151, 1e-8},
      {{5000, 100000}, {4700, 100000}, 0.000927529362493, 1e-8},
      {{50100, 100000}, {50000, 100000}, 0.328976348881, 1e-8},
      {{100000, 100000}, {99990, 100000}, 0.000976342787747, 1e-8},
      {{12, 12}, {50000, 100000}, 0.000244331105156},
      {{300, 1000000}, {240, 1000000}, 0.00551982793388, 1e-7},
      {{1000000, 1000000}, {999980, 1000000}, 9.53583721039e-07, 1e-7},
  };
  for (const auto& one : cases) {
    CAPTURE(one.change.bad);
    CAPTURE(one.change.runs);
    CAPTURE(one.baseline.bad);
    CAPTURE(one.baseline.runs);
    CHECK(fisher_p_value(one.change, one.baseline) == about(one.p, one.relative));
  }
}

TEST_CASE("Fisher's exact test keeps ten digits of a million runs") {
  // By the same sums with 50 decimal digits.
  CHECK(fisher_p_value({300, 1000000}, {240, 1000000}) == about(0.00551982793172772, 1e-10));
  CHECK(fisher_p_value({1000000, 1000000}, {999980, 1000000}) ==
        about(9.53583720766244e-07, 1e-10));
  CHECK(fisher_p_value({50100, 100000}, {50000, 100000}) == about(0.328976348876338, 1e-10));
  CHECK(fisher_p_value({500, 100000}, {0, 100000}) == about(1.63467889864698e-151, 1e-10));
}

TEST_CASE("nothing follows from no runs") {
  CHECK(fisher_p_value({}, {}) == 1);
  CHECK(fisher_p_value({3, 3}, {}) == 1);
  CHECK(fisher_p_value({}, {0, 20}) == 1);
}

TEST_CASE("a p value is a probability, and one more bad rerun never raises it") {
  for (std::size_t change = 1; change <= 12; ++change) {
    for (std::size_t baseline = 1; baseline <= 20; ++baseline) {
      for (std::size_t c = 0; c <= baseline; ++c) {
        double before = 1;
        for (std::size_t k = 0; k <= change; ++k) {
          const double p = fisher_p_value({k, change}, {c, baseline});
          REQUIRE(p >= 0);
          REQUIRE(p <= before);
          // Whether it takes the place of a good one or comes on top.
          REQUIRE(fisher_p_value({k + 1, change + 1}, {c, baseline}) <= p * (1 + 1e-12));
          before = p;
        }
      }
    }
  }
  for (const std::size_t many : {100'000u, 1'000'000u}) {
    CHECK(fisher_p_value({0, many}, {many, many}) == 1);
    CHECK(fisher_p_value({many, many}, {many, many}) == 1);
    CHECK(fisher_p_value({many, many}, {0, many}) < 1e-300);
    CHECK(fisher_p_value({0, 1}, {0, many}) == 1);
  }
}

TEST_CASE("more bad than there are runs are as many as there are runs") {
  CHECK(fisher_p_value({5, 4}, {0, 4}) == fisher_p_value({4, 4}, {0, 4}));
  CHECK(fisher_p_value({3, 4}, {9, 4}) == fisher_p_value({3, 4}, {4, 4}));
}

TEST_CASE("Benjamini and Hochberg's procedure rejects what their example does") {
  // Y. Benjamini, Y. Hochberg, JRSS B 57 (1995), section 3.2: four are rejected, where Bonferroni's
  // and Hochberg's procedures reject three.
  std::vector<double> p = {0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                           0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
  const std::vector<bool> significant = benjamini_hochberg(p, 0.05);
  for (std::size_t i = 0; i < p.size(); ++i)
    CHECK(significant[i] == (i < 4));
  std::reverse(p.begin(), p.end());
  const std::vector<bool> reversed = benjamini_hochberg(p, 0.05);
  CHECK(std::equal(reversed.rbegin(), reversed.rend(), significant.begin()));
}

TEST_CASE("a p value above its own bound is significant when a larger one is within its own") {
  using Significant = std::vector<bool>;
  CHECK(benjamini_hochberg(std::vector{0.03, 0.04}, 0.05) == Significant{true, true});
  CHECK(benjamini_hochberg(std::vector{0.03, 0.06}, 0.05) == Significant{false, false});
  CHECK(benjamini_hochberg(std::vector{0.06, 0.02}, 0.05) == Significant{false, true});
  CHECK(benjamini_hochberg(std::vector{0.02, 0.03, 0.03, 0.9}, 0.04) ==
        Significant{true, true, true, false});
}

TEST_CASE("Benjamini and Hochberg's procedure takes ties, bounds and no values as they are") {
  CHECK(benjamini_hochberg({}, 0.05).empty());
  CHECK(benjamini_hochberg(std::vector{0.05}, 0.05).front());
  CHECK_FALSE(benjamini_hochberg(std::vector{0.051}, 0.05).front());
  CHECK(benjamini_hochberg(std::vector(7, 0.05), 0.05) == std::vector(7, true));
  CHECK(benjamini_hochberg(std::vector(7, 0.0501), 0.05) == std::vector(7, false));
  CHECK(benjamini_hochberg(std::vector{1.0}, 1).front());
  // 1/120 of 0.05/3/2: equal, but for rounding.
  CHECK(benjamini_hochberg(std::vector{1.0 / 120, 1.0}, 0.05 / 3).front());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(benjamini_hochberg(std::vector{nan, 0.02, nan}, 0.05) == std::vector(3, false));
  CHECK(benjamini_hochberg(std::vector{nan, 0.01, nan}, 0.05)[1]);
}

TEST_CASE("a test that fails all of its reruns and never failed in 20 runs is a regression") {
  const RuledSuspect ruled = alone(suspect({3, 3}, {0, 20}));
  CHECK(is_final(ruled, Ruling::regression));
  CHECK(ruled.p_value == about(1.0 / 1771));
  CHECK(ruled.reason == Reason::significant);
}

TEST_CASE("a test that passes all of its reruns is flaky, whatever the baseline") {
  for (const std::size_t runs : {0u, 1u, 4u, 5u, 20u, 1000u}) {
    const RuledSuspect ruled = alone(suspect({0, 3}, {0, runs}));
    CHECK(is_final(ruled, Ruling::flaky));
    CHECK(ruled.reason == Reason::passed_all);
  }
  CHECK(is_final(alone(suspect({0, 3}, {4, 10})), Ruling::flaky));
}

TEST_CASE("a test that fails no more often than before is flaky") {
  CHECK(is_final(alone(suspect({1, 3}, {4, 10})), Ruling::flaky));
  CHECK(alone(suspect({1, 3}, {4, 10})).reason == Reason::no_more_often);
  CHECK(is_final(alone(suspect({1, 3}, {1, 3})), Ruling::flaky));
  CHECK(is_rerun(alone(suspect({2, 3}, {4, 10})), 3));
}

TEST_CASE("rounds double the number of reruns up to the limit") {
  CHECK(is_rerun(alone(suspect({0, 0}, {0, 10})), 3));
  CHECK(is_rerun(alone(suspect({1, 3}, {1, 10})), 3));
  CHECK(is_rerun(alone(suspect({2, 6}, {1, 10})), 6));
  CHECK(is_final(alone(suspect({4, 12}, {1, 10})), Ruling::inconclusive));
  const RulingRules rules{.confirm = 4, .limit = 10};
  CHECK(is_rerun(alone(suspect({0, 0}, {1, 10}), rules), 4));
  CHECK(is_rerun(alone(suspect({2, 4}, {1, 10}), rules), 4));
  CHECK(is_rerun(alone(suspect({3, 8}, {1, 10}), rules), 2));
  CHECK(is_final(alone(suspect({4, 10}, {1, 10}), rules), Ruling::inconclusive));
  CHECK(is_rerun(alone(suspect({0, 0}, {1, 10}), {.confirm = 8, .limit = 5}), 5));
}

TEST_CASE("a round that is not over decides nothing") {
  CHECK(is_rerun(alone(suspect({0, 2}, {0, 20})), 1));
  CHECK(is_rerun(alone(suspect({2, 2}, {0, 20})), 1));
  CHECK(is_rerun(alone(suspect({4, 4}, {0, 20})), 2));
}

TEST_CASE("with a short baseline, two rounds of failures are a regression and one is not") {
  for (std::size_t runs = 0; runs < 5; ++runs) {
    CAPTURE(runs);
    CHECK(is_rerun(alone(suspect({3, 3}, {0, runs})), 3));
    CHECK(is_final(alone(suspect({6, 6}, {0, runs})), Ruling::regression));
  }
  CHECK(alone(suspect({6, 6}, {0, 1})).reason == Reason::always_and_never_before);
  // With five, Fisher's test can tell from three.
  CHECK(is_final(alone(suspect({3, 3}, {0, 5})), Ruling::regression));
}

TEST_CASE("a test that passed once is inconclusive at once where the baseline cannot tell") {
  const RuledSuspect ruled = alone(suspect({2, 3}, {0, 1}));
  CHECK(is_final(ruled, Ruling::inconclusive));
  CHECK(ruled.reason == Reason::baseline_too_short);
  CHECK(is_final(alone(suspect({2, 3}, {0, 2})), Ruling::inconclusive));
  CHECK(is_final(alone(suspect({1, 6}, {0, 5})), Ruling::inconclusive));
  // Lost reruns are not why.
  CHECK(alone({{1, 2}, {0, 1}, 3, {}}).reason == Reason::baseline_too_short);
  // Here it can: 11 of 12 are enough.
  CHECK(is_rerun(alone(suspect({2, 3}, {0, 3})), 3));
  CHECK(is_final(alone(suspect({11, 12}, {0, 3})), Ruling::regression));
}

TEST_CASE("a flake that fails about as often as before is no reason to stop a change") {
  CHECK(is_final(alone(suspect({4, 12}, {2, 10})), Ruling::flaky));
  CHECK(alone(suspect({4, 12}, {2, 10})).reason == Reason::about_as_often);
  CHECK(is_final(alone(suspect({5, 12}, {2, 10})), Ruling::inconclusive));
  CHECK(alone(suspect({5, 12}, {2, 10})).reason == Reason::chance);
  // It never failed before, or the baseline is short.
  CHECK(is_final(alone(suspect({2, 12}, {0, 20})), Ruling::inconclusive));
  CHECK(is_final(alone(suspect({4, 12}, {1, 4})), Ruling::inconclusive));
}

TEST_CASE("a known flake that now always fails is a regression") {
  CHECK(is_rerun(alone(suspect({3, 3}, {3, 10})), 3));
  CHECK(is_final(alone(suspect({12, 12}, {3, 10})), Ruling::regression));
}

TEST_CASE("what is significant but a small difference is no regression") {
  const RulingRules many{.confirm = 1000, .limit = 1000};
  const Suspect slightly = suspect({150, 1000}, {50, 1000});
  CHECK(alone(slightly, many).p_value < 1e-10);
  CHECK(is_final(alone(slightly, many), Ruling::flaky));
  CHECK(is_final(alone(suspect({250, 1000}, {50, 1000}), many), Ruling::regression));
}

TEST_CASE("a known failure is not rerun") {
  CHECK(is_final(alone(suspect({0, 0}, {1, 1})), Ruling::flaky));
  CHECK(is_final(alone(suspect({0, 0}, {4, 4})), Ruling::flaky));
  CHECK(is_final(alone(suspect({0, 0}, {9, 10})), Ruling::flaky));
  CHECK(alone(suspect({0, 0}, {9, 10})).reason == Reason::no_more_often);
  CHECK(is_rerun(alone(suspect({0, 0}, {8, 10})), 3));
}

TEST_CASE(
    "a test that failed in more than four of five runs can not be told from before by reruns") {
  for (const Trials often : {Trials{1, 1}, {4, 4}, {5, 6}, {9, 10}, {81, 100}}) {
    CAPTURE(often.runs);
    CHECK(failed_too_often_before(often));
    CHECK(failed_too_often_before(often, {.confirm = 0, .limit = 0}));
    CHECK(is_final(alone(suspect({0, 0}, often)), Ruling::flaky));
  }
  for (const Trials seldom : {Trials{0, 0}, {0, 1}, {3, 4}, {4, 5}, {8, 10}}) {
    CAPTURE(seldom.runs);
    CHECK_FALSE(failed_too_often_before(seldom));
    CHECK(is_rerun(alone(suspect({0, 0}, seldom)), 3));
  }
  CHECK(failed_too_often_before({7, 10}, {.least_difference = 0.4}));
}

TEST_CASE("reruns that gave no result use up the limit and say nothing") {
  CHECK(is_rerun(alone({{0, 0}, {0, 20}, 3, {}}), 3));
  CHECK(is_rerun(alone({{0, 2}, {0, 20}, 3, {}}), 3));
  CHECK(is_final(alone({{0, 5}, {0, 20}, 6, {}}), Ruling::flaky));
  CHECK(is_final(alone({{2, 2}, {0, 20}, 3, {}}), Ruling::regression));
  CHECK(is_final(alone({{11, 11}, {0, 1}, 12, {}}), Ruling::regression));
  const RuledSuspect lost = alone({{0, 2}, {0, 20}, 12, {}});
  CHECK(is_final(lost, Ruling::inconclusive));
  CHECK(lost.reason == Reason::too_few_results);
  CHECK(is_final(alone({{0, 0}, {5, 20}, 12, {}}), Ruling::inconclusive));
  CHECK(is_final(alone({{2, 2}, {0, 1}, 12, {}}), Ruling::inconclusive));
}

TEST_CASE("a test that always fails and never did is caught however many tests are suspects") {
  for (std::size_t runs = 1; runs <= 20; ++runs) {
    CAPTURE(runs);
    std::vector<Suspect> suspects(700, suspect({5, 12}, {4, 10}));
    suspects.front() = suspect({12, 12}, {0, runs});
    CHECK(is_final(rule_on(suspects).front(), Ruling::regression));
  }
}

TEST_CASE("the more suspects there are, the more it takes") {
  std::vector<Suspect> suspects(10, suspect({1, 3}, {1, 10}));
  suspects.front() = suspect({3, 3}, {0, 10});
  CHECK(is_rerun(rule_on(suspects).front(), 3));
  CHECK(is_final(alone(suspects.front()), Ruling::regression));
  // What is settled is of the family still.
  for (Suspect& other : suspects)
    if (&other != &suspects.front()) other.settled = Ruling::flaky;
  CHECK(is_rerun(rule_on(suspects).front(), 3));
}

TEST_CASE("many regressions at once confirm each other") {
  const std::vector<Suspect> suspects(300, suspect({3, 3}, {0, 10}));
  for (const RuledSuspect& ruled : rule_on(suspects))
    CHECK(is_final(ruled, Ruling::regression));
}

TEST_CASE("a third look takes a quarter of the significance that an only one takes") {
  const Suspect test = suspect({6, 12}, {1, 14});
  CHECK(alone(test).p_value == about(0.0208695652174));
  CHECK(is_final(alone(test), Ruling::inconclusive));
  CHECK(is_final(alone(test, {.confirm = 12}), Ruling::regression));
}

TEST_CASE("what is settled stays so, whatever becomes of the others") {
  Suspect suspects[] = {suspect({3, 3}, {0, 10}), suspect({2, 3}, {1, 10})};
  REQUIRE(rule_on(suspects)[0].ruling == Ruling::regression);
  std::vector<Suspect> later(20, suspect({3, 6}, {3, 10}));
  later[0] = suspects[0];
  CHECK(rule_on(later)[0].ruling == Ruling::rerun);
  for (const Ruling settled : {Ruling::regression, Ruling::flaky, Ruling::inconclusive}) {
    later[0].settled = settled;
    const RuledSuspect ruled = rule_on(later)[0];
    CHECK(ruled.ruling == settled);
    CHECK(ruled.more == 0);
    CHECK(ruled.reason);
    CHECK(ruled.p_value == about(1.0 / 286));
  }
  later[0].settled = Ruling::rerun;
  CHECK(is_rerun(rule_on(later)[0], 3));
}

TEST_CASE("a regression of an earlier round makes it no easier to become one") {
  Suspect suspects[] = {suspect({6, 6}, {0, 20}), suspect({5, 6}, {1, 10}),
                        suspect({3, 6}, {4, 12})};
  // 0.0076, between a half and two thirds of what the second round may spend, which is 0.0125.
  CHECK(rule_on(suspects)[1].ruling == Ruling::regression);
  suspects[0].settled = Ruling::regression;
  CHECK(rule_on(suspects)[1].ruling == Ruling::rerun);
}

TEST_CASE("no suspects, no rulings") {
  CHECK(rule_on({}).empty());
}

TEST_CASE("rules that allow no reruns leave all open questions open") {
  CHECK(
      is_final(alone(suspect({0, 0}, {0, 20}), {.confirm = 0, .limit = 0}), Ruling::inconclusive));
  CHECK(is_rerun(alone(suspect({0, 0}, {0, 20}), {.confirm = 0}), 1));
  CHECK(is_rerun(alone(suspect({1, 3}, {1, 20}), {.limit = 1'000'000'000}), 3));
}

TEST_CASE("every test is settled within the limit") {
  for (std::size_t runs = 0; runs <= 21; ++runs) {
    for (std::size_t c = 0; c <= runs; ++c) {
      // Each bit is a rerun; what it says does not matter beyond the limit.
      for (unsigned results = 0; results < 1u << 12; results += 37) {
        Suspect one = suspect({}, {c, runs});
        RuledSuspect ruled = alone(one);
        while (ruled.ruling == Ruling::rerun) {
          REQUIRE(ruled.more > 0);
          for (; ruled.more > 0; --ruled.more, ++one.attempts, ++one.change.runs)
            one.change.bad += results >> one.attempts & 1;
          REQUIRE(one.attempts <= 12);
          ruled = alone(one);
        }
        REQUIRE(ruled.more == 0);
        REQUIRE(ruled.reason);
        // And so it is told in later rounds.
        one.settled = ruled.ruling;
        REQUIRE(alone(one).reason == ruled.reason);
      }
    }
  }
}
