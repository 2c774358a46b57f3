"""Suites of fstests, run by a stand-in for ./check: what a user sees of batches, sections, devices and trouble."""

import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

from fstests_tree import (CORE, DMESG, EXIT_3, HANG, HANG_ONCE, INCONSISTENT, KILL_CHECK, KILL_CHECK_ONCE, LEAVE, MISMATCH, NOT_RUN, PASS,
                          FstestsTree)
from harness import AS_ROOT, FfciTest, processes_with, wait_for
from ssh_test import SshTest, name_of

DEVICES = {"directory": "/dev/shm", "test": "300M", "scratch": "64M", "pool": 2}


@functools.cache
def why_no_devices():
    """Why local slots can't have test devices here, or None."""
    missing = [tool for tool in ("losetup", "mkfs.ext4", "wipefs", "unshare") if not shutil.which(tool)]
    if missing:
        return f"test devices need {', '.join(missing)}"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode:
        return "there are no private mount and pid namespaces here"
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(1 << 20)
        made = subprocess.run(["losetup", "--find", "--show", file.name], capture_output=True, text=True)
        if made.returncode:
            return "there are no loop devices here"
        subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)
    room = os.statvfs("/dev/shm")
    return None if room.f_bavail * room.f_frsize > 1 << 30 else "there is no room in /dev/shm"


@unittest.skipUnless(AS_ROOT, "fstests run only as root")
class FstestsTest(FfciTest):
    """A job of one suite `s` of fstests for ext4, without devices and in one batch, as long as a test does not say otherwise."""

    def setUp(self):
        super().setUp()
        self.tree = FstestsTree(self.folder / "fstests")

    def job(self, suite=None, hosts=None, **run):
        suite = {"path": "fstests", "file-system": "ext4", **(suite or {})}
        suite = {key: value for key, value in suite.items() if value is not None}
        self.write("job.yaml", json.dumps({
            "version": 1, "name": "job", "suites": [{"name": "s", "fstests": suite}],
            "hosts": hosts or {"local": {"slots": 1, "devices": "none"}},
            "run": {"kill-after": "300ms", "dmesg": False, "batch": "10m", **run},
        }))

    def assert_exit(self, code, *arguments, **options):
        done = self.run_job(*arguments, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def assert_refused(self, *hints, arguments=()):
        """The job can't run: each hint is in what is said, and check was not called."""
        done = self.assert_exit(78, *arguments)
        for hint in hints:
            self.assertIn(hint, done.stderr)
        self.assertEqual(self.tree.calls(), [])

    def by_id(self):
        return {(test.get("configuration", ""), test["name"]): test for test in self.summary()["tests"]}

    def reasons(self):
        return {test["name"]: test["reason"] for test in self.summary()["tests"]}

    def attempt_folder(self, test, attempt=1, section=""):
        suite = f"s@{section}" if section else "s"
        return self.folder / "results" / "latest" / "tests" / suite / test / str(attempt)

    def stdout(self, test, attempt=1, section=""):
        return (self.attempt_folder(test, attempt, section) / "stdout").read_text()

    def kept(self, test, attempt=1, section=""):
        """What came back of the attempt, in its folder."""
        folder = self.attempt_folder(test, attempt, section) / "files"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class Verdicts(FstestsTest):
    def test_each_way_to_end_has_its_verdict_and_its_reason(self):
        self.tree.add_all({"generic/001": PASS, "generic/002": MISMATCH, "generic/003": NOT_RUN, "generic/004": EXIT_3,
                           "generic/005": CORE, "generic/006": DMESG, "generic/007": f"{MISMATCH}; {EXIT_3}", "ext4/001": PASS})
        self.job()
        self.assert_exit(1)
        self.assertEqual(self.reasons(), {
            "ext4/001": "", "generic/001": "", "generic/002": "output mismatch", "generic/003": "needs reflink",
            "generic/004": "exit status 3", "generic/005": "dumped core",
            "generic/006": "dmesg: something was found in the kernel's log", "generic/007": "exit status 3, output mismatch"})
        self.assertEqual({name: verdict for name, verdict in self.verdicts().items() if verdict != "failed"},
                         {"ext4/001": "passed", "generic/001": "passed", "generic/003": "skipped"})
        self.assertEqual(self.by_name()["generic/004"]["attempts"][0]["exit_status"], 3)
        self.assertEqual(len(self.tree.calls()), 1)

    def is_inconsistent(self, *later):
        """Tests behind the one that leaves an inconsistent file system pass in another call only."""
        self.tree.add_all({"generic/001": PASS, "generic/002": INCONSISTENT})
        self.tree.add_all(dict.fromkeys(later, "test $(wc -l <$here/calls) -ge 2 || sleep 1000"))
        self.job()
        self.assert_exit(1)
        self.assertEqual(self.verdicts(), {"generic/001": "passed", "generic/002": "failed", **dict.fromkeys(later, "passed")})
        self.assertIn("is inconsistent", self.reasons()["generic/002"])
        self.assertEqual((self.outcomes("generic/001"), self.outcomes("generic/002")), (["passed"], ["failed"]))
        calls = self.tree.calls()
        self.assertEqual(calls[0], ["generic/001", "generic/002", *later])
        self.assertEqual(sorted(sum(calls[1:], [])), sorted(later))

    def test_an_inconsistent_file_system_ends_the_batch(self):
        self.is_inconsistent("generic/003")

    def test_what_is_left_of_a_batch_with_an_inconsistent_file_system_runs_in_another(self):
        self.is_inconsistent("generic/003", "generic/004", "generic/005")

    def test_a_test_that_fails_once_is_flaky_and_its_retry_has_a_call_of_its_own(self):
        self.tree.add_all({"generic/001": "test -e $here/seen || { touch $here/seen; exit 1; }", "generic/002": PASS})
        self.job(**{"retry-failures": 1})
        self.assert_exit(0)
        self.assertEqual(self.verdicts(), {"generic/001": "flaky", "generic/002": "passed"})
        self.assertEqual(self.tree.calls(), [["generic/001", "generic/002"], ["generic/001"]])
        self.assertEqual((self.kept("generic/001", 1), self.kept("generic/001", 2)), (["check.log", "generic/001.full"],) * 2)

    def test_only_skipped_tests_are_no_success(self):
        self.tree.add_all({"generic/001": NOT_RUN, "generic/002": NOT_RUN})
        self.job()
        self.assert_exit(4)

    def test_an_exit_status_of_0_alone_proves_nothing(self):
        self.tree.add_all({"generic/001": PASS, "generic/002": PASS})
        self.tree.says("FSTYP         -- ext4\nPLATFORM      -- Linux/x86_64 vm\n\nPassed all 0 tests\n", 0)
        self.job()
        self.assert_exit(5)
        self.assertNotIn("passed", self.verdicts().values())
        for reason in self.reasons().values():
            self.assertIn("./check ran none of its tests (exit status 0)", reason)

    def test_a_check_that_complains_is_quoted(self):
        self.tree.add("generic/001")
        self.tree.says("common/config: Error: $TEST_DEV (/dev/vdb) is not a block device\n", 1)
        self.job()
        self.assert_exit(5)
        self.assertIn("$TEST_DEV (/dev/vdb) is not a block device", self.reasons()["generic/001"])

    def test_a_tree_that_is_not_built_is_named_before_any_test(self):
        self.tree.add("generic/001")
        (self.tree.path / "src" / "feature").unlink()
        self.job()
        self.assert_exit(5)
        self.assertEqual(self.tree.calls(), [])
        said = self.folder / "results" / "latest" / "suites" / "s" / "local" / "stderr"
        self.assertIn("are not built: no src/feature", said.read_text())


class Output(FstestsTest):
    HEADER = "FSTYP         -- ext4\nPLATFORM      -- Linux/x86_64 {0.nodename} {0.release}\n\n".format(os.uname())

    TESTS = {"generic/001": PASS, "generic/002": MISMATCH, "generic/003": NOT_RUN, "generic/004": PASS}

    def test_an_attempt_has_the_header_and_what_was_said_of_its_test(self):
        self.tree.add_all(self.TESTS)
        self.job()
        self.assert_exit(1)
        for test in self.TESTS:
            self.assertIn(self.HEADER, self.stdout(test))
            self.assertEqual(test == "generic/002", "I am intentionally broken" in self.stdout(test))
            self.assertEqual(test == "generic/003", "needs reflink" in self.stdout(test))

    def test_an_attempt_s_output_is_the_header_and_its_own_part_and_nothing_else(self):
        self.tree.add_all(self.TESTS)
        self.job()
        self.assert_exit(1)
        self.assertEqual(self.stdout("generic/001"), self.HEADER + "generic/001        0s\n")
        self.assertEqual(self.stdout("generic/003"), self.HEADER + "generic/003       [not run] needs reflink\n")
        mismatch = self.stdout("generic/002").removeprefix(self.HEADER)
        self.assertTrue(mismatch.startswith("generic/002       - output mismatch (see "), mismatch)
        self.assertNotIn("generic/003", mismatch)

    def test_files_of_a_test_come_to_its_attempt_and_check_log_to_all(self):
        self.tree.add_all({"generic/100": MISMATCH, "generic/1000": EXIT_3, "generic/003": NOT_RUN, "generic/004-its-title": CORE})
        self.job()
        self.assert_exit(1)
        self.assertEqual(self.kept("generic/100"), ["check.log", "generic/100.full", "generic/100.out.bad"])
        self.assertEqual(self.kept("generic/1000"), ["check.log", "generic/1000.full"])
        self.assertEqual(self.kept("generic/003"), ["check.log", "generic/003.full", "generic/003.notrun"])
        self.assertEqual(self.kept("generic/004-its-title"), ["check.log"] + [f"generic/004-its-title.{end}" for end in ("core", "full")])
        self.assertEqual((self.attempt_folder("generic/100") / "files" / "generic" / "100.out.bad").read_text(),
                         "QA output created by 100\nI am intentionally broken\n")
        folder = "tests/s/generic/100/1"
        self.assertEqual(sorted(self.by_name()["generic/100"]["attempts"][0]["files"]),
                         [f"{folder}/{name}" for name in ("files/check.log", "files/generic/100.full", "files/generic/100.out.bad",
                                                          "stderr", "stdout")])
        told = {event["test"]["name"]: event["kept_files"] for event in self.events() if event["event"] == "files_kept"}
        self.assertEqual(sorted(told["generic/003"]), self.kept("generic/003"))
        self.assertEqual(list((self.folder / "results" / "latest").rglob("files-of-batch")), [])
        self.assertEqual(list((self.folder / "results" / "latest").rglob("files.tar")), [])

    def test_a_test_s_result_is_known_while_its_batch_still_runs(self):
        self.tree.add_all({"generic/001": PASS, "generic/002": "until test -e $here/go; do sleep 0.02; done"})
        self.job()
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("generic/002"), "the second one runs")
        self.assertEqual([e["test"]["name"] for e in self.events_so_far("attempt_finished")], ["generic/001"])
        self.tree.write("go", "")
        self.assertEqual((process.communicate(timeout=60), process.returncode)[1], 0)


class Batches(FstestsTest):
    TESTS = [f"generic/{number:03}" for number in range(1, 6)]

    def setUp(self):
        super().setUp()
        self.tree.add_all(dict.fromkeys(self.TESTS, "sleep 0.05"))

    def test_short_tests_share_one_call(self):
        self.job()
        self.assert_exit(0)
        self.assertEqual([sorted(call) for call in self.tree.calls()], [self.TESTS])

    def test_without_batches_each_test_is_a_call(self):
        self.job()
        self.assert_exit(0, "--batch", "off")
        self.assertEqual(sorted(self.tree.calls()), [[test] for test in self.TESTS])

    def test_a_test_that_hangs_times_out(self):
        self.tree.add("generic/005", HANG)
        self.job()
        self.assert_exit(1, "--test-timeout", "1s")
        self.assertEqual(self.verdicts(), {**dict.fromkeys(self.TESTS, "passed"), "generic/005": "timed_out"})
        self.assertEqual(self.reasons()["generic/005"], "timed out after 1.00s")
        self.assertEqual([len(test["attempts"]) for test in self.summary()["tests"]], [1] * 5)
        self.assertEqual(processes_with(str(self.folder)), [])

    def test_a_test_that_hangs_is_charged_alone(self):
        self.tree.add("generic/003", HANG)
        self.job()
        self.assert_exit(1, "--test-timeout", "1s")
        self.assertEqual(self.verdicts(), {**dict.fromkeys(self.TESTS, "passed"), "generic/003": "timed_out"})
        self.assertEqual([len(test["attempts"]) for test in self.summary()["tests"]], [1] * 5)
        self.assertEqual(self.tree.calls(), [self.TESTS, self.TESTS[3:]])
        for test in self.TESTS[3:]:
            self.assertEqual(self.kept(test), ["check.log", f"{test}.full"])

    def test_a_test_that_hangs_keeps_its_files(self):
        self.tree.add("generic/003", "echo far >$seqres.full; " + HANG)
        self.job({"tests": ["generic/001", "generic/003"]})
        self.assert_exit(1, "--test-timeout", "1s")
        self.assertIn("generic/003.full", self.kept("generic/003"))
        self.assertEqual((self.attempt_folder("generic/003") / "files" / "generic" / "003.full").read_text(), "far\n")
        self.assertIn("generic/001.full", self.kept("generic/001"))

    def ends_early(self, killer, does, reason):
        self.tree.add(killer, does)
        self.job()
        self.assert_exit(5)
        self.assertEqual(self.verdicts(), {**dict.fromkeys(self.TESTS, "passed"), killer: "not_run"})
        self.assertIn(reason, self.reasons()[killer])
        self.assertEqual({test: len(self.outcomes(test)) for test in self.TESTS}, {**dict.fromkeys(self.TESTS, 1), killer: 2})
        self.assertEqual(processes_with(str(self.folder)), [])

    def test_a_killed_check_charges_the_test_that_was_running(self):
        self.ends_early("generic/005", KILL_CHECK, "./check ended (exit status 137 (SIGKILL)) while it ran")

    def test_a_killed_check_charges_only_the_test_that_was_running(self):
        self.ends_early("generic/003", KILL_CHECK, "./check ended (exit status 137 (SIGKILL)) while it ran")

    def test_a_check_that_ends_early_charges_the_test_that_was_running(self):
        self.ends_early("generic/005", LEAVE, "check: failed to mkfs $SCRATCH_DEV")

    def test_a_check_that_ends_early_charges_only_the_test_that_was_running(self):
        self.ends_early("generic/003", LEAVE, "check: failed to mkfs $SCRATCH_DEV")

    def test_a_check_that_was_killed_once_costs_nothing(self):
        self.tree.add("generic/003", KILL_CHECK_ONCE)
        self.job()
        self.assert_exit(0)
        self.assertEqual(self.outcomes("generic/003"), ["not_run", "passed"])

    def test_tests_that_check_does_not_come_to_are_tried_once_more(self):
        self.tree.add_all({test: PASS for test in self.TESTS})
        self.tree.says("FSTYP         -- ext4\n\ngeneric/001        0s\nRan: generic/001\nPassed all 1 tests\n", 0)
        self.job()
        self.assert_exit(5)
        self.assertEqual(self.verdicts(), {**dict.fromkeys(self.TESTS, "not_run"), "generic/001": "passed"})
        self.assertEqual({len(self.outcomes(test)) for test in self.TESTS[1:]}, {2})

    def test_a_test_that_the_machine_s_fstests_do_not_know_is_not_run(self):
        FstestsTree(self.folder / "sources").add_all({**dict.fromkeys(self.TESTS, PASS), "generic/900": PASS})
        self.job({"tree": "sources"})
        self.assert_exit(5)
        self.assertEqual(self.verdicts(), {**dict.fromkeys(self.TESTS, "passed"), "generic/900": "not_run"})
        self.assertIn("does not know this test", self.reasons()["generic/900"])

    def test_iterations_are_tests_of_their_own_and_never_share_a_call(self):
        self.job({"tests": ["generic/001", "generic/002"]})
        self.assert_exit(0, "-i", 2)
        self.assertEqual(sorted((test["name"], test["iteration"]) for test in self.summary()["tests"]),
                         [("generic/001", 1), ("generic/001", 2), ("generic/002", 1), ("generic/002", 2)])
        self.assertEqual(self.tree.calls(), [["generic/001", "generic/002"]] * 2)

    def test_a_second_run_names_the_slowest_first(self):
        self.tree.add("generic/004", "sleep 0.4")
        self.job()
        self.assert_exit(0)
        self.assert_exit(0)
        self.assertEqual(self.tree.calls()[1][0], "generic/004")


class Sections(FstestsTest):
    def setUp(self):
        super().setUp()
        self.tree.add_all({"generic/001": PASS, "generic/002": "[ \"${seqres%/b/*}\" = \"$seqres\" ] || exit 3"})
        self.tree.sections("a", "b", "c")

    def test_each_section_has_calls_and_results_of_its_own(self):
        self.job({"section": ["a", "b"]})
        self.assert_exit(1)
        self.assertEqual({key: test["verdict"] for key, test in self.by_id().items()},
                         {("a", "generic/001"): "passed", ("a", "generic/002"): "passed",
                          ("b", "generic/001"): "passed", ("b", "generic/002"): "failed"})
        self.assertEqual(self.tree.calls(), [["-s", name, "generic/001", "generic/002"] for name in ("a", "b")])
        for section in ("a", "b"):
            self.assertIn(f"SECTION       -- {section}\n", self.stdout("generic/002", section=section))
            self.assertEqual(self.kept("generic/002", section=section), [f"{section}/check.log", f"{section}/generic/002.full"])

    def test_without_a_choice_all_sections_run(self):
        self.job()
        self.assert_exit(1)
        self.assertEqual([call[:2] for call in self.tree.calls()], [["-s", "a"], ["-s", "b"], ["-s", "c"]])

    def test_sections_are_chosen_on_the_command_line(self):
        self.job({"section": "a"})
        self.assertEqual(self.ffci("list", "job.yaml").stdout, "s@a/generic/001\ns@a/generic/002\n")
        self.assertEqual(self.ffci("list", "job.yaml", "-s", "b,c", "s@c/generic/001").stdout, "s@c/generic/001\n")
        self.job()
        self.assertEqual(self.ffci("list", "job.yaml", "-S", "b,c").stdout, "s@a/generic/001\ns@a/generic/002\n")

    def test_a_section_that_is_not_there_is_an_error_with_the_nearest_name(self):
        self.tree.sections("ext4_4k", "ext4_1k")
        self.job({"section": "ext4_2kk"})
        self.assert_refused("no section 'ext4_2kk'", "did you mean 'ext4_")

    def x_is_elsewhere(self):
        sources = FstestsTree(self.folder / "sources").add("generic/001")
        sources.sections("x")
        self.job({"tree": "sources"})
        self.assert_exit(5)

    def test_a_section_that_the_machine_does_not_have_is_named(self):
        self.x_is_elsewhere()
        self.assertIn("section 'x' did not begin", self.by_id()["x", "generic/001"]["reason"])

    def test_a_section_that_the_machine_does_not_have_fails_nothing(self):
        self.x_is_elsewhere()
        self.assertEqual(self.by_id()["x", "generic/001"]["verdict"], "not_run")
        self.assertIn("./check ran none of its tests", self.by_id()["x", "generic/001"]["reason"])


class Selection(FstestsTest):
    def setUp(self):
        super().setUp()
        for name, groups in {"generic/001": "quick rw", "generic/002": "quick", "generic/100": "rw", "generic/475": "dangerous",
                             "ext4/001": "quick", "xfs/001": "quick"}.items():
            self.tree.add(name, PASS, groups)

    def listed(self, *arguments):
        done = self.ffci("list", "job.yaml", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.tree.calls(), [])
        return [line.removeprefix("s/") for line in done.stdout.split()]

    def test_list_prints_what_would_run_and_runs_nothing(self):
        self.job()
        self.assertEqual(self.listed(), ["ext4/001", "generic/001", "generic/002", "generic/100", "generic/475"])
        self.assertFalse((self.folder / "results").exists())

    def test_options_choose_what_runs(self):
        self.write("out.txt", "generic/002  # slow\next4/001\ngeneric/999\n")
        self.job({"tests": "generic/475"})
        for arguments, chosen in ((["-g", "quick"], ["ext4/001", "generic/001", "generic/002"]),
                                  (["-g", "generic/quick"], ["generic/001", "generic/002"]),
                                  (["-g", "quick,dangerous", "-x", "rw"], ["ext4/001", "generic/002", "generic/475"]),
                                  (["-g", "quick", "-E", "out.txt"], ["generic/001"]),
                                  (["-g", "quick", "-e", "s/generic/001"], ["ext4/001", "generic/002"]),
                                  ([], ["generic/475"])):
            with self.subTest(arguments):
                self.assertEqual(self.listed(*arguments), chosen)

    def test_a_test_outside_of_the_selection_may_be_named(self):
        self.job({"groups": "dangerous", "exclude": {"tests": "generic/002"}})
        self.assertEqual(self.listed("s/generic/100"), ["generic/100"])
        self.assertEqual(self.listed("generic/1*"), ["generic/100"])
        self.assertEqual(self.listed("s"), ["generic/475"])
        self.assertEqual(self.run_job("s/generic/002").returncode, 64)
        self.assert_exit(0, "s/generic/100")
        self.assertEqual(self.verdicts(), {"generic/100": "passed"})

    def test_what_is_not_there_is_an_error_with_the_nearest_name(self):
        for suite, hints in (({"tests": "generc/001"}, ["no test 'generc/001'", "did you mean 'generic/001'?"]),
                             ({"tests": "generic/999"}, ["no test 'generic/999'", "the last of 'generic' is 'generic/475'"]),
                             ({"groups": "quik"}, ["no group 'quik'", "did you mean 'quick'?"]),
                             ({"groups": "auto", "exclude": {"groups": "dangeros"}}, ["no group 'dangeros'", "did you mean 'dangerous'?"]),
                             ({"exclude": {"tests-file": "gone.txt"}}, ["gone.txt"]),
                             ({"file-system": "ext5"}, ["unknown file system 'ext5'", "did you mean 'ext"]),
                             ({"path": "nowhere"}, ["nowhere", "does not exist"])):
            with self.subTest(suite):
                self.job(suite)
                self.assert_refused("job.yaml:1:", *hints)

    def test_the_same_on_the_command_line(self):
        self.job()
        self.assert_refused("no group 'quik'", "did you mean 'quick'?", arguments=["-g", "quik"])
        self.assert_refused("gone.txt", arguments=["-E", "gone.txt"])

    def test_everything_excluded_is_nothing_run(self):
        self.job({"groups": "quick"})
        self.assert_exit(4, "-x", "quick")


class Trouble(FstestsTest):
    def killed(self):
        """ff-ci, in the middle of the second test."""
        self.tree.add_all({"generic/001": PASS, "generic/002": HANG, "generic/003": PASS})
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("generic/002") and "begin  generic/002" in (self.tree.path / "times").read_text(), "it runs")
        process.kill()
        process.communicate(timeout=60)
        wait_for(lambda: not processes_with(str(self.folder)) and not processes_with("tests/generic/002"), "nothing runs any more")

    def test_a_killed_run_keeps_what_was_finished_and_leaves_no_process(self):
        self.job()
        self.killed()
        self.assertEqual([(e["test"]["name"], e["result"]["outcome"]) for e in self.events_so_far("attempt_finished")],
                         [("generic/001", "passed")])

    def test_an_interrupted_run_tells_what_was_finished(self):
        self.tree.add_all({"generic/001": PASS, "generic/002": HANG, "generic/003": PASS})
        self.job()
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("generic/002"), "it runs")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(self.verdicts(), {"generic/001": "passed", "generic/002": "not_run", "generic/003": "not_run"})
        self.assertEqual(processes_with(str(self.folder)), [])


def attached_loop_devices():
    return list(pathlib.Path("/sys/block").glob("loop*/loop/backing_file"))


# What stands behind a slot's devices, in the words of the kernel: nobody else's have the same.
TELL_BACKING = "for device in $TEST_DEV $SCRATCH_DEV; do cat /sys/block/${device#/dev/}/loop/backing_file; done >$here/backing; "


class Devices(FstestsTest):
    """Slots with block devices of their own."""

    def setUp(self):
        super().setUp()
        if why_no_devices():
            self.skipTest(why_no_devices())

    def on_slots(self, slots, suite=None, **run):
        self.job(suite, {"local": {"slots": slots, "devices": DEVICES}}, **run)

    def words(self, name):
        return [line.split() for line in self.tree.lines(name)]

    def assert_devices_gone(self, count):
        backing = self.tree.lines("backing")
        self.assertEqual(len(backing), count)
        def gone():
            attached = [path.read_text().strip() for path in attached_loop_devices() if path.exists()]
            return not set(backing) & set(attached)
        wait_for(gone, "the devices are gone")
        self.assertNotIn(str(self.folder), pathlib.Path("/proc/mounts").read_text())

    def test_slots_have_devices_results_and_tmp_of_their_own(self):
        does = ('echo "$TEST_DEV $SCRATCH_DEV $RESULT_BASE $TEST_DIR $SCRATCH_MNT" >>$here/seen; '
                "test -b $TEST_DEV && test -b $SCRATCH_DEV || exit 1; echo $seqres >/tmp/fixed-name; "
                "until [ $(wc -l <$here/seen) = 2 ]; do sleep 0.02; done; cat /tmp/fixed-name >>$here/tmp")
        self.tree.add_all({"generic/001": does, "generic/002": does})
        self.on_slots(2, batch="off")
        self.assert_exit(0)
        one, two = self.words("seen")
        self.assertEqual(len({*one[:3], *two[:3]}), 6, (one, two))
        self.assertEqual(len({*one[3:], *two[3:]}), 4)
        self.assertEqual(len(set(self.tree.lines("tmp"))), 2)
        self.assertFalse(os.path.exists("/tmp/fixed-name"))

    def test_devices_are_gone_after_the_run(self):
        self.tree.add("generic/001", TELL_BACKING + "mount $TEST_DEV $TEST_DIR")
        self.on_slots(1)
        self.assert_exit(0)
        self.assert_devices_gone(2)

    def test_a_killed_run_leaves_no_device_and_no_mount(self):
        self.tree.add_all({"generic/001": PASS,
                           "generic/002": TELL_BACKING + "mount $TEST_DEV $TEST_DIR && touch $here/up; " + HANG})
        self.on_slots(1)
        process = self.start("run", "job.yaml")
        wait_for(lambda: (self.tree.path / "up").exists(), "it runs")
        process.kill()
        process.communicate(timeout=60)
        self.assert_devices_gone(2)
        wait_for(lambda: not processes_with(str(self.folder)) and not processes_with("tests/generic/002"), "nothing runs any more")

    def test_the_test_device_has_the_file_system_and_is_made_anew_after_trouble(self):
        does = 'echo "$RECREATE_TEST_DEV $(blkid -p -o value -s TYPE $TEST_DEV)" >>$here/seen'
        self.tree.add_all({"generic/001": does, "generic/002": f"{does}; {INCONSISTENT}", "generic/003": does, "generic/004": does})
        self.on_slots(1, batch="off", order="listed")
        self.assert_exit(1)
        self.assertEqual(self.tree.lines("seen"), ["true ext4", " ext4", "true ext4", " ext4"])

    def test_a_configuration_keeps_all_but_its_devices(self):
        self.tree.write("local.config", "export TEST_DEV=/dev/vdb\nTEST_DIR=/mnt/a\n[ -z '' ] && export SCRATCH_DEV=/dev/vdc\nFSTYP=xfs\n"
                                        "SCRATCH_DEV_POOL='/dev/vdd\n/dev/vde'\ndeclare -x LOGWRITES_DEV=/dev/vdf\nexport SOAK_DURATION=7\n")
        shown = '"$SOAK_DURATION $FSTYP ${TEST_DEV%%[0-9]*} ${SCRATCH_DEV%%[0-9]*} ${SCRATCH_DEV_POOL-no pool} ${LOGWRITES_DEV-no log}"'
        self.tree.add("generic/001", f"( . $HOST_OPTIONS; echo {shown} >$here/seen )")
        self.on_slots(1)
        self.assert_exit(0)
        self.assertEqual(self.tree.lines("seen"), ["7 ext4 /dev/loop /dev/loop no pool no log"])

    def test_a_configuration_with_sections_loses_the_lines_of_its_devices(self):
        self.tree.write("local.config", "[a]\nTEST_DEV=/dev/vdb\n SCRATCH_DEV=/dev/vdc\nSOAK_DURATION=7\n")
        self.tree.add("generic/001", "cat $HOST_OPTIONS >$here/seen")
        self.on_slots(1)
        self.assert_exit(0)
        self.assertEqual(self.tree.lines("seen"), ["[a]", "SOAK_DURATION=7"])

    def test_a_btrfs_slot_has_a_pool(self):
        if not shutil.which("mkfs.btrfs"):
            self.skipTest("there is no mkfs.btrfs")
        self.tree.add("generic/001", """echo "${SCRATCH_DEV-none} $SCRATCH_DEV_POOL" >$here/seen
# What ./check took from the pool, a test that reads the configuration again must still have.
export CONFIG_INCLUDED=true SCRATCH_DEV=${SCRATCH_DEV_POOL%% *}
. $HOST_OPTIONS
echo "${SCRATCH_DEV-none} $SCRATCH_DEV_POOL" >>$here/seen""")
        self.on_slots(1, {"file-system": "btrfs"})
        self.assert_exit(0)
        seen, again = self.words("seen")
        self.assertEqual((seen[0], len(seen)), ("none", 3))
        self.assertEqual(again, [seen[1], *seen[1:]])

    def test_a_test_that_is_unreliable_in_parallel_never_overlaps_with_another(self):
        for number in range(1, 7):
            self.tree.add(f"generic/{number:03}", "sleep 0.15", "unreliable_in_parallel" if number in (2, 5) else "")
        self.on_slots(2, batch="300ms")
        self.assert_exit(0)
        times = self.tree.times()
        for alone in ("generic/002", "generic/005"):
            begin, end = times.pop(alone)
            for other, (began, ended) in times.items():
                self.assertTrue(ended <= begin or began >= end, f"{other} overlaps with {alone}")


class Machines(FstestsTest, SshTest):
    """Over SSH: each machine has its fstests where it says."""

    def tree_on(self, machine, path="/root/fstests"):
        return FstestsTree(machine.folder / path.lstrip("/"))

    def job_over(self, machines, suite=None, ssh=None, **run):
        """`machines` with the paths of their trees."""
        self.job({"path": None, **(suite or {})}, {"ssh": {
            "machines": [f"root@{machine.address}:{path}" for machine, path in machines.items()], "slots": 1,
            "identity": str(self.world.identity), "known-hosts": str(self.world.known_hosts), **(ssh or {})}}, **run)

    def test_tests_of_a_machine_are_listed(self):
        machine = self.machine()
        self.tree_on(machine).add("generic/001").add("generic/002", PASS, "quick").add("generic/003", PASS, "quick")
        self.job_over({machine: "/root/fstests"}, {"groups": "quick"})
        self.assertEqual(self.ffci("list", "job.yaml").stdout, "s/generic/002\ns/generic/003\n")
        self.nothing_left(machine)

    def test_tests_are_selected_from_the_machine_and_their_results_come_back(self):
        machine = self.machine()
        tree = self.tree_on(machine).add("generic/001").add("generic/002", MISMATCH, "quick").add("generic/003", NOT_RUN, "quick")
        self.job_over({machine: "/root/fstests"}, {"groups": "quick"})
        self.assert_exit(1)
        self.assertEqual(self.verdicts(), {"generic/002": "failed", "generic/003": "skipped"})
        self.assertEqual(self.kept("generic/002"), ["check.log", "generic/002.full", "generic/002.out.bad"])
        self.assertEqual(tree.calls(), [["generic/002", "generic/003"]])
        self.assertEqual(self.by_name()["generic/002"]["attempts"][0]["host"], name_of(machine))
        self.nothing_left(machine)

    def test_each_machine_has_a_path_of_its_own(self):
        machines = self.machines(2)
        paths = dict(zip(machines, ("/root/fstests", "/root/some where/xfs'tests")))
        gate = "until test -e /root/go; do sleep 0.02; done"
        trees = [self.tree_on(machine, path).add("generic/001", gate).add("generic/002", gate) for machine, path in paths.items()]
        self.job_over(paths, batch="off")
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("generic/001") and self.is_running("generic/002"), "both run")
        for machine in machines:
            machine.path("/root/go").touch()
        self.assertEqual((process.communicate(timeout=60), process.returncode)[1], 0)
        self.assertEqual([len(tree.calls()) for tree in trees], [1, 1])

    def test_the_machine_s_sections_run(self):
        machine = self.machine()
        tree = self.tree_on(machine).add("generic/001")
        tree.sections("a", "b")
        self.job_over({machine: "/root/fstests"})
        self.assert_exit(0)
        self.assertEqual(set(self.by_id()), {("a", "generic/001"), ("b", "generic/001")})
        self.assertEqual(tree.calls(), [["-s", "a", "generic/001"], ["-s", "b", "generic/001"]])
        self.assertEqual(self.kept("generic/001", section="b"), ["b/check.log", "b/generic/001.full"])

    def test_a_machine_that_dies_in_the_middle_of_a_batch_charges_only_the_test_that_was_running(self):
        machine = self.machine()
        tree = self.tree_on(machine).add_all({"generic/001": PASS, "generic/002": HANG_ONCE, "generic/003": PASS})
        self.job_over({machine: "/root/fstests"})
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("generic/002") and (tree.path / "hung").exists(), "it runs")
        machine.kill()
        machine.start()
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out)
        self.assertEqual({name: len(test["attempts"]) for name, test in self.by_name().items()},
                         {"generic/001": 1, "generic/002": 2, "generic/003": 1})
        self.assertEqual(self.outcomes("generic/002")[1], "passed")
        self.assertEqual([sorted(call) for call in tree.calls()][0], ["generic/001", "generic/002", "generic/003"])
        self.nothing_left(machine)

    def test_a_test_that_hangs_is_charged_alone(self):
        machine = self.machine()
        self.tree_on(machine).add_all({"generic/001": PASS, "generic/002": HANG, "generic/003": PASS})
        self.job_over({machine: "/root/fstests"}, **{"test-timeout": "1s"})
        self.assert_exit(1)
        self.assertEqual(self.verdicts(), {"generic/001": "passed", "generic/002": "timed_out", "generic/003": "passed"})
        self.assertIn("generic/001.full", self.kept("generic/001"))
        self.nothing_left(machine)

    def test_a_killed_check_charges_only_the_test_that_was_running(self):
        machine = self.machine()
        self.tree_on(machine).add_all({"generic/001": PASS, "generic/002": KILL_CHECK_ONCE, "generic/003": PASS})
        self.job_over({machine: "/root/fstests"})
        self.assert_exit(0)
        self.assertEqual({name: self.outcomes(name) for name in self.verdicts()},
                         {"generic/001": ["passed"], "generic/002": ["not_run", "passed"], "generic/003": ["passed"]})
        self.nothing_left(machine)

    def test_a_killed_check_on_a_machine(self):
        machine = self.machine()
        self.tree_on(machine).add_all({"generic/001": PASS, "generic/002": KILL_CHECK_ONCE})
        self.job_over({machine: "/root/fstests"})
        self.assert_exit(0)
        self.assertEqual({name: self.outcomes(name) for name in self.verdicts()},
                         {"generic/001": ["passed"], "generic/002": ["not_run", "passed"]})
        self.nothing_left(machine)

    def test_a_machine_that_is_away_does_not_keep_the_others_from_answering(self):
        here, away = self.machines(2)
        self.tree_on(here).add("generic/001")
        self.job_over({away: "/root/fstests", here: "/root/fstests"})
        away.panic()
        self.assertEqual(self.ffci("list", "job.yaml").stdout, "s/generic/001\n")
        self.nothing_left(here)

    def test_a_run_that_another_one_keeps_from_beginning_leaves_nothing(self):
        busy, machine = self.machines(2)
        self.tree_on(busy).add("generic/001", HANG)
        self.tree_on(machine).add("generic/001")
        self.job_over({busy: "/root/fstests"})
        other = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("generic/001"), "it runs")
        self.job_over({machine: "/root/fstests"})
        self.assert_exit(75)
        self.nothing_left(machine)
        other.send_signal(signal.SIGINT)
        other.communicate(timeout=60)

    def test_a_machine_without_its_path_can_not_be_asked(self):
        machine = self.machine()
        self.job_over({machine: "/root/fstests"})
        self.assertIn("/root/fstests does not exist", self.assert_exit(69).stderr)
        self.assertFalse((self.folder / "results").exists())

    def test_a_machine_without_fstests_is_an_error_before_the_run(self):
        machine = self.machine()
        machine.path("/root/fstests").mkdir()
        self.job_over({machine: "/root/fstests"})
        self.assertIn("has no 'check'", self.assert_exit(78).stderr)
        self.assertFalse((self.folder / "results").exists())
        self.nothing_left(machine)

    def test_a_shard_with_no_test_of_the_machine_ends(self):
        machine = self.machine()
        self.tree_on(machine).add("generic/001")
        self.job_over({machine: "/root/fstests"})
        self.assert_exit(0, "--shard", "3/3")
        self.assertEqual(self.verdicts(), {})
        self.nothing_left(machine)

    def test_an_interrupt_while_a_machine_is_asked_ends_it(self):
        machine = self.machine()
        tree = self.tree_on(machine)
        for number in range(3000):  # seconds to look through
            tree.write(f"tests/d{number}/001", "_begin_fstest auto\n")
        self.job_over({machine: "/root/fstests"})
        process = self.start("run", "job.yaml")
        wait_for(lambda: processes_with("_begin_fstest"), "the machine is asked")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, said)
        self.assertIn("it was told to stop before the run began", said)
        self.nothing_left(machine)

    def test_a_test_that_is_not_on_the_machine_is_an_error_before_the_run(self):
        machine = self.machine()
        self.tree_on(machine).add("generic/001")
        self.job_over({machine: "/root/fstests"}, {"tests": "generic/007"})
        self.assertIn("the last of 'generic' is 'generic/001'", self.assert_exit(78).stderr)
        self.nothing_left(machine)

    def test_without_a_machine_there_is_nobody_to_ask(self):
        machine = self.machine()
        self.job_over({machine: "/root/fstests"}, ssh={"connect-timeout": "2s", "boot-timeout": "1s"})
        machine.kill()
        done = self.ffci("list", "job.yaml")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn("no host came up to be asked for its tests", done.stderr)


if __name__ == "__main__":
    unittest.main()
