"""Bad input and trouble: a clear error, the right exit code, and nothing lost."""

import fcntl
import os
import pathlib
import signal
import subprocess
import time
import unittest

from harness import AS_ROOT, FFCI, FfciTest, processes_with, wait_for


class BadInput(FfciTest):
    def refused(self, code, *hints, arguments=("run", "job.yaml")):
        done = self.ffci(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for hint in hints:
            self.assertIn(hint, done.stderr)
        self.assertFalse((self.folder / "results").exists())

    def test_a_missing_spec(self):
        self.refused(66, "job.yaml: No such file or directory")

    def test_a_spec_that_is_a_directory(self):
        (self.folder / "job.yaml").mkdir()
        self.refused(66, "is a directory")

    def test_a_spec_that_is_not_yaml(self):
        self.write("job.yaml", "version: 1\nsuites: [\n")
        self.refused(78, "job.yaml:3:")

    def test_a_binary_spec(self):
        self.write("job.yaml", bytes(range(256)))
        self.refused(78, "job.yaml:")

    def test_all_complaints_come_at_once_with_their_places(self):
        self.write("job.yaml", "version: 1\nsuites:\n  - name: s\n    commands:\n      tets: []\n      timeout: soon\nrum: {}\n")
        self.refused(78, "job.yaml:5:7: ", "did you mean 'tests'?", "job.yaml:6:16: ", "job.yaml:7:1: ", "did you mean 'run'?")

    def test_what_is_not_there_yet_is_an_error_that_says_so(self):
        self.write("job.yaml", "version: 1\nsuites:\n  - {name: s, commands: {discover: x}}\nenvironments: []\n")
        self.refused(78, "job.yaml:4:1: ", "not supported by this version")

    def test_duplicate_test_names(self):
        self.write("job.yaml", "version: 1\nsuites:\n  - name: s\n    commands:\n      tests:\n"
                               "        - {name: a, command: x}\n        - {name: a, command: y}\n")
        self.refused(78, "job.yaml:7:", "'a'")

    def test_a_directory_that_is_not_there(self):
        self.commands({"t": "true"}, suite="directory: nowhere")
        self.refused(78, "job.yaml:", "nowhere")

    def test_an_import_that_is_not_json(self):
        self.write("tests.json", "[\n  {\"suite\": oops}\n]\n")
        self.write("job.yaml", "version: 1\nsuites:\n  - name: s\n    commands: {import: tests.json}\n")
        self.refused(78, "tests.json:2:")

    def test_an_option_s_value_that_is_wrong_is_the_command_line_s_fault(self):
        self.commands({"t": "true"})
        self.refused(64, "--test-timeout", arguments=("run", "job.yaml", "--test-timeout", "soon"))

    def test_a_job_whose_tests_are_all_for_others_selects_nothing(self):
        self.commands({"t": {"command": "true", "arch": "s390x"}})
        self.refused(4, "no test was selected")


class Commands(FfciTest):
    def test_a_command_that_does_not_exist(self):
        self.commands({"t": "./nowhere"})
        self.assertEqual(self.run_job().returncode, 1)
        self.assertIn("exit status 127 (command not found)", self.by_name()["t"]["reason"])

    def test_a_million_lines_arrive_whole(self):
        self.commands({"t": "seq 1000000"})
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual(self.output("t"), b"".join(b"%d\n" % i for i in range(1, 1000001)))

    def test_output_beyond_the_limit_is_cut_and_says_so(self):
        self.commands({"t": "seq 1000000; exit 1"})
        self.run_job("--output-limit", "100k")
        kept = self.output("t")
        self.assertLess(len(kept), 200_000)
        self.assertIn(b"bytes were cut here", kept)
        self.assertTrue(kept.endswith(b"1000000\n"))
        attempt = self.by_name()["t"]["attempts"][0]
        self.assertIn("exit status 1", attempt["reason"])

    def test_binary_output_and_invalid_utf_8_break_nothing(self):
        self.write("noise", bytes(range(256)) * 40)
        self.commands({"t": "cat noise; cat noise >&2; exit 1"})
        done = self.run_job()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.output("t"), bytes(range(256)) * 40)
        self.assertEqual(self.output("t", stream="stderr"), bytes(range(256)) * 40)
        self.junit()
        self.assertNotIn("\x1b", done.stdout)
        self.assertNotIn("\0", done.stdout)

    def test_a_guest_can_not_speak_to_the_ci_system(self):
        self.commands({"t": "printf '::error::pwned\\n::set-output name=x::y\\n##[error]pwned\\r::warning::x\\n'; exit 1"})
        log = self.run_job(env={"GITHUB_ACTIONS": "true"}).stdout
        stopped = None
        for line in log.splitlines():
            if stopped is None and line.startswith("::stop-commands::"):
                stopped = line.split("::")[2]
            elif stopped is not None and line == f"::{stopped}::":
                stopped = None
            elif stopped is None and "pwned" in line:
                self.assertFalse(line.lstrip().startswith("::error::pwned"), line)
            self.assertNotIn("##[", line)
        self.assertIn("::error title=", log)

    def test_a_test_that_closes_its_stdout_ends_when_it_ends(self):
        self.commands({"t": "exec 1>&- 2>&-; sleep 0.3; exit 1"})
        self.run_job()
        self.assertEqual(self.verdicts(), {"t": "failed"})
        self.assertGreaterEqual(self.by_name()["t"]["duration_seconds"], 0.3)

    def test_stdin_is_empty_and_signals_are_as_usual(self):
        self.commands({"stdin": "test -z \"$(cat)\"", "pipe": "yes | head -n 1",
                       "signals": "grep -E 'Sig(Blk|Ign)' /proc/self/status; ! grep -E 'Sig(Blk|Ign):.*[1-9a-f]' /proc/self/status"})
        self.assertEqual(self.run_job().returncode, 0, self.output("signals"))

    def test_names_full_of_metacharacters_are_only_names(self):
        names = ["$(touch pwned)", "a;b", "../../x", "'q' \"d\"", "<&>]]>", "ünï"]
        self.commands({name: "false" for name in names})
        self.run_job()
        self.assertEqual(sorted(self.verdicts()), sorted(names))
        self.assertFalse((self.folder / "pwned").exists())
        inside = str((self.folder / "results").resolve())
        for test in self.by_name().values():
            for file in test["attempts"][0].get("files", []):
                self.assertTrue(os.path.realpath(self.folder / "results/latest" / file).startswith(inside))
        self.assertEqual({case.get("name") for case in self.junit().iter("testcase")}, set(names))


class NothingIsLeft(FfciTest):
    marker = f"ff-ci-left-{os.getpid()}"

    def test_a_test_that_forks_away_leaves_no_process(self):
        self.commands({"t": f"setsid sh -c 'sleep 300; : {self.marker}-fork' & exit 0"})
        self.assertEqual(self.run_job().returncode, 0)
        self.assertEqual(processes_with(f"{self.marker}-fork"), [])

    def test_a_timeout_ends_all_that_the_test_started_even_what_ignores_sigterm(self):
        self.commands({"t": {"command": f"trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done; : {self.marker}-term' & "
                                        "echo here; while :; do sleep 1; done", "timeout": "300ms"}})
        began = time.monotonic()
        self.assertEqual(self.run_job().returncode, 1)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(self.verdicts(), {"t": "timed_out"})
        self.assertEqual(self.output("t"), b"here\n")
        self.assertEqual(processes_with(f"{self.marker}-term"), [])

    def test_a_test_has_time_to_end_between_sigterm_and_sigkill(self):
        self.commands({"t": {"command": "trap 'echo cleaned up; exit 1' TERM; echo here; while :; do sleep 0.05; done", "timeout": "300ms"}})
        self.run_job("--kill-after", "20s")
        self.assertEqual(self.output("t"), b"here\ncleaned up\n")
        self.assertEqual(self.verdicts(), {"t": "timed_out"})

    def test_what_a_test_leaves_in_its_tmpdir_is_removed(self):
        self.commands({"t": "mkdir -p $TMPDIR/deep; touch $TMPDIR/deep/file; echo $TMPDIR"})
        self.run_job()
        self.assertFalse(os.path.exists(self.output("t").decode().strip()))

    def test_tests_of_different_slots_have_different_pids(self):
        self.commands({f"t{i}": "echo $$; sleep 0.3" for i in range(2)})
        self.run_job()
        self.assertNotEqual(self.output("t0"), self.output("t1"))

    @unittest.skipUnless(AS_ROOT, "needs root")
    def test_mounts_of_a_test_and_of_a_suite_s_set_up_are_private(self):
        mount = self.folder / "mount"
        mount.mkdir()
        self.commands({"sees": f"cat {mount}/file", "mounts": f"mount -t tmpfs none {mount}; ls {mount}"},
                      suite=f"setup: mount -t tmpfs none {mount} && echo set up >{mount}/file")
        self.addCleanup(subprocess.run, ["umount", "-q", mount])
        done = self.run_job()
        if "private pid and mount namespaces" not in done.stdout:
            self.skipTest("no namespaces here, a chroot perhaps")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.output("sees"), b"set up\n")
        self.assertNotIn(str(mount), pathlib.Path("/proc/mounts").read_text())

    def test_what_a_suite_s_set_up_started_runs_until_its_teardown_and_no_longer(self):
        fifo = self.folder / "fifo"
        self.commands({"t": "test -e $PWD/daemon.ready"}, slots=1,
                      suite="setup: |\n  sh -c 'touch daemon.ready; sleep 300; : %s-daemon' &\n  while ! test -e daemon.ready; do sleep 0.01; done\n"
                            "teardown: ps ax | grep -q '[%s]%s-daemon' && touch alive" % (self.marker, self.marker[0], self.marker[1:]))
        self.assertEqual(self.run_job().returncode, 0)
        self.assertTrue((self.folder / "alive").exists())
        self.assertEqual(processes_with(f"{self.marker}-daemon"), [])
        self.assertFalse(fifo.exists())

    def test_killing_ff_ci_kills_its_tests_and_keeps_what_was_known(self):
        self.commands({"done": "exit 1", "runs": f"sh -c 'sleep 300; : {self.marker}-kill9'", "waits": "true"}, slots=1, run="order: listed")
        temporary = self.folder / "tmp"
        temporary.mkdir()
        os.environ["TMPDIR"] = str(temporary)
        self.addCleanup(os.environ.pop, "TMPDIR")
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("runs") and processes_with(f"{self.marker}-kill9"), "the second test runs")
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not processes_with(f"{self.marker}-kill9"), "the test is gone with ff-ci")
        self.assertEqual(self.ffci("report").returncode, 1)
        self.assertEqual(self.verdicts(), {"done": "failed", "runs": "not_run", "waits": "not_run"})
        self.assertIn("was running on local when ff-ci died", self.by_name()["runs"]["reason"])
        # The results directory is free again, and the next run removes what the killed one has left in $TMPDIR.
        self.assertEqual(len(list(temporary.iterdir())), 1)
        self.assertEqual(self.run_job("s/waits").returncode, 0)
        self.assertEqual(list(temporary.iterdir()), [])

    @unittest.skipUnless(AS_ROOT, "needs root to become somebody else")
    def test_without_root_nothing_is_left_either(self):
        self.folder.chmod(0o777)
        self.commands({"t": f"setsid sh -c 'sleep 300; : {self.marker}-nobody' & exit 0",
                       "hang": {"command": f"setsid sh -c 'trap \"\" TERM; sleep 300; : {self.marker}-nobody' & sleep 300", "timeout": "300ms"}})
        done = subprocess.run([FFCI, "run", "job.yaml"], cwd=self.folder, capture_output=True, text=True, user=65534, group=65534,
                              env=self.environment(HOME="/"))
        self.assertEqual(self.verdicts(), {"t": "passed", "hang": "timed_out"}, done.stdout + done.stderr)
        self.assertIn("not root", done.stdout)
        self.assertEqual(processes_with(f"{self.marker}-nobody"), [])


class Signals(FfciTest):
    def interrupted(self, signals, code):
        self.commands({"runs": {"command": "trap '' TERM; sleep 300", "teardown": "touch torn-down"}, "waits": "true"}, slots=1)
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("runs"), "the test runs")
        for sent in signals:
            process.send_signal(sent)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, out)
        self.assertEqual(self.verdicts(), {"runs": "not_run", "waits": "not_run"})
        self.assertEqual(self.summary()["result"], "interrupted")
        return out

    def test_sigint_ends_the_run_in_order_with_130(self):
        out = self.interrupted([signal.SIGINT], 130)
        self.assertIn("interrupted by SIGINT", out)
        self.assertTrue((self.folder / "torn-down").exists())

    def test_sigterm_ends_the_run_in_order_with_143(self):
        self.interrupted([signal.SIGTERM], 143)

    def test_a_second_signal_does_not_wait(self):
        self.commands({"runs": {"command": "trap '' TERM; echo ready; while :; do sleep 1; done"}}, slots=1)
        process = self.start("run", "job.yaml", "--kill-after", "10m")
        wait_for(lambda: self.output("runs"), "the test ignores SIGTERM")
        process.send_signal(signal.SIGINT)
        wait_for(lambda: any(event["event"] == "run_stopping" for event in self.events()), "the first signal was taken")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)

    def test_a_failure_before_the_signal_stays_a_failure(self):
        self.commands({"bad": "false", "runs": "sleep 300"}, slots=1, run="order: listed")
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("runs"), "the second test runs")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(self.verdicts(), {"bad": "failed", "runs": "not_run"})


class Limits(FfciTest):
    def test_a_deadline_before_the_host_is_up_ends_the_run(self):
        self.commands({"waits": "sleep 60"})
        self.assertEqual(self.run_job("--deadline", "1ms").returncode, 5)

    def test_the_deadline_ends_the_run_and_says_what_did_not_run(self):
        self.commands({"runs": "sleep 300", "waits": "true"}, slots=1, run="order: listed")
        self.assertEqual(self.run_job("--deadline", "500ms").returncode, 5)
        self.assertEqual(self.verdicts(), {"runs": "not_run", "waits": "not_run"})
        self.assertIn("deadline", self.by_name()["waits"]["reason"])

    def test_the_run_stops_after_n_failures(self):
        self.commands({f"bad{i}": "false" for i in range(5)}, slots=1)
        self.assertEqual(self.run_job("--stop-after-failures", 2).returncode, 1)
        counts = self.summary()["counts"]
        self.assertEqual((counts["failed"], counts["not_run"]), (2, 3))


class Results(FfciTest):
    def test_the_second_ff_ci_in_a_results_directory_says_so_and_stops(self):
        self.commands({"t": "sleep 300"}, slots=1)
        self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("t"), "the first one runs")
        second = self.run_job()
        self.assertEqual(second.returncode, 75)
        self.assertIn("another ff-ci", second.stderr)

    def test_a_results_directory_that_can_not_be_made(self):
        self.commands({"t": "true"})
        self.write("file", "")
        done = self.run_job("--results-dir", "file/results")
        self.assertEqual(done.returncode, 74)
        self.assertIn("file/results", done.stderr)

    def test_a_report_that_can_not_be_written(self):
        self.commands({"t": "true"})
        self.write("file", "")
        done = self.run_job("--junit", "file/junit.xml")
        self.assertEqual(done.returncode, 74)
        self.assertIn("result: passed", done.stdout)
        self.assertIn("file/junit.xml", done.stderr)

    @unittest.skipUnless(AS_ROOT, "needs root to mount")
    def test_a_full_disk_ends_the_run_after_its_summary(self):
        disk = self.folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        self.commands({"first": "true", "floods": "seq 1000000", "waits": "true"}, slots=1, run="order: listed")
        done = self.run_job("--results-dir", disk / "results")
        self.assertEqual(done.returncode, 74, done.stdout + done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertIn("result: incomplete", done.stdout)
        self.assertIn("s/waits", done.stdout)

    def test_a_closed_stdout_ends_nothing(self):
        self.commands({f"t{i}": "false" for i in range(20)})
        process = self.start("run", "job.yaml", "-v")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), 1)
        self.assertEqual(self.summary()["counts"]["failed"], 20)
        process.stdout = open(os.devnull)


class StartedOddly(FfciTest):
    """ff-ci takes nothing of its parent's for granted."""

    def shell(self, script, **options):
        return subprocess.run(["sh", "-c", script.replace("FFCI", FFCI)], cwd=self.folder, capture_output=True, text=True, timeout=60,
                              env=self.environment(**options))

    def test_closed_standard_streams(self):
        self.commands({"t": "echo out; echo error >&2; exit 1"})
        for closed in (">&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                self.assertEqual(self.shell(f"FFCI run job.yaml {closed}").returncode, 1)
                self.assertEqual(self.ffci("report").returncode, 1)
                self.assertEqual(self.output("t"), b"out\n")

    def test_ignored_sigchld(self):
        self.commands({"t": "true"})
        done = subprocess.run([FFCI, "run", "job.yaml"], cwd=self.folder, timeout=60, capture_output=True,
                              preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(done.returncode, 0)

    def test_a_file_size_limit(self):
        self.commands({"t": "seq 1000000"})
        done = self.shell("ulimit -f 20; FFCI run job.yaml")
        self.assertEqual(done.returncode, 74, done.stdout + done.stderr)
        self.assertIn("result:", done.stdout)

    def test_too_few_open_files_for_so_many_slots(self):
        self.commands({"t": "true"}, slots=100)
        done = self.shell("ulimit -n 256; FFCI run job.yaml")
        self.assertEqual(done.returncode, 69)
        self.assertIn("ulimit", done.stderr)

    def test_a_soft_limit_of_open_files_is_raised_for_ff_ci_and_kept_for_its_tests(self):
        self.commands({f"t{i}": "ulimit -Sn; sleep 0.2" for i in range(60)}, slots=60)
        self.assertEqual(self.shell("ulimit -Sn 80; FFCI run job.yaml").returncode, 0)
        self.assertEqual(self.output("t7"), b"80\n")

    def test_nobody_reads_the_log(self):
        self.commands({f"test-{'x' * 100}-{i}": "true" for i in range(100)})
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        try:
            self.assertEqual(subprocess.run([FFCI, "run", "job.yaml", "-v"], cwd=self.folder, stdout=writer, timeout=60).returncode, 0)
        finally:
            os.close(reader)
            os.close(writer)
        self.assertEqual(self.summary()["counts"]["passed"], 100)

    def test_a_full_stdout_is_an_error_of_list(self):
        self.commands({"t": "true"})
        self.assertEqual(self.shell("FFCI list job.yaml >/dev/full").returncode, 74)

    def test_no_temporary_directory_is_no_host_and_a_signal_ends_the_waiting(self):
        self.commands({"t": "true"})
        os.environ["TMPDIR"] = str(self.folder / "nowhere")
        self.addCleanup(os.environ.pop, "TMPDIR")
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.events_so_far("host_lost"), "the host can't be used")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)


class Hostile(FfciTest):
    def test_a_set_up_that_had_to_be_stopped_has_failed_whatever_it_says(self):
        self.commands({"t": "true"}, suite="setup: trap 'exit 0' TERM; while :; do sleep 0.05; done")
        self.assertEqual(self.run_job("--test-timeout", "300ms").returncode, 5)
        self.assertEqual(self.verdicts(), {"t": "error"})

    def test_results_that_a_test_takes_away_are_no_pass(self):
        self.commands({"t": "rm -rf $PWD/results/latest/tests; echo x"})
        done = self.run_job()
        self.assertEqual(done.returncode, 74, done.stdout + done.stderr)

    def test_a_second_run_leaves_the_first_one_s_events_alone(self):
        self.commands({"t": "sleep 300"}, slots=1)
        self.start("run", "job.yaml", "--events", "events.jsonl")
        wait_for(lambda: self.is_running("t"), "the first one runs")
        before = (self.folder / "events.jsonl").read_bytes()
        self.assertEqual(self.run_job("--events", "events.jsonl").returncode, 75)
        self.assertTrue((self.folder / "events.jsonl").read_bytes().startswith(before))
        self.assertIn(b"attempt_started", before)

    @unittest.skipUnless(AS_ROOT, "needs root to become somebody else")
    def test_without_root_a_test_that_kills_its_supervisor_leaves_nothing(self):
        marker = f"ff-ci-left-{os.getpid()}-parent"
        self.folder.chmod(0o777)
        self.commands({"t": f"setsid sh -c 'sleep 300; : {marker}' & kill -9 $PPID", "next": "true"}, slots=1, run="order: listed")
        done = subprocess.run([FFCI, "run", "job.yaml"], cwd=self.folder, capture_output=True, text=True, user=65534, group=65534,
                              timeout=60, env=self.environment(HOME="/"))
        self.assertEqual(self.verdicts(), {"t": "error", "next": "passed"}, done.stdout)
        self.assertEqual(processes_with(marker), [])

    def test_what_a_test_has_bound_below_its_tmpdir_is_not_removed_with_it(self):
        precious = self.folder / "precious"
        precious.mkdir()
        (precious / "file").write_text("still here")
        self.commands({"t": f"mkdir $TMPDIR/m && mount --bind {precious} $TMPDIR/m && echo bound"})
        # Root, but without pid namespaces: the mount is one of ff-ci's own.
        script = f"echo 0 >/proc/sys/user/max_pid_namespaces && exec {FFCI} run job.yaml"
        done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], cwd=self.folder, capture_output=True, text=True, timeout=60,
                              env=self.environment())
        if "private namespaces" not in done.stdout:
            self.skipTest("no user namespaces here: " + done.stderr)
        self.assertEqual(self.output("t"), b"bound\n")
        self.assertEqual((precious / "file").read_text(), "still here")


if __name__ == "__main__":
    unittest.main()
