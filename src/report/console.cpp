#include "report/console.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "report/console_line.hpp"
#include "report/console_summary.hpp"
#include "report/gate_text.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

constexpr std::size_t most_running_named = 5;

bool may_be_retried(const Outcome& outcome) {
  return is_bad(outcome) || std::holds_alternative<HostLost>(outcome) ||
         std::holds_alternative<SetupFailed>(outcome);
}

// All of the log's needs; the output of 100,000 tests stays where it is.
Attempt without_output(const Attempt& attempt) {
  Attempt copy;
  copy.number = attempt.number;
  copy.host = attempt.host;
  copy.slot = attempt.slot;
  copy.duration = attempt.duration;
  copy.outcome = attempt.outcome;
  return copy;
}

}  // namespace

ConsoleReport::ConsoleReport(ConsoleOptions options, Write write)
    : options_(std::move(options)), write_(std::move(write)) {}

void ConsoleReport::on_event(const RunEvent& event) {
  if (event.time > now_) tell_retries();
  now_ = std::max(now_, event.time);
  const bool selecting = std::holds_alternative<RunStarted>(event.fact) ||
                         std::holds_alternative<TestSelected>(event.fact);
  if (!selecting) announce_tests();
  std::visit([this](const auto& fact) { on(fact); }, event.fact);
}

void ConsoleReport::line(std::string_view text) const {
  write_(fmt::format("{}\n", text));
}

void ConsoleReport::warn(std::string_view text) const {
  line(painted(options_.colour, Paint::magenta, text));
}

void ConsoleReport::on(const RunStarted& fact) {
  line(fmt::format("ff-ci {}: job {}, run {}", fact.tool_version, shown_line(fact.job),
                   shown_line(fact.run_id)));
  if (!fact.results_path.empty()) line(fmt::format("results: {}", shown_line(fact.results_path)));
  if (fact.shard) {
    line(fmt::format("shard {} of {} of the plan {}", fact.shard->index, fact.shard->count,
                     shown_line(fact.shard->plan)));
  }
  if (fact.baseline) {
    line(fmt::format("gate: judged by {}", shown_line(fact.baseline->shown)));
  } else if (fact.gated) {
    line("gate: there is no baseline, so any failure counts");
  }
  durations_ = shown_line(fact.durations);
}

void ConsoleReport::on(const TestSelected& fact) {
  const auto [at, added] = unfinished_.try_emplace(fact.test);
  if (!added) return;
  at->second.id = fact.test;
  at->second.expected = fact.expected;
  ++selected_;
  if (fact.expected) {
    expected_left_ += *fact.expected;
  } else {
    ++unexpected_left_;
  }
}

void ConsoleReport::announce_tests() {
  if (std::exchange(announced_, true)) return;
  std::string text = counted(selected_, "test");
  if (durations_.empty()) {
    text += "; no earlier run tells how long they take";
  } else {
    text +=
        fmt::format("; {} of work, expected from {}", human_duration(expected_left_), durations_);
    if (unexpected_left_ > 0) text += fmt::format(" ({} not known there)", unexpected_left_);
  }
  line(text);
}

void ConsoleReport::on(const HostReady& fact) {
  slots_[fact.host] = fact.slots;
  const auto [before, is_new] = boots_.try_emplace(fact.host, fact.boot_id);
  const bool rebooted = before->second != fact.boot_id;
  before->second = fact.boot_id;
  std::string text =
      fmt::format("host {} is {}: {}", shown_line(fact.host),
                  is_new     ? "ready"
                  : rebooted ? "back, after a reboot"
                             : "back",
                  counted(static_cast<std::size_t>(std::max(0, fact.slots)), "slot"));
  if (!fact.kernel.empty())
    text += fmt::format(", kernel {} {}", shown_line(fact.kernel), shown_line(fact.arch));
  if (!fact.isolation.empty()) text += fmt::format(", isolation: {}", shown_line(fact.isolation));
  line(text);
}

void ConsoleReport::on(const HostLostFact& fact) {
  slots_.erase(fact.host);
  warn(fmt::format("host {} was lost: {}", shown_line(fact.host), shown_line(fact.why)));
}

void ConsoleReport::on(const HostReplaced& fact) {
  slots_.erase(fact.host);
  line(fmt::format("host {} is replaced: {}", shown_line(fact.host), shown_line(fact.why)));
}

void ConsoleReport::on(const HostRetired& fact) {
  slots_.erase(fact.host);
  warn(fmt::format("host {} was retired: {}", shown_line(fact.host), shown_line(fact.why)));
}

void ConsoleReport::on(const SlotRetired& fact) {
  --slots_[fact.host];
  warn(fmt::format("slot {} of host {} was retired: {}", fact.slot, shown_line(fact.host),
                   shown_line(fact.why)));
}

void ConsoleReport::on(const SuiteSetUp& fact) {
  const std::string what =
      fmt::format("set-up of suite {} on {}", shown_line(fact.suite), shown_line(fact.host));
  if (fact.failure) return warn(fmt::format("{} failed: {}", what, shown_line(*fact.failure)));
  if (options_.verbose) line(fmt::format("{} took {}", what, human_duration(fact.duration)));
}

void ConsoleReport::on(const SuiteTornDown& fact) {
  const std::string what =
      fmt::format("teardown of suite {} on {}", shown_line(fact.suite), shown_line(fact.host));
  if (fact.failure) return warn(fmt::format("{} failed: {}", what, shown_line(*fact.failure)));
  if (options_.verbose) line(fmt::format("{} took {}", what, human_duration(fact.duration)));
}

void ConsoleReport::on(const AttemptStarted& fact) {
  running_[{fact.host, fact.slot}] = {fact.test, now_, fact.purpose};
}

void ConsoleReport::on(const AttemptFinished& fact) {
  running_.erase({fact.result.host, fact.result.slot});
  if (fact.result.purpose != Purpose::verdict) {
    tell_rerun(fact.test, fact.result);
  } else {
    TestResult& test = unfinished_[fact.test];
    test.id = fact.test;
    test.attempts.push_back(without_output(fact.result));
    if (fact.result.outcome && may_be_retried(*fact.result.outcome))
      undecided_.push_back(fact.test);
  }
  if (!fact.result.teardown_problem.empty()) {
    warn(fmt::format("teardown of {} failed: {}", shown_name(fact.test),
                     shown_line(fact.result.teardown_problem)));
  }
}

void ConsoleReport::on(const TestFinished& fact) {
  std::erase(undecided_, fact.test);
  TestResult test = std::move(unfinished_[fact.test]);
  unfinished_.erase(fact.test);
  test.id = fact.test;
  test.not_run = fact.not_run;
  ++done_;
  if (test.expected) {
    expected_left_ -= *test.expected;
  } else if (unexpected_left_ > 0) {
    --unexpected_left_;
  }
  const Verdict verdict = test.verdict();
  if (is_bad(verdict)) ++bad_;
  // What never began is named in the summary, where thousands of them are one line.
  const bool worth_a_line = verdict != Verdict::passed && verdict != Verdict::not_run;
  if (worth_a_line || options_.verbose) line(to_string(line_of(test), options_.colour));
}

void ConsoleReport::on(const RerunsOrdered& fact) {
  for (const RerunOrder& order : fact.orders)
    reruns_ordered_ += order.change + order.base;
  line(fmt::format("gate: {}", reruns_text(fact.orders)));
}

void ConsoleReport::tell_rerun(const TestId& test, const Attempt& attempt) {
  ++reruns_done_;
  if (!attempt.outcome) return;
  const std::string reason = reason_of(*attempt.outcome);
  const bool base = attempt.purpose == Purpose::base;
  const bool passed = std::holds_alternative<Passed>(*attempt.outcome);
  std::string said(outcome_name(*attempt.outcome));
  std::ranges::replace(said, '_', ' ');
  const TestLine rerun{base ? "BASE" : "RERUN",
                       passed                     ? Paint::green
                       : is_bad(*attempt.outcome) ? Paint::red
                                                  : Paint::magenta,
                       attempt.duration,
                       shown_name(test),
                       fmt::format("{}{}{}", said, reason.empty() ? "" : ": ", shown_line(reason)),
                       place_of(attempt)};
  line(to_string(rerun, options_.colour));
}

void ConsoleReport::on(const RunStopping& fact) {
  warn(fmt::format("stopping: {}", shown_line(fact.why)));
}

void ConsoleReport::on(const RunFinished&) {
  tell_retries();
}

void ConsoleReport::tell_retries() {
  for (const TestId& id : std::exchange(undecided_, {})) {
    const Attempt& attempt = unfinished_[id].attempts.back();
    const std::string reason =
        fmt::format("attempt {}: {}", attempt.number, shown_line(reason_of(*attempt.outcome)));
    const TestLine retry{"RETRY",        Paint::yellow, attempt.duration,
                         shown_name(id), reason,        place_of(attempt)};
    line(to_string(retry, options_.colour));
  }
}

void ConsoleReport::resume(const Run& run) {
  on(run.header());
  for (const TestResult& test : run.tests())
    on(TestSelected{test.id, test.expected});
  announce_tests();
  std::size_t interrupted = 0;
  for (const TestResult& test : run.tests()) {
    // What was ordered and never began is ordered anew.
    for (const Attempt& rerun : test.reruns) {
      ++reruns_ordered_;
      if (rerun.outcome) ++reruns_done_;
    }
    for (const Attempt& attempt : test.attempts) {
      unfinished_[test.id].attempts.push_back(without_output(attempt));
      if (!attempt.outcome) ++interrupted;
    }
    if (!test.finished) continue;
    unfinished_.erase(test.id);
    ++done_;
    if (is_bad(test.verdict())) ++bad_;
    if (test.expected) {
      expected_left_ -= *test.expected;
    } else {
      --unexpected_left_;
    }
  }
  now_ = run.duration();
  line(fmt::format("the run goes on: {} of {} finished before{}{}", done_,
                   counted(selected_, "test"),
                   reruns_done_ == 0 ? "" : fmt::format(", and {}", counted(reruns_done_, "rerun")),
                   interrupted == 0 ? ""
                                    : fmt::format(", {} that ran when it broke off {} again",
                                                  interrupted, interrupted == 1 ? "runs" : "run")));
}

void ConsoleReport::heartbeat(Duration now) {
  if (now > now_) tell_retries();
  std::string text =
      fmt::format("{:>8} {:>7}  {}/{} done", "", human_duration(now), done_, selected_);
  if (bad_ > 0) text += fmt::format(" ({} failed)", bad_);
  if (reruns_ordered_ > 0)
    text += fmt::format(", {}/{} reruns done", reruns_done_, reruns_ordered_);
  text += fmt::format(", {} running", running_.size());
  if (!running_.empty()) text += ": " + running_tests(now);
  line(text + estimate(now));
}

std::string ConsoleReport::running_tests(Duration now) const {
  using Entry = std::pair<const Place, Running>;
  std::vector<const Entry*> longest;
  for (const Entry& entry : running_)
    longest.push_back(&entry);
  std::sort(longest.begin(), longest.end(), [](const Entry* a, const Entry* b) {
    return std::tie(a->second.started, a->second.test, a->first) <
           std::tie(b->second.started, b->second.test, b->first);
  });
  std::vector<std::string> named;
  for (const Entry* entry : longest) {
    if (named.size() == most_running_named) break;
    const auto& [place, running] = *entry;
    named.push_back(fmt::format("{}{} {} on {}/{}", shown_name(running.test),
                                running.purpose == Purpose::verdict ? "" : " (rerun)",
                                human_duration(std::max(Duration{}, now - running.started)),
                                shown_line(place.first), place.second));
  }
  return fmt::format("{}{}", fmt::join(named, ", "), longest.size() > named.size() ? ", …" : "");
}

std::string ConsoleReport::estimate(Duration now) const {
  int slots = 0;
  for (const auto& [host, count] : slots_)
    slots += count;
  if (slots <= 0) return {};
  Duration work = expected_left_, longest{};
  for (const auto& [place, running] : running_) {
    const auto test = unfinished_.find(running.test);
    if (test == unfinished_.end() || !test->second.expected) continue;
    const Duration elapsed = std::max(Duration{}, now - running.started);
    work -= std::min(*test->second.expected, elapsed);
    longest = std::max(longest, *test->second.expected - elapsed);
  }
  const Duration left = std::max(longest, work / slots);
  if (left <= Duration{}) return {};
  return fmt::format("; {} {} left", unexpected_left_ > 0 ? "at least" : "about",
                     human_duration(left));
}

void ConsoleReport::summary(const Run& run) {
  tell_retries();
  write_(console_summary(run, options_));
}

}  // namespace ffci
