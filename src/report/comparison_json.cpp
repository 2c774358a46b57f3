#include <nlohmann/json.hpp>

#include "report/comparison.hpp"

namespace ffci {
namespace {

using Json = nlohmann::ordered_json;

Json id_json(const TestId& id) {
  Json json{{"suite", id.suite}};
  if (!id.configuration.empty()) json["configuration"] = id.configuration;
  json["name"] = id.name;
  json["iteration"] = id.iteration;
  return json;
}

Json side_json(const RunSide& side) {
  Json counts{{"total", side.tests}};
  for (const auto& [verdict, count] : side.counts)
    counts[std::string(verdict_name(verdict))] = count;
  return {{"source", side.shown},
          {"run_id", side.run_id},
          {"job", side.job},
          {"finished", side.finished},
          {"result", run_result_name(side.result)},
          {"counts", counts},
          {"test_seconds", to_seconds(side.test_time)},
          {"crashed_attempts", side.crashed_attempts},
          {"retries", side.retries}};
}

Json change_json(const TestChange& test) {
  Json json = id_json(test.id);
  json["change"] = change_name(test.change);
  if (test.before) {
    json["verdict_before"] = verdict_name(*test.before);
    json["seconds_before"] = to_seconds(test.duration_before);
  }
  if (test.after) {
    json["verdict_after"] = verdict_name(*test.after);
    json["seconds_after"] = to_seconds(test.duration_after);
    json["reason"] = test.reason;
  }
  if (test.flaky != FlakyChange::none)
    json["flaky"] = test.flaky == FlakyChange::flaky_now ? "now" : "no_longer";
  if (test.duration != DurationChange::none)
    json["duration"] = test.duration == DurationChange::slower ? "slower" : "faster";
  if (!test.new_signatures.empty()) json["new_signatures"] = test.new_signatures;
  return json;
}

}  // namespace

std::string comparison_json(const RunComparison& comparison) {
  const ComparisonVerdict verdict = verdict_of(comparison);
  Json json{{"version", 1},
            {"result", comparison_result_name(verdict.result)},
            {"reason", verdict.why},
            {"a", side_json(comparison.a)},
            {"b", side_json(comparison.b)}};
  Json& counts = json["counts"] = Json{{"total", comparison.tests.size()}};
  for (const Change change : compared_changes)
    counts[std::string(change_name(change))] = count_of(comparison, change);
  Json& signatures = json["new_signatures"] = Json::array();
  for (const NewSignature& signature : comparison.new_signatures) {
    Json& entry = signatures.emplace_back(
        Json{{"signature", signature.signature}, {"title", signature.title}});
    for (const TestId& id : signature.tests)
      entry["tests"].push_back(id_json(id));
  }
  Json& tests = json["tests"] = Json::array();
  for (const TestChange& test : comparison.tests)
    tests.push_back(change_json(test));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ffci
