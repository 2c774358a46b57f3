// rule_on decides what the reruns of tests that went wrong say: a regression, a flake, or that more
// of them are needed. Called after each round of reruns, with the counts so far. Pure: it reruns
// nothing, and knows no more of earlier rounds than it is told.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "gate/fisher.hpp"

namespace ffci {

enum class Ruling {
  regression,
  flaky,  // it fails no more often than before, as far as one can tell
  rerun,
  inconclusive,
};

enum class Reason {
  // Of a regression:
  always_and_never_before,
  significant,
  // of a flaky test:
  passed_all,
  no_more_often,
  about_as_often,
  // and of an inconclusive one:
  too_few_results,
  chance,  // it fails more often than before, but not significantly
  baseline_too_short,
};

struct Suspect {
  Trials change;    // reruns on the change; the failure that raised the suspicion is not counted
  Trials baseline;  // earlier runs, and reruns on the base kernel
  std::size_t attempts = 0;  // reruns made, with those that gave no result
  // What it was ruled in an earlier round, which is what it stays; none, or rerun: still open. All
  // suspects of a run are passed in each round, for they are one family.
  std::optional<Ruling> settled;
};

struct RulingRules {
  std::size_t confirm = 3;         // reruns in the first round; each later one doubles their sum
  std::size_t limit = 12;          // reruns of a test in all
  double false_discovery = 0.05;   // share of false regressions, over all rounds
  double least_difference = 0.2;   // between the rates of failures, for a regression
  std::size_t least_baseline = 5;  // runs; with fewer, significance is out of reach or nearly so
};

struct RuledSuspect {
  Ruling ruling = Ruling::rerun;
  double p_value = 1;            // fisher_p_value; by itself, as though no other test was a suspect
  std::size_t more = 0;          // reruns to make now; 0 unless the ruling is rerun
  std::optional<Reason> reason;  // unless the ruling is rerun
};

// So often that no rerun can tell: even a test that fails in all of them is no regression.
[[nodiscard]] bool failed_too_often_before(Trials baseline, const RulingRules& rules = {});

// In the order of the suspects. Before any rerun, it asks for the first round. A test is
//
//   a regression  if it fails significantly more often than in the baseline, and by the least
//                 difference at least; or if it never failed there and fails in all reruns, of
//                 which there are as many as may be, or with a short baseline two rounds;
//   flaky         if it fails no more often than in the baseline, as when all reruns pass; or if at
//                 the limit it does not fail more often by the least difference, has failed before,
//                 and the baseline is not short;
//   inconclusive  at the limit otherwise, or when no more reruns can make it anything else.
//
// Significance is Benjamini and Hochberg's over the tests that are no regressions yet. Looking
// again after each round would multiply false alarms: every round spends half of what is left of
// `false_discovery`, and the last one all of it.
[[nodiscard]] std::vector<RuledSuspect> rule_on(std::span<const Suspect> suspects,
                                                const RulingRules& rules = {});

}  // namespace ffci
