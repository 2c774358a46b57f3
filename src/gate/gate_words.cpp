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

// Empty: the counts say it. What clean reruns can hide: a failure of rate q passes n of them with
// probability (1-q)^n.
std::string words_of(Reason reason, const TestJudgement& test, std::size_t attempts) {
  switch (reason) {
    case Reason::always_and_never_before:
    case Reason::significant:
      return {};
    case Reason::passed_all:
      return fmt::format("a bug that fails every second run would go unseen in {:.2g} % of cases",
                         100 * std::pow(0.5, static_cast<double>(test.change_runs.runs)));
    case Reason::no_more_often:
      return "no more often than before";
    case Reason::about_as_often:
      return "about as often as before";
    case Reason::too_few_results:
      return fmt::format("only {} of {} reruns gave a result", test.change_runs.runs, attempts);
    case Reason::chance:
      return "more often than before, but that may be chance";
    case Reason::baseline_too_short:
      return "the baseline is too short to tell";
  }
  return {};
}

std::string_view bad_word(Verdict counted) {
  if (counted == Verdict::timed_out) return "timed out";
  return counted == Verdict::crashed ? "crashed" : "failed";
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

std::string counts_of(const TestJudgement& test, Verdict counted) {
  const bool tells_p = test.p_value && test.change_runs.bad > 0;
  return fmt::format("{} {} of {}, {}", bad_word(counted), test.change_runs.bad,
                     test.change_runs.runs,
                     baseline_counts(test, tells_p ? shown_p(*test.p_value) : std::string()));
}

std::string counts_and_reason(const TestJudgement& test, Verdict counted, Reason reason,
                              std::size_t attempts) {
  const std::string words = words_of(reason, test, attempts);
  return counts_of(test, counted) + (words.empty() ? "" : "; " + words);
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
