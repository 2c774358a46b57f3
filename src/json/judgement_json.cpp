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

[[noreturn]] void complain(const std::string& what) {
  throw std::invalid_argument(what);
}

// `read`: throws what is wrong with it, and then its place is told, too.
template <class Read>
auto within(const std::string& place, Read read) {
  try {
    return read();
  } catch (const std::exception& error) {
    complain(fmt::format("{}: {}", place, error.what()));
  }
}

const Json& at(const Json& json, const char* key) {
  if (!json.is_object()) complain("expected an object");
  const auto found = json.find(key);
  if (found == json.end()) complain(fmt::format("'{}' is missing", key));
  return *found;
}

std::string text_at(const Json& json, const char* key) {
  const Json& text = at(json, key);
  if (!text.is_string()) complain(fmt::format("'{}' is no text", key));
  return text.get<std::string>();
}

std::string text_of(const Json& json, const char* key) {
  return json.contains(key) ? text_at(json, key) : std::string();
}

// `read` of each entry; none where there is no list.
template <class Read>
auto list_from(const Json& json, const char* key, Read read) {
  std::vector<decltype(read(json))> list;
  const auto found = json.find(key);
  if (found == json.end()) return list;
  if (!found->is_array()) complain(fmt::format("'{}' is no list", key));
  for (const Json& entry : *found)
    list.push_back(within(fmt::format("{}/{}", key, list.size()), [&] { return read(entry); }));
  return list;
}

std::size_t count_from(const Json& json) {
  constexpr std::uint64_t largest = 1'000'000'000;
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > largest)
    complain(fmt::format("'{}' is no number of runs or tests", printable_line(json.dump(), 60)));
  return json.get<std::size_t>();
}

Trials trials_from(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  return within(key, [&] {
    const Trials trials{count_from(at(*found, "bad")), count_from(at(*found, "runs"))};
    if (trials.bad > trials.runs)
      complain(fmt::format("{} bad of {} runs", trials.bad, trials.runs));
    return trials;
  });
}

// What is beyond this is of no run.
constexpr double longest_seconds = 100.0 * 365 * 24 * 3600;

std::optional<double> number_from(const Json& json, const char* key, double least, double most) {
  const auto found = json.find(key);
  if (found == json.end()) return std::nullopt;
  const double value = found->is_number() ? found->get<double>() : least - 1;
  if (!(value >= least && value <= most))
    complain(fmt::format("'{}' is no number from {} to {}", key, least, most));
  return value;
}

std::optional<Duration> duration_from(const Json& json, const char* key) {
  const auto seconds = number_from(json, key, 0, longest_seconds);
  return seconds ? std::optional(from_seconds(*seconds)) : std::nullopt;
}

template <class Value>
Value word_at(const Json& json, const char* key, std::optional<Value> (*known)(std::string_view)) {
  const std::string name = text_at(json, key);
  const std::optional<Value> value = known(name);
  if (!value)
    complain(fmt::format("'{}' is '{}', which no gate says", key, printable_line(name, 60)));
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
  test.change = word_at(json, "change", change_from_name);
  test.decision = word_at(json, "decision", decision_from_name);
  test.why = text_of(json, "why");
  test.change_runs = trials_from(json, "change_runs");
  test.baseline_runs = trials_from(json, "baseline_runs");
  test.base_host_runs = trials_from(json, "base_host_runs");
  test.p_value = number_from(json, "p_value", 0, 1);
  test.new_signatures = list_from(json, "new_signatures", [](const Json& signature) {
    if (!signature.is_string()) complain("expected text");
    return signature.get<std::string>();
  });
  test.known_issue = text_of(json, "known_issue");
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
  return {text_at(json, "signature"), text_of(json, "title"),
          list_from(json, "tests", test_from_json)};
}

KnownIssueNote note_from(const Json& json) {
  return {word_at(json, "kind", known_issue_note_from_name), text_of(json, "where"),
          text_of(json, "text")};
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
  return {text_at(json, "suite"), text_of(json, "configuration"), text_at(json, "name"),
          static_cast<int>(iteration)};
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
  judgement.result = word_at(json, "result", gate_result_from_name);
  judgement.baseline = text_of(json, "baseline");
  judgement.why = text_of(json, "why");
  if (json.contains("compared"))
    judgement.compared = within("compared", [&] { return count_from(json.at("compared")); });
  judgement.tests = list_from(json, "tests", judged_test_from);
  judgement.new_signatures = list_from(json, "new_signatures", signature_from);
  judgement.known_issues = list_from(json, "known_issues", note_from);
  return judgement;
}

}  // namespace ffci
