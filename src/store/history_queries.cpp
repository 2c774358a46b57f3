// What the history is asked; history.cpp has the file itself.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_set>

#include "base/quantile.hpp"
#include "base/text.hpp"
#include "store/history.hpp"
#include "store/history_import.hpp"
#include "store/recordings.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

Duration mean(const std::vector<Duration>& values) {
  return std::accumulate(values.begin(), values.end(), Duration::zero()) /
         static_cast<Duration::rep>(values.size());
}

WallTime wall_time(std::string_view text) {
  return parse_rfc3339(text).value_or(WallTime{});
}

// The labels that lead to each run, by its id.
std::map<std::string, std::vector<std::string>> labels_by_run(const fs::path& results) {
  std::map<std::string, std::vector<std::string>> labels;
  for (Recording& recording : recordings(results))
    labels[recording.run_id].push_back(std::move(recording.label));
  return labels;
}

// The wanted tests of one suite, by name; a name stands for one of each configuration.
class Wanted {
 public:
  Wanted(std::string arch, KnownDurations& found) : arch_(std::move(arch)), found_(found) {}

  void add(const TestId& id) {
    TestId of_test = without_iteration(id);
    std::vector<Best>& of_name = by_name_[of_test.name];
    for (const Best& other : of_name) {
      if (other.id == of_test) return;
    }
    of_name.push_back({std::move(of_test), {}, {}});
  }

  // A test that is known: configuration, arch, name. `known` is asked only where it is wanted.
  template <class Known>
  void offer(const sqlite::Statement& row, Known known) {
    name_.assign(row.text(2));
    const auto wanted = by_name_.find(name_);
    if (wanted == by_name_.end()) return;
    const std::optional<KnownDuration> told = known();
    if (!told) return;
    for (Best& best : wanted->second) {
      const Nearness nearness{row.text(0) == best.id.configuration, row.text(1) == arch_,
                              told->high};
      if (best.nearness && nearness <= *best.nearness) continue;
      best.nearness = nearness;
      best.known = *told;
    }
  }

  void collect() {
    for (auto& [name, of_name] : by_name_) {
      for (Best& best : of_name) {
        if (best.nearness) found_.emplace(std::move(best.id), best.known);
      }
    }
  }

 private:
  using Nearness = std::tuple<bool, bool, Duration>;
  struct Best {
    TestId id;
    std::optional<Nearness> nearness;
    KnownDuration known;
  };
  std::string arch_, name_;
  KnownDurations& found_;
  std::unordered_map<std::string, std::vector<Best>> by_name_;
};

// With RunFilter's members as the second and third parameter.
const std::string counting_runs =
    "runs.run_id NOT IN (SELECT part FROM merged_runs) AND runs.run_id <> ?2 AND "
    "(?3 OR runs.result <> 'regression')";

// What the kernel reported, and a gate could not clear or let pass only for now, must not become
// usual. Failures count all the same: without them a flaky test looks better than it is.
const std::string counting_signatures =
    "(?3 OR results.decision NOT IN ('regression', 'inconclusive', 'known_issue'))";

}  // namespace

Result<std::size_t> History::run_count(Of of) {
  return guarded([&](sqlite::Database& database) {
    return static_cast<std::size_t>(
        database.whole(of == Of::all_runs ? "SELECT count(*) FROM runs"
                                          : "SELECT count(*) FROM runs WHERE shard_index IS NULL"));
  });
}

Result<KnownDurations> History::durations_of(const std::vector<TestCase>& tests,
                                             const std::string& arch, Of of) {
  return guarded([&](sqlite::Database& database) {
    KnownDurations found;
    std::map<std::string, Wanted> by_suite;
    for (const TestCase& test : tests)
      by_suite.try_emplace(test.id.suite, arch, found).first->second.add(test.id);
    // What all runs tell stands beside the tests; it is the same where none of them is a shard.
    std::optional<LastRuns> whole_runs;
    if (of == Of::whole_runs &&
        database.whole("SELECT count(*) FROM runs WHERE shard_index IS NOT NULL") > 0)
      whole_runs.emplace(database,
                         "SELECT id FROM runs WHERE shard_index IS NOT NULL OR "
                         "run_id IN (SELECT part FROM merged_runs)");
    sqlite::Statement known(database,
                            "SELECT configuration, arch, name, id, p90_seconds, median_seconds "
                            "FROM tests WHERE suite = ?1 AND p90_seconds IS NOT NULL");
    for (auto& [suite, wanted] : by_suite) {
      known.with(suite);
      while (known.next()) {
        wanted.offer(known, [&]() -> std::optional<KnownDuration> {
          if (!whole_runs) return KnownDuration{known.duration(4), known.duration(5)};
          const std::vector<Duration>& longest = whole_runs->longest_of(known.whole(3));
          if (longest.empty()) return std::nullopt;
          return KnownDuration{*percentile(longest, 90), *median(longest)};
        });
      }
      wanted.collect();
    }
    return found;
  });
}

Result<RunCosts> History::costs(const std::string& job) {
  return guarded([&](sqlite::Database& database) {
    const auto of_last_runs = [&](const char* columns, const char* condition) {
      sqlite::Statement rows(
          database, fmt::format("SELECT {} WHERE {} AND run IN (SELECT id FROM runs WHERE job = ?1 "
                                "AND run_id NOT IN (SELECT part FROM merged_runs) "
                                "ORDER BY id DESC LIMIT ?2)",
                                columns, condition));
      rows.with(to_utf8(job), runs_that_tell);
      std::map<std::string, std::vector<Duration>> values;
      while (rows.next())
        values[std::string(rows.text(0))].push_back(rows.duration(1));
      return values;
    };
    RunCosts costs;
    for (const auto& [suite, took] :
         of_last_runs("suite, duration_seconds FROM set_ups", "failure IS NULL"))
      costs.set_up.emplace(suite, mean(took));
    for (const auto& [kind, took] :
         of_last_runs("kind, ready_seconds FROM hosts", "ready_seconds IS NOT NULL"))
      costs.host_ready.emplace(kind, *median(took));
    for (const auto& [suite, took] : of_last_runs("suite, call_seconds FROM calls", "true"))
      costs.call.emplace(suite, mean(took));
    return costs;
  });
}

Result<std::vector<PastRun>> History::runs(std::size_t most) {
  return guarded([&](sqlite::Database& database) {
    const auto labels = labels_by_run(results_);
    std::vector<PastRun> runs;
    sqlite::Statement rows(database,
                           "SELECT run_id, job, started, duration_seconds, result, exit_code, "
                           "passed, failed, timed_out, crashed, flaky, skipped, error, not_run "
                           "FROM runs ORDER BY id DESC LIMIT ?1");
    rows.with(most);
    while (rows.next()) {
      PastRun run;
      run.run_id = rows.text(0);
      run.job = rows.text(1);
      run.started = wall_time(rows.text(2));
      run.duration = rows.duration(3);
      run.result = rows.text(4);
      run.exit_code = static_cast<int>(rows.whole(5));
      int column = 6;
      for (const Verdict verdict :
           {Verdict::passed, Verdict::failed, Verdict::timed_out, Verdict::crashed, Verdict::flaky,
            Verdict::skipped, Verdict::error, Verdict::not_run})
        run.counts[verdict] = static_cast<int>(rows.whole(column++));
      if (const auto of_run = labels.find(run.run_id); of_run != labels.end())
        run.recordings = of_run->second;
      std::error_code unknown;
      run.stored = fs::exists(results_ / "runs" / run.run_id / "journal.jsonl", unknown);
      runs.push_back(std::move(run));
    }
    return runs;
  });
}

Result<std::vector<TestCase>> History::tests() {
  return guarded([](sqlite::Database& database) {
    std::vector<TestCase> tests;
    sqlite::Statement rows(database,
                           "SELECT DISTINCT suite, configuration, name FROM tests WHERE EXISTS "
                           "(SELECT 1 FROM results WHERE test = tests.id) "
                           "ORDER BY suite, configuration, name");
    while (rows.next()) {
      TestCase test;
      test.id = {std::string(rows.text(0)), std::string(rows.text(1)), std::string(rows.text(2)),
                 1};
      tests.push_back(std::move(test));
    }
    return tests;
  });
}

Result<std::vector<TestHistory>> History::histories_of(const std::vector<TestCase>& tests,
                                                       const RunFilter& filter) {
  return guarded([&](sqlite::Database& database) {
    std::vector<TestHistory> histories;
    sqlite::Statement architectures(
        database,
        "SELECT id, arch FROM tests WHERE suite = ?1 AND configuration = ?2 AND name = ?3 "
        "ORDER BY arch");
    sqlite::Statement rows(
        database,
        "SELECT runs.run_id, runs.started, iteration, verdict, reason, results.duration_seconds, "
        "attempts, bad_attempts, signature FROM results JOIN runs ON runs.id = results.run "
        "WHERE test = ?1 AND " +
            counting_runs + " ORDER BY results.run DESC, iteration");
    for (const TestCase& test : tests) {
      architectures.with(test.id.suite, test.id.configuration, test.id.name);
      while (architectures.next()) {
        TestHistory history;
        history.id = test.id;
        history.arch = architectures.text(1);
        rows.with(architectures.whole(0), filter.except, filter.regressed);
        while (rows.next()) {
          PastResult result;
          result.run_id = rows.text(0);
          result.started = wall_time(rows.text(1));
          result.iteration = static_cast<int>(rows.whole(2));
          result.verdict = verdict_from_name(rows.text(3)).value_or(Verdict::not_run);
          result.reason = rows.text(4);
          result.duration = rows.duration(5);
          result.attempts = static_cast<int>(rows.whole(6));
          result.bad_attempts = static_cast<int>(rows.whole(7));
          result.signature = rows.text(8);
          history.results.push_back(std::move(result));
        }
        if (!history.results.empty()) histories.push_back(std::move(history));
      }
    }
    return histories;
  });
}

Result<std::vector<PastSignature>> History::signatures(const std::string& arch,
                                                       const RunFilter& filter) {
  return guarded([&](sqlite::Database& database) {
    sqlite::Statement rows(
        database,
        "SELECT DISTINCT suite, configuration, name, signatures.signature FROM signatures "
        "JOIN runs ON runs.id = signatures.run "
        "JOIN tests ON tests.id = signatures.test "
        "JOIN results ON results.test = signatures.test AND "
        "results.run = signatures.run AND "
        "results.iteration = signatures.iteration "
        "WHERE (?1 = '' OR arch = ?1) AND " +
            counting_runs + " AND " + counting_signatures);
    rows.with(arch, filter.except, filter.regressed);
    std::vector<PastSignature> signatures;
    while (rows.next()) {
      signatures.push_back(
          {{std::string(rows.text(0)), std::string(rows.text(1)), std::string(rows.text(2)), 1},
           std::string(rows.text(3))});
    }
    return signatures;
  });
}

Result<std::vector<TestId>> History::last_tests_of(const std::string& job,
                                                   const RunFilter& filter) {
  return guarded([&](sqlite::Database& database) {
    sqlite::Statement rows(database,
                           "SELECT DISTINCT suite, configuration, name FROM results "
                           "JOIN tests ON tests.id = results.test WHERE results.run = "
                           "(SELECT id FROM runs WHERE job = ?1 AND shard_index IS NULL AND " +
                               counting_runs + " ORDER BY id DESC LIMIT 1)");
    rows.with(to_utf8(job), filter.except, filter.regressed);
    std::vector<TestId> tests;
    while (rows.next()) {
      tests.push_back(
          {std::string(rows.text(0)), std::string(rows.text(1)), std::string(rows.text(2)), 1});
    }
    return tests;
  });
}

}  // namespace ffci
