// SOURCE, recordings, and what is read of files from elsewhere.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "report/junit.hpp"
#include "report/summary.hpp"
#include "report_run_builder.hpp"
#include "store/journal.hpp"
#include "store/read_durations.hpp"
#include "store/read_summary.hpp"
#include "store/recordings.hpp"
#include "store/run_sources.hpp"

namespace fs = std::filesystem;

namespace ffci::test {
namespace {

using nlohmann::json;

struct Folder {
  Folder() {
    std::string made = fs::temp_directory_path() / "ff-ci-sources-XXXXXX";
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    path = made;
  }
  ~Folder() { fs::remove_all(path); }
  void write(const fs::path& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << text;
  }
  // A run of one test, as it lies in a results directory.
  void add_run(const std::string& id) const {
    const fs::path folder = path / "runs" / id;
    fs::create_directories(folder);
    auto journal = JournalWriter::create(folder / "journal.jsonl");
    REQUIRE(journal);
    for (const RunEvent& event : RunBuilder(id).test({"s", "", "t"}, {{}}).finish().events())
      REQUIRE((*journal)->append(event));
    REQUIRE((*journal)->close());
  }
  [[nodiscard]] std::string run_of(const std::string& source) const {
    const auto stored = load_run(path, source);
    return stored ? stored->run.header().run_id : stored.error().message;
  }
  fs::path path;
};

// No more than the file tells; the rest of the lines are the same.
std::string summary_again(const Run& run) {
  const auto read = read_summary(summary_json(run), "summary.json");
  REQUIRE_MESSAGE(read, (read ? "" : read.error().message));
  return summary_json(*read);
}

std::string refusal(const json& summary) {
  const auto read = read_summary(summary.dump(), "s.json");
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::data);
  return read.error().message;
}

const std::string monday = "20260105T120000Z", tuesday = "20260106T120000Z",
                  wednesday = "20260107T120000Z";

}  // namespace

TEST_CASE("a summary of a run with one of everything reads back as the same summary") {
  json written = json::parse(summary_json(one_of_everything().run()));
  json again = json::parse(summary_again(one_of_everything().run()));
  // The order in which hosts were lost and suites set up is not in the file.
  for (json* summary : {&written, &again})
    std::sort((*summary)["problems"].begin(), (*summary)["problems"].end());
  CHECK(written == again);
}

TEST_CASE("a summary reads back with every outcome, reason, duration and the run's result") {
  for (const Outcome& outcome :
       {Outcome(Passed{}), Outcome(exit_with(3, "why")), Outcome(Failed{"why", {}}),
        Outcome(Failed{"why", ExitStatus{ExitStatus::Kind::signaled, 9}}), Outcome(Skipped{"no"}),
        Outcome(TimedOut{90s}), Outcome(TimedOut{3900s}), Outcome(TimedOut{300ms}),
        Outcome(Crashed{"BUG", "sig"}), Outcome(Crashed{"BUG", ""}), Outcome(HostLost{"gone"}),
        Outcome(SetupFailed{"why"}), Outcome(NotRun{"why"})}) {
    for (const auto how :
         {RunFinished::How::completed, RunFinished::How::no_hosts, RunFinished::How::interrupted}) {
      const int signal = how == RunFinished::How::interrupted ? 15 : 0;
      const Run run = RunBuilder()
                          .test({"s", "4k", "t", 2}, {{.outcome = outcome, .duration = 1234ms}}, 2s)
                          .not_run({"s", "", "late"}, "deadline")
                          .finish(how, signal)
                          .run();
      const auto read = read_summary(summary_json(run), "s");
      REQUIRE(read);
      REQUIRE(read->tests().size() == 2);
      CHECK(read->tests()[0].id == run.tests()[0].id);
      CHECK(read->tests()[0].verdict() == run.tests()[0].verdict());
      CHECK(read->tests()[0].reason() == run.tests()[0].reason());
      CHECK(read->tests()[0].duration() == 1234ms);
      CHECK(read->tests()[0].expected == 2s);
      CHECK(read->tests()[1].reason() == "deadline");
      CHECK(result_of(*read) == result_of(run));
      CHECK(summary_again(run) == summary_json(run));
    }
  }
}

TEST_CASE("a summary of a run that broke off reads back as one that broke off") {
  const Run run = RunBuilder()
                      .test({"s", "", "done"}, {{.outcome = exit_with(1)}, {}})
                      .running({"s", "", "a"})
                      .waiting({"s", "", "b"})
                      .pass(7s)
                      .fact(HostLostFact{"local", "gone"})
                      .fact(HostReady{"local", "local", 2, "6.1.0", "x86_64", "private"})
                      .fact(SlotRetired{"local", 2, "stuck"})
                      .fact(HostRetired{"local", "gone for good"})
                      .run();
  CHECK(summary_again(run) == summary_json(run));
  const auto read = read_summary(summary_json(run), "s");
  CHECK_FALSE(read->finish());
  CHECK(read->hosts()[0].restarts == 1);
}

TEST_CASE("a summary that lies or lacks something is refused with the place") {
  const json good = json::parse(summary_json(one_of_everything().run()));
  json bad = good;
  bad["version"] = 2;
  CHECK(refusal(bad) == "s.json: version: this ff-ci reads summaries of version 1");
  bad = good;
  bad["tests"][0]["verdict"] = "failed";
  CHECK(refusal(bad) == "s.json: tests/0/verdict: 'failed', but its attempts say 'passed'");
  bad = good;
  bad["tests"][1]["attempts"][0].erase("outcome");
  CHECK(refusal(bad) == "s.json: tests/1/attempts/0: 'outcome' is missing");
  bad = good;
  bad["tests"][1]["attempts"][0]["duration_seconds"] = 1e300;
  CHECK(refusal(bad) == "s.json: tests/1/attempts/0/duration_seconds: expected seconds");
  bad = good;
  bad["tests"][1] = bad["tests"][0];
  CHECK(refusal(bad).find("tests/1: 'ext4/mkfs-mount' is there twice") != std::string::npos);
  CHECK(refusal(json::array()).find("expected an object") != std::string::npos);
  CHECK(refusal(json::object()) == "s.json: 'version' is missing");
}

TEST_CASE("what is not JSON is refused with line and column, and what is too deep unread") {
  const auto message = [](const std::string& text) {
    const auto read = read_summary(text, "s.json");
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::data);
    return read.error().message;
  };
  CHECK(message("{\n  \"version\": 1,\n  oops") ==
        "s.json:3:3: is no summary.json: not JSON, or cut off");
  CHECK(message("").starts_with("s.json:1:1: "));
  CHECK(message(std::string(1'000'000, '[')) ==
        "s.json: is no summary.json: it is nested too deeply");
}

TEST_CASE("a summary cut off or changed anywhere is refused or read, and never more than that") {
  const std::string whole =
      summary_json(RunBuilder()
                       .test({"s", "4k", "t"}, {{.outcome = exit_with(1)}, {}})
                       .running({"s", "", "u"})
                       .run());
  for (std::size_t length = 0; length < whole.size() - 1; ++length)
    CHECK_FALSE(read_summary(whole.substr(0, length), "s"));
  const std::string everything = summary_json(one_of_everything().run());
  std::minstd_rand random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text = everything;
    for (unsigned changes = 1 + static_cast<unsigned>(random()) % 4; changes > 0; --changes) {
      const std::size_t place = random() % text.size();
      if (random() % 2 == 0) {
        text[place] = static_cast<char>(random());
      } else {
        text.erase(place, random() % 30);
      }
    }
    const auto read = read_summary(text, "s");
    if (read) {
      CHECK_FALSE(summary_json(*read).empty());
    } else {
      CHECK_FALSE(read.error().message.empty());
    }
  }
}

TEST_CASE("a source is the latest run, a run id, a folder, a file in it, or a lone summary") {
  const Folder folder;
  CHECK(folder.run_of("latest").find("there is no run in") == 0);
  folder.add_run(monday);
  folder.add_run(tuesday);
  CHECK(folder.run_of("latest") == tuesday);  // the link may be missing
  fs::create_symlink("runs/" + monday, folder.path / "latest");
  CHECK(folder.run_of("") == monday);
  CHECK(folder.run_of("latest") == monday);
  CHECK(folder.run_of(tuesday) == tuesday);
  const fs::path run = folder.path / "runs" / tuesday;
  CHECK(folder.run_of(run) == tuesday);
  CHECK(folder.run_of(run.string() + "/") == tuesday);
  folder.write(run / "summary.json", "only looked at without a journal");
  CHECK(folder.run_of(run / "summary.json") == tuesday);

  folder.write("elsewhere/copy.json", summary_json(RunBuilder("far").finish().run()));
  folder.write("other/summary.json", summary_json(RunBuilder("other").finish().run()));
  const auto lone = load_run(folder.path, folder.path / "elsewhere/copy.json");
  REQUIRE(lone);
  CHECK(lone->run.header().run_id == "far");
  CHECK(lone->folder.empty());
  CHECK(lone->shown == (folder.path / "elsewhere/copy.json").string() + " (far)");
  CHECK(folder.run_of(folder.path / "other") == "other");
  CHECK(folder.run_of(folder.path / "elsewhere").find("holds no run") != std::string::npos);
}

TEST_CASE("the folder of a run is found by every name that it has, and a lone file has none") {
  const Folder folder;
  folder.add_run(monday);
  const fs::path run = folder.path / "runs" / monday;
  REQUIRE(record(folder.path, monday, "main", MoveLabel::no));
  folder.write(run / "summary.json", "");
  for (const std::string& source : {std::string("latest"), std::string("main"), std::string("-1"),
                                    monday, run.string(), (run / "summary.json").string()}) {
    const auto found = find_run_folder(folder.path, source);
    REQUIRE_MESSAGE(found, source);
    CHECK(fs::canonical(*found) == fs::canonical(run));
  }
  const auto refused = [&](const std::string& source) {
    const auto found = find_run_folder(folder.path, source);
    REQUIRE_FALSE(found);
    CHECK(found.error().kind == ErrorKind::no_input);
    return found.error().message;
  };
  folder.write("lone.json", summary_json(RunBuilder("far").finish().run()));
  CHECK(refused(folder.path / "lone.json").find("lone.json is a lone file") != std::string::npos);
  CHECK(refused("https://user:secret@host/summary.json").find("secret") == std::string::npos);
  CHECK(refused("nope").find("there is no run 'nope'") == 0);
}

TEST_CASE("a source that leads nowhere is told with the nearest name") {
  const Folder folder;
  folder.add_run(monday);
  REQUIRE(record(folder.path, monday, "nightly", MoveLabel::no));
  const auto missing = load_run(folder.path, "nightyl");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::no_input);
  CHECK(missing.error().message.find("there is no run 'nightyl' in ") == 0);
  CHECK(missing.error().message.ends_with("did you mean 'nightly'?"));
  CHECK(folder.run_of("20260105T120000X").ends_with("did you mean '20260105T120000Z'?"));
  CHECK(folder.run_of("..").find("holds no run") != std::string::npos);
}

TEST_CASE("recordings are found by label, and by how recent their runs are") {
  const Folder folder;
  for (const std::string& id : {monday, tuesday, wednesday})
    folder.add_run(id);
  CHECK(folder.run_of("-1").find("there are 0 recordings") != std::string::npos);
  REQUIRE(record(folder.path, monday, "z-old", MoveLabel::no));
  REQUIRE(record(folder.path, wednesday, "b", MoveLabel::no));
  REQUIRE(record(folder.path, wednesday, "a", MoveLabel::no));
  REQUIRE(record(folder.path, tuesday, tuesday, MoveLabel::no));
  std::vector<std::string> labels;
  for (const Recording& recording : recordings(folder.path))
    labels.push_back(recording.label);
  CHECK(labels == std::vector<std::string>{"a", "b", tuesday, "z-old"});
  CHECK(folder.run_of("z-old") == monday);
  CHECK(folder.run_of("-1") == wednesday);
  CHECK(folder.run_of("-3") == tuesday);
  CHECK(folder.run_of("-4") == monday);
  CHECK(folder.run_of("-5").find("there are 4 recordings") != std::string::npos);
  fs::remove_all(folder.path / "runs" / monday);
  CHECK(folder.run_of("z-old") ==
        "the recording 'z-old' leads to ../runs/" + monday + ", and no run is there");
  fs::create_symlink("loop", folder.path / "recordings" / "loop");
  CHECK(folder.run_of("loop").find("the recording 'loop' leads to") == 0);
}

TEST_CASE("a label stays with its run unless it may move") {
  const Folder folder;
  folder.add_run(monday);
  folder.add_run(tuesday);
  CHECK_FALSE(record(folder.path, monday, "main", MoveLabel::no)->has_value());
  CHECK_FALSE(record(folder.path, monday, "main", MoveLabel::no)->has_value());
  const auto refused = record(folder.path, tuesday, "main", MoveLabel::no);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::usage);
  CHECK(refused.error().message.find(monday) != std::string::npos);
  CHECK(record(folder.path, tuesday, "main", MoveLabel::yes)->value() == monday);
  CHECK(folder.run_of("main") == tuesday);
  CHECK(fs::read_symlink(folder.path / "recordings" / "main") == "../runs/" + tuesday);
  CHECK(recordings(folder.path).size() == 1);
  folder.write("recordings/file", "");
  CHECK(record(folder.path, tuesday, "file", MoveLabel::yes).error().kind == ErrorKind::io);
}

TEST_CASE("a label is a plain word that means nothing else") {
  for (const char* good : {"main", "v6.18-rc3", "a_b+c", "6.18", "A1"})
    CHECK(check_label(good));
  for (const char* bad : {"", "latest", "history", "123", "-x", ".x", "a/b", "a b", "ä", "a\n",
                          "20260105T120000Z", "20260105T120000Z-2"})
    CHECK_FALSE(check_label(bad));
  const Folder folder;
  folder.add_run(monday);
  folder.add_run("odd");
  CHECK_FALSE(record(folder.path, monday, "odd", MoveLabel::yes));
  CHECK_FALSE(record(folder.path, monday, tuesday, MoveLabel::yes));
  CHECK_FALSE(record(folder.path, monday, tuesday + "-2", MoveLabel::yes));
  CHECK(record(folder.path, monday, tuesday + "-x", MoveLabel::yes));
  CHECK(record(folder.path, monday, monday, MoveLabel::no));
}

TEST_CASE("durations come from check.time by the test's name") {
  const auto durations = read_durations("generic/001 12\n\nbtrfs/002 3\ngeneric/001 7\n", "c.time");
  REQUIRE(durations);
  CHECK(durations->by_name.at("generic/001") == 12s);
  CHECK(durations->by_name.at("btrfs/002") == 3s);
  CHECK(durations->source == "c.time");
  CHECK(read_durations("generic/001 12\nwhat is this\n", "c.time")
            .error()
            .message.starts_with("c.time:2: expected a test and its seconds"));
  CHECK(read_durations("", "empty")->source.empty());
  for (const char* bad : {"a -1", "a 1e300", "a nan", "a", "a 1 2"})
    CHECK_FALSE(read_durations(bad, "c.time"));
}

TEST_CASE("durations come from our own JUnit file with suite and configuration") {
  const Run run = RunBuilder()
                      .test({"btrfs", "4k", "generic/001", 1}, {{.duration = 3s}})
                      .test({"btrfs", "4k", "generic/001", 2}, {{.duration = 5s}})
                      .test({"a.b", "", "x"}, {{.outcome = exit_with(1), .duration = 7s}})
                      .test({"s", "", "lost"}, {{.outcome = HostLost{"x"}, .duration = 9s}})
                      .finish()
                      .run();
  const auto durations = read_durations(junit_xml(run), "junit.xml");
  REQUIRE(durations);
  CHECK(durations->by_test.at({"btrfs", "4k", "generic/001", 1}) == 5s);
  CHECK(durations->by_test.at({"a.b", "", "x", 1}) == 7s);
  CHECK_FALSE(durations->by_test.contains({"s", "", "lost", 1}));
  CHECK(durations->by_name.empty());
}

TEST_CASE("durations come from other tools' JUnit files by name, with or without the class") {
  const auto durations = read_durations(
      "\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<testsuites><testsuite name='x'><testsuite>"
      "<testcase classname='xfstests.global' name='generic/001' time='3'/>"
      "<testcase classname='xfstests.generic' name='002' time='4.5'/>"
      "<testcase classname='timers' name='posix' time='5'/>"
      "<testcase name='skipped' time='0'><skipped/></testcase><testcase name='untimed'/>"
      "<testcase name='odd' time='soon'/></testsuite></testsuite></testsuites>",
      "other.xml");
  REQUIRE(durations);
  CHECK(durations->by_name.at("generic/001") == 3s);
  CHECK(durations->by_name.at("generic/002") == 4500ms);
  CHECK(durations->by_name.at("timers:posix") == 5s);
  for (const char* unknown : {"skipped", "untimed", "odd"})
    CHECK_FALSE(durations->by_name.contains(unknown));
  CHECK(read_durations("<html/>", "x.xml").error().message ==
        "x.xml: is no JUnit file: its root is <html>, not <testsuites>");
  CHECK(
      read_durations("<testsuites>\n<testsuite", "x.xml").error().message.starts_with("x.xml:2: "));
  std::string deep;
  for (int i = 0; i < 200'000; ++i)
    deep += "<testsuite>";
  CHECK_FALSE(read_durations(deep, "deep.xml"));
}

TEST_CASE("durations come from a summary, too") {
  const Run run = RunBuilder("r").test({"s", "4k", "t"}, {{.duration = 3s}}).finish().run();
  CHECK(read_durations(summary_json(run), "s.json")->by_test.at({"s", "4k", "t", 1}) == 3s);
  CHECK(read_durations("{}", "s.json").error().kind == ErrorKind::data);
}

}  // namespace ffci::test
