#include "store/history_import.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/quantile.hpp"
#include "base/text.hpp"
#include "model/attempt_facts.hpp"
#include "model/exit_code.hpp"
#include "store/journal.hpp"

namespace ffci {
namespace {

struct FactsSink final : EventSink {
  explicit FactsSink(RunFacts& to) : facts(to) {}
  void on_event(const RunEvent& event) override {
    facts.run.apply(event);
    if (const auto* ready = std::get_if<HostReady>(&event.fact))
      facts.host_ready.try_emplace(ready->host, event.time);
    if (const auto* set_up = std::get_if<SuiteSetUp>(&event.fact)) facts.set_ups.push_back(*set_up);
    if (const auto* started = std::get_if<AttemptStarted>(&event.fact);
        started && started->batch && started->purpose == Purpose::verdict)
      facts.batches[started->test].emplace_back(started->attempt, started->batch);
  }
  RunFacts& facts;
};

std::uint64_t batch_of(const RunFacts& facts, const TestId& id, int attempt) {
  const auto known = facts.batches.find(id);
  if (known == facts.batches.end()) return 0;
  for (const auto& [number, batch] : known->second) {
    if (number == attempt) return batch;
  }
  return 0;
}

// From the end of the last test of a command to the start of the next command's first one in the
// same slot, by suite. The median, as a slot may also wait for other things.
std::map<std::string, Duration> call_costs(const RunFacts& facts) {
  struct Tried {
    std::string suite;
    Duration started{}, ended{};
    std::uint64_t batch = 0;
  };
  std::map<std::pair<std::string, int>, std::vector<Tried>> slots;
  for (const TestResult& test : facts.run.tests()) {
    for (const Attempt& attempt : test.attempts) {
      const std::uint64_t batch = batch_of(facts, test.id, attempt.number);
      if (batch == 0 || !attempt.outcome) continue;
      slots[{attempt.host, attempt.slot}].push_back(
          {test.id.suite, attempt.started, attempt.started + attempt.duration, batch});
    }
  }
  std::map<std::string, std::vector<Duration>> gaps;
  for (auto& [place, tries] : slots) {
    std::sort(tries.begin(), tries.end(),
              [](const Tried& a, const Tried& b) { return a.started < b.started; });
    for (std::size_t i = 1; i < tries.size(); ++i) {
      const Duration gap = tries[i].started - tries[i - 1].ended;
      if (tries[i].suite == tries[i - 1].suite && tries[i].batch != tries[i - 1].batch &&
          gap >= Duration::zero())
        gaps[tries[i].suite].push_back(gap);
    }
  }
  std::map<std::string, Duration> costs;
  for (const auto& [suite, of_suite] : gaps)
    costs.emplace(suite, median(of_suite).value_or(Duration::zero()));
  return costs;
}

class Importer {
 public:
  Importer(sqlite::Database& database, const RunFacts& facts)
      : database_(database), facts_(facts) {}

  bool import() {
    sqlite::Transaction transaction(database_);
    sqlite::Statement known(database_,
                            "SELECT id, last_sequence, journal_bytes FROM runs WHERE run_id = ?1");
    std::optional<std::int64_t> id;
    if (known.with(facts_.run_id).next()) {
      const auto sequence = static_cast<std::uint64_t>(known.whole(1));
      const auto bytes = static_cast<std::uint64_t>(known.whole(2));
      if (sequence > facts_.run.last_sequence() ||
          (sequence == facts_.run.last_sequence() && bytes == facts_.journal_bytes))
        return false;
      id = known.whole(0);
    }
    known.reset();
    if (id) forget(*id);
    run_ = id ? *id : free_id();
    add_run();
    add_hosts_and_set_ups();
    add_calls();
    add_results();
    for (const std::int64_t test : touched_)
      expect(test);
    transaction.commit();
    return true;
  }

 private:
  void forget(std::int64_t run) {
    sqlite::Statement tests(database_, "SELECT DISTINCT test FROM results WHERE run = ?1");
    tests.with(run);
    while (tests.next())
      touched_.insert(tests.whole(0));
    for (const char* sql :
         {"DELETE FROM signatures WHERE run = ?1",
          "DELETE FROM attempts WHERE run = ?1 AND test IN "
          "(SELECT test FROM results WHERE run = ?1)",
          "DELETE FROM results WHERE run = ?1", "DELETE FROM hosts WHERE run = ?1",
          "DELETE FROM set_ups WHERE run = ?1", "DELETE FROM calls WHERE run = ?1",
          "DELETE FROM merged_runs WHERE run = ?1", "DELETE FROM runs WHERE id = ?1"})
      sqlite::Statement(database_, sql).with(run).run();
  }

  std::int64_t free_id() {
    sqlite::Statement taken(database_, "SELECT 1 FROM runs WHERE id = ?1");
    std::int64_t id = facts_.run.header().at.time_since_epoch().count();
    while (taken.with(id).next())
      ++id;
    return id;
  }

  void add_run() {
    const Run& run = facts_.run;
    const RunStarted& header = run.header();
    VerdictCounts counts = run.counts();
    std::optional<int> shard, shards;
    if (header.shard) shard = header.shard->index, shards = header.shard->count;
    sqlite::Statement(
        database_,
        "INSERT INTO runs (id, run_id, job, ff_ci_version, started, duration_seconds,"
        " paused_seconds, result, exit_code, passed, failed, timed_out, crashed, flaky, skipped,"
        " error, not_run, shard_index, shard_count, last_sequence, journal_bytes)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19, ?20, ?21)")
        .with(run_, facts_.run_id, to_utf8(header.job), to_utf8(header.tool_version),
              rfc3339(header.at), run.duration(), run.paused(), run_result_name(result_of(run)),
              static_cast<int>(exit_code_for(run)), counts[Verdict::passed],
              counts[Verdict::failed], counts[Verdict::timed_out], counts[Verdict::crashed],
              counts[Verdict::flaky], counts[Verdict::skipped], counts[Verdict::error],
              counts[Verdict::not_run], shard, shards, run.last_sequence(), facts_.journal_bytes)
        .run();
    sqlite::Statement part(database_,
                           "INSERT OR IGNORE INTO merged_runs (run, part) VALUES (?1, ?2)");
    for (const std::string& merged : header.merged) {
      // A shard of elsewhere may have begun within the same second.
      if (merged == facts_.run_id) continue;
      part.with(run_, to_utf8(merged)).run();
      touch_tests_of(merged);
    }
  }

  // Their durations come from the merged run from now on.
  void touch_tests_of(const std::string& run_id) {
    sqlite::Statement tests(database_,
                            "SELECT DISTINCT test FROM results WHERE run = "
                            "(SELECT id FROM runs WHERE run_id = ?1)");
    tests.with(to_utf8(run_id));
    while (tests.next())
      touched_.insert(tests.whole(0));
  }

  void add_hosts_and_set_ups() {
    sqlite::Statement host(database_,
                           "INSERT INTO hosts (run, name, kind, kernel, arch, slots, restarts,"
                           " state, ready_seconds) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    for (const HostRecord& record : facts_.run.hosts()) {
      std::optional<Duration> ready;
      if (const auto at = facts_.host_ready.find(record.name); at != facts_.host_ready.end())
        ready = at->second;
      host.with(run_, to_utf8(record.name), to_utf8(record.kind), to_utf8(record.kernel),
                to_utf8(record.arch), record.slots, record.restarts, record.state, ready)
          .run();
    }
    sqlite::Statement set_up(database_,
                             "INSERT INTO set_ups (run, number, host, suite, duration_seconds,"
                             " failure) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    int number = 0;
    for (const SuiteSetUp& fact : facts_.set_ups) {
      std::optional<std::string> failure;
      if (fact.failure) failure = to_utf8(*fact.failure);
      set_up.with(run_, ++number, to_utf8(fact.host), to_utf8(fact.suite), fact.duration, failure)
          .run();
    }
  }

  void add_calls() {
    sqlite::Statement call(database_,
                           "INSERT INTO calls (run, suite, call_seconds) VALUES (?1, ?2, ?3)");
    for (const auto& [suite, cost] : call_costs(facts_))
      call.with(run_, to_utf8(suite), cost).run();
  }

  std::string arch_of(const TestResult& test) const {
    const std::vector<HostRecord>& hosts = facts_.run.hosts();
    if (const Attempt* decided = test.deciding_attempt(); decided != nullptr) {
      const auto host = std::find_if(hosts.begin(), hosts.end(), [&](const HostRecord& record) {
        return record.name == decided->host;
      });
      if (host != hosts.end() && !host->arch.empty()) return host->arch;
    }
    return hosts.empty() ? "" : hosts.front().arch;
  }

  std::int64_t test_id(const TestResult& test, sqlite::Statement& find, sqlite::Statement& add) {
    const std::string suite = to_utf8(test.id.suite),
                      configuration = to_utf8(test.id.configuration), arch = to_utf8(arch_of(test)),
                      name = to_utf8(test.id.name);
    if (find.with(suite, configuration, arch, name).next()) {
      const std::int64_t id = find.whole(0);
      find.reset();
      return id;
    }
    find.reset();
    add.with(suite, configuration, arch, name).run();
    return database_.last_inserted();
  }

  // Of the gate.
  [[nodiscard]] std::string_view decision_on(const TestId& id) const {
    const auto found = decisions_.find(without_iteration(id));
    return found == decisions_.end() ? std::string_view() : found->second;
  }

  void read_decisions() {
    if (!facts_.run.judgement()) return;
    for (const TestJudgement& test : facts_.run.judgement()->tests) {
      decisions_.emplace(test.id, test.known_issue.empty() ? decision_name(test.decision)
                                                           : std::string_view("known_issue"));
    }
  }

  void add_results() {
    read_decisions();
    sqlite::Statement find(database_,
                           "SELECT id FROM tests WHERE suite = ?1 AND configuration = ?2 AND "
                           "arch = ?3 AND name = ?4");
    sqlite::Statement add(
        database_, "INSERT INTO tests (suite, configuration, arch, name) VALUES (?1, ?2, ?3, ?4)");
    sqlite::Statement result(
        database_,
        "INSERT OR REPLACE INTO results (test, run, iteration, verdict, reason, duration_seconds,"
        " longest_seconds, attempts, bad_attempts, signature, decision)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    sqlite::Statement attempt(
        database_,
        "INSERT OR REPLACE INTO attempts (test, run, iteration, number, host, slot, batch,"
        " started_seconds, duration_seconds, outcome, signature)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    sqlite::Statement signature(
        database_,
        "INSERT OR IGNORE INTO signatures (test, run, iteration, number, signature)"
        " VALUES (?1, ?2, ?3, ?4, ?5)");
    for (const TestResult& test : facts_.run.tests()) {
      const std::int64_t id = test_id(test, find, add);
      touched_.insert(id);
      std::optional<Duration> longest;
      int bad = 0;
      for (const Attempt& tried : test.attempts) {
        if (tried.outcome && is_bad(*tried.outcome)) ++bad;
        if (ran_to_its_end(tried))
          longest = std::max(longest.value_or(Duration::zero()), tried.duration);
      }
      const Attempt* decided = test.deciding_attempt();
      result
          .with(id, run_, test.id.iteration, verdict_name(test.verdict()), to_utf8(test.reason()),
                test.duration(), longest, static_cast<int>(test.attempts.size()), bad,
                to_utf8(decided == nullptr ? std::string() : signature_of(*decided)),
                decision_on(test.id))
          .run();
      for (const Attempt& tried : test.attempts) {
        attempt
            .with(id, run_, test.id.iteration, tried.number, to_utf8(tried.host), tried.slot,
                  batch_of(facts_, test.id, tried.number), tried.started, tried.duration,
                  tried.outcome ? outcome_name(*tried.outcome) : std::string_view(),
                  to_utf8(signature_of(tried)))
            .run();
        const auto add_signature = [&](const std::string& of_attempt) {
          signature.with(id, run_, test.id.iteration, tried.number, to_utf8(of_attempt)).run();
        };
        for (const KernelReport& report : reports_of(tried))
          add_signature(report.signature);
        if (const std::string of_failure = failure_signature_of(tried); !of_failure.empty())
          add_signature(of_failure);
      }
    }
  }

  // What the last runs let expect of the test.
  void expect(std::int64_t test) {
    if (!last_runs_) {
      last_runs_.emplace(database_,
                         "SELECT id FROM runs WHERE run_id IN (SELECT part FROM merged_runs)");
      expect_.emplace(database_,
                      "UPDATE tests SET timed_runs = ?2, p90_seconds = ?3, median_seconds = ?4 "
                      "WHERE id = ?1");
    }
    const std::vector<Duration>& longest = last_runs_->longest_of(test);
    expect_->with(test, longest.size(), percentile(longest, 90), median(longest)).run();
  }

  sqlite::Database& database_;
  const RunFacts& facts_;
  std::int64_t run_ = 0;
  std::unordered_set<std::int64_t> touched_;  // tests
  std::unordered_map<TestId, std::string_view> decisions_;
  std::optional<LastRuns> last_runs_;
  std::optional<sqlite::Statement> expect_;
};

}  // namespace

LastRuns::LastRuns(const sqlite::Database& database, const char* left_out)
    : results_(database,
               "SELECT run, longest_seconds FROM results WHERE test = ?1 AND "
               "longest_seconds IS NOT NULL ORDER BY run DESC") {
  sqlite::Statement runs(database, left_out);
  while (runs.next())
    left_out_.insert(runs.whole(0));
}

const std::vector<Duration>& LastRuns::longest_of(std::int64_t test) {
  longest_.clear();
  std::optional<std::int64_t> before;
  results_.with(test);
  while (results_.next()) {
    const std::int64_t run = results_.whole(0);
    const Duration took = results_.duration(1);
    if (!left_out_.empty() && left_out_.contains(run)) continue;
    if (run == before) {
      longest_.back() = std::max(longest_.back(), took);
      continue;
    }
    if (longest_.size() == runs_that_tell) break;
    longest_.push_back(took);
    before = run;
  }
  results_.reset();
  return longest_;
}

Result<RunFacts> read_run_facts(const std::filesystem::path& run_folder) {
  RunFacts facts;
  facts.run_id = to_utf8(run_folder.filename().string());
  const std::filesystem::path journal = run_folder / "journal.jsonl";
  std::error_code unknown;
  // Before it is read: what is written meanwhile is read the next time.
  facts.journal_bytes = std::filesystem::file_size(journal, unknown);
  if (unknown) facts.journal_bytes = 0;
  FactsSink sink(facts);
  if (const auto replayed = replay_journal(journal, sink); !replayed)
    return tl::unexpected(replayed.error());
  return facts;
}

bool import_run(sqlite::Database& database, const RunFacts& facts) {
  return Importer(database, facts).import();
}

}  // namespace ffci
