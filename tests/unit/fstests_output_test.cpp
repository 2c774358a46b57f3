#include "suites/fstests_output.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "base/text.hpp"
#include "fstests_facts.hpp"
#include "walk.hpp"

namespace ffci {
namespace {

using namespace std::chrono_literals;

const std::filesystem::path recorded = std::filesystem::path(FFCI_TEST_DATA) / "fstests_output";

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file, path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

CommandEnd ended_with(int code) {
  CommandEnd end;
  end.command = ExitStatus{ExitStatus::Kind::exited, code};
  return end;
}

CommandEnd stopped() {
  CommandEnd end = ended_with(0);
  end.stopped = true;
  return end;
}

struct Ended {
  TestEnded fact;
  Duration began{};
  std::string text;  // what the offsets make its own, of standard output
};

// One parser and everything it said, with the time and the text of each test.
class Heard {
 public:
  explicit Heard(std::vector<TestId> batch, const std::string& file_system = {})
      : batch_(std::move(batch)),
        parser_(make_fstests_parser(batch_, file_system)),
        witness_(batch_.size()) {
    parser_->on_begin(now_, facts_);
  }

  Heard& out(std::string_view bytes) {
    now_ += 1ms;
    parser_->on_output(Stream::standard_output, bytes, now_, facts_);
    take(bytes);
    return *this;
  }
  Heard& at(Duration time) {
    now_ = time - 1ms;
    return *this;
  }
  Heard& err(std::string_view bytes) {
    now_ += 1ms;
    parser_->on_output(Stream::standard_error, bytes, now_, facts_);
    REQUIRE(facts_.empty());
    return *this;
  }
  Heard& end(const CommandEnd& end) {
    now_ += 1ms;
    parser_->on_end(end, now_, facts_);
    take({});
    return *this;
  }
  Heard& lose() {
    parser_->on_lost(facts_);
    take({});
    return *this;
  }

  [[nodiscard]] const std::map<std::string, Ended>& ended() const { return ended_; }
  [[nodiscard]] const std::map<std::string, Duration>& began() const { return began_; }
  // "NAME outcome: reason", one line for each test in the order they ended, then who still runs.
  [[nodiscard]] std::string told() const {
    return told_ + (running_ ? batch_[*running_].name + " runs\n" : "");
  }

 private:
  void take(std::string_view bytes) {
    witness_.hear(facts_, bytes.size(), now_);
    if (!witness_.broken().empty()) FAIL(witness_.broken());
    std::size_t place = 0;
    for (TestFact& fact : std::exchange(facts_, {})) {
      if (const auto* began = std::get_if<TestBegan>(&fact)) {
        place = began->offset;
        running_ = began->test;
        began_[batch_[began->test].name] = began->at;
        text_.clear();
        continue;
      }
      auto& ended = std::get<TestEnded>(fact);
      const std::string& name = batch_[ended.test].name;
      text_ += bytes.substr(place, ended.offset - place);
      place = ended.offset;
      const std::string reason = reason_of(ended.outcome);
      told_ += fmt::format("{} {}{}{}{}{}\n", name, outcome_name(ended.outcome),
                           reason.empty() ? "" : ": ", reason,
                           ended.spoils_batch ? " (spoils its batch)" : "",
                           ended.shared_blame ? " (or another's fault)" : "");
      ended_[name] = {std::move(ended), began_[name], std::exchange(text_, {})};
      running_.reset();
    }
    if (running_) text_ += bytes.substr(place);
  }

  std::vector<TestId> batch_;
  std::unique_ptr<OutputParser> parser_;
  test::FactsWitness witness_;
  std::vector<TestFact> facts_;
  Duration now_{};
  std::optional<std::size_t> running_;
  std::string text_, told_;
  std::map<std::string, Ended> ended_;
  std::map<std::string, Duration> began_;
};

std::vector<TestId> batch_of(const std::vector<std::string>& names,
                             const std::string& section = {}) {
  std::vector<TestId> batch;
  for (const std::string& name : names)
    batch.push_back({"fstests", section, name});
  return batch;
}

struct Sample {
  std::string name, out, err, verdicts;
  int exit_code = 0;
  std::vector<TestId> asked;
};

Sample sample(const std::string& name) {
  const std::filesystem::path folder = recorded / name;
  std::vector<std::string> asked = lines_of(content_of(folder / "asked"));
  std::string section;
  if (constexpr std::string_view word = "section "; asked.front().starts_with(word)) {
    section = asked.front().substr(word.size());
    asked.erase(asked.begin());
  }
  return {name,
          content_of(folder / "stdout"),
          content_of(folder / "stderr"),
          content_of(folder / "verdicts"),
          std::stoi(content_of(folder / "exitcode")),
          batch_of(asked, section)};
}

std::vector<Sample> samples() {
  std::vector<Sample> all;
  for (const auto& entry : std::filesystem::directory_iterator(recorded)) {
    if (entry.is_directory()) all.push_back(sample(entry.path().filename()));
  }
  std::ranges::sort(all, {}, &Sample::name);
  REQUIRE(all.size() >= 35);
  return all;
}

// Where the first line ends that ends in a time, by the last test named before it.
std::map<std::string, std::size_t> ends_of_times(const Sample& sample) {
  std::map<std::string, std::size_t> ends;
  std::string name;
  std::size_t end = 0;
  for (const std::string& line : lines_of(sample.out)) {
    end += line.size() + 1;
    for (const TestId& id : sample.asked) {
      if (line.starts_with(id.name)) name = id.name;
    }
    const std::size_t seconds = line.find_last_not_of("s");
    if (seconds + 2 == line.size() && std::isdigit(line[seconds]) != 0) ends.emplace(name, end);
  }
  return ends;
}

// What is told of `output` for these tests when check ends by itself; it must not depend on how
// the output arrives.
std::string says(const std::vector<std::string>& names, const std::string& output,
                 int exit_code = 1) {
  const std::vector<TestId> batch = batch_of(names);
  const std::string told = Heard(batch).out(output).end(ended_with(exit_code)).told();
  for (std::size_t cut = 0; cut <= output.size(); ++cut) {
    const std::string cut_told = Heard(batch)
                                     .out(std::string_view(output).substr(0, cut))
                                     .out(std::string_view(output).substr(cut))
                                     .end(ended_with(exit_code))
                                     .told();
    if (cut_told != told) FAIL("cut at ", cut, ": ", cut_told);
  }
  return told;
}

constexpr std::string_view diff =
    "    --- tests/generic/001.out\t2026-01-01\n"
    "    +++ /r/generic/001.out.bad\t2026-01-02\n"
    "    @@ -1,2 +1,2 @@\n"
    "     QA output created by 001\n"
    "    -generic/002         1s\n"
    "    +_check_dmesg: something found in dmesg (see x)\n"
    "    ...\n"
    "    (Run 'diff -u a b'  to see the entire diff)\n";

}  // namespace

TEST_SUITE("fstests' recorded output") {
  TEST_CASE("every recorded run has its verdicts") {
    for (const Sample& it : samples()) {
      INFO(it.name);
      const std::string told =
          Heard(it.asked, "ext4").err(it.err).out(it.out).end(ended_with(it.exit_code)).told();
      CHECK(told == it.verdicts);
    }
  }

  TEST_CASE("the facts do not depend on where the output is cut") {
    for (const Sample& it : samples()) {
      INFO(it.name);
      for (std::size_t cut = 0; cut <= it.out.size(); cut += walk_step) {
        const std::string told = Heard(it.asked, "ext4")
                                     .err(it.err)
                                     .out(std::string_view(it.out).substr(0, cut))
                                     .out(std::string_view(it.out).substr(cut))
                                     .end(ended_with(it.exit_code))
                                     .told();
        if (told != it.verdicts) FAIL("cut at ", cut, ": ", told);
      }
    }
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    std::minstd_rand random(seed);
    for (const Sample& it : samples()) {
      for (const std::size_t most : {1U, 2U, 9U, 60U, 900U}) {
        Heard heard(it.asked, "ext4");
        heard.err(it.err);
        for (std::size_t place = 0; place < it.out.size();) {
          const std::size_t length = 1 + random() % most;
          heard.out(std::string_view(it.out).substr(place, length));
          place += length;
        }
        REQUIRE(heard.end(ended_with(it.exit_code)).told() == it.verdicts);
      }
    }
  }

  TEST_CASE("a run that breaks off anywhere invents no pass") {
    for (const Sample& it : samples()) {
      INFO(it.name);
      const std::map<std::string, std::size_t> ends = ends_of_times(it);
      for (std::size_t length = 0; length <= it.out.size(); length += walk_step) {
        const auto output = std::string_view(it.out).substr(0, length);
        INFO("broken off after ", length);
        for (const int how : {0, 1, 2, 3}) {
          Heard heard(it.asked, "ext4");
          heard.err(it.err).out(output);
          if (how == 0) heard.lose();
          if (how == 1) heard.end(stopped());
          if (how == 2) heard.end(ended_with(137));
          if (how == 3) heard.end(CommandEnd{});
          for (const auto& [name, ended] : heard.ended()) {
            if (!std::holds_alternative<Passed>(ended.fact.outcome)) continue;
            const auto end = ends.find(name);
            REQUIRE(end != ends.end());
            REQUIRE(end->second <= length);
          }
          if (how != 0) REQUIRE_FALSE(heard.told().ends_with(" runs\n"));
        }
      }
    }
  }

  TEST_CASE("the offsets give each test its own text") {
    for (const Sample& it : samples()) {
      INFO(it.name);
      Heard heard(it.asked, "ext4");
      heard.out(it.out).end(ended_with(it.exit_code));
      for (const auto& [name, ended] : heard.ended()) {
        if (ended.text.empty()) continue;
        REQUIRE(ended.text.starts_with(name));
        if (!std::holds_alternative<NotRun>(ended.fact.outcome))
          REQUIRE(ended.text.ends_with('\n'));
        for (const TestId& other : it.asked) {
          REQUIRE(ended.text.find("\n" + other.name) == std::string::npos);
        }
        REQUIRE(ended.text.find("\nRan: ") == std::string::npos);
        const bool mismatch = reason_of(ended.fact.outcome).find("mismatch") != std::string::npos;
        REQUIRE(mismatch == (ended.text.find("to see the entire diff)\n") != std::string::npos));
      }
    }
    Heard hints(sample("mixed_xunit").asked);
    hints.out(sample("mixed_xunit").out);
    CHECK(hints.ended().at("selftest/108").text.ends_with("fs: fix the thing\n\n"));
    CHECK(hints.ended().at("selftest/111").text ==
          "selftest/111       _check_generic_filesystem: filesystem on /dev/loop9 is inconsistent\n"
          "(see /srv/res/samp-mixed_xunit/selftest/111.full for details)\n"
          "Trying to repair broken TEST_DEV file system\n\n");
  }

  TEST_CASE("of a run over all sections only the asked one counts") {
    const Sample all = sample("sect_all");
    for (const std::string section : {"samp_ext4_4k", "samp_ext4_1k", "samp_xfs"}) {
      const std::vector<TestId> batch = batch_of({"selftest/001", "selftest/004"}, section);
      Heard heard(batch, section == "samp_xfs" ? "xfs" : "ext4");
      heard.out(all.out).end(ended_with(0));
      CHECK(heard.told() == "selftest/001 passed\nselftest/004 skipped: Always skip me\n");
      CHECK((heard.ended().at("selftest/001").text == "selftest/001        0s\n") ==
            (section == "samp_ext4_4k"));
    }
  }

  // check's own file has whole seconds; the list of durations beside the recording was made from
  // one name to the next, with what check does between two tests.
  TEST_CASE("a whole run as it arrived: verdicts and times agree with check's own") {
    for (const std::string run : {"quick-ext4", "quick-btrfs"}) {
      INFO(run);
      struct Expected {
        std::string name, verdict;
        Duration to_next{};
      };
      std::vector<Expected> expected;
      std::vector<std::string> names;
      for (const std::string& line : lines_of(content_of(recorded / (run + ".verdicts")))) {
        const std::vector<std::string_view> words = split(line, ' ');
        expected.push_back({std::string(words[0]), std::string(words[1]),
                            Duration(std::stol(std::string(words[2])))});
        names.push_back(expected.back().name);
      }
      Heard heard(batch_of(names), run.substr(run.find('-') + 1));
      Duration last{};
      std::map<std::string, Duration> name_printed, verdict_printed;
      for (const std::string& line : lines_of(content_of(recorded / (run + ".jsonl")))) {
        const auto piece = nlohmann::json::parse(line);
        last = from_seconds(piece["t"].get<double>());
        heard.at(last).out(piece["text"].get<std::string>());
      }
      heard.end(ended_with(1));
      CHECK(heard.ended().size() == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        INFO(names[i]);
        const Ended& ended = heard.ended().at(names[i]);
        REQUIRE(outcome_name(ended.fact.outcome) == expected[i].verdict);
        REQUIRE(*ended.fact.duration <= expected[i].to_next + 50ms);
        if (i + 1 == expected.size()) continue;
        const Duration to_next = heard.began().at(names[i + 1]) - ended.began;
        REQUIRE(std::chrono::abs(to_next - expected[i].to_next) <= 50ms);
      }
    }
  }
}

TEST_SUITE("fstests' output") {
  TEST_CASE("a test begins with its complete name, before its line ends") {
    Heard heard(batch_of({"generic/001", "generic/0012"}));
    heard.out("generic/001");
    CHECK(heard.told() == "");
    heard.out(" ");
    CHECK(heard.told() == "generic/001 runs\n");
    heard.out("      ").out(" 12").out("s");
    CHECK(heard.told() == "generic/001 runs\n");
    heard.out("\ngeneric/0012\t");
    CHECK(heard.told() == "generic/001 passed\ngeneric/0012 runs\n");
    CHECK(heard.began().at("generic/001") == 2ms);
    CHECK(heard.ended().at("generic/001").fact.at == 6ms);
  }

  TEST_CASE("old and new formats, timestamps and carriage returns") {
    for (const std::string line :
         {"generic/001         1s", "generic/001 1s ...  1s", "generic/001  1s ... 12s",
          "generic/001\t 0s", "generic/001        [19:39:33] [19:39:34] 1s",
          "generic/001 3s ...  [19:39:33] [19:39:34] 1s", "generic/001         1s\r",
          "generic/001-with-a-title  1s"}) {
      INFO(line);
      CHECK(Heard(batch_of({"generic/001"})).out(line + "\n").told() == "generic/001 passed\n");
    }
    CHECK(says({"generic/001"}, "generic/001 1s ... [not run] needs 10s\nRan: generic/001\n") ==
          "generic/001 skipped: needs 10s\n");
    CHECK(says({"generic/001"},
               "generic/001        [19:39:34] [19:39:34] [not run]\n\tgeneric/001 -- no reflink\n"
               "Ran: generic/001\n") == "generic/001 skipped: no reflink\n");
    CHECK(says({"generic/001", "generic/002"},
               "generic/001        [not run] first\n second\n\x1B[1mthird\x1B[0m\n"
               "generic/002        [not run] \n") ==
          "generic/001 skipped: first second third\ngeneric/002 skipped\n");
  }

  TEST_CASE("a failure is told with what follows it, and dated by its last complaint") {
    Heard heard(batch_of({"generic/001", "generic/002"}));
    heard.at(100ms).out("generic/001        ");
    heard.at(200ms).out("[failed, exit status 1]_check_dmesg: something found in dmesg (see x)\n");
    heard.at(300ms).out("- output mismatch (see x)\n");
    heard.at(400ms).out(diff);
    CHECK(heard.told() == "generic/001 runs\n");
    heard.at(500ms).out("generic/002");
    CHECK(heard.told() == "generic/001 runs\n");
    heard.at(600ms).out("  ");
    CHECK(heard.told() ==
          "generic/001 failed: exit status 1, dmesg: something was found in the kernel's log, "
          "output mismatch\ngeneric/002 runs\n");
    const TestEnded& ended = heard.ended().at("generic/001").fact;
    CHECK(ended.at == 300ms);
    CHECK(ended.duration == 200ms);
    CHECK(std::get<Failed>(ended.outcome).exit == ExitStatus{ExitStatus::Kind::exited, 1});
  }

  TEST_CASE("complaints of every file system, alone and together") {
    const auto reason = [](const std::string& rest) {
      return says({"generic/001"}, "generic/001        " + rest + "Ran: generic/001\n");
    };
    CHECK(
        reason("_check_xfs_filesystem: filesystem on /dev/sdb has dirty log\n(see x)\n"
               "_check_xfs_filesystem: filesystem on /dev/sdb is inconsistent (r)\n(see x)\n\n") ==
        "generic/001 failed: file system on /dev/sdb has dirty log, file system on /dev/sdb is "
        "inconsistent (r) (spoils its batch)\n");
    CHECK(reason("_overlay_check_fs: overlayfs on a,b,c is inconsistent\n(see x)\n\n") ==
          "generic/001 failed: overlayfs on a,b,c is inconsistent (spoils its batch)\n");
    CHECK(reason("Trying to repair broken TEST_DEV file system\n"
                 "_repair_test_fs: failed, err=8\n(see x)\n\n") ==
          "generic/001 failed: the test device could not be repaired (spoils its batch)\n");
    CHECK(reason("Trying to repair broken TEST_DEV file system\n\n") ==
          "generic/001 failed: the test device was found broken (spoils its batch)\n");
    CHECK(reason("_check_dmesg: something found in dmesg (see x)\n"
                 "_check_kmemleak: something found in kmemleak (see x)\n\n") ==
          "generic/001 failed: dmesg: something was found in the kernel's log, kmemleak: something "
          "was found (or another's fault)\n");
    CHECK(reason("_check_dmesg: something found in dmesg (see x)\nno qualified output\n") ==
          "generic/001 failed: dmesg: something was found in the kernel's log, no qualified "
          "output\n");
    CHECK(reason("[dumped core][failed, exit status 139]\n") ==
          "generic/001 failed: dumped core, exit status 139 (SIGSEGV)\n");
    CHECK(
        reason("mount: busy.[failed, exit status 1] umount: busy.\n- output mismatch (see x)\n") ==
        "generic/001 failed: exit status 1, output mismatch\n");
    CHECK(reason("\n") == "generic/001 failed: ./check printed neither a time nor a reason\n");
  }

  TEST_CASE("nothing inside a diff or a hint is a verdict or begins a test") {
    CHECK(says({"generic/001", "generic/002"},
               "generic/001        - output mismatch (see x)\n" + std::string(diff) +
                   "\nHINT: You _MAY_ be missing kernel fix:\n      0123 generic/002  1s\n\n"
                   "generic/002        [expunged]\n") ==
          "generic/001 failed: output mismatch\ngeneric/002 skipped: expunged\n");
  }

  TEST_CASE("a test's own output is no verdict, unless it is the last thing before the next test") {
    CHECK(says({"generic/001", "generic/002"},
               "generic/001       it took 3s\nmore\n- output mismatch (see x)\n"
               "generic/002       slow: 3s\n 4s\nRan: generic/001\n") ==
          "generic/001 failed: output mismatch\ngeneric/002 passed\n");
    CHECK(says({"generic/001"}, "generic/001       mount: odd 3s\nRan: generic/001\n") ==
          "generic/001 passed\n");
    CHECK(says({"generic/001"}, "generic/001       it took 3s\n") ==
          "generic/001 not_run: ./check ended (exit status 1) while it ran: it took 3s\n");
    CHECK(says({"generic/001"}, "generic/001       003 not run: why\n[not run] why\nRan: x\n") ==
          "generic/001 skipped: why\n");
    CHECK(
        says({"generic/001"}, "generic/001  [failed, exit status x][failed, exit status 999]\n") ==
        "generic/001 not_run: ./check ended (exit status 1) while it ran: [failed, exit status "
        "x][failed, exit status 999]\n");
  }

  TEST_CASE("what comes again after its end is ignored") {
    CHECK(says({"generic/001", "generic/002"},
               "generic/001         1s\n"
               "generic/002        - output mismatch (see x)\n"
               "generic/002         1s\n"
               "generic/002 aggregate results across 2 runs: fail=1 (50.0%), pass=1 (50.0%)\n"
               "Ran: generic/001 generic/002\nFailures: generic/002\nFailed 1 of 2 tests\n\n"
               "FSTYP         -- ext4\n\n"
               "generic/001 1s ... - output mismatch (see x)\n"
               "generic/002         2s\n") ==
          "generic/001 passed\ngeneric/002 failed: output mismatch\n");
  }

  TEST_CASE("the end is told at the summary, without waiting for check to end") {
    for (const std::string line :
         {"Ran: generic/001", "Not run: x", "Failures: generic/001", "Failed 1 of 1 tests",
          "Passed all 1 tests", "Interrupted!", "SECTION       -- s", "Xunit report: x"}) {
      INFO(line);
      Heard heard(batch_of({"generic/001"}));
      heard.out("generic/001        [failed, exit status 1]\n");
      CHECK(heard.told() == "generic/001 runs\n");
      heard.out(line + "\n");
      CHECK(heard.told() == "generic/001 failed: exit status 1\n");
      CHECK(heard.ended().at("generic/001").text == "generic/001        [failed, exit status 1]\n");
    }
  }

  TEST_CASE("a test without a verdict: stopped, host lost, check gone, interrupted") {
    const std::vector<TestId> batch = batch_of({"generic/001", "generic/002"});
    const auto running = [&] {
      Heard heard(batch);
      heard.out("generic/001        ");
      return heard;
    };
    CHECK(running().end(stopped()).told() == "generic/001 not_run: stopped\n");
    CHECK(running().lose().told() == "generic/001 runs\n");
    CHECK(running().out(" 1s").lose().told() == "generic/001 runs\n");
    CHECK(running().out("[failed, exit status 1]\n").lose().told() ==
          "generic/001 failed: exit status 1\n");
    CHECK(running().end(CommandEnd{}).told() ==
          "generic/001 host_lost: the command's end was not reported\n");
    CHECK(running().end(ended_with(137)).told() ==
          "generic/001 not_run: ./check ended (exit status 137 (SIGKILL)) while it ran\n");
    CHECK(running().err("./check: line 9: bad: syntax error\n").end(ended_with(2)).told() ==
          "generic/001 not_run: ./check ended (exit status 2) while it ran: ./check: line 9: bad: "
          "syntax error\n");
    CHECK(running()
              .out("Ran: generic/001\nInterrupted!\nPassed all 1 tests\n")
              .end(ended_with(0))
              .told() == "generic/001 not_run: ./check ended (exit status 0) while it ran\n");
    CHECK(running().out("\n").out("generic/002 \n").out("x\n").end(stopped()).told() ==
          "generic/001 failed: ./check printed neither a time nor a reason\n"
          "generic/002 not_run: stopped\n");
  }

  TEST_CASE("when check ran nothing, each test is told why") {
    const auto why = [](const std::string& out, const std::string& err, int exit_code) {
      return Heard(batch_of({"generic/001"})).err(err).out(out).end(ended_with(exit_code)).told();
    };
    const std::string header =
        "FSTYP         -- ext4\nPLATFORM      -- Linux/x86_64 vm\nMKFS_OPTIONS  -- /dev/sdb\n"
        "MOUNT_OPTIONS -- /dev/sdb /mnt\n\n";
    CHECK(why(header + "our local _scratch_mkfs routine ...\nmkfs.ext4: no such device\n"
                       "check: failed to mkfs $SCRATCH_DEV using specified options\nInterrupted!\n"
                       "Passed all 0 tests\n",
              "./check: line 685: echo: write error: Permission denied\n", 1) ==
          "generic/001 not_run: ./check ran none of its tests (exit status 1): check: failed to "
          "mkfs $SCRATCH_DEV using specified options\n");
    CHECK(why("", "sh: 1: ./check: not found\n", 127) ==
          "generic/001 not_run: ./check ran none of its tests (exit status 127 (command not "
          "found)): sh: 1: ./check: not found\n");
    CHECK(why("Warning: need to define parameters for host vm\n", "", 1) ==
          "generic/001 not_run: ./check ran none of its tests (exit status 1): Warning: need to "
          "define parameters for host vm\n");
    CHECK(why(header + "Passed all 0 tests\n", "", 0) ==
          "generic/001 not_run: ./check ran none of its tests (exit status 0)\n");
    CHECK(Heard(batch_of({"generic/001"})).out(header).end(stopped()).told() == "");
    CHECK(Heard(batch_of({"generic/001"})).out(header).end(CommandEnd{}).told() ==
          "generic/001 not_run: the command's end was not reported\n");
    CHECK(why("check: no\nJoined session keyring: 123\n", "Joined session keyring: 12\n", 1) ==
          "generic/001 not_run: ./check ran none of its tests (exit status 1): check: no\n");
    CHECK(Heard(batch_of({"generic/001", "generic/009"}))
              .out("generic/009 - unknown test, ignored\n" + header + "check: no\n")
              .end(ended_with(1))
              .told() ==
          "generic/009 not_run: fstests there does not know this test\n"
          "generic/001 not_run: ./check ran none of its tests (exit status 1): "
          "check: no\n");
    CHECK(Heard(batch_of({"generic/001", "generic/009"}))
              .out("generic/009         1s\n")
              .end(ended_with(1))
              .told() == "generic/009 passed\n");
  }

  TEST_CASE("a command that could not be started is told of every test of the batch") {
    CommandEnd end;
    end.trouble = "only 200M is left in /var/tmp";
    const std::vector<TestId> batch = batch_of({"generic/001", "generic/002"});
    CHECK(Heard(batch).end(end).told() ==
          "generic/001 not_run: only 200M is left in /var/tmp\n"
          "generic/002 not_run: only 200M is left in /var/tmp\n");
    CHECK(Heard(batch).out("generic/001  ").end(end).told() ==
          "generic/001 host_lost: only 200M is left in /var/tmp\n");
  }

  TEST_CASE("a header that names another file system fails the whole batch") {
    const auto told = [](const std::string& header, const std::string& file_system) {
      return Heard(batch_of({"generic/001", "generic/002"}), file_system)
          .out("generic/002 - unknown test, ignored\n" + header + "\ngeneric/001         1s\n")
          .end(ended_with(0))
          .told();
    };
    const std::string unknown = "generic/002 not_run: fstests there does not know this test\n";
    CHECK(told("FSTYP         -- ext4\n", "btrfs") ==
          unknown + "generic/001 setup_failed: the configuration there tests ext4, not btrfs\n");
    CHECK(told("FSTYP         -- xfs (debug)\n", "ext4") ==
          unknown + "generic/001 setup_failed: the configuration there tests xfs, not ext4\n");
    const std::string passed = unknown + "generic/001 passed\n";
    CHECK(told("FSTYP         -- xfs (non-debug)\n", "xfs") == passed);
    CHECK(told("FSTYP         -- overlay\n", "overlay") == passed);
    CHECK(told("FSTYP         -- ext4\n", "") == passed);
    CHECK(told(" FSTYP         -- ext4\nFSTYP         --\n", "btrfs") == passed);
    CHECK(Heard(batch_of({"generic/001"}), "xfs")
              .out("generic/001    \nFSTYP         -- ext4\n- output mismatch (see x)\n")
              .end(ended_with(1))
              .told() == "generic/001 failed: output mismatch\n");
    CHECK(Heard(batch_of({"generic/001"}, "b"), "xfs")
              .out("SECTION       -- a\nFSTYP         -- ext4\nSECTION       -- b\n"
                   "FSTYP         -- xfs (debug)\ngeneric/001         1s\n")
              .end(ended_with(0))
              .told() == "generic/001 passed\n");
  }

  TEST_CASE("what was provisional is no verdict when check was interrupted or stopped") {
    for (const std::string rest : {"       \n", "       \nit took 5s\n", "       it took 5s\n"}) {
      for (const std::string summary :
           {"Interrupted!\n", "Interrupted!\nPassed all 1 tests\nXunit report: x\n\n",
            "Ran: generic/001\nInterrupted!\nPassed all 1 tests\n\nSECTION       -- c\n"}) {
        INFO(rest, summary);
        const std::string output = "generic/001 " + rest + summary;
        CHECK(says({"generic/001"}, output, 0)
                  .starts_with("generic/001 not_run: ./check ended (exit status 0) while it ran"));
        CHECK(Heard(batch_of({"generic/001"})).out(output).end(stopped()).told() ==
              "generic/001 not_run: stopped\n");
      }
      for (const std::string summary : {"", "Ran: generic/001\n", "Ran: generic/001\nInterr"}) {
        CHECK(Heard(batch_of({"generic/001"}))
                  .out("generic/001 " + rest + summary)
                  .end(stopped())
                  .told() == "generic/001 not_run: stopped\n");
      }
    }
    CHECK(says({"generic/001"}, "generic/001        Interrupted!\nPassed all 1 tests\n\nRan: x\n",
               0) == "generic/001 not_run: ./check ended (exit status 0) while it ran\n");
    CHECK(says({"generic/001"}, "generic/001         5s\nRan: generic/001\nInterrupted!\n") ==
          "generic/001 passed\n");
  }

  TEST_CASE("a failed set-up is told of every test of the batch") {
    CommandEnd end;
    end.setup = ExitStatus{ExitStatus::Kind::exited, 32};
    CHECK(Heard(batch_of({"generic/001", "generic/002"})).err("mount: busy\n").end(end).told() ==
          "generic/001 setup_failed: test set-up failed: exit status 32: mount: busy\n"
          "generic/002 setup_failed: test set-up failed: exit status 32: mount: busy\n");
  }

  TEST_CASE("sections: names before the first, foreign ones, none named") {
    const std::vector<TestId> batch = batch_of({"generic/001", "generic/009"}, "b");
    CHECK(Heard(batch)
              .out("generic/009 - unknown test, ignored\ngeneric/001   1s\nSECTION       -- a\n"
                   "generic/001         1s\nRan: generic/001\n\nSECTION       -- b\n"
                   "generic/001        [failed, exit status 3]\nSECTION       -- c\n"
                   "generic/009         1s\n")
              .end(ended_with(1))
              .told() ==
          "generic/009 not_run: fstests there does not know this test\n"
          "generic/001 failed: exit status 3\n");
    CHECK(says({"generic/001", "generic/002"},
               "generic/002 - unknown test, ignored\nSECTION       -- ext4\x1B[1m_4k\n"
               "FSTYP         -- ext4\n\ngeneric/001         1s\n",
               0) ==
          "generic/002 not_run: fstests there does not know this test\n"
          "generic/001 setup_failed: the configuration there has sections (ext4_4k…); "
          "name them with `section`\n");
  }

  TEST_CASE("hostile bytes: NULs, escapes, invalid UTF-8, lines without an end") {
    using namespace std::string_literals;
    CHECK(says({"generic/001"}, "\0generic/001  1s\n\0\n"s) ==
          "generic/001 not_run: ./check ran none of its tests (exit status 1): #x00\n");
    CHECK(says({"generic/001"},
               "generic/001 \0\xFF\x1B[31m_check_x_filesystem: filesystem on \xFF\0\x1B[0m is "
               "inconsistent\n\n"s) ==
          "generic/001 failed: file system on \uFFFD#x00 is inconsistent (spoils its batch)\n");
    const std::string chunk(1 << 20, 'x');
    Heard heard(batch_of({"generic/001", "generic/002", "generic/003"}));
    heard.out("generic/001        ");
    for (int i = 0; i < 100; ++i)
      heard.out(chunk);
    heard.out("[failed, exit status 2]\ngeneric/002        [not run] ");
    for (int i = 0; i < 10; ++i)
      heard.out(chunk);
    heard.out("\ngeneric/003        _check_x_filesystem: filesystem on ");
    heard.out(chunk).out(" is inconsistent\n").end(ended_with(1));
    CHECK(heard.told().size() < 1'000);
    CHECK(heard.told().starts_with("generic/001 failed: exit status 2\ngeneric/002 skipped: xxx"));
  }

  TEST_CASE("random lines in random pieces give the same facts") {
    static constexpr std::string_view words[] = {"generic/001",
                                                 "generic/002",
                                                 "generic/003",
                                                 "-title",
                                                 "       ",
                                                 " ",
                                                 "\t",
                                                 "\n",
                                                 "\n",
                                                 "\n",
                                                 "\r",
                                                 "    ",
                                                 " 1s",
                                                 " 1s ... ",
                                                 "[not run] why",
                                                 "[expunged]",
                                                 "[failed, exit status 1]",
                                                 "[dumped core]",
                                                 "- output mismatch (see x)",
                                                 "no qualified output",
                                                 "_check_dmesg: something found in dmesg",
                                                 "_check_x_filesystem: filesystem on d is bad",
                                                 "Trying to repair broken TEST_DEV file system",
                                                 "SECTION       -- ",
                                                 "a",
                                                 "Ran: ",
                                                 "Failed 1 of 2 tests",
                                                 " - unknown test, ignored",
                                                 " [12:34:56]",
                                                 "\xFF\x1B[1m",
                                                 std::string_view("\0", 1)};
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    std::minstd_rand random(seed);
    for (int round = 0; round < 3000; ++round) {
      std::string output;
      for (std::size_t i = random() % 60; i > 0; --i)
        output += words[random() % std::size(words)];
      const std::vector<TestId> batch =
          batch_of({"generic/001", "generic/002", "generic/003"}, random() % 3 == 0 ? "a" : "");
      CommandEnd end = ended_with(static_cast<int>(random() % 2));
      end.stopped = random() % 4 == 0;
      Heard pieces(batch);
      for (std::size_t place = 0; place < output.size();) {
        const std::size_t length = 1 + random() % 20;
        pieces.out(std::string_view(output).substr(place, length));
        place += length;
      }
      REQUIRE(pieces.end(end).told() == Heard(batch).out(output).end(end).told());
    }
  }
}

}  // namespace ffci
