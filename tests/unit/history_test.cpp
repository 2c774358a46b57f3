#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.hpp"
#include "store/expected_durations.hpp"
#include "store/history.hpp"
#include "store/history_schema.hpp"
#include "store/journal.hpp"
#include "store/sqlite.hpp"

using namespace ffci;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Tried {
  TestId test;
  Outcome outcome = Passed{};
  Duration duration = 1s;
  std::string host = "local";
  int number = 1;
  Duration started = 0ms;
  std::uint64_t batch = 0;
};

TestId named(const std::string& name) {
  return {"s", "", name, 1};
}

TestCase wanted(const TestId& id) {
  TestCase test;
  test.id = id;
  return test;
}

// As a gate asks for its baseline.
const RunFilter without_regressions{"", false};

std::vector<std::string> names(const Result<std::vector<TestId>>& tests) {
  std::vector<std::string> names;
  for (const TestId& id : tests.value())
    names.push_back(to_string(id));
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> shown(const Result<std::vector<PastSignature>>& signatures) {
  std::vector<std::string> shown;
  for (const PastSignature& known : signatures.value())
    shown.push_back(to_string(known.test) + ": " + known.signature);
  std::sort(shown.begin(), shown.end());
  return shown;
}

using Names = std::vector<std::string>;

// A results directory, and the runs in it.
struct Results {
  Results() {
    std::string made = fs::temp_directory_path() / "ff-ci-history-XXXXXX";
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    path = made;
    fs::create_directories(path / "runs");
  }
  ~Results() { fs::remove_all(path); }

  // `day`: of January 2026, when it starts.
  std::string run(int day, const std::vector<Tried>& tries, bool finished = true,
                  std::vector<std::string> merged = {}, std::optional<Shard> shard = {},
                  std::optional<GateResult> gate = {}, const std::string& job = "job") const {
    const WallTime at = std::chrono::sys_days(std::chrono::year(2026) / 1 / day);
    const std::string id = compact_timestamp(at);
    fs::create_directories(path / "runs" / id);
    RunStarted header{id, job, "1", at, 0, "", ""};
    header.gated = gate.has_value();
    header.merged = std::move(merged);
    header.shard = std::move(shard);
    std::vector<RunEvent> events{{1, 0ms, header}};
    const auto add = [&](auto fact, Duration time) {
      events.push_back({events.size() + 1, time, std::move(fact)});
    };
    add(HostReady{"local", "local", 2, "6.1", "x86_64", "private"}, 300ms);
    add(HostReady{"arm", "ssh", 1, "6.1", "aarch64", "private"}, 500ms);
    add(SuiteSetUp{"local", "s", 2s, {}}, 2s);
    for (const Tried& tried : tries) {
      add(AttemptStarted{tried.test, tried.number, tried.host, 1, "", tried.batch}, tried.started);
      Attempt attempt;
      attempt.number = tried.number;
      attempt.host = tried.host;
      attempt.slot = 1;
      attempt.started = tried.started;
      attempt.duration = tried.duration;
      attempt.outcome = tried.outcome;
      add(AttemptFinished{tried.test, attempt}, tried.started + tried.duration);
    }
    if (gate) {
      Judgement judgement;
      judgement.result = *gate;
      for (const Tried& tried : tries) {
        if (*gate != GateResult::inconclusive || !is_bad(tried.outcome)) continue;
        TestJudgement& open = judgement.tests.emplace_back();
        open.id = tried.test;
        open.decision = Decision::inconclusive;
      }
      add(RunJudged{judgement}, 59s);
    }
    if (finished) add(RunFinished{}, 60s);
    fs::remove(path / "runs" / id / "journal.jsonl");
    write(id, events);
    return id;
  }

  void write(const std::string& id, const std::vector<RunEvent>& events) const {
    auto journal = JournalWriter::create(path / "runs" / id / "journal.jsonl");
    REQUIRE(journal);
    for (const RunEvent& event : events)
      REQUIRE((*journal)->append(event));
    REQUIRE((*journal)->close());
  }

  void go_on(const std::string& id, const std::vector<RunEvent>& events) const {
    std::ofstream journal(path / "runs" / id / "journal.jsonl", std::ios::app);
    std::uint64_t sequence = 100;
    for (RunEvent event : events) {
      event.sequence = ++sequence;
      event.time += 100s;
      journal << R"({"sequence":)" << event.sequence << R"(,)"
              << R"("time":)" << to_seconds(event.time) << ",";
      Attempt passed;
      if (std::holds_alternative<RunResumed>(event.fact)) {
        journal << R"("event":"run_resumed","at":"2026-02-01T00:00:00.000Z","ff_ci_version":"1"})";
      } else if (std::holds_alternative<RunFinished>(event.fact)) {
        journal << R"("event":"run_finished","how":"completed"})";
      } else {
        journal << R"("event":"attempt_finished","test":{"suite":"s","name":"t"},"result":)"
                   R"({"number":2,"host":"local","slot":1,"started_seconds":100.0,)"
                   R"("duration_seconds":9.0,"outcome":"passed"}})";
      }
      journal << "\n";
    }
  }

  [[nodiscard]] History history() const {
    auto opened = History::open(path);
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().message));
    return std::move(*opened);
  }
  [[nodiscard]] History complete_history() const {
    History made = history();
    REQUIRE(made.add_missing_runs());
    return made;
  }
  [[nodiscard]] sqlite::Database database() const {
    return {path / "history.db", sqlite::Access::write};
  }
  void overwrite(const std::string& bytes, std::streamoff at = 0) const {
    std::fstream file(path / "history.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file << bytes;
  }

  fs::path path;
};

Duration high(History& history, const TestId& id, const std::string& arch = "x86_64") {
  const auto known = history.durations_of({wanted(id)}, arch);
  REQUIRE(known);
  return known->contains(id) ? known->at(id).high : -1ms;
}

}  // namespace

TEST_CASE("the schema has the version and the mark that the program looks for") {
  sqlite::Database database = sqlite::Database::in_memory();
  database.execute(history_schema);
  CHECK(database.whole("PRAGMA user_version") == History::version);
  CHECK(database.whole("PRAGMA application_id") == 0x46464349);
}

TEST_CASE("a history without runs knows nothing, and says so without an error") {
  const Results results;
  History history = results.history();
  CHECK(history.add_missing_runs().value() == 0);
  CHECK(history.runs(20)->empty());
  CHECK(history.tests()->empty());
  CHECK(history.durations_of({wanted(named("t"))}, "x86_64")->empty());
  CHECK(history.costs("job")->host_ready.empty());
  CHECK(History::open(results.path / "none").error().kind == ErrorKind::no_input);
}

TEST_CASE("only finished runs are added, and each of them once") {
  const Results results;
  results.run(1, {{named("t")}});
  results.run(2, {{named("t")}}, false);
  History history = results.history();
  CHECK(history.add_missing_runs().value() == 1);
  CHECK(history.add_missing_runs().value() == 0);
  CHECK(history.run_count().value() == 1);
  CHECK(results.complete_history().run_count().value() == 1);
}

TEST_CASE("a run that was resumed after it was indexed stands in the place of the old") {
  const Results results;
  const std::string id = results.run(1, {{named("t"), Failed{"why", {}}, 3s}});
  CHECK(high(*std::make_unique<History>(results.complete_history()), named("t")) == 3s);
  results.go_on(id, {{0, 0ms, RunResumed{}}});
  History history = results.history();
  CHECK(history.add_missing_runs().value() == 0);  // it has not ended
  results.go_on(id, {{0, 1s, AttemptFinished{}}, {0, 2s, RunFinished{}}});
  CHECK(history.add_missing_runs().value() == 1);
  CHECK(history.run_count().value() == 1);
  CHECK(high(history, named("t")) == 9s);
  const auto known = history.histories_of({wanted(named("t"))});
  REQUIRE(known->size() == 1);
  REQUIRE(known->front().results.size() == 1);
  CHECK(known->front().results.front().verdict == Verdict::flaky);
  CHECK(known->front().results.front().attempts == 2);
}

TEST_CASE("a test takes the 90th percentile over the last ten runs of their longest attempts") {
  const Results results;
  results.run(1, {{named("t"), Passed{}, 1000s}});  // the eleventh
  for (int day = 2; day <= 11; ++day)
    results.run(day,
                {{named("t"), Failed{"", {}}, 1ms}, {named("t"), Passed{}, day * 1s, "local", 2}});
  History history = results.complete_history();
  const auto known = history.durations_of({wanted(named("t"))}, "x86_64");
  REQUIRE(known);
  CHECK(known->at(named("t")).high == 10s);
  CHECK(known->at(named("t")).typical == 6500ms);
  const ExpectedDurations expected = expected_durations_from(*known, 11);
  CHECK(expected.by_test.at(named("t")) == 10s);
  CHECK(expected.source == "history (11 runs)");
}

TEST_CASE("failures, timeouts and crashes tell how long a test takes, a lost host does not") {
  const Results results;
  results.run(1, {{named("failed"), Failed{"", {}}, 2s},
                  {named("timed out"), TimedOut{3s}, 3s},
                  {named("crashed"), Crashed{"BUG", "BUG:f"}, 4s},
                  {named("lost"), HostLost{""}, 5s},
                  {named("set-up"), SetupFailed{""}, 6s},
                  {named("stopped"), NotRun{""}, 7s}});
  History history = results.complete_history();
  CHECK(high(history, named("failed")) == 2s);
  CHECK(high(history, named("timed out")) == 3s);
  CHECK(high(history, named("crashed")) == 4s);
  for (const char* name : {"lost", "set-up", "stopped"})
    CHECK(high(history, named(name)) == -1ms);
  CHECK(history.histories_of({wanted(named("crashed"))})->front().results.front().signature ==
        "BUG:f");
}

TEST_CASE("what is not known here comes from another architecture, then another configuration") {
  const Results results;
  const TestId k4{"s", "4k", "t", 1}, k64{"s", "64k", "t", 1}, none{"s", "", "t", 1};
  results.run(1, {{k4, Passed{}, 1s}, {k64, Passed{}, 9s, "arm"}});
  History history = results.complete_history();
  CHECK(high(history, k4, "x86_64") == 1s);
  CHECK(high(history, k4, "riscv64") == 1s);
  CHECK(high(history, k64, "x86_64") == 9s);  // the same configuration first
  CHECK(high(history, none, "x86_64") == 1s);
  CHECK(high(history, none, "aarch64") == 9s);
  CHECK(high(history, {"other", "", "t", 1}) == -1ms);
  TestId second = k4;
  second.iteration = 2;
  CHECK(history.durations_of({wanted(second)}, "x86_64")->at(k4).high == 1s);
}

TEST_CASE("of a merged run and its parts the merged one counts") {
  const Results results;
  const std::string part = results.run(1, {{named("t"), Failed{"", {}}, 5s}});
  results.run(2, {{named("t"), Failed{"", {}}, 1s}}, true, {part});
  History history = results.complete_history();
  CHECK(high(history, named("t")) == 1s);
  CHECK(history.histories_of({wanted(named("t"))})->front().results.size() == 1);
  CHECK(history.run_count().value() == 2);
}

TEST_CASE("a merged run that has the id of a shard from elsewhere counts") {
  const Results results;
  results.run(1, {{named("t"), Failed{"", {}}, 1s}}, true, {"20260101T000000Z"});
  History history = results.complete_history();
  CHECK(high(history, named("t")) == 1s);
  CHECK(history.histories_of({wanted(named("t"))})->size() == 1);
}

TEST_CASE("a machine's own shards tell nothing where a plan is split") {
  const Results results;
  using Of = History::Of;
  const std::vector<TestCase> tests{wanted(named("t")), wanted(named("u"))};
  const auto high_of = [&](History& history, Of of) {
    std::vector<Duration> all;
    const auto known = history.durations_of(tests, "x86_64", of);
    REQUIRE(known);
    for (const TestCase& test : tests)
      all.push_back(known->contains(test.id) ? known->at(test.id).high : -1ms);
    return all;
  };
  results.run(1, {{named("t"), Passed{}, 1s}});
  {
    History history = results.complete_history();
    CHECK(high_of(history, Of::whole_runs) == std::vector<Duration>{1s, -1ms});
  }
  const std::string part = results.run(2, {{named("t"), Passed{}, 8s}, {named("u"), Passed{}, 9s}},
                                       true, {}, Shard{1, 2, "digest"});
  {
    History history = results.complete_history();
    CHECK(high_of(history, Of::all_runs) == std::vector<Duration>{8s, 9s});
    CHECK(high_of(history, Of::whole_runs) == std::vector<Duration>{1s, -1ms});
    CHECK(history.run_count(Of::whole_runs).value() == 1);
  }
  results.run(3, {{named("t"), Passed{}, 5s}, {named("u"), Passed{}, 6s}}, true, {part});
  History history = results.complete_history();
  CHECK(high_of(history, Of::whole_runs) == std::vector<Duration>{5s, 6s});
}

TEST_CASE("what a run costs beside its tests is known") {
  const Results results;
  results.run(1, {{named("a"), Passed{}, 1s, "local", 1, 0ms, 1},
                  {named("b"), Passed{}, 1s, "local", 1, 1s, 1},
                  {named("c"), Passed{}, 1s, "local", 1, 2400ms, 2}});
  History history = results.complete_history();
  const auto costs = history.costs("job");
  REQUIRE(costs);
  CHECK(costs->set_up.at("s") == 2s);
  CHECK(costs->host_ready == std::map<std::string, Duration>{{"local", 300ms}, {"ssh", 500ms}});
  CHECK(costs->call.at("s") == 400ms);
  CHECK(history.costs("another job")->set_up.empty());
}

TEST_CASE("of a merged run and its parts the merged one tells what a run costs") {
  const Results results;
  const std::string part = results.run(1, {{named("a"), Passed{}, 1s, "local", 1, 0ms, 1},
                                           {named("b"), Passed{}, 1s, "local", 1, 5s, 2}});
  results.run(2, {{named("a")}}, true, {part});
  History history = results.complete_history();
  CHECK(history.costs("job")->call.empty());
  CHECK(history.costs("job")->set_up.at("s") == 2s);
}

TEST_CASE("hostile names come back as the journal has them") {
  const Results results;
  const std::vector<std::string> names{
      "'; DROP TABLE runs; --",  "a\nb\tc", "\xff\xfe", "%s%n", "\"", "*",
      std::string("nul\0nul", 7)};
  std::vector<Tried> tries;
  for (const std::string& name : names)
    tries.push_back({{"s'\"", "c\n", name, 1}});
  results.run(1, tries);
  History history = results.complete_history();
  const auto known = history.tests();
  REQUIRE(known);
  CHECK(known->size() == names.size());
  const auto found = history.durations_of(*known, "x86_64");
  REQUIRE(found);
  CHECK(found->size() == names.size());
  CHECK(found->contains({"s'\"", "c\n", names[0], 1}));
  CHECK(found->contains({"s'\"", "c\n", names[1], 1}));
  CHECK(found->contains({"s'\"", "c\n", names[6], 1}));
}

TEST_CASE("a file that is damaged is set aside, and the runs are read again") {
  const Results results;
  results.run(1, {{named("t"), Passed{}, 7s}});
  { const History made = results.complete_history(); }
  SUBCASE("no database at all") {
    results.overwrite("this is not a database, is it");
  }
  SUBCASE("truncated") {
    fs::resize_file(results.path / "history.db", 5000);
  }
  SUBCASE("only a part of the first page") {
    fs::resize_file(results.path / "history.db", 50);
  }
  SUBCASE("one of another program") {
    fs::remove(results.path / "history.db");
    results.database().execute("CREATE TABLE contacts (name TEXT)");
  }
  History history = results.history();
  CHECK(history.take_notes().size() == 1);
  CHECK(history.add_missing_runs().value() == 1);
  CHECK(high(history, named("t")) == 7s);
  CHECK(fs::exists(results.path / "history.db.corrupt-1"));
}

TEST_CASE("damage that is only found when the file is asked is mended, too") {
  const Results results;
  for (int day = 1; day <= 9; ++day)
    results.run(day, {{named("t"), Passed{}, 7s}, {named("u")}});
  { const History made = results.complete_history(); }
  SUBCASE("pages of garbage behind the first") {
    const auto size = fs::file_size(results.path / "history.db");
    for (std::uintmax_t at = 4096; at < size; at += 4096)
      results.overwrite(std::string(4096, '\xa5'), static_cast<std::streamoff>(at));
  }
  SUBCASE("a table is gone") {
    results.database().execute(
        "DROP VIEW test_rates; DROP VIEW test_results; "
        "DROP VIEW test_attempts; DROP TABLE tests");
  }
  History history = results.history();
  REQUIRE(history.add_missing_runs());
  CHECK(high(history, named("t")) == 7s);
  CHECK(history.take_notes().size() == 1);
  CHECK(history.run_count().value() == 9);
  CHECK(fs::exists(results.path / "history.db.corrupt-1"));
}

TEST_CASE("what is damaged again after it was mended is an error") {
  const Results results;
  results.run(1, {{named("t"), Passed{}, 7s}});
  History history = results.complete_history();
  const auto damage = [&] {
    results.database().execute(
        "DROP VIEW test_rates; DROP VIEW test_results; "
        "DROP VIEW test_attempts; DROP TABLE tests");
  };
  damage();
  CHECK(high(history, named("t")) == 7s);
  damage();
  CHECK(history.durations_of({wanted(named("t"))}, "x86_64").error().kind == ErrorKind::io);
  CHECK_FALSE(fs::exists(results.path / "history.db.corrupt-2"));
}

TEST_CASE("a file of an older version is made anew, one of a newer version is left alone") {
  const Results results;
  results.run(1, {{named("t")}});
  { const History made = results.complete_history(); }
  results.database().execute("PRAGMA user_version = 0");
  {
    History history = results.history();
    CHECK(history.take_notes().size() == 1);
    CHECK(history.add_missing_runs().value() == 1);
    CHECK_FALSE(fs::exists(results.path / "history.db.corrupt-1"));
  }
  results.database().execute("PRAGMA user_version = 99");
  const auto newer = History::open(results.path);
  REQUIRE_FALSE(newer);
  CHECK(newer.error().kind == ErrorKind::data);
  CHECK(newer.error().message.find("version 99") != std::string::npos);
  CHECK_FALSE(History::rebuild(results.path));
  CHECK(results.database().whole("PRAGMA user_version") == 99);
}

TEST_CASE("several at once add the same runs without losing or doubling one") {
  const Results results;
  constexpr int runs = 12;
  for (int day = 1; day <= runs; ++day)
    results.run(day, {{named("t")}, {named("u")}});
  std::vector<std::thread> writers;
  std::atomic<int> failed = 0;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&results, &failed] {
      auto history = History::open(results.path);
      if (!history || !history->add_missing_runs()) ++failed;
    });
  }
  for (std::thread& writer : writers)
    writer.join();
  CHECK(failed == 0);
  History history = results.history();
  CHECK(history.run_count().value() == runs);
  CHECK(history.histories_of({wanted(named("t"))})->front().results.size() == runs);
  CHECK(history.take_notes().empty());
}

TEST_CASE(
    "a history that is made anew knows the runs that are there, and names those that are not") {
  const Results results;
  const std::string gone = results.run(1, {{named("t"), Passed{}, 5s}});
  results.run(2, {{named("t"), Passed{}, 2s}});
  { const History made = results.complete_history(); }
  fs::remove_all(results.path / "runs" / gone);
  {
    History history = results.complete_history();
    CHECK(history.run_count().value() == 2);
    CHECK(high(history, named("t")) == 5s);
    const auto runs = history.runs(20);
    REQUIRE(runs->size() == 2);
    CHECK(runs->front().stored);
    CHECK_FALSE(runs->back().stored);
  }
  const auto rebuilt = History::rebuild(results.path);
  REQUIRE(rebuilt);
  CHECK(rebuilt->runs == 1);
  CHECK(rebuilt->dropped == std::vector<std::string>{gone});
  History history = results.history();
  CHECK(high(history, named("t")) == 2s);
  CHECK_FALSE(fs::exists(results.path / "history.db.new"));
}

TEST_CASE("a history that is damaged is made anew all the same") {
  const Results results;
  results.run(1, {{named("t"), Passed{}, 5s}});
  { const History made = results.complete_history(); }
  results.database().execute(
      "DROP VIEW test_rates; DROP VIEW test_results; DROP VIEW test_attempts; DROP TABLE runs");
  const auto rebuilt = History::rebuild(results.path);
  REQUIRE_MESSAGE(rebuilt, (rebuilt ? "" : rebuilt.error().message));
  CHECK(rebuilt->runs == 1);
  CHECK(rebuilt->dropped.empty());
  CHECK(rebuilt->notes.size() == 1);
  CHECK(fs::exists(results.path / "history.db.corrupt-1"));
  CHECK(results.history().run_count().value() == 1);
}

TEST_CASE("runs are told the newest first, with the labels that lead to them") {
  const Results results;
  const std::string first = results.run(1, {{named("t"), Failed{"", {}}}});
  const std::string second = results.run(2, {{named("t")}});
  fs::create_directories(results.path / "recordings");
  fs::create_directory_symlink("../runs/" + first, results.path / "recordings/v6.18");
  fs::create_directory_symlink("../runs/none", results.path / "recordings/gone");
  fs::create_directory_symlink("../runs/" + first, results.path / "recordings/.not a label");
  History history = results.complete_history();
  const auto runs = history.runs(20);
  REQUIRE(runs->size() == 2);
  CHECK(runs->front().run_id == second);
  CHECK(runs->back().recordings == std::vector<std::string>{"v6.18"});
  CHECK(runs->back().result == "failed");
  CHECK(runs->back().counts.at(Verdict::failed) == 1);
  CHECK(history.runs(1)->size() == 1);
}

TEST_CASE("a baseline leaves out runs that regressed, and no others that failed") {
  const Results results;
  const auto tries = [](const Outcome& outcome) {
    return std::vector<Tried>{{named("t"), outcome}};
  };
  const std::string good = results.run(1, tries(Passed{}));
  const std::string failed = results.run(2, tries(Failed{"", {}}));
  results.run(3, tries(Failed{"", {}}), true, {}, {}, GateResult::regression);
  const std::string flaky = results.run(4, tries(Failed{"", {}}), true, {}, {}, GateResult::passed);
  const std::string open =
      results.run(5, tries(Failed{"", {}}), true, {}, {}, GateResult::inconclusive);
  History history = results.complete_history();
  const auto runs_of = [&](const RunFilter& filter) {
    Names runs;
    const auto histories = history.histories_of({wanted(named("t"))}, filter);
    REQUIRE(histories);
    for (const TestHistory& test : *histories) {
      for (const PastResult& result : test.results)
        runs.push_back(result.run_id);
    }
    return runs;
  };
  CHECK(runs_of({}).size() == 5);
  CHECK(runs_of(without_regressions) == Names{open, flaky, failed, good});
  CHECK(runs_of({flaky, false}) == Names{open, failed, good});
  CHECK(runs_of({"no such run", true}).size() == 5);
  CHECK(runs_of({good, true}).size() == 4);
}

TEST_CASE("a test whose only run is left out has no history") {
  const Results results;
  const std::string only = results.run(1, {{named("t")}});
  History history = results.complete_history();
  CHECK(history.histories_of({wanted(named("t"))}, {only, true})->empty());
}

TEST_CASE("signatures are those of crashes and failures in any attempt, each once for a test") {
  const Results results;
  const Outcome crash = Crashed{"BUG", "BUG:f"};
  const Outcome broken = Failed{"SCRATCH_DEV is inconsistent", {}, "inconsistent file system"};
  const TestId again{"s", "", "t", 2};
  results.run(1, {{named("t"), crash}, {again, crash}, {named("u"), crash, 1s, "arm"}});
  results.run(2, {{named("t"), crash},
                  {named("t"), Passed{}, 1s, "local", 2},
                  {named("v"), broken},
                  {named("w"), Failed{"", {}}}});
  History history = results.complete_history();
  CHECK(shown(history.signatures("x86_64", {})) ==
        Names{"s/t: BUG:f", "s/v: inconsistent file system"});
  CHECK(shown(history.signatures("aarch64", {})) == Names{"s/u: BUG:f"});
  CHECK(shown(history.signatures("", {})) ==
        Names{"s/t: BUG:f", "s/u: BUG:f", "s/v: inconsistent file system"});
}

TEST_CASE(
    "signatures of runs that are left out, of parts of merged runs, and of what a gate could not "
    "clear are not known") {
  const Results results;
  const auto crash = [](const char* signature) {
    return std::vector<Tried>{{named("t"), Crashed{"BUG", signature}}};
  };
  const std::string part = results.run(1, crash("part"));
  results.run(2, crash("merged"), true, {part});
  results.run(3, crash("regressed"), true, {}, {}, GateResult::regression);
  const std::string last = results.run(4, crash("last"));
  results.run(5, crash("open"), true, {}, {}, GateResult::inconclusive);
  History history = results.complete_history();
  CHECK(shown(history.signatures("", {})) ==
        Names{"s/t: last", "s/t: merged", "s/t: open", "s/t: regressed"});
  CHECK(shown(history.signatures("", without_regressions)) == Names{"s/t: last", "s/t: merged"});
  CHECK(shown(history.signatures("", {last, false})) == Names{"s/t: merged"});
}

TEST_CASE("the last tests of a job are those of its newest whole run that counts") {
  const Results results;
  const TestId second{"s", "", "b", 2}, in_4k{"s", "4k", "b", 1};
  results.run(1, {{named("a")}, {named("b")}, {second}, {in_4k, Skipped{"no"}}});
  results.run(2, {{named("other")}}, true, {}, {}, {}, "another job");
  results.run(3, {{named("a")}}, true, {}, Shard{1, 2, "digest"});
  results.run(4, {{named("c"), Failed{"", {}}}}, true, {}, {}, GateResult::regression);
  History history = results.complete_history();
  CHECK(names(history.last_tests_of("job", without_regressions)) == Names{"s/a", "s/b", "s@4k/b"});
  CHECK(names(history.last_tests_of("job", {})) == Names{"s/c"});
  CHECK(names(history.last_tests_of("another job", {})) == Names{"s/other"});
  CHECK(history.last_tests_of("no such job", {})->empty());
}

TEST_CASE("the last tests of a job that runs in shards are those of the merged run") {
  const Results results;
  const std::string part = results.run(1, {{named("a")}}, true, {}, Shard{1, 2, "digest"});
  results.run(2, {{named("a")}, {named("b")}}, true, {part});
  const std::string running = results.run(3, {{named("c")}});
  History history = results.complete_history();
  CHECK(names(history.last_tests_of("job", {running, false})) == Names{"s/a", "s/b"});
}
