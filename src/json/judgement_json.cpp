#include "json/judgement_json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

#include "base/text.hpp"
#include "base/time.hpp"

namespace ffci {
namespace {

using Json = nlohmann::ordered_json;

Json trials_json(const Trials& trials) {
  return {{"bad", trials.bad}, {"runs", trials.runs}};
}

std::size_t count_from(const Json& json) {
  constexpr std::uint64_t largest = 1'000'000'000;
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > largest)
    throw std::invalid_argument(fmt::format("'{}' is no number of runs", json.dump()));
  return json.get<std::size_t>();
}

Trials trials_from(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  const Trials trials{count_from(found->at("bad")), count_from(found->at("runs"))};
  if (trials.bad > trials.runs)
    throw std::invalid_argument(fmt::format("{} bad of {} runs", trials.bad, trials.runs));
  return trials;
}

// What is beyond this is of no run.
constexpr double longest_seconds = 100.0 * 365 * 24 * 3600;

std::optional<Duration> duration_from(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return std::nullopt;
  const double seconds = found->get<double>();
  if (!(std::abs(seconds) <= longest_seconds))
    throw std::invalid_argument(fmt::format("no run knows a time of {} seconds", seconds));
  return from_seconds(seconds);
}

template <class Value>
Value known(const std::optional<Value>& value, const std::string& name) {
  if (!value)
    throw std::invalid_argument(fmt::format("'{}' is no word of a gate", printable_line(name, 60)));
  return *value;
}

Json judged_test_json(const TestJudgement& test) {
  Json json = test_to_json(test.id);
  json["change"] = change_name(test.change);
  json["decision"] = decision_name(test.decision);
  json["why"] = test.why;
  if (test.change_runs.runs > 0) json["change_runs"] = trials_json(test.change_runs);
  if (test.baseline_runs.runs > 0) json["baseline_runs"] = trials_json(test.baseline_runs);
  if (test.base_host_runs.runs > 0) json["base_host_runs"] = trials_json(test.base_host_runs);
  if (test.p_value) json["p_value"] = *test.p_value;
  if (!test.new_signatures.empty()) json["new_signatures"] = test.new_signatures;
  if (!test.known_issue.empty()) json["known_issue"] = test.known_issue;
  if (test.duration) json["duration_seconds"] = to_seconds(*test.duration);
  if (test.usual_duration) json["usual_seconds"] = to_seconds(*test.usual_duration);
  return json;
}

TestJudgement judged_test_from(const Json& json) {
  TestJudgement test;
  test.id = test_from_json(json);
  const auto change = json.at("change").get<std::string>();
  const auto decision = json.at("decision").get<std::string>();
  test.change = known(change_from_name(change), change);
  test.decision = known(decision_from_name(decision), decision);
  test.why = json.value("why", std::string());
  test.change_runs = trials_from(json, "change_runs");
  test.baseline_runs = trials_from(json, "baseline_runs");
  test.base_host_runs = trials_from(json, "base_host_runs");
  if (const auto p_value = json.find("p_value"); p_value != json.end())
    test.p_value = p_value->get<double>();
  test.new_signatures = json.value("new_signatures", std::vector<std::string>());
  test.known_issue = json.value("known_issue", std::string());
  test.duration = duration_from(json, "duration_seconds");
  test.usual_duration = duration_from(json, "usual_seconds");
  return test;
}

Json signature_json(const NewSignature& signature) {
  Json json{{"signature", signature.signature}, {"title", signature.title}};
  Json& tests = json["tests"] = Json::array();
  for (const TestId& test : signature.tests)
    tests.push_back(test_to_json(test));
  return json;
}

NewSignature signature_from(const Json& json) {
  NewSignature signature{
      json.at("signature").get<std::string>(), json.value("title", std::string()), {}};
  for (const Json& test : json.value("tests", Json::array()))
    signature.tests.push_back(test_from_json(test));
  return signature;
}

}  // namespace

Json test_to_json(const TestId& id) {
  Json json{{"suite", id.suite}, {"name", id.name}};
  if (!id.configuration.empty()) json["configuration"] = id.configuration;
  if (id.iteration != 1) json["iteration"] = id.iteration;
  return json;
}

TestId test_from_json(const Json& json) {
  const std::size_t iteration = json.contains("iteration") ? count_from(json.at("iteration")) : 1;
  return {json.at("suite").get<std::string>(), json.value("configuration", std::string()),
          json.at("name").get<std::string>(), static_cast<int>(iteration)};
}

Json judgement_to_json(const Judgement& judgement) {
  Json json = Json::object();
  if (!judgement.baseline.empty()) json["baseline"] = judgement.baseline;
  json["result"] = gate_result_name(judgement.result);
  json["why"] = judgement.why;
  json["compared"] = judgement.compared;
  Json& tests = json["tests"] = Json::array();
  for (const TestJudgement& test : judgement.tests)
    tests.push_back(judged_test_json(test));
  for (const NewSignature& signature : judgement.new_signatures)
    json["new_signatures"].push_back(signature_json(signature));
  for (const KnownIssueNote& note : judgement.known_issues) {
    json["known_issues"].push_back(Json{
        {"kind", known_issue_note_name(note.kind)}, {"where", note.where}, {"text", note.text}});
  }
  return json;
}

Judgement judgement_from_json(const Json& json) {
  Judgement judgement;
  judgement.baseline = json.value("baseline", std::string());
  const auto result = json.at("result").get<std::string>();
  judgement.result = known(gate_result_from_name(result), result);
  judgement.why = json.value("why", std::string());
  if (json.contains("compared")) judgement.compared = count_from(json.at("compared"));
  for (const Json& test : json.value("tests", Json::array()))
    judgement.tests.push_back(judged_test_from(test));
  for (const Json& signature : json.value("new_signatures", Json::array()))
    judgement.new_signatures.push_back(signature_from(signature));
  for (const Json& note : json.value("known_issues", Json::array())) {
    const auto kind = note.at("kind").get<std::string>();
    judgement.known_issues.push_back({known(known_issue_note_from_name(kind), kind),
                                      note.value("where", std::string()),
                                      note.value("text", std::string())});
  }
  return judgement;
}

}  // namespace ffci
