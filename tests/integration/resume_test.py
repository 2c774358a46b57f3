"""Runs that are killed at any moment, and go on."""

import collections
import itertools
import json
import os
import pathlib
import random
import re
import signal
import time
import unittest

from harness import FfciTest, processes_with, wait_for

# How often the property test kills ff-ci; fewer where it is slow.
KILLS = int(os.environ.get("FFCI_KILLS", "200"))


class Resume(FfciTest):
    def kill(self, process, signal_number=signal.SIGKILL):
        process.send_signal(signal_number)
        process.communicate(timeout=60)

    def broken_off(self, tests, running, *arguments, **options):
        """A run that was killed while the test was running."""
        self.commands(tests, **options)
        process = self.start("run", "job.yaml", *arguments)
        wait_for(lambda: self.is_running(running), f"{running} runs")
        self.kill(process)

    def gate(self, name):
        """A test that ends only when this is called anew with open()."""
        return f"until [ -e {self.folder}/{name} ]; do sleep 0.02; done"

    def open(self, name):
        self.write(name, "")

    def test_what_has_a_result_stays_and_what_was_running_runs_again_and_is_said(self):
        self.broken_off({"first": "echo one", "second": self.gate("go"), "third": "true"}, "second", slots=1)
        before = self.events()
        self.open("go")
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("the run goes on: 1 of 3 tests finished before, 1 that ran when it broke off runs again", done.stdout)
        self.assertEqual(self.events()[:len(before)], before)
        self.assertEqual(self.started().count("first"), 1)
        self.assertEqual(self.outcomes("second"), ["not_run", "passed"])
        self.assertEqual(self.by_name()["second"]["attempts"][0]["reason"], "ff-ci was killed while it ran")
        self.assertEqual(set(self.verdicts().values()), {"passed"})
        self.assertEqual(self.summary()["result"], "passed")
        self.assertEqual(len(self.junit().findall(".//testcase")), 3)
        self.assertEqual(len(list((self.folder / "results/runs").iterdir())), 1)

    def test_killed_at_random_moments_every_test_has_one_verdict_and_no_result_is_lost(self):
        seed = int(os.environ.get("FFCI_SEED", random.randrange(1 << 32)))
        print(f"seed {seed}, {KILLS} kills", flush=True)
        rng = random.Random(seed)
        kills = 0
        for run in itertools.count():
            results = f"results-{run}"
            self.commands({f"t{i:02}": f"sleep 0.0{rng.randrange(1, 8)}" for i in range(40)} | {"bad": "exit 1"}, slots=4,
                          run=f"retry-failures: 1\norder: random\nseed: {rng.randrange(1000)}")
            journal = self.folder / results / "latest/journal.jsonl"
            arguments = ["run", "job.yaml", "--results-dir", results]
            finished = {}  # the attempts that the journal had when ff-ci was dead
            while kills < KILLS:
                process = self.start(*arguments)
                had = len(journal.read_bytes()) if journal.exists() else 0
                more = rng.choice([0, 1, rng.randrange(6000)])
                wait_for(lambda: process.poll() is not None or (journal.exists() and len(journal.read_bytes()) >= had + more),
                         "the journal grows")
                time.sleep(rng.random() * 0.02)  # to any moment behind it
                process.kill()
                said, _ = process.communicate(timeout=60)
                if "has ended" in said:  # it was killed behind its reports
                    break
                if process.returncode != -signal.SIGKILL:
                    self.assertEqual(process.returncode, 1, said)
                    break
                kills += 1
                kept = self.finished_attempts(journal)
                self.assertEqual({key: kept.get(key) for key in finished}, finished)
                finished = kept
                # A run that was killed before all of its tests were written down begins anew.
                if "host_ready" in (journal.read_text() if journal.exists() else ""):
                    arguments = ["run", "--resume", "--results-dir", results]
            else:
                done = self.ffci(*arguments)
                if "has ended" not in done.stderr:  # the last kill, too, may have come behind the reports
                    self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.check_whole(journal, finished)
            if kills >= KILLS:
                break
        self.assertEqual(processes_with(str(self.folder)), [])

    def finished_attempts(self, journal):
        events = [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]] if journal.exists() else []
        return {(e["test"]["name"], e["result"]["number"]): e["result"] for e in events if e["event"] == "attempt_finished"}

    def check_whole(self, journal, finished):
        events = [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]
        self.assertEqual([e["sequence"] for e in events], list(range(1, len(events) + 1)))
        kept = self.finished_attempts(journal)
        self.assertEqual({key: kept[key] for key in finished}, finished)
        attempts = collections.defaultdict(list)
        for event in events:
            if event["event"] == "attempt_finished" and event["result"]["outcome"] != "not_run":
                attempts[event["test"]["name"]].append(event["result"]["outcome"])
        expected = {f"t{i:02}": ["passed"] for i in range(40)} | {"bad": ["failed", "failed"]}
        self.assertEqual(attempts, expected)
        ends = collections.Counter(e["test"]["name"] for e in events if e["event"] == "test_finished")
        self.assertEqual(ends, collections.Counter(expected.keys()))
        tests = json.loads((journal.parent / "summary.json").read_text())["tests"]
        self.assertEqual({t["name"]: t["verdict"] for t in tests},
                         {name: "failed" if name == "bad" else "passed" for name in expected})

    def test_the_suite_is_set_up_again_and_torn_down_once_more(self):
        self.broken_off({"one": self.gate("go")}, "one", slots=1,
                        suite=f"setup: echo up >> {self.folder}/scopes\nteardown: echo down >> {self.folder}/scopes")
        self.open("go")
        self.assertEqual(self.ffci("run", "--resume").returncode, 0)
        self.assertEqual((self.folder / "scopes").read_text().split()[-2:], ["up", "down"])

    def test_the_budget_of_retries_goes_on(self):
        self.broken_off({"bad": "exit 1", "slow": self.gate("go")}, "slow", slots=1, run="retry-failures: 1\norder: listed")
        self.open("go")
        self.assertEqual(self.ffci("run", "--resume", "job.yaml").returncode, 1)
        self.assertEqual(self.outcomes("bad"), ["failed", "failed"])

    def test_another_spec_or_other_options_are_refused(self):
        self.broken_off({"one": "true", "slow": self.gate("go")}, "slow", "--retry-failures", "1", slots=1)
        before = (self.folder / "results/latest/journal.jsonl").read_bytes()
        for arguments, hint in ((["job.yaml"], "began with other options"),
                                (["job.yaml", "--retry-failures", "2"], "began with other options"),
                                (["--retry-failures", "2"], "began with other options"),
                                (["job.yaml", "--retry-failures", "1", "one"], "began with other options"),
                                (["-e", "one"], "began with other options"),
                                (["--rerun-failures"], "began with other options")):
            done = self.ffci("run", "--resume", *arguments)
            self.assertEqual(done.returncode, 64, done.stdout + done.stderr)
            self.assertIn(hint, done.stderr)
        with open(self.folder / "job.yaml", "a") as spec:
            spec.write("# changed\n")
        done = self.ffci("run", "--resume", "job.yaml", "--retry-failures", "1")
        self.assertEqual(done.returncode, 64)
        self.assertIn("job.yaml is not as it was when run", done.stderr)
        self.assertEqual((self.folder / "results/latest/journal.jsonl").read_bytes(), before)
        self.open("go")
        self.assertEqual(self.ffci("run", "--resume", "--retry-failures", "1").returncode, 0)

    def test_no_password_of_a_url_is_kept(self):
        self.commands({"one": "true"})
        url = "http://joe:hunter2@127.0.0.1:1/x.json?token=abc"
        for option in ("--durations", "--set"):
            value = url if option == "--durations" else f"run.durations={url}"
            self.assertEqual(self.run_job(option, value).returncode, 69)
        self.broken_off({"slow": self.gate("go")}, "slow", "--slowest-first=latest", "--junit", "http://joe:hunter2@host/?token=abc", slots=1)
        for path in (self.folder / "results").rglob("*"):
            if path.is_file():
                self.assertNotRegex(path.read_bytes(), b"hunter2|abc")
        self.open("go")
        done = self.ffci("run", "--resume", "job.yaml", "--slowest-first=latest", "--junit", "http://joe:hunter2@host/?token=abc")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_has_ended_or_never_was_can_not_go_on(self):
        self.commands({"one": "true"})
        self.assertEqual(self.run_job().returncode, 0)
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, 64)
        self.assertRegex(done.stderr, r"run \S+ in \S+ has ended: every test had its turn")
        done = self.ffci("run", "--resume=20000101T000000Z")
        self.assertEqual(done.returncode, 66)
        self.assertIn("20000101T000000Z", done.stderr)

    def test_a_run_that_was_killed_before_its_reports_gets_them(self):
        self.commands({"one": "true", "bad": "exit 1"})
        self.assertEqual(self.run_job().returncode, 1)
        (self.folder / "results/latest/summary.json").unlink()
        self.assertEqual(self.ffci("run", "--resume").returncode, 1)
        self.assertEqual(self.verdicts(), {"one": "passed", "bad": "failed"})
        self.assertEqual(len(self.started()), 2)
        self.assertEqual(self.ffci("run", "--resume").returncode, 64)

    def test_only_one_goes_on_with_a_run(self):
        self.broken_off({"slow": self.gate("go")}, "slow", slots=1)
        first = self.start("run", "--resume")
        wait_for(lambda: self.started().count("slow") == 2, "it runs again")
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, 75, done.stderr)
        self.open("go")
        first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0)

    def test_a_run_that_was_interrupted_goes_on_with_what_did_not_run(self):
        self.commands({"one": "true", "slow": self.gate("go"), "last": "true"}, slots=1, run="order: listed")
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("slow"), "slow runs")
        self.kill(process, signal.SIGTERM)
        self.assertEqual(process.returncode, 143)
        self.assertEqual(self.verdicts(), {"one": "passed", "slow": "not_run", "last": "not_run"})
        self.open("go")
        self.assertEqual(self.ffci("run", "--resume").returncode, 0)
        self.assertEqual(set(self.verdicts().values()), {"passed"})
        self.assertEqual(self.started().count("one"), 1)

    def test_the_run_is_recorded_as_it_would_have_been(self):
        self.broken_off({"slow": self.gate("go")}, "slow", "--record=nightly", slots=1)
        self.open("go")
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(os.readlink(self.folder / "results/recordings/nightly"), f"../runs/{self.summary()['run_id']}")

    def test_a_run_of_which_not_all_tests_are_known_does_not_pass_with_the_others(self):
        self.broken_off({f"t{i}": "true" for i in range(5)} | {"slow": self.gate("go")}, "slow", slots=1, run="order: listed")
        journal = self.folder / "results/latest/journal.jsonl"
        lines = journal.read_bytes().split(b"\n")
        self.open("go")
        for kept in (1, 4, 7):
            journal.write_bytes(b"\n".join(lines[:kept]) + b"\n" + lines[kept][:20])
            before = journal.read_bytes()
            done = self.ffci("run", "--resume")
            self.assertEqual(done.returncode, 64, done.stdout + done.stderr)
            self.assertIn("broke off before all of its tests were written down", done.stderr)
            self.assertEqual(journal.read_bytes(), before)
        journal.write_bytes(b"\n".join(lines[:8]) + b"\n")
        self.assertEqual(self.ffci("run", "--resume").returncode, 0)
        self.assertEqual(len(self.verdicts()), 6)

    def test_a_torn_or_broken_journal(self):
        self.broken_off({"one": "true", "slow": self.gate("go")}, "slow", slots=1, run="order: listed")
        journal = self.folder / "results/latest/journal.jsonl"
        whole = journal.read_bytes()
        self.open("go")
        journal.write_bytes(whole + b'{"sequence":99,"ti')
        self.assertEqual(self.ffci("run", "--resume").returncode, 0)
        self.assertEqual([e["sequence"] for e in self.events()], list(range(1, len(self.events()) + 1)))
        journal.write_bytes(whole.replace(b"attempt_started", b"attempt_startled", 1))
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertRegex(done.stderr, r"journal.jsonl:\d+: unknown event 'attempt_startled'")

    def test_a_test_that_the_job_no_longer_has(self):
        tests = self.folder / "tests"
        for name in ("a_test", "b_test"):
            self.write(f"tests/{name}", f"#!/bin/sh\n{self.gate('go')}\n", 0o755)
        self.write("job.yaml", "version: 1\nsuites: [{name: s, commands: {directory: tests, discover: '*_test'}}]\n"
                               "hosts: {local: {slots: 1}}\n")
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("a_test"), "a test runs")
        self.kill(process)
        (tests / "b_test").unlink()
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, 64, done.stderr)
        self.assertIn("the job no longer has its test s/b_test", done.stderr)

    def test_the_deadline_counts_only_the_time_that_ff_ci_was_there(self):
        self.broken_off({"slow": self.gate("go"), "other": "true"}, "slow", slots=1, run="deadline: 30s\norder: listed")
        # As if it had been killed long ago.
        journal = self.folder / "results/latest/journal.jsonl"
        journal.write_bytes(re.sub(rb'"at":"\d{4}', b'"at":"2020', journal.read_bytes(), count=1))
        self.open("go")
        self.assertEqual(self.ffci("run", "--resume").returncode, 0)
        self.assertGreater(self.summary()["paused_seconds"], 1e6)

    def test_a_clock_that_was_wrong_by_ages_does_not_spoil_the_journal(self):
        for year in (b"0001", b"9999"):
            (self.folder / "go").unlink(missing_ok=True)
            self.broken_off({"slow": self.gate("go")}, "slow", slots=1)
            journal = self.folder / "results/latest/journal.jsonl"
            journal.write_bytes(re.sub(rb'"at":"\d{4}', b'"at":"' + year, journal.read_bytes(), count=1))
            self.open("go")
            self.assertEqual(self.ffci("run", "--resume").returncode, 0)
            self.assertLess(self.events()[-1]["time"], 3600)
            self.assertEqual(self.ffci("report").returncode, 0)

    def test_what_a_run_was_begun_with_is_kept_with_it(self):
        self.commands({"one": "true"})
        self.assertEqual(self.run_job("--test-timeout", "9s").returncode, 0)
        kept = json.loads((self.folder / "results/latest/command.json").read_text())
        self.assertEqual(kept["arguments"], ["job.yaml", "--test-timeout", "9s"])
        self.assertEqual(pathlib.Path(kept["directory"]), self.folder.resolve())


if __name__ == "__main__":
    unittest.main()
