#include "report/history_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/quantile.hpp"
#include "base/text.hpp"
#include "gate/bad_rate.hpp"
#include "report/console_line.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

using Json = nlohmann::ordered_json;

// Of the results that passed or were bad.
struct TimesTaken {
  Duration median{}, least{}, most{};
};

char letter(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
      return '.';
    case Verdict::failed:
      return 'F';
    case Verdict::timed_out:
      return 'T';
    case Verdict::crashed:
      return 'C';
    case Verdict::flaky:
      return '~';
    case Verdict::skipped:
      return 's';
    case Verdict::error:
      return 'E';
    case Verdict::not_run:
      return '-';
  }
  return '-';
}

constexpr std::string_view legend =
    "newest on the right: . passed, ~ flaky, F failed, T timed out, C crashed, s skipped, E error, "
    "- "
    "not run\n";

std::optional<TimesTaken> times_taken(const TestHistory& test) {
  std::vector<Duration> durations;
  for (const PastResult& result : test.results) {
    if (is_bad(result.verdict) || result.verdict == Verdict::passed ||
        result.verdict == Verdict::flaky)
      durations.push_back(result.duration);
  }
  if (durations.empty()) return std::nullopt;
  const auto [least, most] = std::minmax_element(durations.begin(), durations.end());
  return TimesTaken{*median(durations), *least, *most};
}

// To the minute: "2026-01-31 12:00".
std::string shown_time(WallTime time) {
  std::string text = rfc3339(time).substr(0, 16);
  text[10] = ' ';
  return text;
}

std::string shown_counts(const PastRun& run) {
  std::size_t total = 0;
  std::string text;
  for (const Verdict verdict : all_verdicts) {
    const auto count = run.counts.find(verdict);
    if (count == run.counts.end() || count->second == 0) continue;
    total += static_cast<std::size_t>(count->second);
    std::string word(verdict_name(verdict));
    std::replace(word.begin(), word.end(), '_', ' ');
    text += fmt::format("{}{} {}", text.empty() ? ": " : ", ", count->second, word);
  }
  return counted(total, "test") + text;
}

std::string title_of(const TestHistory& test) {
  std::string text = shown_name(test.id);
  if (!test.arch.empty()) text += fmt::format("  ({})", shown_line(test.arch));
  return text;
}

std::size_t shown_results(const TestHistory& test, std::size_t most) {
  return std::min(most, test.results.size());
}

std::string line_of(const PastResult& result, std::size_t id_width) {
  std::string text = fmt::format("  {:<{}}  {:<8}  {:>7}", shown_line(result.run_id, 60), id_width,
                                 verdict_word(result.verdict), human_duration(result.duration));
  if (result.iteration != 1) text += fmt::format("  #{}", result.iteration);
  if (const std::string reason = shown_line(result.reason); !reason.empty()) text += "  " + reason;
  return text + '\n';
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

Json json_of(const PastResult& result) {
  Json json{{"run_id", result.run_id},
            {"started", rfc3339(result.started)},
            {"iteration", result.iteration},
            {"verdict", verdict_name(result.verdict)}};
  if (!result.reason.empty()) json["reason"] = result.reason;
  json["duration_seconds"] = to_seconds(result.duration);
  json["attempts"] = result.attempts;
  json["bad_attempts"] = result.bad_attempts;
  if (!result.signature.empty()) json["signature"] = result.signature;
  return json;
}

Json json_of(const TestHistory& test, std::size_t most) {
  Json json{{"suite", test.id.suite}};
  if (!test.id.configuration.empty()) json["configuration"] = test.id.configuration;
  json["name"] = test.id.name;
  json["arch"] = test.arch;
  const BadRate rate = bad_rate(test);
  json["bad_attempt_rate"] = {{"runs", rate.runs},
                              {"with_bad_attempt", rate.with_bad_attempt},
                              {"flaky", rate.flaky},
                              {"bad", rate.bad_in_the_end}};
  if (rate.runs > 0) {
    json["bad_attempt_rate"]["rate"] = rate.rate;
    json["bad_attempt_rate"]["low"] = rate.confidence.low;
    json["bad_attempt_rate"]["high"] = rate.confidence.high;
  }
  if (const auto times = times_taken(test)) {
    json["duration_seconds"] = {{"median", to_seconds(times->median)},
                                {"min", to_seconds(times->least)},
                                {"max", to_seconds(times->most)}};
  }
  json["results"] = Json::array();
  for (std::size_t i = 0; i < shown_results(test, most); ++i)
    json["results"].push_back(json_of(test.results[i]));
  return json;
}

}  // namespace

std::string history_text(const std::vector<PastRun>& runs) {
  std::size_t job_width = 0, id_width = 0;
  for (const PastRun& run : runs) {
    job_width = std::max(job_width, shown_line(run.job, 40).size());
    id_width = std::max(id_width, shown_line(run.run_id, 60).size());
  }
  std::string text;
  for (const PastRun& run : runs) {
    text += fmt::format("{:<{}}  {}  {:<{}}  {:<11}  {:>7}  {}", shown_line(run.run_id, 60),
                        id_width, shown_time(run.started), shown_line(run.job, 40), job_width,
                        shown_line(run.result), human_duration(run.duration), shown_counts(run));
    if (!run.recordings.empty())
      text += fmt::format("  [{}]", shown_line(fmt::format("{}", fmt::join(run.recordings, ", "))));
    if (!run.stored) text += "  (only in the history)";
    text += '\n';
  }
  return text;
}

std::string history_json(const std::vector<PastRun>& runs) {
  Json json{{"version", history_json_version}, {"runs", Json::array()}};
  for (const PastRun& run : runs) {
    Json counts;
    int total = 0;
    for (const Verdict verdict : all_verdicts) {
      const auto count = run.counts.find(verdict);
      const int number = count == run.counts.end() ? 0 : count->second;
      counts[std::string(verdict_name(verdict))] = number;
      total += number;
    }
    counts["total"] = total;
    json["runs"].push_back({{"run_id", run.run_id},
                            {"job", run.job},
                            {"started", rfc3339(run.started)},
                            {"duration_seconds", to_seconds(run.duration)},
                            {"result", run.result},
                            {"exit_code", run.exit_code},
                            {"counts", counts},
                            {"recordings", run.recordings},
                            {"stored", run.stored}});
  }
  return dump(json);
}

std::string history_text(const std::vector<TestHistory>& tests, std::size_t most) {
  std::string text;
  for (const TestHistory& test : tests) {
    const std::size_t shown = shown_results(test, most);
    std::string letters;
    for (std::size_t i = shown; i > 0; --i)
      letters += letter(test.results[i - 1].verdict);
    text += fmt::format("{}\n  {}\n", title_of(test), letters);
    const BadRate rate = bad_rate(test);
    if (rate.runs > 0) {
      text += fmt::format(
          "  bad attempts in {} of {}: {:.1f} % (95 % confidence: {:.1f} to {:.1f} %); passed "
          "in the end (flaky): {}, bad in the end: {}\n",
          rate.with_bad_attempt, counted(rate.runs, "run"), 100 * rate.rate,
          100 * rate.confidence.low, 100 * rate.confidence.high, rate.flaky, rate.bad_in_the_end);
    }
    if (const auto times = times_taken(test)) {
      text += fmt::format("  duration: median {}, from {} to {}\n", human_duration(times->median),
                          human_duration(times->least), human_duration(times->most));
    }
    std::size_t id_width = 0;
    for (std::size_t i = 0; i < shown; ++i)
      id_width = std::max(id_width, shown_line(test.results[i].run_id, 60).size());
    for (std::size_t i = 0; i < shown; ++i)
      text += line_of(test.results[i], id_width);
    if (shown < test.results.size())
      text += fmt::format("  and {} more\n", test.results.size() - shown);
    text += '\n';
  }
  return text.empty() ? text : text + std::string(legend);
}

std::string history_json(const std::vector<TestHistory>& tests, std::size_t most) {
  Json json{{"version", history_json_version}, {"tests", Json::array()}};
  for (const TestHistory& test : tests)
    json["tests"].push_back(json_of(test, most));
  return dump(json);
}

}  // namespace ffci
