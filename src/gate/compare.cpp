#include "gate/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "gate/signature_list.hpp"
#include "model/attempt_facts.hpp"

namespace ffci {
namespace {

bool has_run(std::optional<Verdict> verdict) {
  return verdict && tells_good_or_bad(*verdict);
}

bool is_comparable(const TestChange& test) {
  return has_result(test.before) && has_result(test.after);
}

FlakyChange flaky_change(const TestChange& test) {
  if (test.before == Verdict::passed && test.after == Verdict::flaky) return FlakyChange::flaky_now;
  if (test.before == Verdict::flaky && test.after == Verdict::passed)
    return FlakyChange::no_longer_flaky;
  return FlakyChange::none;
}

bool clearly_longer(Duration d, Duration than) {
  return d - than > least_duration_change &&
         to_seconds(d) > least_duration_ratio * to_seconds(than);
}

DurationChange duration_change(const TestChange& test) {
  if (!has_run(test.before) || !has_run(test.after)) return DurationChange::none;
  if (clearly_longer(test.duration_after, test.duration_before)) return DurationChange::slower;
  if (clearly_longer(test.duration_before, test.duration_after)) return DurationChange::faster;
  return DurationChange::none;
}

RunSide side_of(const Run& run) {
  RunSide side;
  side.run_id = side.shown = run.header().run_id;
  side.job = run.header().job;
  side.finished = run.finish().has_value();
  side.result = result_of(run);
  side.counts = run.counts();
  side.tests = run.tests().size();
  for (const TestResult& test : run.tests()) {
    side.test_time += test.duration();
    std::size_t tries = 0;
    for (const Attempt& attempt : test.attempts) {
      // What was stopped with its ff-ci, and ran again when the run went on, is no retry.
      tries += !attempt.outcome || !std::holds_alternative<NotRun>(*attempt.outcome);
      if (attempt.outcome && std::holds_alternative<Crashed>(*attempt.outcome))
        ++side.crashed_attempts;
    }
    side.retries += tries > 0 ? tries - 1 : 0;
  }
  return side;
}

// Those that run a does not have, with the tests of b that met them.
class NewSignatures {
 public:
  explicit NewSignatures(const Run& a) {
    for (const TestResult& test : a.tests()) {
      for (const Attempt& attempt : test.attempts)
        for (const KernelReport& report : reports_of(attempt))
          old_.insert(report.signature);
    }
  }

  // Each once.
  std::vector<std::string> of(const TestResult& test) {
    std::vector<std::string> found;
    for (const Attempt& attempt : test.attempts) {
      for (const KernelReport& report : reports_of(attempt)) {
        if (!report.allowed.empty() || old_.contains(report.signature)) continue;
        if (std::find(found.begin(), found.end(), report.signature) != found.end()) continue;
        found.push_back(report.signature);
        all_.add({report.signature, report.title, {test.id}});
      }
    }
    return found;
  }

  std::vector<NewSignature> all() { return all_.take(); }

 private:
  std::unordered_set<std::string> old_;
  SignatureList all_;
};

// "2 regressions, 1 new failure"
struct Words {
  std::string text;
  void add(std::size_t number, std::string_view one, std::string_view many) {
    if (number == 0) return;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number, number == 1 ? one : many);
  }
};

}  // namespace

RunComparison compare_runs(const Run& a, const Run& b) {
  RunComparison comparison{side_of(a), side_of(b), {}, {}};
  NewSignatures signatures(a);
  const auto add = [&](const TestResult* before, const TestResult* after) {
    TestChange change;
    change.id = (after != nullptr ? after : before)->id;
    if (before != nullptr)
      change.before = before->verdict(), change.duration_before = before->duration();
    if (after != nullptr) {
      change.after = after->verdict(), change.duration_after = after->duration();
      change.reason = after->reason();
      change.new_signatures = signatures.of(*after);
    }
    change.change = change_between(change.before, change.after);
    if (!change.new_signatures.empty() && change.change != Change::new_failure)
      change.change = Change::regression;
    change.flaky = flaky_change(change);
    change.duration = duration_change(change);
    comparison.tests.push_back(std::move(change));
  };
  for (const TestResult& after : b.tests())
    add(a.find(after.id), &after);
  for (const TestResult& before : a.tests()) {
    if (b.find(before.id) == nullptr) add(&before, nullptr);
  }
  comparison.new_signatures = signatures.all();
  return comparison;
}

std::size_t count_of(const RunComparison& comparison, Change change) {
  return static_cast<std::size_t>(
      std::count_if(comparison.tests.begin(), comparison.tests.end(),
                    [&](const TestChange& test) { return test.change == change; }));
}

std::string_view comparison_result_name(ComparisonResult result) {
  switch (result) {
    case ComparisonResult::regression:
      return "regression";
    case ComparisonResult::incomplete:
      return "incomplete";
    case ComparisonResult::drift:
      return "drift";
    case ComparisonResult::no_change:
      return "no_change";
  }
  return "incomplete";
}

ComparisonVerdict verdict_of(const RunComparison& comparison) {
  Words words;
  words.add(count_of(comparison, Change::regression), "regression", "regressions");
  words.add(count_of(comparison, Change::new_failure), "new failure", "new failures");
  if (!words.text.empty()) return {ComparisonResult::regression, words.text};

  if (!comparison.b.finished)
    return {ComparisonResult::incomplete, "the later run is still going, or was broken off"};
  words.add(count_of(comparison, Change::incomplete), "test has no result in the later run",
            "tests have no result in the later run");
  if (!words.text.empty()) return {ComparisonResult::incomplete, words.text};
  if (std::none_of(comparison.tests.begin(), comparison.tests.end(), is_comparable))
    return {ComparisonResult::incomplete, "no test has a result in both runs"};

  words.add(count_of(comparison, Change::fixed), "test fixed", "tests fixed");
  words.add(count_of(comparison, Change::vanished), "test vanished", "tests vanished");
  if (!words.text.empty()) return {ComparisonResult::drift, words.text};
  return {ComparisonResult::no_change, "no test is worse"};
}

}  // namespace ffci
