#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>

#include "base/text.hpp"
#include "suites/ktap.hpp"
#include "suites/protocol.hpp"

namespace ffci {
namespace {

using namespace std::chrono_literals;

struct Said {
  Stream stream;
  std::string bytes;
};

constexpr ExitStatus exited(int code) {
  return {ExitStatus::Kind::exited, code};
}
constexpr ExitStatus killed(int signal) {
  return {ExitStatus::Kind::signaled, signal};
}

CommandEnd ended_with(ExitStatus status) {
  CommandEnd end;
  end.command = status;
  return end;
}

TestEnded parse(std::unique_ptr<OutputParser> parser, const std::vector<Said>& said,
                const CommandEnd& end) {
  std::vector<TestFact> facts;
  parser->on_begin(1ms, facts);
  for (const Said& piece : said)
    parser->on_output(piece.stream, piece.bytes, 2ms, facts);
  parser->on_end(end, 3ms, facts);
  REQUIRE(facts.size() == 2);
  CHECK(std::get<TestBegan>(facts[0]).at == 1ms);
  CHECK(std::get<TestEnded>(facts[1]).at == 3ms);
  return std::get<TestEnded>(facts[1]);
}

// "passed", "failed: why", then one line for each subtest: "  failed a.b (reason)".
std::string show(const TestEnded& ended) {
  const std::string reason = reason_of(ended.outcome);
  std::string text =
      fmt::format("{}{}{}\n", outcome_name(ended.outcome), reason.empty() ? "" : ": ", reason);
  for (const Subtest& subtest : ended.subtests) {
    text += fmt::format("  {} {}", subtest_status_name(subtest.status), subtest.name);
    if (!subtest.reason.empty()) text += fmt::format(" ({})", subtest.reason);
    text += '\n';
  }
  return text;
}

std::vector<Said> in_pieces(const std::string& output, std::minstd_rand& random, std::size_t most) {
  std::vector<Said> pieces;
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t length = 1 + random() % most;
    pieces.push_back({Stream::standard_output, output.substr(at, length)});
    at += length;
  }
  return pieces;
}

// What ktap makes of the output, which must not depend on how it arrives, nor crash wherever it
// breaks off.
std::string ktap_says(const std::string& output, ExitStatus status = exited(0)) {
  const CommandEnd end = ended_with(status);
  const std::string shown =
      show(parse(make_ktap_parser(), {{Stream::standard_output, output}}, end));
  std::minstd_rand random(42);
  for (const std::size_t most : {1U, 7U, 100U}) {
    CHECK(show(parse(make_ktap_parser(), in_pieces(output, random, most), end)) == shown);
  }
  for (std::size_t length = 0; length < output.size(); length += 1 + output.size() / 200) {
    (void)parse(make_ktap_parser(), {{Stream::standard_output, output.substr(0, length)}}, end);
  }
  return shown;
}

std::string exit_code(const std::vector<Said>& said, ExitStatus status) {
  return show(parse(make_exit_code_parser(), said, ended_with(status)));
}

Said out(std::string bytes) {
  return {Stream::standard_output, std::move(bytes)};
}
Said err(std::string bytes) {
  return {Stream::standard_error, std::move(bytes)};
}

}  // namespace

TEST_SUITE("protocols") {
  TEST_CASE("exit-code: 0 passes, 4 skips, anything else fails with the test's last word") {
    CHECK(exit_code({out("fine\n")}, exited(0)) == "passed\n");
    CHECK(exit_code({out("starting\nno /dev/kvm\n\n")}, exited(4)) == "skipped: no /dev/kvm\n");
    CHECK(exit_code({err("only stderr\n")}, exited(4)) == "skipped: exit status 4\n");
    CHECK(exit_code({}, exited(1)) == "failed: exit status 1\n");
    CHECK(exit_code({out("FAIL: checksum differs\n  \n")}, exited(1)) ==
          "failed: exit status 1: FAIL: checksum differs\n");
    CHECK(exit_code({err("a.c:3: assertion\n"), out("cleaning up\n")}, exited(1)) ==
          "failed: exit status 1: a.c:3: assertion\n");
    CHECK(exit_code({}, killed(11)) == "failed: killed by SIGSEGV\n");
    CHECK(exit_code({err("./x: not found")}, exited(127)) ==
          "failed: exit status 127 (command not found): ./x: not found\n");
  }

  TEST_CASE("exit-code: the last word is fit to be shown, and nothing invisible is one") {
    CHECK(exit_code({out("red \x1B[31mFAIL\x1B[0m\n\x1B[0m\n\r\n")}, exited(1)) ==
          "failed: exit status 1: red FAIL\n");
    const std::string shown = exit_code({out(std::string(100'000, 'x') + "\n")}, exited(1));
    CHECK(shown.size() < 250);
  }

  TEST_CASE("what the host tells comes before what the test says") {
    CommandEnd end;
    end.setup = exited(1);
    CHECK(show(parse(make_exit_code_parser(), {}, end)) ==
          "setup_failed: test set-up failed: exit status 1\n");
    end = {};
    CHECK(show(parse(make_exit_code_parser(), {}, end)) ==
          "host_lost: the command's end was not reported\n");
    end.stopped = true;
    end.command = killed(15);
    CHECK(show(parse(make_ktap_parser(), {out("TAP version 13\n1..2\nok 1 a\n")}, end)) ==
          "not_run: stopped\n  passed a\n");
  }

  TEST_CASE("a failing teardown is a problem and no outcome") {
    CommandEnd end = ended_with(exited(0));
    end.setup = exited(0);
    end.teardown = exited(2);
    const TestEnded ended = parse(make_exit_code_parser(), {}, end);
    CHECK(std::holds_alternative<Passed>(ended.outcome));
    CHECK(ended.teardown_problem == "exit status 2");
  }
}

TEST_SUITE("ktap") {
  TEST_CASE("without any TAP the exit status decides") {
    CHECK(ktap_says("Check itimer virtual... [OK]\n") == "passed\n");
    CHECK(ktap_says("setrlimit(): not permitted\n", exited(7)) ==
          "failed: exit status 7: setrlimit(): not permitted\n");
    CHECK(ktap_says("Default RTC /dev/rtc0 does not exist.\n", exited(4)) ==
          "skipped: Default RTC /dev/rtc0 does not exist.\n");
  }

  TEST_CASE("words that only look like results are none") {
    CHECK(ktap_says("ok\nokay 1\nnot okay\nok then, let's go\nnot ok at all\nok.\n  ok 1 "
                    "indented\n# ok 2 a comment\n") == "passed\n");
  }

  TEST_CASE("results carry names, reasons and directives in any case") {
    CHECK(ktap_says("TAP version 13\n"
                    "1..9\n"
                    "ok 1 - with a dash\n"
                    "ok 2 without\r\n"
                    "ok 3 trailing   \n"
                    "ok 4 needs root # SKIP not root\n"
                    "not ok 5 needs more # skipped: no disk\n"
                    "not ok 6 known # TODO later\n"
                    "ok 7 # XFAIL expected\n"
                    "ok 8 issue #12 \\# fixed # rcode=0\n"
                    "ok 9\n") ==
          "passed\n"
          "  passed with a dash\n"
          "  passed without\n"
          "  passed trailing\n"
          "  skipped needs root (not root)\n"
          "  skipped needs more (no disk)\n"
          "  expected_failure known (later)\n"
          "  expected_failure expected (expected)\n"
          "  passed issue #12 # fixed\n"
          "  passed #9\n");
  }

  TEST_CASE("kselftest.h's skips without a name are named by their text") {
    CHECK(ktap_says(
              "TAP version 13\n1..2\nok 1 CLOCK_REALTIME\nok 2 # SKIP CLOCK_MONOTONIC_RAW   \n") ==
          "passed\n  passed CLOCK_REALTIME\n  skipped CLOCK_MONOTONIC_RAW (CLOCK_MONOTONIC_RAW)\n");
  }

  TEST_CASE("a failing subtest fails the test, whatever its exit status") {
    CHECK(ktap_says("TAP version 13\n1..2\nok 1 a\nnot ok 2 b # exit=1\n") ==
          "failed: 1 of 2 subtests failed: b\n  passed a\n  failed b (exit=1)\n");
    CHECK(ktap_says("1..1\nnot ok 1 global.abi_version\n", exited(1)) ==
          "failed: 1 of 1 subtest failed: global.abi_version (exit status 1)\n  failed "
          "global.abi_version\n");
    CHECK(ktap_says("1..5\nnot ok 1 a\nnot ok 2 b\nok 3 c\nnot ok 4 d\nnot ok 5 e\n", killed(6))
              .starts_with(
                  "failed: 4 of 5 subtests failed: a, b, d and 1 more (killed by SIGABRT)\n"));
  }

  TEST_CASE("a test that dies between its results fails with its status and its last word") {
    CHECK(ktap_says("TAP version 13\n1..3\nok 1 a\nSegmentation fault\n", exited(139)) ==
          "failed: exit status 139 (SIGSEGV): Segmentation fault\n  passed a\n");
  }

  TEST_CASE("exit status 4 skips, for the reason that the plan or the last skip gives") {
    CHECK(ktap_says("1..0 # SKIP memory controller isn't available\n", exited(4)) ==
          "skipped: memory controller isn't available\n");
    CHECK(ktap_says("TAP version 13\n1..3\nok 1 a\nok 2 # SKIP no such device\n", exited(4)) ==
          "skipped: no such device\n  passed a\n  skipped no such device (no such device)\n");
  }

  TEST_CASE("nothing planned, or everything skipped, is a skip") {
    CHECK(ktap_says("TAP version 14\n1..0\n") == "skipped: no subtests were planned\n");
    CHECK(ktap_says("1..0 # Skipped: wrong arch\n") == "skipped: wrong arch\n");
    CHECK(ktap_says("1..1\nok 1 a # SKIP\n") ==
          "skipped: every subtest was skipped\n  skipped a\n");
  }

  TEST_CASE("bailing out fails") {
    CHECK(ktap_says("TAP version 13\n1..88\nBail out! mount failed - errno:22\n# Planned tests != "
                    "run tests (88 != 0)\n",
                    exited(1)) == "failed: bailed out: mount failed - errno:22 (exit status 1)\n");
    CHECK(ktap_says("Bail out!\n") == "failed: bailed out\n");
  }

  TEST_CASE("fewer or other results than planned fail") {
    CHECK(ktap_says("TAP version 13\n1..5\nok 1\nok 2\nok 3\n") ==
          "failed: planned 5 subtests, 3 reported\n  passed #1\n  passed #2\n  passed #3\n");
    CHECK(
        ktap_says("ok 1 a\nok 2 b\n1..1\n").starts_with("failed: planned 1 subtest, 2 reported\n"));
    CHECK(ktap_says("ok 1 a\nok 2 b\n1..2\n").starts_with("passed\n"));
    CHECK(ktap_says("TAP version 13\n1..2\nok - a\nok - b\nok - c\n")
              .starts_with("failed: planned 2 subtests, 3 reported\n"));
    CHECK(ktap_says("TAP version 13\n1..1\nok 1 a\nok, that is all\n").starts_with("passed\n"));
  }

  TEST_CASE("a script may run several programs that each print a plan (futex/run.sh)") {
    const std::string one =
        "\nTAP version 13\n1..1\n# futex_requeue_pi: Test requeue\nok 1 futex-requeue-pi\n";
    const std::string two = "\nTAP version 13\n1..2\nok 1 futex_wait\nok 2 futex_waitv\n";
    const std::string unnumbered = "TAP version 13\n1..2\nok - a\nok - b\n";
    CHECK(ktap_says(one + one + two).starts_with("passed\n"));
    CHECK(ktap_says(unnumbered + unnumbered + one + unnumbered).starts_with("passed\n"));
    CHECK(ktap_says(one + "\nTAP version 13\n1..9\nok 1 first\n" + two)
              .starts_with("failed: planned 9 subtests, 1 reported\n"));
  }

  TEST_CASE(
      "a forked child that repeats its parent's buffered output breaks no plan (pidfd_test, "
      "timens)") {
    const std::string beginning = "1..3\nok 1 poll\nok 2 signal\n";
    CHECK(ktap_says("TAP version 13\n" + beginning + "# waitTAP version 13\n" + beginning +
                    "ok 3 # SKIP recycled\n")
              .starts_with("passed\n"));
    CHECK(
        ktap_says(
            "1..2\nok 1 a\nok 2 b\n# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n1..2\n")
            .starts_with("passed\n"));
    CHECK(ktap_says("1..2\nok 1 a\nok 1 a\nok 2 b\n").starts_with("passed\n"));
  }

  TEST_CASE("kselftest's totals count what was not printed (kcmp_test)") {
    CHECK(ktap_says("TAP version 13\n1..3\nPASS: 0 returned\n# Totals: pass:3 fail:0 xfail:0 "
                    "xpass:0 skip:0 error:0\n") == "passed\n");
    CHECK(ktap_says(
              "TAP version 13\n1..3\n# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n") ==
          "failed: planned 3 subtests, 0 reported\n");
  }

  TEST_CASE("the example of ktap.rst: nested by indentation, children before their parent") {
    CHECK(ktap_says("KTAP version 1\n"
                    "1..1\n"
                    "  KTAP version 1\n"
                    "  1..3\n"
                    "    KTAP version 1\n"
                    "    1..1\n"
                    "    # test_1: initializing test_1\n"
                    "    ok 1 test_1\n"
                    "  ok 1 example_test_1\n"
                    "    KTAP version 1\n"
                    "    1..2\n"
                    "    ok 1 test_1 # SKIP test_1 skipped\n"
                    "    ok 2 test_2\n"
                    "  ok 2 example_test_2\n"
                    "    KTAP version 1\n"
                    "    1..3\n"
                    "    ok 1 test_1\n"
                    "    # test_2: FAIL\n"
                    "    not ok 2 test_2\n"
                    "    ok 3 test_3 # SKIP test_3 skipped\n"
                    "  not ok 3 example_test_3\n"
                    "not ok 1 main_test\n",
                    exited(1)) ==
          "failed: 1 of 6 subtests failed: main_test.example_test_3.test_2 (exit status 1)\n"
          "  passed main_test.example_test_1.test_1\n"
          "  passed main_test.example_test_1\n"
          "  skipped main_test.example_test_2.test_1 (test_1 skipped)\n"
          "  passed main_test.example_test_2.test_2\n"
          "  passed main_test.example_test_2\n"
          "  passed main_test.example_test_3.test_1\n"
          "  failed main_test.example_test_3.test_2\n"
          "  skipped main_test.example_test_3.test_3 (test_3 skipped)\n"
          "  failed main_test.example_test_3\n"
          "  failed main_test\n");
  }

  TEST_CASE(
      "KUnit in a kernel log: timestamps, tabs, subtest headers, and messages between the lines") {
    CHECK(ktap_says("[    0.060000][    T1] printk: console [mc-1] enabled\n"
                    "[    0.060000][    T1] TAP version 14\n"
                    "[    0.060000][    T1] 1..2\n"
                    "[    0.060000][    T1] \t# Subtest: resource\n"
                    "[    0.060000][    T1] \t1..2\n"
                    "[    0.060000][    T1] \tok 1 - init\n"
                    "[    0.060000][    T1] FS-Cache: Netfs 'afs' registered for caching\n"
                    "<6>[    0.061000] \tok 2 - alloc\n"
                    "[    0.062000] # resource: pass:2 fail:0 skip:0 total:2\n"
                    "[    0.062000] ok 1 - resource\n"
                    "[    0.062000]  foo bar \t# non-kunit output\n"
                    "[    0.062000] \t# Subtest: strings\n"
                    "[    0.062000] \t1..2\n"
                    "[    0.062000] \tnot ok 1 - empty\n"
                    "[    0.062000] Kernel panic - not syncing: VFS: Unable to mount root fs\n") ==
          "failed: 1 of 3 subtests failed: strings.empty\n"
          "  passed resource.init\n"
          "  passed resource.alloc\n"
          "  passed resource\n"
          "  failed strings.empty\n");
  }

  TEST_CASE("TAP 14 puts the subtest header in front of the level that it names") {
    CHECK(ktap_says("TAP version 14\n1..1\n# Subtest: outer\n    # Subtest: inner\n        ok 1 - "
                    "a\n        1..1\n"
                    "    ok 1 - inner\n    1..1\nok 1 - outer\n") ==
          "passed\n  passed outer.inner.a\n  passed outer.inner\n  passed outer\n");
  }

  TEST_CASE("kselftest's runner nests what a program says behind '# '") {
    CHECK(ktap_says("TAP version 13\n"
                    "1..3\n"
                    "# selftests: membarrier: single_thread\n"
                    "# TAP version 13\n"
                    "# 1..2\n"
                    "# # ok 7 this is a diagnostic\n"
                    "# ok 1 available\n"
                    "# ok 2 invalid command\n"
                    "# # Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n"
                    "ok 1 selftests: membarrier: single_thread\n"
                    "# selftests: cgroup: test_core\n"
                    "# 1..0 # SKIP no controller\n"
                    "ok 2 selftests: cgroup: test_core # SKIP\n"
                    "# selftests: timers: rtcpie\n"
                    "#\n"
                    "not ok 3 selftests: timers: rtcpie # TIMEOUT 45 seconds\n") ==
          "failed: 1 of 4 subtests failed: selftests: timers: rtcpie\n"
          "  passed selftests: membarrier: single_thread.available\n"
          "  passed selftests: membarrier: single_thread.invalid command\n"
          "  passed selftests: membarrier: single_thread\n"
          "  skipped selftests: cgroup: test_core (no controller)\n"
          "  failed selftests: timers: rtcpie (TIMEOUT 45 seconds)\n");
  }

  TEST_CASE("the harness's diagnostics are no subtests (kselftest_harness.h)") {
    CHECK(
        ktap_says("TAP version 13\n1..2\n# Starting 2 tests from 1 test cases.\n#  RUN           "
                  "global.one ...\n"
                  "#            OK  global.one\nok 1 global.one\n#  RUN           global.two ...\n"
                  "# x.c:9:two:Expected 1 == 2\n#          FAIL  global.two\nnot ok 2 "
                  "global.two\n# FAILED: 1 / 2 tests passed.\n",
                  exited(1)) ==
        "failed: 1 of 2 subtests failed: global.two (exit status 1)\n  passed global.one\n  failed "
        "global.two\n");
  }

  TEST_CASE("a failure below a parent that was expected to fail is forgiven") {
    CHECK(ktap_says("KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 child\nnot ok 1 "
                    "parent # TODO known\n")
              .starts_with("passed\n"));
    CHECK(
        ktap_says("KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 child\nok 1 parent\n")
            .starts_with("failed: 1 of 1 subtest failed: parent.child\n"));
  }

  TEST_CASE("output that is indented as a whole is read as if it were not") {
    CHECK(
        ktap_says(
            " noise\n TAP version 14\n 1..1\n \t# Subtest: s\n \t1..1\n \tok 1 - a\n ok 1 - s\n") ==
        "passed\n  passed s.a\n  passed s\n");
  }

  TEST_CASE("more subtests than are kept are counted, failures too") {
    std::string output = "TAP version 13\n1..20000\n";
    for (int i = 1; i <= 20'000; ++i)
      output += fmt::format("{} {} t{}\n", i == 19'000 ? "not ok" : "ok", i, i);
    const TestEnded ended = parse(make_ktap_parser(), {out(output)}, ended_with(exited(0)));
    CHECK(reason_of(ended.outcome) == "1 of 20000 subtests failed: t19000");
    CHECK(ended.subtests.size() == KtapReader::most_subtests);
    CHECK(ended.subtests_dropped == 10'000);
  }

  TEST_CASE("a line longer than the limit is read as far as the limit") {
    const std::string line = "ok 1 " + std::string(200'000, 'x');
    const TestEnded ended =
        parse(make_ktap_parser(), {out(line + "\nok 2 b\n")}, ended_with(exited(0)));
    REQUIRE(ended.subtests.size() == 2);
    CHECK(ended.subtests[0].name.size() < 300);
    CHECK(ended.subtests[1].name == "b");
  }

  TEST_CASE("random lines in random pieces give the same facts, and never more than is true") {
    static constexpr std::string_view words[] = {"ok ",
                                                 "not ok ",
                                                 "1",
                                                 "2",
                                                 "99999999999999999999",
                                                 "1..",
                                                 "0",
                                                 "# ",
                                                 "#",
                                                 " - ",
                                                 "name",
                                                 " ",
                                                 "    ",
                                                 "\t",
                                                 "\n",
                                                 "\n",
                                                 "\r\n",
                                                 "SKIP",
                                                 "TODO",
                                                 "XFAIL ",
                                                 "KTAP version 1\n",
                                                 "TAP version 13\n",
                                                 "Bail out!",
                                                 "# Subtest: ",
                                                 "[  1.5] ",
                                                 "[",
                                                 "]",
                                                 "<6>",
                                                 "\\#",
                                                 "\xFF",
                                                 std::string_view("\0", 1),
                                                 "# Totals: pass:1 ",
                                                 "\x1B[1m"};
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    std::minstd_rand random(seed);
    for (int round = 0; round < 2000; ++round) {
      std::string output;
      for (std::size_t i = random() % 60; i > 0; --i) {
        if (random() % 8 == 0) {
          output += static_cast<char>(random());
        } else {
          output += words[random() % std::size(words)];
        }
      }
      const CommandEnd end = ended_with(exited(static_cast<int>(random() % 6)));
      const TestEnded whole = parse(make_ktap_parser(), {out(output)}, end);
      REQUIRE(show(whole) == show(parse(make_ktap_parser(), in_pieces(output, random, 5), end)));
      for (const Subtest& subtest : whole.subtests) {
        REQUIRE_FALSE(subtest.name.empty());
        REQUIRE(to_utf8(subtest.name) == subtest.name);
      }
      if (*end.command != exited(0)) REQUIRE_FALSE(std::holds_alternative<Passed>(whole.outcome));
    }
  }
}

}  // namespace ffci
