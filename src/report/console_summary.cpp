#include "report/console_summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "model/exit_code.hpp"
#include "report/console_line.hpp"
#include "report/failure_details.hpp"
#include "report/gate_text.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

constexpr std::size_t most_detailed = 50;
constexpr std::size_t most_annotations = 10;  // that GitHub shows
constexpr std::size_t most_not_run_named = 20;
constexpr int longest_bar = 40;

// What needs attention, worst first.
constexpr Verdict troubles[] = {Verdict::crashed, Verdict::timed_out, Verdict::failed,
                                Verdict::error,   Verdict::flaky,     Verdict::not_run};

using TestList = std::vector<const TestResult*>;

TestList tests_with(const Run& run, Verdict verdict) {
  TestList tests;
  for (const TestResult& test : run.tests()) {
    if (test.verdict() == verdict) tests.push_back(&test);
  }
  return tests;
}

bool has_run(const TestResult& test) {
  const Verdict verdict = test.verdict();
  return verdict == Verdict::passed || verdict == Verdict::flaky || is_bad(verdict);
}

bool needs_attention(const TestJudgement& judged) {
  return judged.decision == Decision::regression || judged.decision == Decision::failure ||
         judged.decision == Decision::inconclusive;
}

class Summary {
 public:
  Summary(const Run& run, const ConsoleOptions& options)
      : run_(run), options_(options), judged_(run) {}

  std::string text() {
    add_details();
    add_problems();
    if (options_.print_n_slowest > 0) add_slowest();
    if (options_.print_duration_histogram) add_histogram();
    add_troubles();
    add_gate();
    if (options_.print_failure_list) add_failure_list();
    if (options_.ci == CiSystem::github) add_annotations();
    if (options_.print_log_ins) add_log_ins();
    add_result();
    return std::move(text_);
  }

 private:
  void add_title(std::string_view title) {
    text_ += "\n" + painted(options_.colour, Paint::bold, title) + "\n";
  }

  void add_details();
  void add_problems();
  void add_slowest();
  void add_histogram();
  void add_troubles();
  void add_gate();
  void add_not_run(const TestList& tests);
  void add_failure_list();
  void add_annotations();
  void add_log_ins();
  void add_result();

  const Run& run_;
  const ConsoleOptions& options_;
  const JudgedTests judged_;
  std::string text_;
};

void Summary::add_details() {
  // What makes the build red must not be among the untold.
  std::vector<const TestResult*> red, others;
  for (const Verdict verdict : troubles) {
    if (verdict == Verdict::not_run) continue;
    for (const TestResult* test : tests_with(run_, verdict)) {
      const TestJudgement* judged = judged_.of(test->id);
      if (judged != nullptr && judged->decision == Decision::known) continue;
      (judged != nullptr && needs_attention(*judged) ? red : others).push_back(test);
    }
  }
  std::stable_partition(red.begin(), red.end(), [&](const TestResult* test) {
    return judged_.of(test->id)->decision != Decision::inconclusive;
  });
  red.insert(red.end(), others.begin(), others.end());
  const std::size_t told = std::min(red.size(), most_detailed), untold = red.size() - told;
  std::string details;
  for (std::size_t i = 0; i < told; ++i)
    details +=
        failure_details(*red[i], judged_.of(red[i]->id), run_.header().results_path, options_);
  if (told == 0) return;
  if (untold > 0) details += fmt::format("\nand {} more, whose output is in the results\n", untold);
  constexpr std::string_view title = "What went wrong:";
  if (options_.ci == CiSystem::gitlab) {
    text_ += gitlab_section("ff_ci_failures", title, run_.header().at + run_.duration(), details);
  } else {
    add_title(title);
    text_ += details;
  }
}

void Summary::add_problems() {
  if (run_.problems().empty() && run_.stops().empty()) return;
  add_title("Problems beside the tests:");
  for (const std::string& stop : run_.stops())
    text_ += fmt::format("  the run stopped early: {}\n", shown_line(stop));
  for (const std::string& problem : run_.problems())
    text_ += fmt::format("  {}\n", shown_line(problem));
}

void Summary::add_slowest() {
  TestList tests;
  for (const TestResult& test : run_.tests()) {
    if (has_run(test)) tests.push_back(&test);
  }
  std::stable_sort(tests.begin(), tests.end(), [](const TestResult* a, const TestResult* b) {
    return a->duration() > b->duration();
  });
  tests.resize(std::min(tests.size(), options_.print_n_slowest));
  add_title(fmt::format("Slowest {}:", counted(tests.size(), "test")));
  for (const TestResult* test : tests)
    text_ += fmt::format("  {:>7}  {}\n", human_duration(test->duration()), shown_name(test->id));
}

void Summary::add_histogram() {
  std::map<int, int> buckets;  // by bit width: 0 is below 1 s, n is [2^(n-1), 2^n) s
  for (const TestResult& test : run_.tests()) {
    if (!has_run(test)) continue;
    const auto seconds =
        static_cast<unsigned long>(std::max<Duration::rep>(0, test.duration().count() / 1000));
    ++buckets[static_cast<int>(std::bit_width(seconds))];
  }
  if (buckets.empty()) return;
  int highest = 0;
  for (const auto& [bucket, count] : buckets)
    highest = std::max(highest, count);
  add_title("Durations:");
  for (int bucket = buckets.begin()->first; bucket <= buckets.rbegin()->first; ++bucket) {
    const long upper = 1L << bucket;
    const std::string range = bucket == 0 ? "< 1s" : fmt::format("{} - {}s", upper / 2, upper);
    const int count = buckets[bucket];
    const int bar = count == 0 ? 0 : std::max(1, count * longest_bar / highest);
    text_ += fmt::format("  {:>14}  {:>6}  {}\n", range, count,
                         std::string(static_cast<std::size_t>(bar), '#'));
  }
}

void Summary::add_troubles() {
  bool titled = false;
  for (const Verdict verdict : troubles) {
    const TestList tests = tests_with(run_, verdict);
    if (tests.empty()) continue;
    if (!std::exchange(titled, true)) add_title("Tests that did not simply pass:");
    if (verdict == Verdict::not_run && tests.size() > most_not_run_named) {
      add_not_run(tests);
      continue;
    }
    for (const TestResult* test : tests)
      text_ += to_string(line_of(*test), options_.colour) + "\n";
  }
}

void Summary::add_gate() {
  if (!run_.judgement()) return;
  const std::string text = gate_text(*run_.judgement(), options_.colour);
  if (text.empty()) return;
  const std::string& baseline = run_.judgement()->baseline;
  add_title(baseline.empty() ? "Gate, without a baseline:"
                             : fmt::format("Gate, judged by {}:", shown_line(baseline)));
  text_ += text;
}

void Summary::add_not_run(const TestList& tests) {
  std::map<std::string, TestList> by_reason;
  for (const TestResult* test : tests)
    by_reason[test->reason()].push_back(test);
  for (const auto& [reason, group] : by_reason) {
    TestLine line{verdict_word(Verdict::not_run),
                  verdict_paint(Verdict::not_run),
                  {},
                  {},
                  shown_line(reason),
                  {}};
    line.name = group.size() == 1
                    ? shown_name(group.front()->id)
                    : fmt::format("{}, from {} to {}", counted(group.size(), "test"),
                                  shown_name(group.front()->id), shown_name(group.back()->id));
    text_ += to_string(line, options_.colour) + "\n";
  }
}

void Summary::add_failure_list() {
  std::vector<std::string> words;
  std::set<std::string> seen;  // iterations of a test are one pattern
  for (const TestResult& test : run_.tests()) {
    if (!is_bad(test.verdict())) continue;
    std::string word = shell_quote(shown_line(test.id.suite + "/" + test.id.name, 1000));
    if (seen.insert(word).second) words.push_back(std::move(word));
  }
  if (words.empty()) return;
  add_title("Failure list:");
  text_ += fmt::format("{}\n", fmt::join(words, " "));
}

void Summary::add_annotations() {
  std::size_t annotated = 0;
  const auto annotate = [&](const TestId& test, const std::string& why) {
    if (annotated++ < most_annotations) text_ += github_error(shown_name(test), why);
  };
  if (run_.judgement()) {
    for (const Decision decision :
         {Decision::regression, Decision::failure, Decision::inconclusive}) {
      for (const TestJudgement& judged : run_.judgement()->tests) {
        if (judged.decision == decision) annotate(judged.id, judged_text(judged));
      }
    }
    return;
  }
  for (const Verdict verdict : troubles) {
    if (!is_bad(verdict)) continue;
    for (const TestResult* test : tests_with(run_, verdict))
      annotate(test->id, shown_line(test->reason()));
  }
}

void Summary::add_log_ins() {
  std::string hosts;
  for (const HostRecord& host : run_.hosts()) {
    if (!host.log_in.empty())
      hosts += fmt::format("  {}: {}\n", shown_line(host.name), shown_line(host.log_in));
  }
  if (hosts.empty()) return;
  add_title("Hosts that stay up:");
  text_ += hosts;
}

void Summary::add_result() {
  const VerdictCounts counts = run_.counts();
  const std::size_t total = run_.tests().size();
  std::vector<std::string> parts;
  for (const Verdict verdict : all_verdicts) {
    if (counts.at(verdict) == 0) continue;
    std::string part = fmt::format("{} {}", counts.at(verdict), verdict_name(verdict));
    std::replace(part.begin(), part.end(), '_', ' ');
    parts.push_back(std::move(part));
  }
  text_ += fmt::format("\n{}{}{}\n", counted(total, "test"), parts.empty() ? "" : ": ",
                       fmt::join(parts, ", "));

  const int failed =
      counts.at(Verdict::failed) + counts.at(Verdict::timed_out) + counts.at(Verdict::crashed);
  const int mute = counts.at(Verdict::error) + counts.at(Verdict::not_run);
  const RunResult result = result_of(run_);
  std::string name(run_result_name(result));
  std::replace(name.begin(), name.end(), '_', ' ');
  std::string text =
      fmt::format("result: {} (exit code {}): ", name, static_cast<int>(exit_code_for(run_)));
  if (run_.judgement()) text += shown_line(run_.judgement()->why) + "; ";
  text += fmt::format("{} of {} failed", failed, counted(total, "test"));
  if (mute > 0) text += fmt::format(", {} without a result", mute);
  // The gate has its own count of them.
  if (counts.at(Verdict::flaky) > 0 && !run_.judgement())
    text += fmt::format(", {} flaky", counts.at(Verdict::flaky));
  text += fmt::format(", in {}", human_duration(run_.duration()));
  text_ += painted(options_.colour, result == RunResult::passed ? Paint::green : Paint::red, text) +
           "\n";
}

}  // namespace

std::string console_summary(const Run& run, const ConsoleOptions& options) {
  return Summary(run, options).text();
}

}  // namespace ffci
