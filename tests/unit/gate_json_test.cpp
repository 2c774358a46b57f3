// What the gate says, in the journal and in the summary.
#include <doctest/doctest.h>

#include <functional>

#include "gated_run.hpp"
#include "json/judgement_json.hpp"
#include "judgement_with_everything.hpp"
#include "report/summary.hpp"
#include "store/event_json.hpp"
#include "store/read_summary.hpp"

namespace ffci::test {
namespace {

using Json = nlohmann::ordered_json;

template <class Fact>
Fact again(const Fact& fact) {
  const std::string line = event_to_json({7, 1500ms, fact});
  const auto read = event_from_json(line);
  REQUIRE_MESSAGE(read, (read ? "" : read.error().message));
  CHECK(event_to_json(*read) == line);
  REQUIRE(std::holds_alternative<Fact>(read->fact));
  return std::get<Fact>(read->fact);
}

using Spoil = std::function<void(Json& gate)>;

// Of a gate with everything in it, but for what `spoil` makes of it.
std::string refusal_of_event(const Spoil& spoil) {
  Json event{{"sequence", 1}, {"time", 0.0}, {"event", "run_judged"}};
  event["gate"] = judgement_to_json(judgement_with_everything());
  spoil(event["gate"]);
  const auto read = event_from_json(event.dump());
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::data);
  return read.error().message;
}

std::string refusal_of_summary(const std::function<void(Json& summary)>& spoil) {
  Json summary = Json::parse(summary_json(one_of_each_decision().run()));
  spoil(summary);
  const auto read = read_summary(summary.dump(), "s.json");
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::data);
  return read.error().message;
}

// As the summary has them: how a test's tests went, not what they wrote.
std::vector<std::string> reruns_of(const Run& run) {
  std::vector<std::string> reruns;
  for (const TestResult& test : run.tests()) {
    for (const Attempt& rerun : test.reruns) {
      reruns.push_back(to_string(test.id) + " " + std::to_string(rerun.number) + " " +
                       std::string(purpose_name(rerun.purpose)) + " on " + rerun.host + ": " +
                       (rerun.outcome ? std::string(outcome_name(*rerun.outcome)) : "unfinished"));
    }
  }
  return reruns;
}

}  // namespace

TEST_CASE("a judgement comes back from JSON as it was") {
  CHECK(judgement_from_json(judgement_to_json(judgement_with_everything())) ==
        judgement_with_everything());
  CHECK(judgement_from_json(judgement_to_json({})) == Judgement());
  for (const auto result :
       {GateResult::regression, GateResult::failed, GateResult::inconclusive,
        GateResult::incomparable, GateResult::flaky, GateResult::drift, GateResult::passed}) {
    Judgement judgement;
    judgement.result = result;
    CHECK(judgement_from_json(judgement_to_json(judgement)).result == result);
  }
  for (const auto decision : {Decision::regression, Decision::failure, Decision::flaky,
                              Decision::known, Decision::inconclusive, Decision::noted}) {
    Judgement judgement;
    judgement.tests.emplace_back().decision = decision;
    CHECK(judgement_from_json(judgement_to_json(judgement)).tests[0].decision == decision);
  }
}

TEST_CASE("the journal has what the gate ordered and said") {
  CHECK(again(RunJudged{judgement_with_everything()}).judgement == judgement_with_everything());
  const std::vector<RerunOrder> orders{{in_4k, 3, 2, {}},
                                       {plain, 0, 0, Decision::regression},
                                       {in_4k, 0, 0, Decision::flaky},
                                       {plain, 0, 0, Decision::inconclusive}};
  CHECK(again(RerunsOrdered{orders}).orders == orders);
}

TEST_CASE("the journal has what an attempt was made for") {
  for (const Purpose purpose : {Purpose::verdict, Purpose::confirmation, Purpose::base}) {
    CHECK(again(AttemptStarted{plain, 2, "vm", 1, "files", 5, purpose}).purpose == purpose);
    CHECK(again(FilesKept{plain, 2, {"a"}, "", purpose}).purpose == purpose);
    Attempt attempt;
    attempt.purpose = purpose;
    attempt.outcome = Failed{"broken", {}, "inconsistent file system"};
    CHECK(again(AttemptFinished{plain, attempt}).result == attempt);
  }
}

TEST_CASE("the journal has the baseline, and what vanished of it") {
  RunStarted started{"id", "job", "1", {}, 0, "", ""};
  CHECK_FALSE(again(started).gated);
  started.gated = true;
  CHECK(again(started).gated);
  CHECK_FALSE(again(started).baseline);
  started.baseline = BaselineFact{"-1", "run 1", {}};
  CHECK(again(started).baseline == started.baseline);
  started.baseline->vanished = {in_4k, plain};
  CHECK(again(started).baseline == started.baseline);
}

TEST_CASE("a gate in the journal that cannot be read is refused with its place") {
  const auto refusal = refusal_of_event;
  CHECK(refusal([](Json& gate) { gate.erase("result"); }) == "gate: 'result' is missing");
  CHECK(refusal([](Json& gate) { gate["result"] = "coffee"; }) ==
        "gate: 'result' is 'coffee', which no gate says");
  CHECK(refusal([](Json& gate) { gate["compared"] = -1; }) ==
        "gate: compared: '-1' is no number of runs or tests");
  CHECK(refusal([](Json& gate) { gate["tests"] = Json::object(); }) == "gate: 'tests' is no list");
  CHECK(refusal([](Json& gate) { gate["tests"] = nullptr; }) == "gate: 'tests' is no list");
  CHECK(refusal([](Json& gate) { gate["tests"][1] = 3; }) == "gate: tests/1: expected an object");
  CHECK(refusal([](Json& gate) { gate["tests"][1].erase("name"); }) ==
        "gate: tests/1: 'name' is missing");
  CHECK(refusal([](Json& gate) { gate["tests"][0]["decision"] = 7; }) ==
        "gate: tests/0: 'decision' is no text");
  CHECK(refusal([](Json& gate) { gate["tests"][0]["change_runs"]["bad"] = 9; }) ==
        "gate: tests/0: change_runs: 9 bad of 4 runs");
  CHECK(refusal([](Json& gate) { gate["tests"][0]["change_runs"] = 9; }) ==
        "gate: tests/0: change_runs: expected an object");
  CHECK(refusal([](Json& gate) { gate["tests"][0]["p_value"] = 1.5; }) ==
        "gate: tests/0: 'p_value' is no number from 0 to 1");
  CHECK(refusal([](Json& gate) {
          gate["tests"][0]["duration_seconds"] = "1";
        }).starts_with("gate: tests/0: 'duration_seconds' is no number from 0 to "));
  CHECK(refusal([](Json& gate) { gate["new_signatures"][1]["signature"] = nullptr; }) ==
        "gate: new_signatures/1: 'signature' is no text");
  CHECK(refusal([](Json& gate) { gate["new_signatures"][0]["tests"][1].erase("suite"); }) ==
        "gate: new_signatures/0: tests/1: 'suite' is missing");
  CHECK(refusal([](Json& gate) { gate["known_issues"][2]["kind"] = "old"; }) ==
        "gate: known_issues/2: 'kind' is 'old', which no gate says");
}

TEST_CASE("an order of reruns that says what no gate says is refused") {
  const auto refusal = [](const char* order) {
    const auto read = event_from_json(
        std::string(R"({"sequence":1,"time":0,"event":"reruns_ordered","orders":[)") + order +
        "]}");
    REQUIRE_FALSE(read);
    return read.error().message;
  };
  CHECK(refusal(R"({"test":{"suite":"s","name":"t"},"change":0,"settled":"maybe"})") ==
        "unknown decision 'maybe'");
  CHECK(refusal(R"({"test":{"suite":"s"},"change":1})") == "'name' is missing");
  CHECK(refusal(R"({"test":{"suite":"s","name":"t"},"change":-1})") ==
        "'-1' is no size or number of a run");
}

TEST_CASE("a summary keeps what the gate said, and the reruns it said it of") {
  const Run run = one_of_each_decision().run();
  const auto read = read_summary(summary_json(run), "s.json");
  REQUIRE_MESSAGE(read, (read ? "" : read.error().message));
  CHECK(read->judgement() == run.judgement());
  CHECK(reruns_of(run).size() == 18);
  CHECK(reruns_of(*read) == reruns_of(run));
  CHECK(result_of(*read) == RunResult::regression);
  CHECK(summary_json(*read) == summary_json(run));
}

TEST_CASE("a summary of a run that broke off in a rerun keeps that it was running") {
  const Run run = RunBuilder()
                      .gated()
                      .test(plain, {{.outcome = exit_with(1)}})
                      .fact(AttemptStarted{plain, 1, "local", 2, "files", 0, Purpose::base})
                      .pass(5s)
                      .run();
  const auto read = read_summary(summary_json(run), "s.json");
  REQUIRE(read);
  CHECK(reruns_of(*read) ==
        std::vector<std::string>{"xfs/generic/476 1 base on local: unfinished"});
  CHECK(summary_json(*read) == summary_json(run));
}

TEST_CASE("a run whose gate had not spoken is still one in its summary") {
  const Run run = RunBuilder().gated().test(plain, {{}}).finish().run();
  const auto read = read_summary(summary_json(run), "s.json");
  REQUIRE(read);
  CHECK(read->header().gated);
  CHECK_FALSE(read->judgement());
  CHECK(result_of(*read) == RunResult::incomplete);
  const auto ungated = read_summary(summary_json(RunBuilder().finish().run()), "s.json");
  CHECK_FALSE(ungated->header().gated);
}

TEST_CASE("a gate in a summary that cannot be read is refused with its place") {
  const auto refusal = refusal_of_summary;
  CHECK(refusal([](Json& summary) { summary["gate"] = 3; }) == "s.json: gate: expected an object");
  CHECK(refusal([](Json& summary) { summary["gate"]["tests"][3].erase("change"); }) ==
        "s.json: gate: tests/3: 'change' is missing");
  CHECK(refusal([](Json& summary) { summary["tests"][1]["reruns"][2]["number"] = 1; }) ==
        "s.json: tests/1/reruns/2: rerun 1 is there twice");
  CHECK(refusal([](Json& summary) { summary["tests"][1]["reruns"][2]["purpose"] = "fun"; }) ==
        "s.json: tests/1/reruns/2/purpose: 'fun' is no purpose of a rerun");
  CHECK(refusal([](Json& summary) { summary["tests"][1]["reruns"][2]["purpose"] = "verdict"; }) ==
        "s.json: tests/1/reruns/2/purpose: 'verdict' is no purpose of a rerun");
  CHECK(refusal([](Json& summary) { summary["tests"][1]["reruns"][2].erase("purpose"); }) ==
        "s.json: tests/1/reruns/2: 'purpose' is missing");
}

}  // namespace ffci::test
