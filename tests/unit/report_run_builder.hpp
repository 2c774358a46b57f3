// Makes the events of a run, and the run, from a few lines: what reports and gate are tested with.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/run.hpp"

namespace ffci::test {

using namespace std::chrono_literals;

// Keeps 16 KiB of the beginning and 48 KiB of the end, as a run does.
inline OutputExcerpt excerpt(std::string text) {
  constexpr std::size_t head = 16 * 1024, tail = 48 * 1024;
  OutputExcerpt kept;
  kept.bytes = text.size();
  if (text.size() <= head + tail) {
    kept.head = std::move(text);
    return kept;
  }
  kept.head = text.substr(0, head);
  kept.tail = text.substr(text.size() - tail);
  kept.between = text.size() - head - tail;
  return kept;
}

struct Try {
  Outcome outcome = Passed{};
  Duration duration = 1s;
  std::string out = {}, err = {};
  std::vector<Subtest> subtests = {};
  std::string host = "local";
  std::string kernel_log = {};
  std::vector<KernelReport> kernel_reports = {};
  std::string trace = {};
  std::vector<std::string> kept_files = {};
  std::string files_problem = {};
};

// Tests run one after the other, in the order in which they are given.
class RunBuilder {
 public:
  explicit RunBuilder(std::string run_id = "20260131T120000Z-0001") {
    header_.run_id = std::move(run_id);
    header_.job = "fs-gate";
    header_.tool_version = "0.1.0";
    header_.at = *parse_rfc3339("2026-01-31T12:00:00.000Z");
    header_.results_path = "results/runs/" + header_.run_id;
    header_.durations = "run 20260130T120000Z-0001";
  }

  RunBuilder& gated(std::optional<BaselineFact> baseline = {}) {
    header_.gated = true;
    header_.baseline = std::move(baseline);
    return *this;
  }
  RunBuilder& shard(Shard shard) {
    header_.shard = std::move(shard);
    return *this;
  }
  RunBuilder& test(TestId id, std::vector<Try> tries, std::optional<Duration> expected = {}) {
    selected_.push_back({id, expected});
    for (std::size_t i = 0; i < tries.size(); ++i) {
      Try& wanted = tries[i];
      const int number = static_cast<int>(i) + 1;
      const std::string files = "tests/" + id.suite + "/" + std::to_string(selected_.size()) + "/" +
                                std::to_string(number);
      if (i > 0) pass(10ms);
      add(AttemptStarted{id, number, wanted.host, 1, files});
      add_attempt(id, Purpose::verdict, number, files, std::move(wanted));
    }
    add(TestFinished{id, {}});
    return *this;
  }
  // Of a test that was told before; they count on from its earlier ones.
  RunBuilder& reruns(const TestId& id, std::vector<Try> tries,
                     Purpose purpose = Purpose::confirmation) {
    int& number = reruns_[id];
    for (Try& wanted : tries) {
      const std::string files = "tests/" + id.suite + "/reruns/" + std::to_string(++number);
      add(AttemptStarted{id, number, wanted.host, 1, files, 0, purpose});
      add_attempt(id, purpose, number, files, std::move(wanted));
    }
    return *this;
  }
  RunBuilder& not_run(TestId id, std::string why) {
    selected_.push_back({id, {}});
    add(TestFinished{std::move(id), std::move(why)});
    return *this;
  }
  // Begun, and nothing more is known of it.
  // In slot 2, the next one in slot 3, ….
  RunBuilder& running(TestId id, std::optional<Duration> expected = {}) {
    selected_.push_back({id, expected});
    add(AttemptStarted{std::move(id), 1, "local", next_slot_++, "tests/running/1"});
    return *this;
  }
  RunBuilder& waiting(TestId id, std::optional<Duration> expected = {}) {
    selected_.push_back({std::move(id), expected});
    return *this;
  }
  template <class Fact>
  RunBuilder& fact(Fact fact) {
    add(std::move(fact));
    return *this;
  }
  RunBuilder& pass(Duration time) {
    now_ += time;
    return *this;
  }
  RunBuilder& finish(RunFinished::How how = RunFinished::How::completed, int signal = 0) {
    add(RunFinished{how, signal});
    return *this;
  }

  [[nodiscard]] std::vector<RunEvent> events() const {
    std::vector<RunEvent> events;
    events.push_back({0, {}, header_});
    for (const TestSelected& selected : selected_)
      events.push_back({0, {}, selected});
    events.push_back(
        {0,
         {},
         HostReady{"local", "local", 2, "6.1.0", "x86_64", "private mount and pid namespaces"}});
    events.insert(events.end(), facts_.begin(), facts_.end());
    for (std::size_t i = 0; i < events.size(); ++i)
      events[i].sequence = i + 1;
    return events;
  }
  [[nodiscard]] Run run() const {
    Run run;
    for (const RunEvent& event : events())
      run.apply(event);
    return run;
  }

 private:
  void add_attempt(const TestId& id, Purpose purpose, int number, const std::string& files,
                   Try wanted) {
    Attempt attempt;
    attempt.purpose = purpose;
    attempt.number = number;
    attempt.host = std::move(wanted.host);
    attempt.slot = 1;
    attempt.started = now_;
    pass(wanted.duration);
    attempt.duration = wanted.duration;
    attempt.outcome = std::move(wanted.outcome);
    attempt.subtests = std::move(wanted.subtests);
    attempt.standard_output = excerpt(std::move(wanted.out));
    attempt.standard_error = excerpt(std::move(wanted.err));
    attempt.kernel_log = excerpt(std::move(wanted.kernel_log));
    attempt.kernel_reports = std::move(wanted.kernel_reports);
    attempt.trace.bytes = attempt.trace.between = wanted.trace.size();
    attempt.files = files;
    attempt.kept_files = std::move(wanted.kept_files);
    attempt.files_problem = std::move(wanted.files_problem);
    add(AttemptFinished{id, std::move(attempt)});
  }
  template <class Fact>
  void add(Fact fact) {
    facts_.push_back({0, now_, std::move(fact)});
  }

  RunStarted header_;
  int next_slot_ = 2;
  std::vector<TestSelected> selected_;
  std::map<TestId, int> reruns_;
  std::vector<RunEvent> facts_;
  Duration now_ = 100ms;
};

inline Failed exit_with(int status, const std::string& more = {}) {
  const ExitStatus exit{ExitStatus::Kind::exited, status};
  return {describe(exit) + (more.empty() ? "" : ": " + more), exit};
}

// One of everything: the run behind the golden files.
inline RunBuilder one_of_everything() {
  RunBuilder run;
  run.fact(SuiteSetUp{"local", "ext4", 350ms, {}});
  run.fact(HostReady{"ssh:vm1", "ssh", 1, "6.18.0", "aarch64", "a session of its own",
                     "6d1d5f1e-0f3a-4b1c-9d55-0a4f9f1c2b3d", "ssh -p 2222 root@vm1"});
  run.test({"ext4", "", "mkfs-mount"},
           {{.duration = 1200ms,
             .out = "fine\n",
             .kernel_log = "[   10.000001] WARNING: CPU: 0 PID: 7 at mm/slub.c:1 f+0x1/0x2\n",
             .kernel_reports = {{"WARNING in f", "WARNING:f", "known, and harmless"}}}},
           1s);
  run.test({"ext4", "", "fio-verify"},
           {{.outcome = TimedOut{5s}, .duration = 5s, .out = "starting\n"},
            {.outcome = exit_with(1, "FAIL: checksum differs"),
             .duration = 12300ms,
             .out = "writing\r10%\r100%\nverify <4k> & \"8k\"\n",
             .err = "FAIL: checksum differs\n",
             .subtests = {{"write", Subtest::Status::passed, ""},
                          {"verify.4k", Subtest::Status::failed, ""},
                          {"verify.8k", Subtest::Status::expected_failure, "TODO: needs 8k blocks"},
                          {"verify.64k", Subtest::Status::skipped, "page size"}}}},
           20s);
  run.test({"ext4", "bigalloc", "hang"},
           {{.outcome = TimedOut{5s}, .duration = 5s, .err = "waiting for the lock\n"}});
  run.test({"ext4", "bigalloc", "panic"},
           {{.outcome = Crashed{"kernel BUG at fs/ext4/inode.c:123!", "ext4_writepages"},
             .duration = 3s,
             .out = "go\n",
             .host = "ssh:vm1",
             .kernel_log = "[   12.345678] EXT4-fs (vda): mounted filesystem <r/w>\n"
                           "[   14.000001] kernel BUG at fs/ext4/inode.c:123!\n",
             .kernel_reports = {{"kernel BUG at fs/ext4/inode.c", "BUG:ext4_writepages", ""},
                                {"WARNING in f", "WARNING:f", "known, and harmless"}},
             .trace = "@writes: 3\n",
             .kept_files = {"fio.log", "state/journal%20dump"},
             .files_problem = "2 symlinks were left out"}});
  run.test({"kvm", "", "steal_time"},
           {{.outcome = Failed{"killed by SIGSEGV", ExitStatus{ExitStatus::Kind::signaled, 11}},
             .duration = 200ms,
             .err = "dump\n"},
            {.duration = 250ms}});
  run.test({"kvm", "", "sev_smoke"},
           {{.outcome = Skipped{"exit status 4: no SEV here"}, .duration = 10ms, .out = "skip\n"}});
  run.test({"kvm", "", "mounts"}, {{.outcome = SetupFailed{"exit status 32"},
                                    .duration = 0ms,
                                    .err = "mount: no such device\n"}});
  run.fact(HostLostFact{"local", "stopped answering"});
  run.not_run({"kvm", "", "last"}, "the deadline of 30s was reached");
  run.fact(RunStopping{"the deadline of 30s was reached"});
  return run.finish(RunFinished::How::deadline);
}

}  // namespace ffci::test
