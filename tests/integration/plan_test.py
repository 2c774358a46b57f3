"""ff-ci plan: what it predicts, against hand-made jobs and against real runs; and that it starts nothing."""

import json
import os
import unittest

from jsonschema import Draft7Validator

from fstests_tree import FstestsTree
from harness import SOURCE, FfciTest

SCHEMA = json.loads((SOURCE / "schemas" / "plan.schema.json").read_text())
NOWHERE = {"machines": ["root@vm1.invalid", "root@vm2.invalid", "root@vm3.invalid"]}


class PlanTest(FfciTest):
    def job(self, seconds, hosts=None, earlier=True, suite=None, **run):
        """A job of tests t0, t1, …, that took so many seconds each in an earlier run, or None: the run did not have that one."""
        tests = [{"name": f"t{place}", "command": "touch started"} for place in range(len(seconds))]
        self.write("job.yaml", json.dumps({
            "version": 1, "name": "hand-made", "suites": [{"name": "s", "commands": {"tests": tests, **(suite or {})}}],
            "hosts": hosts or {"local": {"slots": 2}}, "run": run,
        }))
        if earlier:
            self.remember("s", {f"t{place}": took for place, took in enumerate(seconds) if took is not None})

    def remember(self, suite, seconds, kind="local", ready=None, set_up=None, call=None):
        """An earlier run of these tests, each in a command of its own; `call`: seconds between two of these."""
        events = [{"event": "run_started", "version": 1, "run_id": "20260101T000000Z", "job": "hand-made", "ff_ci_version": "0",
                   "at": "2026-01-01T00:00:00.000Z", "seed": 1, "results": "", "durations": ""}]
        events += [{"event": "test_selected", "test": {"suite": suite, "name": name}} for name in seconds]
        if ready is not None:
            events.append({"event": "host_ready", "host": "local", "kind": kind, "slots": 1, "kernel": "6.1", "arch": os.uname().machine,
                           "isolation": "private", "time": ready})
        if set_up is not None:
            events.append({"event": "suite_set_up", "host": "local", "suite": suite, "duration_seconds": set_up})
        began = 0.0
        for batch, (name, took) in enumerate(seconds.items(), 1):
            test = {"suite": suite, "name": name}
            place = {"host": "local", "slot": 1, "files": ""}
            events += [
                {"event": "attempt_started", "test": test, "attempt": 1, **({} if call is None else {"batch": batch}), **place},
                {"event": "attempt_finished", "test": test,
                 "result": {"number": 1, **place, "started_seconds": began, "duration_seconds": took, "outcome": "passed"}},
                {"event": "test_finished", "test": test},
            ]
            began += took + (call or 0.0)
        events.append({"event": "run_finished", "how": "completed"})
        lines = [json.dumps({"sequence": sequence, "time": 0.0, **event}) for sequence, event in enumerate(events, 1)]
        self.write("results/runs/20260101T000000Z/journal.jsonl", "\n".join(lines) + "\n")

    def text(self, *arguments):
        done = self.ffci("plan", "job.yaml", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def plan(self, *arguments):
        plan = json.loads(self.text("--json", *arguments))
        Draft7Validator(SCHEMA).validate(plan)
        plan["by_hosts"] = {row["hosts"]: row for row in plan["rows"]}
        return plan


class HandMade(PlanTest):
    def test_the_schema_is_one(self):
        Draft7Validator.check_schema(SCHEMA)

    def test_the_knee_and_the_test_that_bounds_the_run(self):
        self.job([1.0] * 10 + [5.0])
        plan = self.plan()
        self.assertEqual((plan["unit"], plan["this_job"], plan["tests"], plan["test_seconds"]), ("slot", 2, 11, 15.0))
        self.assertEqual([plan["by_hosts"][number]["wall_seconds"] for number in (1, 2, 3, 4)], [15.0, 8.0, 5.0, 5.0])
        self.assertEqual((plan["knee"], plan["best_seconds"]), (3, 5.0))
        self.assertEqual(plan["longest_test"],
                         {"suite": "s", "name": "t10", "seconds": 5.0, "wall_seconds": 5.0, "reached_with": 3})
        self.assertEqual((plan["unknown_durations"], plan["durations"]), (0, "history (1 run)"))
        text = self.text()
        self.assertRegex(text, r"(?m)^ +3 +5\.00s +100% +0\.2  knee$")
        self.assertIn("this job: 2 slots: 8.00s\n", text)
        self.assertIn("longest test: s/t10, 5.00s: no run with it is shorter than 5.00s; reached with 3 slots\n", text)
        self.assertIn("failures, retries and lost hosts are not predicted\n", text)
        self.assertNotIn("no known duration", text)

    def test_machines_are_counted_and_not_contacted(self):
        self.job([2.0] * 12, {"ssh": {**NOWHERE, "slots": 2}})
        plan = self.plan()
        self.assertEqual((plan["unit"], plan["slots_each"], plan["local_slots"], plan["this_job"]), ("machine", 2, 0, 3))
        self.assertEqual(plan["by_hosts"][3]["wall_seconds"], 4.0)
        self.assertEqual(plan["by_hosts"][3]["host_minutes"], 0.2)
        self.assertEqual(plan["knee"], 6)
        self.assertIn("this job: 3 machines: 4.00s\n", self.text())

    def test_machines_and_vms_count_with_the_slots_that_they_have(self):
        self.job([2.0] * 12, {"ssh": {"machines": ["root@vm1.invalid", "root@vm2.invalid"]},
                              "qemu": {"kernel": "none", "count": 1, "slots": 4, "path": "/root"}})
        plan = self.plan()
        self.assertEqual((plan["own_slots"], plan["slots_each"], plan["this_job"]), ([1, 1, 4], 4, 3))
        self.assertEqual([plan["by_hosts"][number]["wall_seconds"] for number in (1, 2, 3, 4)], [24.0, 12.0, 4.0, 4.0])
        self.assertIn("the job's machines have 1 to 4 slots, each further one 4 slots\n", self.text())

    def test_slots_here_stay_as_they_are_beside_machines(self):
        self.job([2.0] * 12, {"ssh": NOWHERE, "local": {"slots": 3}})
        plan = self.plan()
        self.assertEqual((plan["local_slots"], plan["this_job"]), (3, 3))
        self.assertEqual([plan["by_hosts"][number]["wall_seconds"] for number in (1, 3)], [6.0, 4.0])

    def test_durations_that_nobody_knows_are_said(self):
        self.job([2.0, 4.0, None])
        self.assertEqual(self.plan()["unknown_durations"], 1)
        self.assertEqual(self.plan()["test_seconds"], 9.0)
        self.assertIn("no known duration for 1 test", self.text())
        self.job([None] * 3, earlier=False, durations="20260101T000000Z")
        self.remember("another", {"t0": 1.0})
        self.assertEqual(self.plan()["unknown_durations"], 3)
        self.assertIn("no known duration for any test", self.text())

    def test_a_deadline_says_what_it_leaves_out(self):
        self.job([2.0] * 6, deadline="5s")
        plan = self.plan()
        self.assertEqual([plan["by_hosts"][number]["not_run"] for number in (1, 2, 3)], [4, 2, 0])
        self.assertIn("4 tests not run", self.text())

    def test_tests_that_must_be_alone_gain_nothing_from_slots(self):
        self.job([1.0] * 6, suite={"parallel": 1})
        plan = self.plan()
        self.assertEqual((plan["knee"], plan["best_seconds"]), (1, 6.0))
        self.assertNotIn("reached_with", plan["longest_test"])

    def test_the_last_row_can_be_chosen_and_tests_selected(self):
        self.job([1.0] * 40)
        self.assertEqual([row["hosts"] for row in self.plan("--max-hosts", 10)["rows"]], [1, 2, 3, 4, 5, 6, 7, 8, 10, 40])
        self.assertEqual(self.plan("s/t1", "s/t2")["tests"], 2)
        self.assertEqual(self.plan("-e", "s/t1")["tests"], 39)
        self.assertEqual(self.plan("--local.slots", 5)["this_job"], 5)
        for number in ("0", "1025", "-1", "few"):
            self.assertEqual(self.ffci("plan", "job.yaml", f"--max-hosts={number}").returncode, 64)

    def test_calls_of_check_cost_what_the_engine_believes(self):
        tree = FstestsTree(self.folder / "fstests")
        for number in range(10):
            tree.add(f"generic/{number:03}", "", "auto")
        self.write("job.yaml", json.dumps({
            "version": 1, "suites": [{"name": "f", "fstests": {"path": "fstests", "file-system": "ext4"}}],
            "hosts": {"local": {"slots": 1}}}))
        self.remember("f", {f"generic/{number:03}": 1.0 for number in range(10)})
        self.assertAlmostEqual(self.plan()["by_hosts"][1]["wall_seconds"], 10.4)
        self.assertAlmostEqual(self.plan("--batch", "off")["by_hosts"][1]["wall_seconds"], 14.0)

    def test_hosts_set_ups_and_commands_cost_what_they_cost_before(self):
        self.job([None] * 4, earlier=False, suite={"setup": "true"})
        took = {f"t{place}": 2.0 for place in range(4)}
        self.remember("s", took, ready=7.0, set_up=5.0, call=0.5)
        self.assertEqual([self.plan()["by_hosts"][number]["wall_seconds"] for number in (1, 2)],
                         [7.0 + 5.0 + 4 * 2.5, 7.0 + 5.0 + 2 * 2.5])
        # Of machines nothing is known by what a local host took.
        self.job([None] * 4, {"ssh": NOWHERE}, earlier=False, suite={"setup": "true"})
        self.assertEqual(self.plan()["by_hosts"][1]["wall_seconds"], 5.0 + 4 * 2.5)

    def test_it_starts_nothing_and_leaves_nothing_behind_where_there_were_no_results(self):
        self.job([None] * 3, earlier=False)
        self.text()
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["job.yaml"])

    def test_with_results_it_adds_the_history_of_their_runs_and_nothing_else(self):
        self.job([1.0] * 3)
        self.text()
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["job.yaml", "results"])
        results = {path.name for path in (self.folder / "results").iterdir()}
        self.assertLessEqual(results, {"runs", "history.db", "history.db-wal", "history.db-shm", ".history.lock"})
        self.assertEqual([path.name for path in (self.folder / "results" / "runs").iterdir()], ["20260101T000000Z"])


class Accuracy(PlanTest):
    def test_a_run_takes_what_was_planned(self):
        sleeps = [round(0.05 + 0.95 * (place * 17 % 40 / 39) ** 2, 3) for place in range(40)]
        self.commands({f"t{place}": f"sleep {seconds}" for place, seconds in enumerate(sleeps)}, slots=3)
        self.assertEqual(self.run_job().returncode, 0)
        planned = self.plan()["by_hosts"][3]["wall_seconds"]
        self.assertEqual(self.run_job().returncode, 0)
        took = self.summary()["duration_seconds"]
        print(f"planned {planned:.3f} s, took {took:.3f} s: {100 * (took / planned - 1):+.1f} %")
        self.assertLess(abs(took / planned - 1), 0.15)


if __name__ == "__main__":
    unittest.main()
