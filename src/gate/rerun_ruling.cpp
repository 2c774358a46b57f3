#include "gate/rerun_ruling.hpp"

#include <algorithm>

#include "gate/false_discovery.hpp"

namespace ffci {

namespace {

// Fractions of small numbers often meet their bound exactly, and must on every machine.
constexpr double rounding = 1e-9;

struct Round {
  std::size_t attempts = 0;  // made by its end, since the first round
  double false_discovery = 0;
};

std::vector<Round> rounds_of(const RulingRules& rules) {
  std::vector<Round> rounds;
  double left = rules.false_discovery;
  for (std::size_t attempts = rules.confirm; attempts < rules.limit;) {
    rounds.push_back({attempts, left /= 2});
    attempts += std::min(attempts, rules.limit - attempts);
  }
  rounds.push_back({rules.limit, left});
  return rounds;
}

double rate(Trials trials) {
  if (trials.runs == 0) return 0;
  return static_cast<double>(trials.bad) / static_cast<double>(trials.runs);
}

// What can be said of a test that was rerun this often.
struct Counts {
  Trials change, baseline;
  std::size_t attempts = 0;

  [[nodiscard]] double difference() const { return rate(change) - rate(baseline); }
  [[nodiscard]] bool differs_enough(const RulingRules& rules) const {
    return difference() >= rules.least_difference - rounding;
  }
  [[nodiscard]] bool no_more_often() const { return difference() <= rounding; }
  [[nodiscard]] bool short_baseline(const RulingRules& rules) const {
    return baseline.runs < rules.least_baseline;
  }
  // To clear a test: most reruns gave none.
  [[nodiscard]] bool too_few_results(const RulingRules& rules) const {
    return change.runs < std::min(rules.confirm, rules.limit) || change.runs == 0;
  }
  // Two rounds: a test that fails every second time does it once in 64.
  [[nodiscard]] bool fails_always_and_never_did(const RulingRules& rules) const {
    const std::size_t enough = std::min(2 * rules.confirm, rules.limit);
    return baseline.bad == 0 && change.runs > 0 && change.runs >= enough &&
           change.bad == change.runs && (short_baseline(rules) || attempts >= rules.limit);
  }
  [[nodiscard]] Counts if_all_others_fail(const RulingRules& rules) const {
    Counts all = *this;
    const std::size_t others = rules.limit - std::min(rules.limit, attempts);
    all.change.bad += others;
    all.change.runs += others;
    all.attempts += others;
    return all;
  }
};

Counts counts_of(const Suspect& suspect) {
  const auto sane = [](Trials trials) {
    return Trials{std::min(trials.bad, trials.runs), trials.runs};
  };
  return {sane(suspect.change), sane(suspect.baseline),
          std::max(suspect.attempts, suspect.change.runs)};
}

bool is_settled(const Suspect& suspect) {
  return suspect.settled.value_or(Ruling::rerun) != Ruling::rerun;
}

// Of what is final. From the counts alone, which do not change after that, so that it is the same
// whenever one asks.
Reason reason_for(Ruling ruling, const Counts& test, const RulingRules& rules) {
  if (ruling == Ruling::regression) {
    return test.fails_always_and_never_did(rules) ? Reason::always_and_never_before
                                                  : Reason::significant;
  }
  if (ruling == Ruling::flaky) {
    if (test.change.runs > 0 && test.change.bad == 0) return Reason::passed_all;
    return test.no_more_often() ? Reason::no_more_often : Reason::about_as_often;
  }
  if (test.attempts < rules.limit) return Reason::baseline_too_short;
  return test.too_few_results(rules) ? Reason::too_few_results : Reason::chance;
}

Ruling at_end_of_round(const Counts& test, bool significant, double later_q,
                       const RulingRules& rules) {
  if (significant && test.differs_enough(rules)) return Ruling::regression;
  if (test.fails_always_and_never_did(rules)) return Ruling::regression;
  const bool few = test.too_few_results(rules), limit = test.attempts >= rules.limit;
  if (!few && test.no_more_often()) return Ruling::flaky;
  if (limit && few) return Ruling::inconclusive;
  if (limit && test.baseline.bad > 0 && !test.short_baseline(rules) && !test.differs_enough(rules))
    return Ruling::flaky;
  if (limit) return Ruling::inconclusive;
  // It will not be cleared either, having never failed before.
  const Counts worst = test.if_all_others_fail(rules);
  const bool hopeless = !worst.fails_always_and_never_did(rules) &&
                        fisher_p_value(worst.change, worst.baseline) > later_q * (1 + rounding);
  return hopeless && test.baseline.bad == 0 && test.change.bad > 0 ? Ruling::inconclusive
                                                                   : Ruling::rerun;
}

// `worst`: if all reruns that are left fail.
bool failed_too_often_before(const Counts& worst, const RulingRules& rules) {
  if (worst.baseline.bad == 0) return false;
  return worst.no_more_often() || (!worst.differs_enough(rules) && !worst.short_baseline(rules));
}

// Which of the suspects are significant in each round.
std::vector<std::vector<bool>> significance(std::span<const Suspect> suspects,
                                            std::span<const RuledSuspect> ruled,
                                            std::span<const Round> rounds) {
  std::vector<double> family;
  for (std::size_t i = 0; i < suspects.size(); ++i)
    if (suspects[i].settled != Ruling::regression) family.push_back(ruled[i].p_value);
  std::vector<std::vector<bool>> significant;
  for (const Round& round : rounds) {
    const std::vector<bool> in_family = benjamini_hochberg(family, round.false_discovery);
    auto next = in_family.begin();
    std::vector<bool>& all = significant.emplace_back();
    for (const Suspect& suspect : suspects)
      all.push_back(suspect.settled == Ruling::regression || *next++);
  }
  return significant;
}

}  // namespace

bool failed_too_often_before(Trials baseline, const RulingRules& rules) {
  return failed_too_often_before(Counts{{1, 1}, baseline, 1}, rules);
}

std::vector<RuledSuspect> rule_on(std::span<const Suspect> suspects, const RulingRules& given) {
  RulingRules rules = given;
  rules.confirm = std::max<std::size_t>(rules.confirm, 1);
  const std::vector<Round> rounds = rounds_of(rules);
  std::vector<RuledSuspect> ruled(suspects.size());
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    const Counts test = counts_of(suspects[i]);
    ruled[i].p_value = fisher_p_value(test.change, test.baseline);
  }
  const auto significant = significance(suspects, ruled, rounds);
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    const Counts test = counts_of(suspects[i]);
    if (is_settled(suspects[i])) {
      ruled[i].ruling = *suspects[i].settled;
      ruled[i].reason = reason_for(ruled[i].ruling, test, rules);
      continue;
    }
    std::size_t round = 0;
    while (round + 1 < rounds.size() && rounds[round].attempts < test.attempts)
      ++round;
    const std::size_t next = std::min(round + 1, rounds.size() - 1);
    const bool over = test.attempts >= rounds[round].attempts;
    if (test.attempts < rules.limit &&
        failed_too_often_before(test.if_all_others_fail(rules), rules)) {
      ruled[i].ruling = Ruling::flaky;
    } else if (over) {
      ruled[i].ruling =
          at_end_of_round(test, significant[round][i], rounds[next].false_discovery, rules);
    }
    if (ruled[i].ruling == Ruling::rerun) {
      ruled[i].more = rounds[over ? next : round].attempts - test.attempts;
    } else {
      ruled[i].reason = reason_for(ruled[i].ruling, test, rules);
    }
  }
  return ruled;
}

}  // namespace ffci
