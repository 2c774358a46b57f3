#include "gate/gate_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ffci {
namespace {

std::string shown_p(double p) {
  if (p < 0.00005) return "p<0.0001";
  return p < 0.001 ? fmt::format("p={:.4f}", p) : fmt::format("p={:.2g}", p);
}

// By their rates, without rounding.
bool more_often(const Trials& a, const Trials& b) {
  return a.bad * std::max<std::size_t>(b.runs, 1) > b.bad * std::max<std::size_t>(a.runs, 1);
}

std::size_t count_noted(const Judgement& judgement, Change change) {
  return static_cast<std::size_t>(
      std::ranges::count_if(judgement.tests, [&](const TestJudgement& test) {
        return test.decision == Decision::noted && test.change == change;
      }));
}

}  // namespace

std::string baseline_counts(const TestJudgement& test, const std::string& p) {
  if (test.baseline_runs.runs == 0) return "no run of it in the baseline";
  std::string beside = p;
  if (test.base_host_runs.runs > 0) {
    beside = fmt::format("{} of {} on base hosts{}{}", test.base_host_runs.bad,
                         test.base_host_runs.runs, p.empty() ? "" : "; ", p);
  }
  return fmt::format("baseline {} of {}{}", test.baseline_runs.bad, test.baseline_runs.runs,
                     beside.empty() ? "" : fmt::format(" ({})", beside));
}

std::string counts_of(const TestJudgement& test) {
  const bool tells_p = test.p_value && test.change_runs.bad > 0;
  return fmt::format("failed {} of {}, {}", test.change_runs.bad, test.change_runs.runs,
                     baseline_counts(test, tells_p ? shown_p(*test.p_value) : std::string()));
}

// What clean reruns can hide: a failure of rate q passes n of them with probability (1-q)^n.
std::string why_flaky(const TestJudgement& test) {
  if (test.change_runs.runs > 0 && test.change_runs.bad == 0) {
    return fmt::format("a bug that fails every second run would go unseen in {:.2g} % of cases",
                       100 * std::pow(0.5, static_cast<double>(test.change_runs.runs)));
  }
  return more_often(test.change_runs, test.baseline_runs) ? "about as often as before"
                                                          : "no more often than before";
}

std::string why_inconclusive(const TestJudgement& test, std::size_t attempts,
                             const GateSpec& spec) {
  if (test.change_runs.runs < static_cast<std::size_t>(std::min(spec.confirm, spec.confirm_limit)))
    return fmt::format("only {} of {} reruns gave a result", test.change_runs.runs, attempts);
  return attempts >= static_cast<std::size_t>(spec.confirm_limit)
             ? "more often than before, but that may be chance"
             : "the baseline is too short to tell";
}

std::size_t count(const Judgement& judgement, Decision decision) {
  return static_cast<std::size_t>(std::ranges::count(
      judgement.tests, decision, [](const TestJudgement& test) { return test.decision; }));
}

std::size_t count(const Judgement& judgement, Change change) {
  return static_cast<std::size_t>(std::ranges::count(
      judgement.tests, change, [](const TestJudgement& test) { return test.change; }));
}

std::string words_of(const Judgement& judgement) {
  std::string text;
  const auto add = [&](std::size_t number, std::string_view one, std::string_view many) {
    if (number == 0) return;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number, number == 1 ? one : many);
  };
  add(count(judgement, Decision::regression), "regression", "regressions");
  add(count(judgement, Decision::failure), "failure", "failures");
  add(count(judgement, Decision::inconclusive), "inconclusive", "inconclusive");
  add(count(judgement, Decision::flaky), "flaky", "flaky");
  add(count(judgement, Decision::known), "known failure", "known failures");
  add(count_noted(judgement, Change::regression), "failure that does not count",
      "failures that do not count");
  add(count_noted(judgement, Change::new_failure), "new failure", "new failures");
  add(count_noted(judgement, Change::fixed), "fixed", "fixed");
  add(count_noted(judgement, Change::vanished), "vanished", "vanished");
  add(count_noted(judgement, Change::run_to_skip), "skipped now", "skipped now");
  return text.empty() ? "nothing is worse" : text;
}

}  // namespace ffci
