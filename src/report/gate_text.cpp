#include "report/gate_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "report/console_line.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

constexpr std::size_t most_harmless = 20;  // of a kind
constexpr std::size_t most_orders = 10;

std::string_view change_word(Change change) {
  switch (change) {
    case Change::regression:
      return "failure that does not count";
    case Change::fixed:
      return "fixed";
    case Change::known_failure:
      return "known failure";
    case Change::new_failure:
      return "new failure";
    case Change::vanished:
      return "vanished";
    case Change::added:
      return "added";
    case Change::skip_to_run:
      return "no longer skipped";
    case Change::run_to_skip:
      return "skipped now";
    case Change::incomplete:
      return "without a result";
    case Change::completed:
      return "with a result again";
    case Change::slower:
      return "slower";
    case Change::unchanged:
      return "unchanged";
  }
  return "unchanged";
}

std::string_view regression_word(Change change) {
  switch (change) {
    case Change::new_failure:
      return "regression (new failure)";
    case Change::slower:
      return "regression (slower)";
    case Change::vanished:
      return "regression (vanished)";
    default:
      return "regression";
  }
}

Paint paint_of(Decision decision) {
  switch (decision) {
    case Decision::regression:
    case Decision::failure:
      return Paint::red;
    case Decision::inconclusive:
      return Paint::magenta;
    case Decision::flaky:
      return Paint::yellow;
    case Decision::known:
      return Paint::cyan;
    case Decision::noted:
      return Paint::dim;
  }
  return Paint::dim;
}

std::string times(std::size_t number) {
  return number == 1 ? "once" : fmt::format("{} times", number);
}

}  // namespace

JudgedTests::JudgedTests(const Run& run) {
  if (!run.judgement()) return;
  for (const TestJudgement& judged : run.judgement()->tests)
    by_test_.try_emplace(judged.id, &judged);
}

const TestJudgement* JudgedTests::of(const TestId& test) const {
  if (by_test_.empty()) return nullptr;
  const auto found = by_test_.find(without_iteration(test));
  return found == by_test_.end() ? nullptr : found->second;
}

std::string_view judged_word(const TestJudgement& test) {
  switch (test.decision) {
    case Decision::regression:
      return regression_word(test.change);
    case Decision::failure:
      return "failed";
    case Decision::flaky:
      return "flaky";
    case Decision::known:
      return "known failure";
    case Decision::inconclusive:
      return "inconclusive";
    case Decision::noted:
      return test.change == Change::slower ? "slower once" : change_word(test.change);
  }
  return {};
}

std::string judged_text(const TestJudgement& test) {
  return fmt::format("{}{}{}", judged_word(test), test.why.empty() ? "" : ": ",
                     shown_line(test.why));
}

std::string judged_line(const TestJudgement& test) {
  return fmt::format("{} {}", shown_name(test.id), judged_text(test));
}

std::string gate_text(const Judgement& judgement, Colour colour) {
  std::string text;
  // Up to `most` of those that `belongs` says.
  const auto list = [&](std::size_t most, auto belongs, auto paint, std::string_view word) {
    std::size_t all = 0;
    for (const TestJudgement& test : judgement.tests) {
      if (belongs(test) && ++all <= most) text += fmt::format("  {}\n", paint(judged_line(test)));
    }
    if (all > most) text += fmt::format("  and {} more {}\n", all - most, word);
  };
  for (const Decision decision : {Decision::regression, Decision::failure, Decision::inconclusive,
                                  Decision::flaky, Decision::known}) {
    const bool harmless = decision == Decision::flaky || decision == Decision::known;
    list(
        harmless ? most_harmless : judgement.tests.size(),
        [&](const TestJudgement& test) { return test.decision == decision; },
        [&](const std::string& line) { return painted(colour, paint_of(decision), line); },
        decision == Decision::known ? "known failures" : decision_name(decision));
  }
  for (const Change change :
       {Change::regression, Change::new_failure, Change::slower, Change::fixed, Change::vanished,
        Change::run_to_skip, Change::skip_to_run}) {
    list(
        most_harmless,
        [&](const TestJudgement& test) {
          return test.decision == Decision::noted && test.change == change;
        },
        [](const std::string& line) { return line; }, change_word(change));
  }
  for (const KnownIssueNote& note : judgement.known_issues)
    text += fmt::format("  known issue at {}: {}\n", shown_line(note.where), shown_line(note.text));
  return text;
}

std::string reruns_text(const std::vector<RerunOrder>& orders) {
  std::string names;
  std::size_t suspects = 0;
  for (const RerunOrder& order : orders) {
    if (order.change == 0) continue;
    if (++suspects > most_orders) continue;
    names += fmt::format("{}{} {}", names.empty() ? "" : ", ", shown_name(order.test),
                         times(order.change));
    if (order.base > 0) names += fmt::format(" and {} on base hosts", times(order.base));
  }
  if (suspects > most_orders) names += fmt::format(" and {} more", suspects - most_orders);
  return fmt::format("{} run{} again: {}", counted(suspects, "suspect"), suspects == 1 ? "s" : "",
                     names);
}

}  // namespace ffci
