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
      return "failed";
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

const TestJudgement* judgement_of(const Run& run, const TestId& test) {
  if (!run.judgement()) return nullptr;
  TestId id = test;
  id.iteration = 1;
  const auto found = std::ranges::find(run.judgement()->tests, id,
                                       [](const TestJudgement& judged) { return judged.id; });
  return found == run.judgement()->tests.end() ? nullptr : &*found;
}

std::string_view judged_word(const TestJudgement& test) {
  switch (test.decision) {
    case Decision::regression:
      return test.change == Change::regression || test.change == Change::unchanged
                 ? "regression"
                 : change_word(test.change);
    case Decision::failure:
      return "failed";
    case Decision::flaky:
      return "flaky";
    case Decision::known:
      return "known failure";
    case Decision::inconclusive:
      return "inconclusive";
    case Decision::noted:
      return change_word(test.change);
  }
  return {};
}

std::string judged_line(const TestJudgement& test) {
  return fmt::format("{} {}{}{}", shown_name(test.id), judged_word(test),
                     test.why.empty() ? "" : ": ", shown_line(test.why));
}

std::string gate_text(const Judgement& judgement, Colour colour) {
  std::string text;
  for (const Decision decision : {Decision::regression, Decision::failure, Decision::inconclusive,
                                  Decision::flaky, Decision::known}) {
    for (const TestJudgement& test : judgement.tests) {
      if (test.decision == decision)
        text += fmt::format("  {}\n", painted(colour, paint_of(decision), judged_line(test)));
    }
  }
  for (const Change change :
       {Change::regression, Change::new_failure, Change::slower, Change::fixed, Change::vanished,
        Change::run_to_skip, Change::skip_to_run}) {
    std::size_t told = 0, all = 0;
    for (const TestJudgement& test : judgement.tests) {
      if (test.decision != Decision::noted || test.change != change) continue;
      if (++all <= most_harmless) ++told, text += fmt::format("  {}\n", judged_line(test));
    }
    if (all > told) text += fmt::format("  and {} more {}\n", all - told, change_word(change));
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
