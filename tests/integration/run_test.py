"""The main path: a job spec in, real processes run, reports and an exit code out."""

import unittest

from harness import FfciTest

MIXED = {
    "ok": "echo hello",
    "bad": "echo oops >&2; exit 3",
    "skip": "echo no such hardware; exit 4",
    "segv": "kill -SEGV $$",
    "slow": {"command": "echo begun; sleep 60", "timeout": "300ms"},
    "bad-setup": {"command": "true", "setup": "exit 5"},
}


class Verdicts(FfciTest):
    def test_each_way_to_end_has_its_verdict_and_its_reason(self):
        self.commands(MIXED)
        done = self.run_job()
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(self.verdicts(), {"ok": "passed", "bad": "failed", "skip": "skipped", "segv": "failed",
                                           "slow": "timed_out", "bad-setup": "error"})
        tests = self.by_name()
        self.assertEqual(tests["bad"]["reason"], "exit status 3: oops")
        self.assertEqual(tests["bad"]["attempts"][0]["exit_status"], 3)
        self.assertEqual(tests["skip"]["reason"], "no such hardware")
        self.assertEqual(tests["segv"]["reason"], "killed by SIGSEGV")
        self.assertEqual(tests["slow"]["reason"], "timed out after 0.30s")
        self.assertEqual(tests["bad-setup"]["reason"], "test set-up failed: exit status 5")
        self.assertEqual(self.output("slow"), b"begun\n")
        for name in ("s/bad", "s/segv", "s/slow", "s/bad-setup"):
            self.assertIn(name, done.stdout)
        self.assertIn("  | oops\n", done.stdout)

    def test_a_run_without_failures_exits_with_0(self):
        self.commands({"ok": "true", "skip": "exit 4"})
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual(self.summary()["result"], "passed")

    def test_a_run_that_skipped_everything_exits_with_4(self):
        self.commands({"skip": "exit 4"})
        self.assertEqual(self.run_job().returncode, 4)
        self.assertEqual(self.summary()["result"], "nothing_run")

    def test_infrastructure_trouble_is_incomplete_and_not_a_failure(self):
        self.commands({"ok": "true", "bad-setup": MIXED["bad-setup"]})
        self.assertEqual(self.run_job().returncode, 5)
        case = self.junit().find(".//testcase[@name='bad-setup']")
        self.assertIsNone(case.find("failure"))
        self.assertEqual(case.find("error").get("type"), "setup_failed")

    def test_a_test_that_passes_on_its_retry_is_flaky_and_green(self):
        self.commands({"flaky": "test -e $PWD/seen || { touch $PWD/seen; exit 1; }"}, run="retry-failures: 1")
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual(self.verdicts(), {"flaky": "flaky"})
        self.assertIsNotNone(self.junit().find(".//testcase/flakyFailure/stackTrace"))

    def test_summary_and_junit_tell_the_same(self):
        self.commands(MIXED)
        self.run_job()
        counts, root = self.summary()["counts"], self.junit()
        self.assertEqual(int(root.get("tests")), counts["total"])
        self.assertEqual(int(root.get("failures")), counts["failed"] + counts["timed_out"] + counts["crashed"])
        self.assertEqual(int(root.get("errors")), counts["error"] + counts["not_run"])
        self.assertEqual(int(root.get("skipped")), counts["skipped"])
        self.assertEqual(len(root.findall(".//testcase")), counts["total"])

    def test_ktap_subtests_are_kept_and_a_failure_names_them(self):
        self.commands({"tap": "printf 'TAP version 13\\n1..3\\nok 1 one\\nnot ok 2 two\\nok 3 three # SKIP no cpu\\n'; exit 1"},
                      suite="protocol: ktap")
        self.run_job()
        test = self.by_name()["tap"]
        self.assertEqual([s["status"] for s in test["attempts"][0]["subtests"]], ["passed", "failed", "skipped"])
        self.assertIn("two", test["reason"])


class Order(FfciTest):
    def test_a_second_run_starts_the_slowest_first_and_can_be_compared(self):
        self.commands({"quick": "true", "slow": "sleep 0.4", "middle": "sleep 0.2"}, slots=1)
        self.run_job()
        self.assertEqual(self.started(), ["quick", "slow", "middle"])
        self.run_job()
        self.assertEqual(self.started(), ["slow", "middle", "quick"])
        done = self.ffci("compare")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_compare_exits_with_1_when_a_test_fails_that_did_not(self):
        self.commands({"turns": "test ! -e $PWD/broken"}, slots=1)
        self.run_job()
        self.write("broken", "")
        self.run_job()
        done = self.ffci("compare")
        self.assertEqual(done.returncode, 1)
        self.assertIn("s/turns", done.stdout)

    def test_listed_order_is_the_spec_s(self):
        self.commands({"quick": "true", "slow": "sleep 0.3"}, slots=1)
        self.run_job()
        self.run_job("--order", "listed")
        self.assertEqual(self.started(), ["quick", "slow"])

    def test_a_seed_repeats_a_random_order(self):
        self.commands({f"t{i}": "true" for i in range(20)}, slots=1)
        orders = []
        for seed in (7, 7, 8):
            self.run_job("--randomize", "--seed", seed)
            orders.append(self.started())
        self.assertEqual(orders[0], orders[1])
        self.assertNotEqual(orders[0], orders[2])

    def test_retries_come_after_everything_else(self):
        self.commands({"bad": "false", "x": "true", "y": "true"}, slots=1, run="retry-failures: 2")
        self.run_job()
        self.assertEqual(self.started(), ["bad", "x", "y", "bad", "bad"])

    def test_iterations_are_tests_of_their_own(self):
        self.commands({"t": "true"})
        self.run_job("-i", 3)
        self.assertEqual([test["iteration"] for test in self.summary()["tests"]], [1, 2, 3])
        self.assertEqual(len(self.junit().findall(".//testcase")), 3)


class Selection(FfciTest):
    def test_patterns_choose_what_runs(self):
        self.commands({"a1": "true", "a2": "true", "b": "true"})
        for pattern, chosen in (("s/a*", ["a1", "a2"]), ("s", ["a1", "a2", "b"]), ("b", ["b"])):
            with self.subTest(pattern):
                self.assertEqual(self.run_job(pattern).returncode, 0)
                self.assertEqual(sorted(self.verdicts()), chosen)

    def test_excluded_tests_do_not_run(self):
        self.commands({"a1": "true", "a2": "true", "b": "true"})
        self.assertEqual(self.run_job("-e", "s/a1", "--exclude-tests", "b").returncode, 0)
        self.assertEqual(sorted(self.verdicts()), ["a2"])
        self.assertEqual(self.run_job("-e", "s/*").returncode, 4)
        self.assertEqual(self.run_job("-e", "nowhere").returncode, 64)

    def test_a_pattern_that_matches_nothing_is_an_error_with_the_nearest_name(self):
        self.commands({"posix_timers": "true"})
        done = self.run_job("s/posix_timer")
        self.assertEqual(done.returncode, 64)
        self.assertIn("did you mean 's/posix_timers'?", done.stderr)

    def test_list_prints_what_would_run_and_runs_nothing(self):
        self.commands({"a": "true", "b": "true"})
        self.assertEqual(self.ffci("list", "job.yaml").stdout, "s/a\ns/b\n")
        self.assertEqual(self.run_job("--list").stdout, "s/a\ns/b\n")
        self.assertFalse((self.folder / "results").exists())

    def test_executables_of_a_directory_are_found(self):
        self.write("tests/one_test", "#!/bin/sh\npwd\n", 0o755)
        self.write("tests/notes_test", "no program\n")
        self.write("tests/helper", "#!/bin/sh\n", 0o755)
        self.write("job.yaml", "version: 1\nsuites:\n  - name: s\n    commands: {directory: tests, discover: '*_test'}\n")
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual(self.verdicts(), {"one_test": "passed"})
        self.assertEqual(self.output("one_test"), f"{self.folder}/tests\n".encode())

    def test_the_kvm_selftests_runner_s_json_runs_as_it_is(self):
        self.write("tests.json", """[{"suite": "kvm", "timeout_s": 5, "setup": "echo up", "teardown": "echo down",
                                      "tests": [{"name": "a", "command": "echo a"}, {"name": "b", "command": "exit 4"}]}]""")
        self.write("job.yaml", "version: 1\nsuites:\n  - name: imported\n    commands: {import: tests.json}\n")
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual({(t["suite"], t["name"]): t["verdict"] for t in self.summary()["tests"]},
                         {("kvm", "a"): "passed", ("kvm", "b"): "skipped"})

    def test_a_kselftest_list_runs_in_its_collections_folders(self):
        self.write("ks/kselftest-list.txt", "timers:posix\ntimers:skips\n")
        self.write("ks/timers/posix", "#!/bin/sh\nbasename $PWD\n", 0o755)
        self.write("ks/timers/skips", "#!/bin/sh\nexit 4\n", 0o755)
        self.write("job.yaml", "version: 1\nsuites:\n  - name: s\n    commands: {import: ks/kselftest-list.txt, protocol: ktap}\n")
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual(self.verdicts(), {"timers:posix": "passed", "timers:skips": "skipped"})
        self.assertEqual(self.output("timers%3Aposix"), b"timers\n")


class Suites(FfciTest):
    def test_a_suite_is_set_up_before_its_tests_and_torn_down_after_them(self):
        self.commands({"a": "echo a >>$PWD/log", "b": "echo b >>$PWD/log"}, slots=1,
                      suite="setup: echo up >>$PWD/log\nteardown: echo down >>$PWD/log")
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual((self.folder / "log").read_text().split(), ["up", "a", "b", "down"])

    def test_a_failed_set_up_makes_its_tests_errors_with_the_reason_and_is_torn_down(self):
        self.commands({"a": "true", "b": "true"}, suite="setup: echo no module >&2; exit 1\nteardown: touch $PWD/down")
        self.assertEqual(self.run_job().returncode, 5)
        for test in self.by_name().values():
            self.assertEqual(test["verdict"], "error")
            self.assertIn("set-up of suite s failed: exit status 1: no module", test["reason"])
        self.assertTrue((self.folder / "down").exists())

    def test_a_test_is_torn_down_also_after_a_failure_and_after_a_timeout(self):
        self.commands({"bad": {"command": "false", "setup": "true", "teardown": "touch $PWD/bad.down"},
                       "hang": {"command": "sleep 60", "teardown": "touch $PWD/hang.down", "timeout": "200ms"},
                       "bad-setup": {"setup": "false", "command": "true", "teardown": "touch $PWD/setup.down"}})
        self.run_job()
        for name in ("bad.down", "hang.down", "setup.down"):
            self.assertTrue((self.folder / name).exists(), name)

    def test_a_failed_teardown_is_told_and_fails_nothing(self):
        self.commands({"a": {"command": "true", "teardown": "exit 7"}}, suite="teardown: exit 9")
        done = self.run_job()
        self.assertEqual(done.returncode, 0)
        problems = " ".join(self.summary()["problems"])
        self.assertIn("exit status 7", problems)
        self.assertIn("exit status 9", problems)

    def test_parallel_1_means_alone(self):
        self.commands({f"t{i}": "echo + >>$PWD/log; sleep 0.05; echo - >>$PWD/log" for i in range(4)}, slots=4, suite="parallel: 1")
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual((self.folder / "log").read_text().split(), ["+", "-"] * 4)

    def test_another_architecture_s_tests_are_not_selected(self):
        self.commands({"here": "true", "there": {"command": "true", "arch": "s390x"}})
        self.run_job()
        self.assertEqual(self.verdicts(), {"here": "passed"})


class Reports(FfciTest):
    def test_report_writes_the_same_bytes_again(self):
        self.commands(MIXED, run="retry-failures: 1")
        first = self.run_job()
        files = [self.folder / "results/latest" / name for name in ("summary.json", "junit.xml")]
        before = [file.read_bytes() for file in files]
        for file in files:
            file.unlink()
        again = self.ffci("report")
        self.assertEqual(again.returncode, first.returncode)
        self.assertEqual([file.read_bytes() for file in files], before)
        self.assertEqual(again.stdout.splitlines()[-1], first.stdout.splitlines()[-1])

    def test_copies_go_where_they_were_asked_for(self):
        self.commands({"a": "true"})
        self.run_job("--junit", "out/j.xml", "--summary", "out/s.json")
        self.assertEqual((self.folder / "out/j.xml").read_bytes(), (self.folder / "results/latest/junit.xml").read_bytes())
        self.assertEqual((self.folder / "out/s.json").read_bytes(), (self.folder / "results/latest/summary.json").read_bytes())

    def test_events_are_the_journal_as_it_happens(self):
        self.commands({"a": "true"})
        done = self.run_job("--events", "-")
        self.assertEqual(done.stdout, (self.folder / "results/latest/journal.jsonl").read_text())
        self.assertIn("result: passed", done.stderr)

    def test_the_failure_list_can_be_pasted(self):
        self.commands({"bad one": "false", "worse": "false", "ok": "true"})
        done = self.run_job("--print-failure-list")
        pasted = next(line for line in done.stdout.splitlines() if "'s/bad one' s/worse" in line)
        self.assertTrue(pasted)
        self.run_job("s/bad one", "s/worse")
        self.assertEqual(sorted(self.verdicts()), ["bad one", "worse"])

    def test_slowest_tests_and_histogram_come_on_request(self):
        self.commands({"slow": "sleep 0.2", "quick": "true"})
        plain = self.run_job().stdout
        more = self.run_job("--print-n-slowest", 1, "--print-duration-hist").stdout
        self.assertNotIn("lowest", plain)
        self.assertIn("s/slow", more)
        self.assertIn("lowest", more)

    def test_verbose_prints_a_line_for_every_test(self):
        self.commands({"a": "true", "b": "true"})
        self.assertNotIn("s/a", self.run_job().stdout)
        loud = self.run_job("-v").stdout
        self.assertIn("s/a", loud)
        self.assertIn("s/b", loud)

    def test_the_heartbeat_names_what_runs(self):
        self.commands({"long": "sleep 0.5"})
        self.assertRegex(self.run_job("--heartbeat", "100ms").stdout, r"0/1 done.*s/long")

    def test_colour_only_when_it_is_wanted(self):
        self.commands({"a": "false"})
        self.assertNotIn("\x1b", self.run_job().stdout)
        self.assertIn("\x1b[", self.run_job("--color", "always").stdout)


class CommandLine(FfciTest):
    def test_help_and_version(self):
        top = self.ffci("--help")
        self.assertEqual(top.returncode, 0)
        for code in ("0 ", "1 ", "4 ", "5 ", "64 ", "69 ", "74 ", "75 ", "78 ", "130 ", "143 "):
            self.assertIn(f"\n  {code}", top.stdout)
        run = self.ffci("run", "--help").stdout
        for option in ("--test-timeout", "--retry-failures", "--set", "--events", "--color", "--local.slots"):
            self.assertIn(option, run)
        self.assertRegex(self.ffci("--version").stdout, r"^ff-ci \d+\.\d+\.\d+\n$")

    def test_the_command_line_wins_over_the_spec(self):
        self.commands({"t": {"command": "sleep 60"}}, run="test-timeout: 1h")
        self.run_job("--test-timeout", "200ms")
        self.assertEqual(self.by_name()["t"]["reason"], "timed out after 0.20s")
        self.run_job("--set", "run.test-timeout=300ms")
        self.assertEqual(self.by_name()["t"]["reason"], "timed out after 0.30s")

    def test_a_spec_comes_from_stdin_too(self):
        self.commands({"t": "true"})
        spec = (self.folder / "job.yaml").read_text()
        self.assertEqual(self.ffci("run", "-", stdin=spec).returncode, 0)
        self.assertEqual((self.folder / "results/latest/spec.yaml").read_text(), spec)

    def test_wrong_words_name_the_right_ones(self):
        self.commands({"t": "true"})
        for arguments, hint in ((["rum", "job.yaml"], "did you mean 'run'?"), (["run", "job.yaml", "--test-timeuot", "5s"], "did you mean '--test-timeout'?"),
                                (["run"], "no job spec"), ([], "no command"), (["run", "job.yaml", "--color", "sometimes"], "auto, always or never")):
            with self.subTest(arguments):
                done = self.ffci(*arguments)
                self.assertEqual(done.returncode, 64)
                self.assertIn(hint, done.stderr)


if __name__ == "__main__":
    unittest.main()
