// Driver: an engine and what it asked for, told as short texts, so that a claim about the engine is
// a handful of lines.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace ffci::test {

using Texts = std::vector<std::string>;

// Drives an engine and keeps what it asked for, as short texts: "start t1 on a/1", "start t1 t2 on
// a/1" for a batch of two, "stop t1" … The third rerun of t1 is called "t1~3".
class Driver {
 public:
  enum class Begins { anew, by_resuming };
  explicit Driver(EnginePlan plan, Begins how = Begins::anew)
      : plan_(plan), engine_(std::move(plan)) {
    give(how == Begins::anew ? Input(input::Begin{}) : Input(input::Resume{}));
  }

  Texts at(Duration now) {
    now_ = now;
    return give(input::Tick{});
  }
  // Nobody tells the engine.
  void let_pass_until(Duration now) { now_ = now; }
  Texts up(size_t host, const std::string& boot_id = {}) {
    return give(input::AcceptHost{
        host, HostReady{plan_.hosts[host].name, "", plan_.hosts[host].slots, "", "", "", boot_id}});
  }
  Texts lose(size_t host) { return give(input::LoseHost{host, "gone"}); }
  Texts begin(const std::string& test) {
    return give(input::BeginTest{places_.at(test).batch, places_.at(test).place, "files"});
  }
  // Ends the test, and its batch.
  Texts end(const std::string& test, Outcome outcome) {
    const BatchNumber batch = batch_of(test);
    Texts asked = end_alone(test, std::move(outcome));
    for (std::string& more : give(input::EndBatch{batch, {}}))
      asked.push_back(std::move(more));
    return asked;
  }
  // Ends the test, and nothing more is heard of its batch.
  enum class Leaves { nothing, a_mess, others_suspect };
  Texts end_alone(const std::string& test, Outcome outcome, Leaves leaves = Leaves::nothing) {
    Attempt result;
    result.outcome = std::move(outcome);
    return give(input::EndTest{places_.at(test).batch, places_.at(test).place, result,
                               leaves == Leaves::a_mess, leaves == Leaves::others_suspect});
  }
  Texts run(const std::string& test, Outcome outcome = Passed{}) {
    Texts asked = begin(test);
    for (std::string& more : end_alone(test, std::move(outcome)))
      asked.push_back(std::move(more));
    return asked;
  }
  // The command of the batch that the test was started in last is over.
  Texts over(const std::string& test) { return give(input::EndBatch{batch_of(test), {}}); }
  BatchNumber batch_of(const std::string& test) const { return places_.at(test).batch; }
  Texts pass(const std::string& test) { return end(test, Passed{}); }
  Texts order(std::vector<RerunOrder> orders) {
    return give(input::OrderReruns{std::move(orders)});
  }
  Texts judge() { return give(input::AcceptJudgement{}); }
  Texts fails(const std::string& test) { return end(test, Failed{"no", {}}); }
  Texts give(const Input& input) {
    Texts asked;
    std::vector<BatchNumber> begun;
    for (const Action& action : engine_.handle(now_, input)) {
      if (const auto* start = std::get_if<action::StartBatch>(&action)) {
        std::string names;
        for (size_t place = 0; place < start->tests.size(); ++place) {
          const std::string name =
              called(start->tests[place], start->purpose, start->attempts[place]);
          places_[name] = {start->batch, place};
          names += " " + name;
        }
        if (start->tests.size() == 1) begun.push_back(start->batch);
        const std::string verb = start->purpose == Purpose::base ? "base" : "start";
        asked.push_back(verb + names + " on " + plan_.hosts[start->host].name + "/" +
                        std::to_string(start->slot));
      } else if (const auto* stop = std::get_if<action::StopBatch>(&action)) {
        for (const auto& [name, at] : places_) {
          if (at.batch == stop->batch && at.place == 0)
            asked.push_back((stop->urgency == Urgency::at_once ? "kill " : "stop ") + name);
        }
      } else if (const auto* set_up = std::get_if<action::SetUpSuite>(&action)) {
        asked.push_back("set up " + plan_.suites[set_up->suite].name + " on " +
                        plan_.hosts[set_up->host].name);
      } else if (const auto* down = std::get_if<action::TearDownSuite>(&action)) {
        asked.push_back("tear down " + plan_.suites[down->suite].name + " on " +
                        plan_.hosts[down->host].name);
      } else if (const auto* host = std::get_if<action::StartHost>(&action)) {
        asked.push_back("boot " + plan_.hosts[host->host].name);
      } else if (const auto* off = std::get_if<action::StopHost>(&action)) {
        asked.push_back("halt " + plan_.hosts[off->host].name);
      } else if (std::holds_alternative<action::Finish>(action)) {
        asked.emplace_back("over");
      } else if (const auto* judge = std::get_if<action::JudgeRun>(&action)) {
        asked.push_back(judge->why_final.empty() ? "judge" : "judge: " + judge->why_final);
      } else if (const auto* record = std::get_if<action::Record>(&action)) {
        events.push_back(record->event);
      }
    }
    if (!begins_at_once) return asked;
    for (const BatchNumber batch : begun) {
      for (std::string& more : give(input::BeginTest{batch, 0, "files"}))
        asked.push_back(std::move(more));
    }
    return asked;
  }

  // How the attempts at a test ended, but for reruns, and why it did not run.
  Texts outcomes(const std::string& test) const {
    Texts texts;
    for (const RunEvent& event : events) {
      if (const auto* attempt = std::get_if<AttemptFinished>(&event.fact);
          attempt != nullptr &&
          called(attempt->test, attempt->result.purpose, attempt->result.number) == test) {
        texts.emplace_back(outcome_name(*attempt->result.outcome));
      }
      if (const auto* done = std::get_if<TestFinished>(&event.fact);
          done != nullptr && name_with_iteration(done->test) == test) {
        texts.push_back(done->not_run ? "never ran: " + *done->not_run : "finished");
      }
    }
    return texts;
  }

  // What was recorded of hosts and attempts.
  Texts facts() const {
    Texts texts;
    for (const RunEvent& event : events) {
      if (const auto* ready = std::get_if<HostReady>(&event.fact)) {
        texts.push_back("ready " + ready->host);
      } else if (const auto* lost = std::get_if<HostLostFact>(&event.fact)) {
        texts.push_back("lose " + lost->host);
      } else if (const auto* replaced = std::get_if<HostReplaced>(&event.fact)) {
        texts.push_back("replace " + replaced->host);
      } else if (const auto* retired = std::get_if<HostRetired>(&event.fact)) {
        texts.push_back("retire " + retired->host + ": " + retired->why);
      } else if (const auto* start = std::get_if<AttemptStarted>(&event.fact)) {
        texts.push_back("start " + of_attempt(start->test, start->purpose, start->attempt) +
                        " on " + start->host);
      } else if (const auto* end = std::get_if<AttemptFinished>(&event.fact)) {
        texts.push_back("end " + of_attempt(end->test, end->result.purpose, end->result.number) +
                        " " + std::string(outcome_name(*end->result.outcome)));
      }
    }
    return texts;
  }

  std::vector<RunEvent> events;
  bool begins_at_once = true;

 private:
  static std::string called(const TestId& test, Purpose purpose, int attempt) {
    const std::string name = name_with_iteration(test);
    return purpose == Purpose::verdict ? name : name + "~" + std::to_string(attempt);
  }
  static std::string of_attempt(const TestId& test, Purpose purpose, int attempt) {
    if (purpose != Purpose::verdict)
      return (purpose == Purpose::base ? "base " : "") + called(test, purpose, attempt);
    return test.name + "/" + std::to_string(attempt);
  }

  EnginePlan plan_;
  Engine engine_;
  Duration now_{};
  struct Place {
    BatchNumber batch = 0;
    size_t place = 0;
  };
  std::map<std::string, Place> places_;  // where each test was started last
};

inline TestCase test_case(const std::string& name, std::optional<Duration> expected = {},
                          std::optional<Duration> timeout = {}, const std::string& suite = "s") {
  return {{suite, "", name, 1}, timeout, expected};
}

inline EnginePlan plan_of(std::vector<TestCase> tests, std::vector<HostPlan> hosts = {{"a", 1}}) {
  EnginePlan made;
  made.tests = std::move(tests);
  made.suites = {{"s", false, 0}};
  made.hosts = std::move(hosts);
  made.test_timeout = std::chrono::minutes(1);
  return made;
}

}  // namespace ffci::test
