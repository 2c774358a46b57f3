#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/file.hpp"
#include "golden.hpp"
#include "judgement_with_everything.hpp"
#include "store/attempt_files.hpp"
#include "store/event_json.hpp"
#include "store/expected_durations.hpp"
#include "store/journal.hpp"
#include "store/results_tree.hpp"
#include "store/run_id.hpp"

using namespace ffci;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    std::string made = fs::temp_directory_path() / "ff-ci-store-XXXXXX";
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    path = made;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

const TestId test_a{"s", "4k", "dir/a b", 2};

Attempt attempt_with(Outcome outcome) {
  Attempt attempt;
  attempt.number = 2;
  attempt.host = "local";
  attempt.slot = 3;
  attempt.started = 1234ms;
  attempt.duration = 56789ms;
  attempt.outcome = std::move(outcome);
  attempt.subtests = {{"x.y", Subtest::Status::failed, ""},
                      {"z", Subtest::Status::skipped, "no cpu"}};
  attempt.subtests_dropped = 4;
  attempt.standard_output = {100, 5, "head", "tail", 9};
  attempt.standard_error.bytes = 7;
  attempt.kernel_log = {200, 0, "[    1.000001] BUG\n", "", 0};
  attempt.trace = {300, 50, "", "", 300};
  attempt.kernel_reports = {{"BUG in f", "BUG:f", ""}, {"WARNING in g", "WARNING:g", "known"}};
  attempt.teardown_problem = "exit status 1";
  attempt.files = "tests/s/a/2";
  attempt.kept_files = {"fio.log", "state/dump"};
  attempt.files_problem = "1 symlink was left out";
  return attempt;
}

std::vector<RunEvent> one_of_each() {
  std::vector<decltype(RunEvent::fact)> facts{
      RunStarted{"20260131T120000Z", "job", "0.1", WallTime(1'769'860'800'123ms), 42, "/r",
                 "run x"},
      TestSelected{test_a, 1500ms},
      TestSelected{{"s", "", "b", 1}, {}},
      HostReady{"local", "local", 2, "6.1", "x86_64", "private"},
      HostReady{"vm1", "ssh", 1, "6.18", "arm64", "session", "a-boot-id", "ssh vm1"},
      HostLostFact{"local", "gone"},
      HostReplaced{"local", "tainted"},
      HostRetired{"local", "gone for good"},
      SlotRetired{"local", 2, "stuck"},
      SuiteSetUp{"local", "s", 12ms, "exit status 1"},
      SuiteTornDown{"local", "s", 13ms, {}},
      AttemptStarted{test_a, 2, "local", 3, "tests/s/a/2"},
      FilesKept{test_a, 2, {"a.full", "a.out.bad"}, "the rest is over the limit"},
      FilesKept{test_a, 1, {}, {}},
      RerunsOrdered{{{test_a, 3, 2, {}}, {{"s", "", "b", 1}, 0, 0, Decision::flaky}}},
      RunJudged{test::judgement_with_everything()},
      RunResumed{WallTime(1'769'860'900'456ms), "0.1"},
      TestFinished{test_a, {}},
      TestFinished{test_a, "deadline"},
      RunStopping{"interrupted"},
      RunFinished{RunFinished::How::interrupted, 15}};
  for (const Outcome& outcome :
       {Outcome(Passed{}), Outcome(Failed{"why", ExitStatus{ExitStatus::Kind::exited, 3}}),
        Outcome(Failed{"why", {}}),
        Outcome(Failed{"why", ExitStatus{ExitStatus::Kind::signaled, 9}}), Outcome(Skipped{"why"}),
        Outcome(TimedOut{5s}), Outcome(Crashed{"BUG", "sig"}), Outcome(HostLost{"why"}),
        Outcome(SetupFailed{"why"}), Outcome(NotRun{"why"})}) {
    facts.push_back(AttemptFinished{test_a, attempt_with(outcome)});
  }
  std::vector<RunEvent> events;
  for (auto& fact : facts)
    events.push_back({events.size() + 1, Duration(events.size() * 10), std::move(fact)});
  return events;
}

void write_journal(const fs::path& path, const std::vector<RunEvent>& events) {
  auto journal = JournalWriter::create(path);
  REQUIRE(journal);
  for (const RunEvent& event : events)
    REQUIRE((*journal)->append(event));
  REQUIRE((*journal)->close());
}

}  // namespace

TEST_CASE("a journal has the lines that its schema describes") {
  std::set<std::size_t> kinds;
  std::string lines;
  for (const RunEvent& event : one_of_each()) {
    kinds.insert(event.fact.index());
    lines += event_to_json(event) + "\n";
  }
  CHECK(kinds.size() == std::variant_size_v<decltype(RunEvent::fact)>);
  test::check_golden("journal.jsonl", lines);  // which schemas_test looks at
}

TEST_CASE("every event comes back from the journal as it was written") {
  for (const RunEvent& event : one_of_each()) {
    const std::string line = event_to_json(event);
    CAPTURE(line);
    const auto read = event_from_json(line);
    REQUIRE(read);
    CHECK(event_to_json(*read) == line);
    CHECK(read->fact.index() == event.fact.index());
    CHECK(read->time == event.time);
    if (const auto* ready = std::get_if<HostReady>(&event.fact)) {
      const auto& back = std::get<HostReady>(read->fact);
      CHECK(back.boot_id == ready->boot_id);
      CHECK(back.log_in == ready->log_in);
    }
    if (const auto* finished = std::get_if<AttemptFinished>(&event.fact)) {
      const auto& back = std::get<AttemptFinished>(read->fact);
      CHECK(back.result == finished->result);
      CHECK(back.test == finished->test);
    }
    if (const auto* kept = std::get_if<FilesKept>(&event.fact)) {
      const auto& back = std::get<FilesKept>(read->fact);
      CHECK(back.test == kept->test);
      CHECK(back.attempt == kept->attempt);
      CHECK(back.kept_files == kept->kept_files);
      CHECK(back.files_problem == kept->files_problem);
    }
  }
}

TEST_CASE("a journal from before kernel logs and kept files reads as one without them") {
  const auto ready = event_from_json(
      R"({"sequence":3,"time":0.021,"event":"host_ready","host":"local","kind":"local","slots":2,)"
      R"("kernel":"6.1","arch":"x86_64","isolation":"private"})");
  REQUIRE(ready);
  CHECK(std::get<HostReady>(ready->fact).boot_id.empty());
  CHECK(std::get<HostReady>(ready->fact).log_in.empty());
  const auto finished = event_from_json(
      R"({"sequence":5,"time":1.5,"event":"attempt_finished","test":{"suite":"s","name":"a"},)"
      R"("result":{"number":1,"host":"local","slot":1,"started_seconds":0.021,)"
      R"("duration_seconds":1.5,"outcome":"passed","stdout":{"bytes":9,"between":9},)"
      R"("files":"tests/s/a/1"}})");
  REQUIRE(finished);
  Attempt expected;
  expected.host = "local";
  expected.slot = 1;
  expected.started = 21ms;
  expected.duration = 1500ms;
  expected.outcome = Passed{};
  expected.standard_output = {9, 0, "", "", 9};
  expected.files = "tests/s/a/1";
  CHECK(std::get<AttemptFinished>(finished->fact).result == expected);
}

TEST_CASE("what a guest wrote can't break a journal line") {
  const std::string hostile = "bad \xFF\n\x1B[0m";
  Attempt attempt = attempt_with(Failed{hostile, {}});
  attempt.kernel_log.head = attempt.files_problem = hostile;
  attempt.kernel_reports = {{hostile, hostile, hostile}};
  attempt.kept_files = {hostile};
  const std::string line = event_to_json({1, 0ms, AttemptFinished{test_a, attempt}});
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\x1B') == std::string::npos);
  CHECK(event_from_json(line));
}

TEST_CASE("a journal cut off anywhere tells what was known until then") {
  const Folder folder;
  const fs::path path = folder.path / "journal.jsonl";
  write_journal(path, one_of_each());
  const std::string whole = read_file(path, 1 << 20).value();
  const size_t first_line = whole.find('\n') + 1;
  std::uint64_t sequence = 1;
  for (size_t begin = first_line; begin < whole.size(); ++sequence) {
    const size_t end = whole.find('\n', begin);
    for (const size_t length : {begin, begin + 1, (begin + end) / 2, end - 1, end}) {
      std::ofstream(path, std::ios::trunc | std::ios::binary) << whole.substr(0, length);
      CAPTURE(length);
      const auto run = read_journal(path);
      REQUIRE(run);
      CHECK(run->last_sequence() == sequence);
    }
    // At each of its bytes, behind the first line alone, so that it is soon done.
    for (size_t length = begin; length <= end; ++length) {
      std::ofstream(path, std::ios::trunc | std::ios::binary)
          << whole.substr(0, first_line) << whole.substr(begin, length - begin);
      CAPTURE(length);
      const auto run = read_journal(path);
      REQUIRE(run);
      CHECK(run->last_sequence() == 1);
    }
    begin = end + 1;
  }
  std::ofstream(path, std::ios::trunc) << whole.substr(0, first_line - 1);
  CHECK(read_journal(path).error().kind == ErrorKind::data);
}

TEST_CASE("a journal that is none is refused with its line") {
  const Folder folder;
  const fs::path path = folder.path / "journal.jsonl";
  const std::string good = event_to_json(one_of_each().front()) + "\n";
  std::ofstream(path) << good << "{\"sequence\":2}\n";
  CHECK(read_journal(path).error().message.find("journal.jsonl:2: ") != std::string::npos);
  std::ofstream(path, std::ios::trunc) << "garbage\n";
  CHECK(read_journal(path).error().message.find("journal.jsonl:1: ") != std::string::npos);
  std::string newer = good;
  newer.replace(newer.find("\"version\":1"), 11, "\"version\":9");
  std::ofstream(path, std::ios::trunc) << newer;
  CHECK(read_journal(path).error().message.find("version 9") != std::string::npos);
  CHECK(read_journal(folder.path / "missing").error().kind == ErrorKind::no_input);
}

TEST_CASE("a number that no run can have is refused, and never reckoned with") {
  const std::string attempt =
      R"({"sequence":5,"time":1.5,"event":"attempt_finished","test":{"suite":"s","name":"a"},)"
      R"("result":{"number":1,"slot":1,"started_seconds":0.5,"duration_seconds":1,)"
      R"("outcome":"failed","exit":{"status":1},"stdout":{"bytes":7}}})";
  const std::string shard =
      R"({"sequence":1,"time":0,"event":"run_started","version":1,"run_id":"r",)"
      R"("at":"2026-01-31T12:00:00.000Z","shard":{"index":1,"count":2,"plan":"p"}})";
  REQUIRE(event_from_json(attempt));
  REQUIRE(event_from_json(shard));
  struct Absurd {
    const std::string& line;
    const char *good, *bad;
  };
  for (const Absurd& absurd : {
           Absurd{attempt, "\"sequence\":5", "\"sequence\":-5"},
           Absurd{attempt, "\"sequence\":5", "\"sequence\":18446744073709551615"},
           Absurd{attempt, "\"time\":1.5", "\"time\":1e300"},
           Absurd{attempt, "\"duration_seconds\":1", "\"duration_seconds\":-1e17"},
           Absurd{attempt, "\"duration_seconds\":1", "\"duration_seconds\":\"1\""},
           Absurd{attempt, "\"number\":1", "\"number\":1e300"},
           Absurd{attempt, "\"number\":1", "\"number\":4294967297"},
           Absurd{attempt, "\"slot\":1", "\"slot\":2147483647"},
           Absurd{attempt, "\"slot\":1", "\"slot\":18446744073709551615"},
           Absurd{attempt, "\"status\":1", "\"status\":1.5"},
           Absurd{attempt, "\"bytes\":7", "\"bytes\":-7"},
           Absurd{shard, "\"count\":2", "\"count\":-1"},
           Absurd{shard, "\"count\":2", "\"count\":2147483647"},
           Absurd{shard, "\"index\":1", "\"index\":3"},
       }) {
    CAPTURE(std::string(absurd.bad));
    std::string line = absurd.line;
    line.replace(line.find(absurd.good), std::string(absurd.good).size(), absurd.bad);
    const auto read = event_from_json(line);
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::data);
  }
}

TEST_CASE("a journal is never written over") {
  const Folder folder;
  write_journal(folder.path / "journal.jsonl", one_of_each());
  CHECK(JournalWriter::create(folder.path / "journal.jsonl").error().kind == ErrorKind::io);
}

TEST_CASE("a full disk is an error of the append that met it") {
  auto journal = JournalWriter::create("/dev/full");
  CHECK_FALSE(journal);  // it is already there
}

TEST_CASE("output beyond the cap is cut, says so, and keeps its end") {
  const Folder folder;
  OutputFile file(folder.path / "stdout", 100);
  std::string all;
  for (int i = 0; i < 5000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    all += line;
    REQUIRE(file.append(line));
  }
  REQUIRE(file.close());
  const std::string kept = read_file(folder.path / "stdout", 1 << 20).value();
  CHECK(kept.substr(0, 100) == all.substr(0, 100));
  CHECK(kept.find("bytes were cut here") != std::string::npos);
  CHECK(kept.ends_with("line 4999\n"));
  const OutputExcerpt excerpt = file.excerpt();
  CHECK(excerpt.bytes == all.size());
  CHECK(excerpt.cut_bytes == all.size() - 100 - OutputFile::tail_bytes);
  CHECK(excerpt.head == all.substr(0, OutputFile::head_bytes));
  CHECK(excerpt.tail == all.substr(all.size() - OutputFile::tail_bytes));
  CHECK(excerpt.head.size() + excerpt.tail.size() + excerpt.between == all.size());
}

TEST_CASE("output below the cap is kept byte by byte, in whatever pieces it came") {
  const Folder folder;
  OutputFile file(folder.path / "stdout", 0);
  std::string all;
  for (int i = 0; i < 3000; ++i)
    all += static_cast<char>(i);
  for (const char c : all)
    REQUIRE(file.append(std::string_view(&c, 1)));
  REQUIRE(file.close());
  CHECK(read_file(folder.path / "stdout", 1 << 20).value() == all);
  CHECK(file.excerpt().between == 0);
  CHECK(file.excerpt().tail.empty());
}

TEST_CASE("the log of a host goes on where that of an ff-ci before ended") {
  const Folder folder;
  for (const char* text : {"before\n", "after\n"}) {
    OutputFile file(folder.path / "dmesg", 7, Earlier::kept);
    REQUIRE(file.append(text));
    REQUIRE(file.close());
  }
  CHECK(read_file(folder.path / "dmesg", 100).value() == "before\nafter\n");
}

TEST_CASE("a stream that says nothing leaves no file") {
  const Folder folder;
  OutputFile file(folder.path / "stdout", 10);
  REQUIRE(file.close());
  CHECK_FALSE(fs::exists(folder.path / "stdout"));
}

TEST_CASE("each stream of an attempt has a file of its own, made with its first byte") {
  const Folder folder;
  auto files = AttemptFiles::create(folder.path / "1", 100);
  REQUIRE(files);
  CHECK(fs::is_empty(folder.path / "1"));
  REQUIRE(files->append(Stream::kernel_log, "[    1.000000] BUG\n"));
  REQUIRE(files->append(Stream::trace, "@writes: 3\n"));
  Attempt attempt;
  attempt.outcome = Failed{"why", {}};
  REQUIRE(files->close(attempt));
  CHECK(read_file(folder.path / "1/dmesg", 100).value() == "[    1.000000] BUG\n");
  CHECK(read_file(folder.path / "1/bpftrace", 100).value() == "@writes: 3\n");
  CHECK_FALSE(fs::exists(folder.path / "1/stdout"));
  CHECK_FALSE(fs::exists(folder.path / "1/stderr"));
  CHECK(attempt.kernel_log == OutputExcerpt{19, 0, "[    1.000000] BUG\n", "", 0});
  CHECK(attempt.trace == OutputExcerpt{11, 0, "", "", 11});
}

TEST_CASE("a pass keeps no text of its streams, but the kernel's when it reported something") {
  const Folder folder;
  Attempt attempt;
  attempt.outcome = Passed{};
  SUBCASE("nothing was reported") {}
  SUBCASE("what was reported is allowed") {
    attempt.kernel_reports = {{"WARNING", "w", "known"}};
  }
  auto files = AttemptFiles::create(folder.path / "1", 0);
  REQUIRE(files);
  for (const Stream stream : {Stream::standard_output, Stream::standard_error, Stream::kernel_log})
    REQUIRE(files->append(stream, "text\n"));
  REQUIRE(files->close(attempt));
  CHECK(attempt.standard_output == OutputExcerpt{5, 0, "", "", 5});
  CHECK(attempt.standard_error == OutputExcerpt{5, 0, "", "", 5});
  CHECK(attempt.kernel_log == (attempt.kernel_reports.empty()
                                   ? OutputExcerpt{5, 0, "", "", 5}
                                   : OutputExcerpt{5, 0, "text\n", "", 0}));
}

TEST_CASE("the kernel's log is cut like output") {
  const Folder folder;
  auto files = AttemptFiles::create(folder.path / "1", 100);
  REQUIRE(files);
  for (int i = 0; i < 3000; ++i)
    REQUIRE(files->append(Stream::kernel_log, "0123456789"));
  Attempt attempt;
  attempt.outcome = TimedOut{5s};
  REQUIRE(files->close(attempt));
  const std::string log = read_file(folder.path / "1/dmesg", 1 << 20).value();
  CHECK(log.find("bytes were cut here, at the output limit of 100 bytes") != std::string::npos);
  CHECK(attempt.kernel_log.cut_bytes == 30'000 - 100 - OutputFile::tail_bytes);
}

TEST_CASE("an archive is made with its first byte, and just ends at its limit") {
  const Folder folder;
  ArchiveFile whole(folder.path / "whole.tar", 1000);
  CHECK_FALSE(fs::exists(folder.path / "whole.tar"));
  REQUIRE(whole.append(std::string("tar\0ball", 8)));
  CHECK(read_file(folder.path / "whole.tar", 100).value() == std::string("tar\0ball", 8));
  CHECK(whole.problem().empty());
  ArchiveFile cut(folder.path / "cut.tar", 1000);
  for (int i = 0; i < 3000; ++i)
    REQUIRE(cut.append("0123456789"));
  CHECK(fs::file_size(folder.path / "cut.tar") == 1000);
  CHECK(cut.problem() ==
        "their archive has 29.3 KiB, and what is beyond the limit of 1000 B was dropped");
}

TEST_CASE("where no files are to be kept, no archive is made, and that is said") {
  const Folder folder;
  ArchiveFile none(folder.path / "files.tar", 0);
  REQUIRE(none.append("tar"));
  CHECK(fs::is_empty(folder.path));
  CHECK_FALSE(none.problem().empty());
}

TEST_CASE(
    "no test name leads out of the run's folder, and different names have different folders") {
  CHECK(attempt_folder({"s", "", "generic/475", 1}, 2) == "tests/s/generic/475/2");
  CHECK(attempt_folder({"s", "4k", "generic/475", 3}, 1) == "tests/s@4k/generic/475@3/1");
  CHECK(attempt_folder({"s", "", "../../etc", 1}, 1) == "tests/s/%2E./%2E./etc/1");
  CHECK(attempt_folder({"s", "", "a b$(x)\n", 1}, 1) == "tests/s/a%20b%24%28x%29%0A/1");
  CHECK(attempt_folder({"s", "", "a:*?<>|\"\\", 1}, 1) == "tests/s/a%3A%2A%3F%3C%3E%7C%22%5C/1");
  CHECK(scope_folder("s", "ssh:vm1") == "suites/s/ssh%3Avm1");
  CHECK(attempt_folder({"s", "", "//", 1}, 1) == "tests/s/%/%/%/1");
  CHECK(path_component("a@2") != path_component("a") + "@2");
  const std::string long_a(300, 'a'), long_b = long_a + "b";
  CHECK(path_component(long_a).size() <= 200);
  CHECK(path_component(long_a) != path_component(long_b));
}

TEST_CASE("only one ff-ci writes to a results directory") {
  const Folder folder;
  auto first = ResultsTree::open(folder.path);
  REQUIRE(first);
  const auto second = ResultsTree::open(folder.path);
  REQUIRE_FALSE(second);
  CHECK(second.error().kind == ErrorKind::temporary);
  CHECK(second.error().message.find("another ff-ci") != std::string::npos);
}

TEST_CASE("runs of the same second have folders of their own, and come one before the other") {
  const Folder folder;
  const auto tree = ResultsTree::open(folder.path);
  REQUIRE(tree);
  std::string one, two;
  const WallTime now(1'769'860'800'123ms);
  REQUIRE(tree->make_run(now, one));
  REQUIRE(tree->make_run(now, two));
  CHECK(one < two);
  for (const std::string& id : {one, two})
    write_journal(folder.path / "runs" / id / "journal.jsonl", one_of_each());
  REQUIRE(tree->point_latest_to(one));
  REQUIRE(tree->point_latest_to(two));
  CHECK(fs::read_symlink(folder.path / "latest") == fs::path("runs") / two);
  CHECK(run_before(folder.path, two).value() == one);
  CHECK_FALSE(run_before(folder.path, one));
  // ff-ci died before it wrote anything there.
  REQUIRE(tree->make_run(now - 24h, one));
  CHECK(run_ids(folder.path).size() == 2);
  CHECK_FALSE(run_before(folder.path, run_ids(folder.path).back()));
}

TEST_CASE("a run's id has one shape, and ids are in the order of their runs") {
  const auto second = parse_rfc3339("2026-01-31T12:00:00.000Z");
  CHECK(parse_run_id("20260131T120000Z") == RunId{*second, 1});
  CHECK(parse_run_id("20260131T120000Z-12") == RunId{*second, 12});
  for (const char* none :
       {"", "latest", "20260131T120000", "20260131T120000Zx", "20260131T120000Z-",
        "20260131T120000Z-1", "20260131T120000Z-02", "20260131T120000Z-0", "20260131T120000Z--2",
        "20260131T120000Z-2x", "20260131T120000Z-keep-this", "20261331T120000Z", "2026+131T120000Z",
        "20260131T120000Z-99999999999"})
    CHECK_FALSE(parse_run_id(none));
  const std::vector<std::string> in_order{"a",
                                          "latest",
                                          "20260130T235959Z-11",
                                          "20260131T120000Z",
                                          "20260131T120000Z-2",
                                          "20260131T120000Z-10",
                                          "20260131T120001Z"};
  for (std::size_t a = 0; a < in_order.size(); ++a) {
    for (std::size_t b = 0; b < in_order.size(); ++b)
      CHECK(is_earlier_run(in_order[a], in_order[b]) == (a < b));
  }
  CHECK(to_string(next_run_id(*second + 999ms, {})) == "20260131T120000Z");
  CHECK(to_string(next_run_id(*second, in_order)) == "20260131T120000Z-11");
}

TEST_CASE("a run of the same second never gets the id of one that was removed") {
  const Folder folder;
  const auto tree = ResultsTree::open(folder.path);
  REQUIRE(tree);
  const WallTime now(1'769'860'800'123ms);
  std::vector<std::string> ids(11);
  for (std::string& id : ids) {
    REQUIRE(tree->make_run(now, id));
    for (const std::string& before : ids) {
      if (&before < &id) fs::remove(folder.path / "runs" / before);
    }
  }
  CHECK(ids.back() == ids.front() + "-11");
  for (const std::string& name : {ids[8], ids[10], std::string(".removing")}) {
    fs::create_directories(folder.path / "runs" / name);
    write_journal(folder.path / "runs" / name / "journal.jsonl", one_of_each());
  }
  CHECK(run_ids(folder.path) == std::vector<std::string>{ids[10], ids[8]});
}

TEST_CASE(
    "expected durations come from the run that is named, by the longest attempt of each test") {
  const Folder folder;
  const auto tell_run = [&](const std::string& id,
                            const std::vector<std::pair<std::string, Attempt>>& attempts) {
    fs::create_directories(folder.path / "runs" / id);
    std::vector<RunEvent> events{{1, 0ms, RunStarted{id, "job", "1", {}, 0, "", ""}}};
    for (const auto& [name, attempt] : attempts)
      events.push_back({events.size() + 1, 0ms, AttemptFinished{{"s", "", name, 1}, attempt}});
    write_journal(folder.path / "runs" / id / "journal.jsonl", events);
  };
  const auto took = [](int number, Duration duration, Outcome outcome) {
    Attempt attempt;
    attempt.number = number;
    attempt.duration = duration;
    attempt.outcome = std::move(outcome);
    return attempt;
  };
  tell_run("1", {{"old", took(1, 7s, Passed{})}, {"both", took(1, 99s, Passed{})}});
  tell_run("2", {{"both", took(1, 3s, TimedOut{3s})},
                 {"both", took(2, 2s, Passed{})},
                 {"lost", took(1, 50s, HostLost{"x"})}});
  fs::create_directory_symlink("runs/2", folder.path / "latest");
  const auto durations = expected_durations_from(folder.path, "latest");
  REQUIRE(durations);
  CHECK(durations->by_test.at({"s", "", "both", 1}) == 3s);
  CHECK_FALSE(durations->by_test.contains({"s", "", "old", 1}));
  CHECK_FALSE(durations->by_test.contains({"s", "", "lost", 1}));
  CHECK(durations->source == "run 2");
  CHECK(expected_durations_from(folder.path, "1")->by_test.at({"s", "", "both", 1}) == 99s);
  CHECK(expected_durations_from(folder.path, "9").error().kind == ErrorKind::no_input);
  CHECK(expected_durations_from(folder.path / "none", "latest")->by_test.empty());
}
