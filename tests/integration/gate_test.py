"""The gate: red means a regression, green that everything ran, and each step says what it went by."""

import json
import re
import shutil
import signal
import subprocess
import unittest

from fetch_test import FetchTest
from fstests_test import FstestsTest
from fstests_tree import PASS
from harness import SOURCE, FfciTest, wait_for
from jsonschema import Draft7Validator
from ssh_test import SshTest, name_of

SCHEMAS = SOURCE / "schemas"
VALIDATORS = {name: Draft7Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text())) for name in ("summary", "journal")}

# What the runs of a test do stands in plan.NAME, a letter for each, the last one for ever.
STEP = r"""#!/bin/sh
name=${1:-$(basename "$PWD")}
plan=$(cat "plan.$name" 2>/dev/null || echo P)
rest=${plan#?}
[ -z "$rest" ] || echo "$rest" >"plan.$name"
case ${plan%"$rest"} in
  F) echo oops >&2; exit 1 ;;
  G) echo 'another oops' >&2; exit 1 ;;
  S) echo 'not here'; exit 4 ;;
  L) sleep 0.4 ;;
  T) trap '' TERM; touch "waits.$name"; until [ -e go ]; do sleep 0.02; done ;;
  W) touch "waits.$name"; until [ -e go ]; do sleep 0.02; done ;;
  V) touch "waits.$name"; until [ -e go ]; do sleep 0.02; done; echo oops >&2; exit 1 ;;
esac
"""

FAR = "2999-12-31"


class GateTest(FfciTest):
    """Jobs of one suite `s` whose tests do what they are told to by `plans`."""

    def setUp(self):
        super().setUp()
        self.write("step", STEP, 0o755)

    def job(self, *names, gate=None, suite="", run="", slots=1, **plans):
        """Tests of these names, which pass, and those of the plans."""
        self.gate_of_job = gate
        self.commands({name: f"./step {name}" for name in (*names, *plans)}, suite=suite, slots=slots,
                      run=run + "\norder: listed" if "order:" not in run else run)
        if gate is not None:
            with (self.folder / "job.yaml").open("a") as file:
                file.write(f"gate: {json.dumps(gate)}\n")
        self.plan(**plans)

    def plan(self, **plans):
        for name, plan in plans.items():
            self.write(f"plan.{name}", plan + "\n")

    def issues(self, *entries):
        entries = [{"reason": "somebody looks at it", "link": "https://bugs/1", "expires": FAR, **entry} for entry in entries]
        self.write("known.yaml", json.dumps({"version": 1, "issues": entries}))

    def run_as(self, code, *arguments, **options):
        done = self.run_job(*arguments, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.check_reports()
        return done

    def baseline_runs(self, number, **plans):
        """Earlier runs, without a gate."""
        for _ in range(number):
            self.plan(**plans)
            done = self.run_job("--set", "gate={}")
            self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)

    def judged(self, run="latest"):
        """By name; of those that have vanished, where nothing else has the name."""
        tests = sorted(self.summary(run)["gate"]["tests"], key=lambda test: test["change"] != "vanished")
        return {test["name"]: test for test in tests}

    def decision(self, test):
        return self.judged()[test]["decision"]

    def reruns(self, test, purpose="confirmation"):
        return [attempt["outcome"] for attempt in self.by_name()[test].get("reruns", []) if attempt["purpose"] == purpose]

    def check_reports(self, run="latest"):
        """They are what their schemas say, and a stored run makes the same again."""
        folder = self.folder / "results" / run
        summary = json.loads((folder / "summary.json").read_text())
        self.assertEqual([error.message for error in VALIDATORS["summary"].iter_errors(summary)], [])
        for event in self.events(run):
            self.assertEqual([error.message for error in VALIDATORS["journal"].iter_errors(event)], [])
        xml = subprocess.run(["xmllint", "--noout", "--schema", SCHEMAS / "junit.xsd", folder / "junit.xml"], capture_output=True, text=True)
        self.assertEqual(xml.returncode, 0, xml.stderr)
        root = self.junit(run)
        for node in [root, *root.findall("testsuite")]:
            cases = list(node.iter("testcase"))
            for name, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                self.assertEqual(int(node.get(name)), sum(case.find(element) is not None for case in cases), name)
            self.assertEqual(int(node.get("tests")), len(cases))
        before = {name: (folder / name).read_bytes() for name in ("summary.json", "junit.xml")}
        done = self.ffci("report", str(folder.resolve()))
        self.assertEqual(done.returncode, summary["exit_code"], done.stdout + done.stderr)
        for name, text in before.items():
            self.assertEqual((folder / name).read_bytes(), text, name)

    def junit_elements(self):
        return {case.get("name"): [child.tag for child in case if child.tag in ("failure", "error", "skipped", "flakyFailure")]
                for case in self.junit().iter("testcase")}

    def killed(self, test, *arguments):
        """A run that was killed while the test waited for `go`, which is then there."""
        process = self.start("run", "job.yaml", *arguments)
        wait_for((self.folder / f"waits.{test}").exists, f"{test} waits")
        process.kill()
        out, _ = process.communicate(timeout=60)
        (self.folder / "go").touch()
        return out

    def change_journal(self, change, run="latest"):
        """change(event) of each event of a run that was broken off; None drops it."""
        journal = self.folder / "results" / run / "journal.jsonl"
        events = [change(json.loads(line)) for line in journal.read_bytes().split(b"\n")[:-1]]
        journal.write_text("".join(json.dumps(event) + "\n" for event in events if event))


class Confirmation(GateTest):
    def test_what_fails_in_all_reruns_is_a_regression_with_its_numbers(self):
        self.job("a", "b", gate={"baseline": "history"})
        self.baseline_runs(20)
        self.plan(b="F")
        done = self.run_as(1)
        self.assertIn("s/b regression: failed 3 of 3, baseline 0 of 20 (p=0.0006)", done.stdout)
        self.assertEqual(self.reruns("b"), ["failed"] * 3)
        self.assertEqual(self.reruns("a"), [])
        judged = self.judged()["b"]
        self.assertEqual((judged["change"], judged["decision"], judged["change_runs"], judged["baseline_runs"]),
                         ("regression", "regression", {"bad": 3, "runs": 3}, {"bad": 0, "runs": 20}))
        self.assertAlmostEqual(judged["p_value"], 1 / 1771)
        self.assertEqual(self.summary()["result"], "regression")
        self.assertEqual(self.junit_elements(), {"a": [], "b": ["failure"]})
        # The regressed run is no baseline of the next one.
        self.plan(b="F")
        self.assertIn("baseline 0 of 20", self.run_as(1).stdout)

    def test_what_passes_all_reruns_is_flaky_and_says_what_that_could_hide(self):
        self.job("a", b="P", gate={"baseline": "latest"})
        self.baseline_runs(1)
        self.plan(b="FP")
        done = self.run_as(0)
        self.assertIn("s/b flaky: failed 0 of 3, baseline 0 of 1", done.stdout)
        self.assertIn("would go unseen in 12 %", done.stdout)
        self.assertEqual(self.summary()["result"], "passed")
        self.assertEqual(self.junit_elements(), {"a": [], "b": ["flakyFailure"]})
        self.plan(b="FP")
        self.run_as(6, "--fail-on-flaky", "--baseline", "history")

    def test_with_one_run_behind_it_two_rounds_of_failures_are_a_regression(self):
        self.job("b", gate={"baseline": "latest"})
        self.baseline_runs(1)
        self.plan(b="F")
        done = self.run_as(1)
        self.assertIn("s/b regression: failed 6 of 6, baseline 0 of 1", done.stdout)

    def test_mixed_reruns_with_a_short_baseline_are_inconclusive(self):
        self.job("b", gate={"baseline": "latest"})
        self.baseline_runs(1)
        self.plan(b="FPF")
        done = self.run_as(5)
        self.assertIn("s/b inconclusive: failed 2 of 3, baseline 0 of 1", done.stdout)
        self.assertEqual(self.junit_elements(), {"b": ["error"]})
        self.assertEqual(self.summary()["gate"]["result"], "inconclusive")

    def test_mixed_reruns_with_a_long_baseline_go_on_to_the_cap(self):
        self.job("b", gate={"baseline": "history"})
        self.baseline_runs(20)
        self.plan(b="FFPPFPPFPPPPPP")
        done = self.run_as(5)
        self.assertIn("s/b inconclusive: failed 3 of 12, baseline 0 of 20", done.stdout)

    def test_a_known_flake_that_fails_as_often_as_before_is_flaky(self):
        self.job("b", gate={"baseline": "history"})
        for plan in "PFPPFPFP":
            self.baseline_runs(1, b=plan)
        self.plan(b="FPFPP")
        self.run_as(0)
        self.assertEqual(self.decision("b"), "flaky")

    def test_without_confirmation_a_candidate_is_a_regression(self):
        self.job("b", gate={"baseline": "latest", "confirm": 0})
        self.baseline_runs(1)
        self.plan(b="FP")
        done = self.run_as(1)
        self.assertIn("exit status 1: oops, baseline 0 of 1", done.stdout)
        self.assertEqual(self.reruns("b"), [])

    def test_retries_of_the_run_are_its_own_and_reruns_are_not_retried(self):
        self.job("b", gate={"baseline": "latest"}, run="retry-failures: 2")
        self.baseline_runs(1)
        self.plan(b="FP")
        self.run_as(0)
        self.assertEqual((self.verdicts(), self.reruns("b"), self.decision("b")), ({"b": "flaky"}, [], "flaky"))
        self.plan(b="FFF" + "PPP")
        self.run_as(0)
        self.assertEqual((self.outcomes("b"), self.reruns("b")), (["failed"] * 3, ["passed"] * 3))

    def test_iterations_of_a_test_are_judged_as_one(self):
        self.job("a", "b", gate={"baseline": "latest"}, run="iterate: 3")
        self.baseline_runs(1)
        self.plan(b="PFPFFFFFF")
        done = self.run_as(1)
        self.assertIn("s/b regression: failed 6 of 6, baseline 0 of 3", done.stdout)
        self.assertEqual(sum("failure" in elements for elements in self.junit_elements().values()), 1)

    def test_odd_names_and_parameters_are_found_again(self):
        names = ["$(touch pwned)", "ünï ☃", "a/b c", "<&>]]>", "'q' \"d\""]
        self.commands({name: "test ! -e broken" for name in names}, slots=1)
        with (self.folder / "job.yaml").open("a") as file:
            file.write("gate: {baseline: latest, confirm: 1, confirm-limit: 2}\n")
        self.baseline_runs(1)
        (self.folder / "broken").touch()
        self.run_as(1)
        self.assertEqual(sorted(self.judged()), sorted(names))
        self.assertEqual({test["decision"] for test in self.judged().values()}, {"regression"})


class Baselines(GateTest):
    def setUp(self):
        super().setUp()
        self.job("a", "b", gate={"confirm": 0})
        done = self.run_job("--record=good")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.good = self.summary()["run_id"]
        self.plan(b="F")

    def test_every_way_to_name_a_run(self):
        folder = self.folder / "results/runs" / self.good
        shutil.copy(folder / "summary.json", self.folder / "elsewhere.json")
        for source in ("latest", "good", "-1", self.good, f"results/runs/{self.good}", f"results/runs/{self.good}/summary.json",
                       str(folder), "elsewhere.json", "history"):
            with self.subTest(source):
                self.run_as(1, "--baseline", source)
                self.assertIn("history (1 run)" if source == "history" else self.good, self.summary()["gate"]["baseline"])
                self.assertEqual(self.decision("b"), "regression")
                last = (self.folder / "results/latest").resolve()
                (self.folder / "results/latest").unlink()
                (self.folder / "results/latest").symlink_to(f"runs/{self.good}")
                shutil.rmtree(last)

    def test_what_is_not_there_is_an_error_or_no_baseline_yet(self):
        for source in ("nowhere.json", "no-label", "-7"):
            with self.subTest(source):
                before = len(list((self.folder / "results/runs").iterdir()))
                done = self.run_job("--baseline", source)
                self.assertEqual(done.returncode, 66, done.stdout + done.stderr)
                self.assertIn("baseline: ", done.stderr)
                self.assertEqual(len(list((self.folder / "results/runs").iterdir())), before)
                self.assertIn("any failure counts", self.run_as(1, "--baseline", source, "--baseline-optional").stderr)
                self.assertEqual(self.decision("b"), "failure")

    def test_a_baseline_that_is_broken_is_an_error_also_when_it_may_be_missing(self):
        good = json.loads((self.folder / "results/runs" / self.good / "summary.json").read_text())

        def changed(**keys):
            return json.dumps({**good, **keys})

        test = good["tests"][0]
        deep = "[" * 100_000 + "]" * 100_000
        hostile = {
            "empty": "", "text": "oops", "list": "[]", "null": "null", "version": changed(version=2), "tests": changed(tests={}),
            "twice": changed(tests=[test, test]), "verdict": changed(tests=[{**test, "attempts": [{"number": "x"}]}]),
            "nan": changed(duration_seconds=float("nan")), "huge": changed(duration_seconds=0).replace('"duration_seconds": 0', '"duration_seconds": 1e999', 1),
            "long": changed(duration_seconds=1e300), "negative": changed(tests=[{**test, "iteration": -1}]),
            "big": changed(tests=[{**test, "iteration": 1 << 70}]), "deep": deep, "deeper": changed(gate=None).replace("null", deep, 1),
            "gate": changed(gate={"result": "fine"}), "gate-type": changed(gate=7), "gate-tests": changed(gate={"result": "passed", "tests": [7]}),
            "gate-p": changed(gate={"result": "passed", "tests": [{"suite": "s", "name": "a", "change": "regression", "decision": "noted",
                                                                "p_value": "x"}]}),
            "gate-counts": changed(gate={"result": "passed", "tests": [{"suite": "s", "name": "a", "change": "regression",
                                                                     "decision": "noted", "change_runs": {"bad": 2, "runs": 1}}]}),
            "gate-where": changed(gate={"result": "passed", "known_issues": [{"kind": "x"}]}),
            "gate-object": changed(gate={"result": "passed", "tests": {"a": 1}}),
            "gate-null": changed(gate={"result": None}),
            "gate-iteration": changed(gate={"result": "passed", "tests": [{"suite": "s", "name": "a", "iteration": 1e9, "change": "regression",
                                                                        "decision": "noted"}]}),
        }
        for name, text in hostile.items():
            with self.subTest(name):
                self.write(f"{name}.json", text)
                done = self.run_job("--baseline", f"{name}.json", "--baseline-optional")
                self.assertEqual(done.returncode, 65, done.stdout + done.stderr)
                self.assertIn("baseline: ", done.stderr)
                self.assertLess(len(done.stderr), 2000)

    def test_long_texts_and_escapes_of_a_baseline_do_no_harm(self):
        good = json.loads((self.folder / "results/runs" / self.good / "summary.json").read_text())
        evil = "\x1b[2J::error::pwned\n##[cmd]" + "x" * (10 << 20)
        good["run_id"] = "\x1b]0;pwned\x07\n::error::pwned"
        good["job"] = evil
        for test in good["tests"]:
            test["reason"] = evil
        good["tests"].append({**good["tests"][0], "name": evil})
        good["tests"].append({**good["tests"][0], "name": "\x1b[31m::error::pwned\n::error::pwned"})
        self.write("evil.json", json.dumps(good))
        done = self.run_as(1, "--baseline", "evil.json", "--fail-on", "vanished", env={"GITHUB_ACTIONS": "true"})
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        for line in done.stdout.splitlines():
            self.assertFalse(line.startswith(("::error::", "##[")), line[:200])
        self.assertLess(len(done.stdout), 100_000)

    def test_a_test_is_compared_with_its_own_suite_configuration_and_architecture(self):
        good = self.folder / "results/runs" / self.good / "summary.json"
        text = json.loads(good.read_text())
        for name, change in {"suite": {"suite": "other"}, "configuration": {"configuration": "other"}}.items():
            with self.subTest(name):
                other = {**text, "tests": [{**test, **(change if test["name"] == "b" else {})} for test in text["tests"]]}
                self.write(f"{name}.json", json.dumps(other))
                self.run_as(0, "--baseline", f"{name}.json")
                self.assertEqual(self.judged()["b"]["change"], "new_failure")
        self.write("arch.json", json.dumps({**text, "hosts": [{**host, "arch": "s390x"} for host in text["hosts"]]}))
        done = self.run_as(5, "--baseline", "arch.json")
        self.assertIn("no test has a result both here and in the baseline", done.stdout)

    def test_what_is_not_selected_this_time_has_not_vanished(self):
        self.plan(b="P")
        for arguments in (("s/a",), ("-e", "s/b"), ("a",)):
            self.run_as(0, *arguments, "--baseline", "good", "--strict-baseline", "--fail-on", "regression,vanished")
            self.assertEqual(self.judged(), {})

    def test_with_nothing_in_common_nothing_is_said(self):
        shutil.rmtree(self.folder / "results")
        self.job("x", gate={})
        self.baseline_runs(1)
        self.job("a", gate={"baseline": "latest"})
        self.run_as(5)
        self.assertEqual(self.summary()["gate"]["result"], "incomparable")
        self.assertEqual(self.judged()["x"]["change"], "vanished")


class History(GateTest):
    def test_no_run_one_run_and_five(self):
        self.job("a", "b", gate={"baseline": "history"})
        self.plan(b="F")
        self.assertIn("results knows no earlier run of these tests", self.ffci("run", "job.yaml").stderr)
        self.assertFalse((self.folder / "results/latest").exists())
        self.plan(b="F")
        self.run_as(1, "--baseline-optional")
        self.assertEqual(self.decision("b"), "failure")
        shutil.rmtree(self.folder / "results")
        self.plan(b="P")
        self.baseline_runs(1)
        self.plan(b="F")
        self.run_as(1)
        self.assertEqual(self.judged()["b"]["baseline_runs"], {"bad": 0, "runs": 1})
        self.plan(b="P")
        self.baseline_runs(4)
        self.plan(b="F")
        done = self.run_as(1)
        self.assertIn("gate: judged by history (5 runs)", done.stdout)
        self.assertEqual(self.judged()["b"]["baseline_runs"], {"bad": 0, "runs": 5})

    def test_a_failure_of_all_earlier_runs_is_known_and_its_end_is_told(self):
        self.job("a", "b", gate={"baseline": "history"})
        self.baseline_runs(3, b="F")
        done = self.run_as(0)
        self.assertIn("s/b known failure: baseline failed 3 of 3", done.stdout)
        self.assertEqual(self.junit_elements(), {"a": [], "b": ["skipped"]})
        self.plan(b="P")
        self.run_as(3, "--strict-baseline")
        self.assertEqual(self.judged()["b"]["change"], "fixed")

    def test_slower_is_a_gate_when_it_is_asked_for(self):
        slower = {"ratio": 2, "floor": "200ms", "deviations": 5}
        self.job("a", "b", gate={"baseline": "history", "slower": slower})
        self.baseline_runs(4)
        self.plan(b="L")
        self.run_as(0, "--fail-on", "slower")  # four runs are too few
        self.assertNotIn("b", self.judged())
        self.plan(b="P")
        self.baseline_runs(4)
        self.plan(b="L")
        self.run_as(0)
        self.assertNotIn("b", self.judged())
        self.plan(b="LP")
        self.run_as(0, "--fail-on", "regression,slower")
        self.assertEqual((self.judged()["b"]["change"], self.decision("b"), len(self.reruns("b"))), ("slower", "noted", 3))
        self.plan(b="LF")
        done = self.run_as(5, "--fail-on", "slower")
        self.assertRegex(done.stdout, r"s/b inconclusive: took \S+, usually \S+; not confirmed: only 0 of 12 reruns passed")
        self.plan(b="L")
        done = self.run_as(1, "--fail-on", "slower")
        self.assertRegex(done.stdout, r"s/b regression \(slower\): took 0\.\d+s, usually 0\.\d+s; 0\.\d+s in 3 reruns")
        self.assertEqual(self.junit_elements()["b"], ["failure"])


class FailOn(GateTest):
    def run_with(self, fail_on, *more):
        """a is new and fails, b regresses, c is flaky, d has vanished, e is as it was."""
        self.job("b", "c", "d", "e", gate={})
        shutil.rmtree(self.folder / "results", ignore_errors=True)
        self.plan(**dict.fromkeys("abcde", "P"))
        self.baseline_runs(1)
        self.job("e", a="F", b="F", c="FP", gate={"baseline": "latest", "confirm": 1, "confirm-limit": 2})
        done = self.run_job("--fail-on", fail_on, *more)
        self.check_reports()
        return done.returncode, {name: test["decision"] for name, test in self.judged().items() if test["decision"] != "noted"}

    def test_each_alone_and_all_together(self):
        self.assertEqual(self.run_with("regression"), (1, {"b": "regression", "c": "flaky"}))
        self.assertEqual(self.run_with("new-failure"), (1, {"a": "regression", "b": "regression", "c": "flaky"}))
        self.assertEqual(self.run_with("vanished"), (1, {"b": "regression", "c": "flaky", "d": "regression"}))
        self.assertEqual(self.junit().findall(".//testcase[@name='d']/failure")[0].get("type"), "vanished")
        self.assertEqual(self.run_with("slower"), (1, {"b": "regression", "c": "flaky"}))  # regressions always count
        self.assertEqual(self.run_with("regression,new-failure,slower,flaky,vanished"),
                         (1, {"a": "regression", "b": "regression", "c": "flaky", "d": "regression"}))

    def test_a_red_run_is_not_recorded_as_the_baseline_that_it_failed(self):
        self.job("a", "b", gate={})
        self.run_job("--record=main")
        good = self.summary()["run_id"]
        self.plan(b="F")
        done = self.run_as(1, "--baseline", "main", "--record=main")
        self.assertIn("not recorded as 'main', since the gate says regression", done.stderr)
        self.assertEqual((self.folder / "results/recordings/main").resolve().name, good)

    def test_a_shard_is_no_baseline(self):
        self.job("a", "b", gate={})
        self.run_job("--shard", "1/2")
        done = self.run_job("--baseline", "latest")
        self.assertEqual(done.returncode, 65)
        self.assertIn("is shard 1/2 of a run", done.stderr)

    def test_flakes_and_drift_have_exit_codes_of_their_own(self):
        self.job("c", "d", gate={})
        self.baseline_runs(1)
        self.job(c="FP", gate={"confirm": 1})
        run = self.summary()["run_id"]
        for arguments, code in (((), 0), (("--strict-baseline",), 3), (("--fail-on-flaky",), 6),
                                (("--strict-baseline", "--fail-on-flaky"), 6), (("--fail-on", "vanished"), 1)):
            with self.subTest(arguments):
                self.plan(c="FP")
                self.run_as(code, "--baseline", run, *arguments)

    def test_annotations_are_for_what_is_red(self):
        self.job("a", "b", "c", "d", gate={})
        self.baseline_runs(1, a="F")
        self.job(a="F", b="F", c="FP", gate={"baseline": "latest", "confirm": 1, "confirm-limit": 2, "fail-on": ["regression", "vanished"]})
        done = self.run_as(1, env={"GITHUB_ACTIONS": "true"})
        titles = re.findall(r"^::error title=([^:]*)::", done.stdout, re.M)
        self.assertEqual(sorted(titles), ["s/b", "s/d"])


class KnownIssues(GateTest):
    def setUp(self):
        super().setUp()
        self.job("a", "b", gate={"known-issues": "known.yaml", "baseline": "latest", "confirm": 1, "confirm-limit": 2})
        self.baseline_runs(1)
        self.good = self.summary()["run_id"]

    def judge(self, code, *entries, plan="F", **options):
        self.issues(*entries)
        self.plan(b=plan)
        return self.run_as(code, "--baseline", self.good, **options)

    def notes(self):
        return {note["kind"]: note["text"] for note in self.summary()["gate"].get("known_issues", [])}

    def test_what_matches_is_known_and_is_not_rerun(self):
        for entry in ({"test": "b"}, {"test": "*", "message": "*oops"}, {"suite": "s", "test": "[b]"}):
            with self.subTest(entry):
                done = self.judge(0, entry)
                self.assertIn("s/b known failure: somebody looks at it (https://bugs/1)", done.stdout)
                self.assertEqual(self.reruns("b"), [])
                self.assertEqual(self.junit_elements()["b"], ["skipped"])

    def test_what_does_not_match_is_not_known(self):
        for entry in ({"test": "a"}, {"test": "b", "message": "*another*"}, {"test": "b", "configuration": "x"}, {"suite": "x", "test": "b"},
                      {"signature": "*"}, {"test": "b", "signature": "*"}):
            with self.subTest(entry):
                self.judge(1, entry)

    def test_expired_unmatched_and_unexpectedly_passed_ones_are_told(self):
        self.judge(1, {"test": "b", "expires": "2020-02-29"})
        self.assertIn("expired on 2020-02-29, and would cover s/b", self.notes()["expired"])
        self.judge(0, {"test": "c"}, {"test": "b"})
        self.assertIn("no selected test is meant (test: c)", self.notes()["unmatched"])
        done = self.judge(0, {"test": "b"}, plan="P")
        self.assertIn("passed: s/b", self.notes()["unexpected_pass"])
        self.assertRegex(done.stdout, r"known issue at \S*known.yaml:1:\d+: passed: s/b")

    def test_of_several_iterations_each_failure_must_be_known(self):
        self.job("a", "b", gate={"known-issues": "known.yaml", "baseline": "latest", "confirm": 1, "confirm-limit": 2}, run="iterate: 2")
        self.judge(0, {"test": "b", "message": "*: oops"})
        self.judge(1, {"test": "b", "message": "*: oops"}, plan="FG")
        self.judge(1, {"test": "b", "message": "*: oops"}, plan="GFG")

    def test_without_a_baseline_what_is_known_is_not_red(self):
        self.job("a", b="F", gate={"known-issues": "known.yaml"})
        self.issues({"test": "b"})
        self.run_as(0)
        self.issues({"test": "a"})
        self.run_as(1)

    def test_hostile_texts_stay_texts(self):
        evil = "::error::pwned %0A##[cmd]x ]]> <b>"
        done = self.judge(0, {"test": "b", "reason": evil, "message": "*"}, {"test": "zz", "message": "::error::pwned"},
                          env={"GITHUB_ACTIONS": "true"})
        for line in done.stdout.splitlines():
            self.assertFalse(line.lstrip().startswith(("::error", "##[")), line)
        for text in ("\x1b[31mred", "two\nlines", "\u0085"):
            self.issues({"test": "b", "reason": text})
            self.assertEqual(self.run_job("--baseline", self.good).returncode, 78)

    def test_a_file_that_is_broken_or_missing_runs_nothing(self):
        before = len(list((self.folder / "results/runs").iterdir()))
        self.write("known.yaml", "version: 1\nissues: [\n")
        self.assertEqual(self.run_job().returncode, 78)
        self.issues({"test": "b", "expires": "2023-02-29"})
        self.assertEqual(self.run_job().returncode, 78)
        (self.folder / "known.yaml").unlink()
        self.assertEqual(self.run_job().returncode, 66)
        self.assertEqual(len(list((self.folder / "results/runs").iterdir())), before)


class Signatures(GateTest):
    """A run is broken off in its rerun stage; what the kernel said in it is put into its journal, for no test can make it speak."""

    REPORT = {"title": "WARNING at fs/x.c:1 in foo", "signature": "warning:foo"}

    def setUp(self):
        super().setUp()
        self.gate = {"known-issues": "known.yaml", "baseline": "latest", "confirm": 1, "confirm-limit": 2}
        self.issues()
        self.job("a", "b", gate=self.gate)
        self.baseline_runs(1)
        self.gate["baseline"] = self.summary()["run_id"]

    def judge(self, code, *entries, allowed="", plan="FVP", gate=None):
        """The first attempt of b has met the report."""
        self.issues()
        for name in ("go", "waits.b"):
            (self.folder / name).unlink(missing_ok=True)
        self.job("a", "b", gate={**self.gate, **(gate or {})})
        self.plan(b=plan)
        self.killed("b")
        return self.go_on(code, *entries, allowed=allowed)

    def go_on(self, code, *entries, allowed=""):
        def speak(event):
            if event["event"] == "attempt_finished" and event["test"]["name"] == "b" and "purpose" not in event["result"]:
                event["result"]["kernel_reports"] = [{**self.REPORT, **({"allowed": allowed} if allowed else {})}]
            return event

        self.change_journal(speak)
        self.issues(*entries)
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.check_reports()
        return done

    def test_a_new_one_is_a_regression_whatever_the_reruns_say(self):
        done = self.judge(1)
        self.assertIn("s/b regression: new signature: WARNING at fs/x.c:1 in foo", done.stdout)
        self.assertEqual(self.judged()["b"]["new_signatures"], ["warning:foo"])
        self.assertEqual(self.summary()["gate"]["new_signatures"][0]["tests"], [{"suite": "s", "name": "b"}])
        self.assertEqual(self.junit_elements()["b"], ["failure"])

    def test_an_issue_excuses_it_only_by_its_signature(self):
        self.judge(1, {"test": "b"}, {"test": "b", "message": "*"})
        self.judge(1, {"signature": "warning:other"})

    def test_an_issue_that_names_it_excuses_it(self):
        self.judge(0, {"signature": "warning:f*"})
        self.assertEqual(self.decision("b"), "known")

    def test_an_issue_may_name_its_title(self):
        self.judge(0, {"test": "b", "signature": "WARNING at *"})

    def test_without_a_baseline_each_is_new(self):
        self.job("b", "c", gate={"known-issues": "known.yaml"})
        for code, entry in ((1, {"test": "b"}), (0, {"signature": "warning:foo"})):
            for name in ("go", "waits.c"):
                (self.folder / name).unlink(missing_ok=True)
            self.issues()
            self.plan(b="F", c="W")
            self.killed("c")
            self.go_on(code, entry)

    def test_one_that_the_job_allows_counts_for_nothing(self):
        self.judge(0, allowed="WARNING*")
        self.assertEqual(self.decision("b"), "flaky")

    def test_one_that_the_baseline_has_in_any_test_is_not_new(self):
        good = json.loads((self.folder / "results/latest/summary.json").read_text())
        good["tests"][0]["attempts"][0]["kernel_reports"] = [self.REPORT]
        self.write("good.json", json.dumps(good))
        self.judge(0, gate={"baseline": "good.json"})
        self.assertEqual(self.decision("b"), "flaky")

    def test_a_new_test_that_meets_one_is_red_where_new_failures_are(self):
        good = json.loads((self.folder / "results/latest/summary.json").read_text())
        good["tests"] = [test for test in good["tests"] if test["name"] == "a"]
        self.write("good.json", json.dumps(good))
        self.judge(1, gate={"baseline": "good.json", "fail-on": ["new-failure"]})


class BrokenFileSystems(FstestsTest):
    def test_a_file_system_that_a_test_breaks_is_a_regression_at_once_and_known_only_by_name(self):
        self.tree.add_all({"generic/001": PASS, "generic/002": "test ! -e $here/broken || touch $seqres.inconsistent"})
        self.job()
        self.assert_exit(0)
        self.run_id = self.summary()["run_id"]
        (self.folder / "fstests/broken").touch()
        done = self.assert_exit(1, "--baseline", self.run_id)
        self.assertIn("s/generic/002 regression: new signature: ", done.stdout)
        for entry, code in (({"test": "generic/002"}, 1), ({"test": "generic/002", "message": "output*"}, 1),
                            ({"test": "generic/002", "message": "*is inconsistent"}, 0),
                            ({"signature": "inconsistent file system"}, 0), ({"signature": "file system on * is inconsistent"}, 0)):
            with self.subTest(entry):
                self.write("known.yaml", json.dumps({"version": 1, "issues": [{"reason": "x", "link": "https://x", "expires": FAR, **entry}]}))
                self.assert_exit(code, "--baseline", self.run_id, "--known-issues", "known.yaml")


class Trouble(GateTest):
    """Infrastructure trouble is no regression, and what is incomplete is not green."""

    def setUp(self):
        super().setUp()
        self.job("a", "b", gate={"baseline": "latest"})

    def test_a_set_up_that_fails_is_no_regression_and_not_green(self):
        self.job("a", "b", gate={"baseline": "latest"}, suite="setup: test ! -e broken")
        self.baseline_runs(1)
        (self.folder / "broken").touch()
        self.run_as(5)
        self.assertEqual({test["change"] for test in self.judged().values()}, {"incomplete"})
        self.assertEqual(self.junit_elements(), {"a": ["error"], "b": ["error"]})
        for arguments in (("--strict-baseline",), ("--fail-on-flaky",)):
            self.run_as(5, *arguments, "--baseline", "history")

    def test_a_set_up_that_fails_in_the_rerun_stage_confirms_nothing(self):
        self.job("a", "b", gate={"baseline": "latest"}, suite="setup: test ! -e plan.set-up || ./step set-up")
        self.baseline_runs(1)
        self.commands({"a": "./step a", "b": {"command": "./step b", "setup": "./step setup-b"}}, slots=1, run="order: listed")
        with (self.folder / "job.yaml").open("a") as file:
            file.write("gate: {baseline: latest}\n")
        self.write("plan.setup-b", "PF\n")
        self.plan(b="F")
        done = self.run_as(5)
        self.assertEqual(self.decision("b"), "inconclusive")
        self.assertNotIn("failed", self.reruns("b"), done.stdout)

    def test_what_a_baseline_that_was_broken_off_does_not_tell_is_open(self):
        self.job("a", "b", "c", gate={"baseline": "latest"})
        self.baseline_runs(1)
        self.plan(b="W")
        self.killed("b")
        self.plan(c="F")
        done = self.run_as(5)
        self.assertIn("s/c inconclusive: exit status 1: oops; the baseline has no result of it", done.stdout)

    def test_skips_only_are_nothing_run(self):
        self.baseline_runs(1)
        self.plan(a="S", b="S")
        self.run_as(4)
        self.plan(a="P", b="S")
        self.run_as(0, "--baseline", "history")
        self.assertEqual(self.judged()["b"]["change"], "run_to_skip")

    def test_the_deadline_leaves_the_suspects_open(self):
        self.baseline_runs(1)
        self.plan(b="FW")
        done = self.run_as(5, "--deadline", "2s")
        self.assertEqual(self.decision("b"), "inconclusive")
        self.assertIn("deadline", self.judged()["b"]["why"])
        self.assertEqual(self.junit_elements(), {"a": [], "b": ["error"]})

    def test_stopped_after_failures_suspects_are_still_confirmed_and_the_rest_is_not_green(self):
        self.job("b", "a", gate={"baseline": "latest"})
        self.baseline_runs(1)
        good = self.summary()["run_id"]
        self.plan(b="FP")
        self.run_as(5, "--stop-after-failures", "1")
        self.assertEqual((self.decision("b"), self.verdicts()["a"]), ("flaky", "not_run"))
        self.plan(b="F")
        self.run_as(1, "--stop-after-failures", "1", "--baseline", good)
        self.assertEqual((self.decision("b"), self.verdicts()["a"]), ("regression", "not_run"))

    def interrupted(self, number, sent, code):
        self.baseline_runs(1)
        self.plan(b="FW" if number == 1 else "FT")
        process = self.start("run", "job.yaml", "--kill-after", "20s" if number == 1 else "10m")
        wait_for((self.folder / "waits.b").exists, "b is rerun")
        for i in range(number):
            process.send_signal(sent)
            wait_for(lambda: process.poll() is not None or self.events_so_far("run_stopping"), "the signal was taken")
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, out)
        self.check_reports()
        self.assertEqual(self.decision("b"), "inconclusive")
        self.assertEqual(self.summary()["result"], "interrupted")

    def test_sigint_in_the_rerun_stage(self):
        self.interrupted(1, signal.SIGINT, 130)

    def test_sigterm_in_the_rerun_stage(self):
        self.interrupted(1, signal.SIGTERM, 143)

    def test_two_signals_in_the_rerun_stage(self):
        self.interrupted(2, signal.SIGINT, 130)

    def test_the_run_of_the_test_that_is_broken_off_is_not_green_either(self):
        self.baseline_runs(1)
        self.plan(b="W")
        process = self.start("run", "job.yaml")
        wait_for((self.folder / "waits.b").exists, "b runs")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.check_reports()


class Resumed(GateTest):
    def resume(self, code, *arguments):
        done = self.ffci("run", "--resume", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.check_reports()
        return done

    def test_a_run_that_was_killed_in_the_rerun_stage_goes_on_with_the_baseline_that_it_had(self):
        for source in ("latest", "history"):
            with self.subTest(source):
                shutil.rmtree(self.folder / "results", ignore_errors=True)
                for name in ("go", "waits.b"):
                    (self.folder / name).unlink(missing_ok=True)
                self.job("a", "b", gate={"baseline": source})
                self.baseline_runs(1, b="P")
                good = self.summary()["run_id"]
                self.plan(b="FFV")
                self.killed("b")
                # Until it is finished, its folder says that it is not green.
                self.assertEqual(self.ffci("report").returncode, 5)
                self.assertEqual(self.junit_elements(), {"a": [], "b": ["error"]})
                self.check_reports()
                self.plan(b="F")
                self.resume(1)
                self.assertEqual(self.judged()["b"]["baseline_runs"], {"bad": 0, "runs": 1})
                self.assertGreaterEqual(self.judged()["b"]["change_runs"]["runs"], 6)
                self.assertTrue(source == "history" or good in self.summary()["gate"]["baseline"])

    def test_it_may_be_killed_time_and_again(self):
        self.job("a", "b", gate={"baseline": "latest"})
        self.baseline_runs(1)
        self.plan(b="FVW")
        self.killed("b")
        (self.folder / "waits.b").unlink()
        (self.folder / "go").unlink()
        process = self.start("run", "--resume")
        wait_for((self.folder / "waits.b").exists, "b is rerun")
        process.kill()
        process.communicate(timeout=60)
        (self.folder / "go").touch()
        self.plan(b="P")
        self.resume(0)
        self.assertEqual(self.decision("b"), "flaky")
        self.assertGreaterEqual(self.reruns("b").count("passed"), 3)

    def test_a_run_that_was_interrupted_in_the_rerun_stage_goes_on_with_it(self):
        self.job("a", "b", gate={"baseline": "latest"})
        self.baseline_runs(1)
        self.plan(b="FW")
        process = self.start("run", "job.yaml")
        wait_for((self.folder / "waits.b").exists, "b is rerun")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143)
        self.plan(b="F")
        self.resume(1)
        self.assertEqual(self.decision("b"), "regression")

    def test_a_run_that_was_killed_behind_its_judgement_says_the_same(self):
        self.job("a", "b", gate={"baseline": "latest"})
        self.baseline_runs(1)
        self.plan(b="FP")
        self.run_as(0)
        before = self.summary()["gate"]
        for dropped in (("run_finished",), ("run_finished", "run_judged")):
            self.change_journal(lambda event: None if event["event"] in dropped else event)
            self.resume(0)
            self.assertEqual(self.summary()["gate"], before)
            self.assertEqual(len(self.reruns("b")), 3)

    def test_a_baseline_that_is_gone_since_is_an_error_and_no_lack_of_one(self):
        self.job("a", "b", gate={"baseline": "latest", "baseline-optional": True})
        self.baseline_runs(1, b="F")
        good = (self.folder / "results/latest").resolve()
        self.plan(a="W", b="F")
        self.killed("a")
        moved = good.rename(self.folder / "moved")
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, 66, done.stdout + done.stderr)
        self.assertIn("baseline: ", done.stderr)
        moved.rename(good)
        self.resume(0)
        self.assertEqual(self.decision("b"), "known")

    def test_a_run_without_a_baseline_yet_goes_on_without_one(self):
        self.job("a", "b", gate={"baseline": "latest", "baseline-optional": True})
        self.plan(a="W", b="F")
        self.killed("a")
        self.resume(1)
        self.assertEqual(self.decision("b"), "failure")

    def test_from_another_directory_it_finds_its_baseline(self):
        self.job("a", "b", gate={"baseline": "latest"})
        self.baseline_runs(1)
        self.plan(b="FV")
        self.killed("b")
        self.plan(b="F")
        here = self.folder
        (self.folder / "elsewhere").mkdir()
        self.folder = here / "elsewhere"
        done = self.ffci("run", "--resume", "--results-dir", here / "results")
        self.folder = here
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)


class Url(GateTest, FetchTest):
    SECRET = "sEcReT-0123456789"

    def setUp(self):
        super().setUp()
        self.job("a", "b", gate={"baseline-token": "THE_TOKEN", "confirm": 0})
        self.baseline_runs(1)
        self.good = (self.folder / "results/latest/summary.json").read_bytes()
        self.server = self.start_server(answers={"/good": [(200, {}, self.good)]})
        self.plan(b="F")

    def assert_secret_stays(self, done):
        self.assertNotIn(self.SECRET, done.stdout + done.stderr)
        for path in [p for p in (self.folder / "results").rglob("*") if p.is_file()]:
            self.assertNotIn(self.SECRET.encode(), path.read_bytes(), path)

    def test_the_token_goes_to_the_server_and_nowhere_else(self):
        self.server.answers["/bad"] = [(401, {}, self.SECRET.encode())]
        for path, code in (("/good", 1), ("/bad", 69), ("/none", 66)):
            done = self.run_job("--baseline", self.server.url + path + f"?key={self.SECRET}", env={"THE_TOKEN": self.SECRET})
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual({headers["Authorization"] for _, headers in self.server.asked}, {f"Bearer {self.SECRET}"})

    def test_the_token_is_in_no_file_and_in_no_log(self):
        for more, header in (((), "Authorization"), (("--set", 'gate.baseline-token={variable: THE_TOKEN, header: PRIVATE-TOKEN}'), "PRIVATE-TOKEN")):
            done = self.run_job("--baseline", self.server.url + "/good", *more, env={"THE_TOKEN": self.SECRET})
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assert_secret_stays(done)
            self.assertTrue(self.server.asked[-1][1][header].endswith(self.SECRET))
            self.check_reports()
        self.assertIn(self.server.url, self.summary()["gate"]["baseline"])

    def test_tests_do_not_see_the_token(self):
        done = self.run_job("--baseline", self.server.url + "/good", "--set", "suites.s.commands.setup=env", env={"THE_TOKEN": self.SECRET})
        printed = next((self.folder / "results/latest/suites").rglob("stdout")).read_text()
        self.assertIn("PATH=", printed)
        self.assertNotIn("THE_TOKEN", printed)
        self.assert_secret_stays(done)

    def test_no_other_server_gets_the_token(self):
        other = self.start_server(answers={"/good": [(200, {}, self.good)]})
        self.server.answers["/moved"] = [(302, {"Location": other.url + "/good"}, b"")]
        for more in ((), ("--set", 'gate.baseline-token={variable: THE_TOKEN, header: PRIVATE-TOKEN}')):
            self.run_as(1, "--baseline", self.server.url + "/moved", *more, env={"THE_TOKEN": self.SECRET})
            self.assertNotIn(self.SECRET, str(other.asked))

    def test_a_404_is_no_baseline_yet_only_where_there_may_be_none(self):
        token = {"THE_TOKEN": self.SECRET}
        self.assertIn("status 404", self.run_job("--baseline", self.server.url + "/none", env=token).stderr)
        done = self.run_as(1, "--baseline", self.server.url + "/none", "--baseline-optional", env=token)
        self.assertEqual(self.decision("b"), "failure")
        self.assertIn("no baseline yet, so any failure counts", done.stderr)
        self.server.answers.update({"/private": [(403, {}, b"")], "/oops": [(200, {}, b"oops")]})
        self.assertEqual(self.run_job("--baseline", self.server.url + "/private", "--baseline-optional", env=token).returncode, 69)
        self.assertEqual(self.run_job("--baseline", self.server.url + "/oops", "--baseline-optional", env=token).returncode, 65)

    def test_a_token_that_is_not_set_is_told_before_anything_runs(self):
        done = self.run_job("--baseline", self.server.url + "/good")
        self.assertEqual(done.returncode, 64)
        self.assertIn("THE_TOKEN", done.stderr)
        self.assertEqual(self.server.asked, [])
        # A baseline on disk needs none.
        self.run_as(1, "--baseline", "latest")

    def test_a_run_goes_on_with_the_secrets_that_are_given_again(self):
        self.job("a", "b", gate={"confirm": 0})
        self.plan(a="W", b="F")
        url = self.server.url.replace("://", "://me:hidden@") + "/good?key=hidden"
        self.killed("a", "--baseline", url)
        for path in [p for p in (self.folder / "results").rglob("*") if p.is_file()]:
            self.assertNotIn(b"hidden", path.read_bytes(), path)
        done = self.run_job("--resume", "--baseline", url)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual([path for path, _ in self.server.asked], ["/good?key=hidden"] * 2)
        self.assertNotIn("hidden", done.stdout + done.stderr)


class Shards(GateTest):
    def run_shards(self, count, *arguments):
        return [self.run_job("--shard", f"{i}/{count}", "--results-dir", f"shard{i}", *arguments).returncode for i in range(1, count + 1)]

    def merge(self, code, count):
        done = self.ffci("merge", *(f"shard{i}/latest" for i in range(1, count + 1)))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.check_reports()
        return done

    def baseline(self, *names, **plans):
        self.job(*names, **plans)
        self.baseline_runs(1)
        return f"{(self.folder / 'results/latest').resolve()}"

    def test_the_worst_shard_is_the_whole_and_each_vanished_test_is_told_once(self):
        good = self.baseline("a", "b", "c", "gone")
        self.job("a", "b", "c", gate={"baseline": good})
        self.plan(b="F", c="FP")
        codes = self.run_shards(3)
        self.assertEqual(sorted(codes), [0, 0, 1])
        self.merge(1, 3)
        self.assertEqual({name: test["decision"] for name, test in self.judged().items()},
                         {"b": "regression", "c": "flaky", "gone": "noted"})
        self.assertEqual(self.summary()["gate"]["compared"], 3)
        self.assertEqual([test["name"] for test in self.summary()["gate"]["tests"]], ["b", "c", "gone"])

    def test_a_shard_that_was_not_judged_is_not_green(self):
        good = self.baseline("a", "b")
        self.job("a", "b", gate={"baseline": good})
        self.plan(b="F")
        self.run_shards(2)
        broken = next(i for i in (1, 2) if '"name":"b"' in (self.folder / f"shard{i}/latest/journal.jsonl").read_text())
        journal = self.folder / f"shard{broken}/latest/journal.jsonl"
        journal.write_text("".join(line for line in journal.read_text().splitlines(True) if "run_judged" not in line))
        done = self.merge(5, 2)
        self.assertIn("was not judged", self.summary()["gate"]["why"])
        journal.write_text("".join(line for line in journal.read_text().splitlines(True) if "run_finished" not in line))
        self.merge(5, 2)

    def test_an_empty_shard_changes_nothing(self):
        good = self.baseline("a")
        self.job("a", gate={"baseline": good})
        self.assertEqual(self.run_shards(2), [0, 0])
        self.merge(0, 2)
        self.plan(a="F")
        self.assertEqual(sorted(self.run_shards(2)), [0, 1])
        self.merge(1, 2)

    def test_with_nothing_in_common_an_empty_shard_makes_it_no_greener(self):
        good = self.baseline("x")
        self.job("a", gate={"baseline": good})
        self.assertEqual(sorted(self.run_shards(2)), [0, 5])
        self.merge(5, 2)
        self.assertEqual(self.summary()["gate"]["result"], "incomparable")


class Bisect(GateTest):
    def code(self, *arguments, **options):
        return self.run_job("--bisect", *arguments, **options).returncode

    def test_every_exit_code_is_one_that_bisect_knows(self):
        self.job("a", "b", gate={"baseline": "latest", "confirm": 1, "confirm-limit": 2})
        self.baseline_runs(1)
        good = self.summary()["run_id"]
        for plan, arguments, code in (("P", (), 0), ("F", (), 1), ("FP", ("--fail-on-flaky",), 128 | 6), ("FFP", (), 125),
                                      ("P", ("--baseline", "nowhere.json"), 128 | 66), ("P", ("s/none",), 128 | 64),
                                      ("P", ("--no-such-option",), 128 | 64), ("P", ("--confirm", "many"), 128 | 64),
                                      ("P", ("--junit", "job.yaml/junit.xml"), 128 | 74),
                                      ("P", ("--baseline", "http://127.0.0.1/x", "--set", "gate.baseline-token=IS_NOT_SET"), 128 | 64)):
            with self.subTest(arguments or plan):
                self.plan(b=plan)
                given = () if "--baseline" in arguments else ("--baseline", good)
                self.assertEqual(self.code(*given, *arguments), code)
        self.plan(a="S", b="S")
        self.assertEqual(self.code("--baseline", good), 125)
        self.plan(a="P", b="P")
        self.write("oops.json", "{")
        self.assertEqual(self.code("--baseline", "oops.json"), 128 | 65)
        self.write("job.yaml", "version: 2\n")
        self.assertEqual(self.code(), 128 | 78)
        self.assertEqual(self.ffci("--bisect", "walk").returncode, 128 | 64)
        self.assertEqual(self.ffci("--bisect").returncode, 128 | 64)

    def test_what_is_interrupted_stops_the_bisection(self):
        self.job(a="W", gate={})
        process = self.start("run", "job.yaml", "--bisect")
        wait_for((self.folder / "waits.a").exists, "a runs")
        second = self.run_job("--bisect")
        self.assertEqual(second.returncode, 125, second.stderr)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143)


class Hosts(SshTest, GateTest):
    """Machines that come and go while suspects run again, and those with the base kernel."""

    def over(self, machines, tests, gate, base=None, run="max-host-restarts: 0", ssh=None):
        self.commands_over(machines, tests, run=f"order: listed\n{run}", ssh=ssh)
        if base:
            names = [f"root@{machine.address}:{machine.port}:/root" for machine in base]
            gate = {**gate, "base-hosts": {"ssh": {"machines": names, "identity": str(self.world.identity),
                                                   "known-hosts": str(self.world.known_hosts), **(ssh or {})}}}
        with (self.folder / "job.yaml").open("a") as file:
            file.write(f"gate: {json.dumps(gate)}\n")

    def test_base_hosts_run_the_suspects_and_nothing_else(self):
        change, base = self.machines(2)
        tests = {"a": "test ! -e /root/broken", "b": "test ! -e /root/broken", "c": "true"}
        self.over([change], tests, {"baseline": "latest"}, [base])
        self.baseline_runs(1)
        for machine in (change, base):
            machine.path("/root/broken").touch()
        self.run_as(0)  # the base kernel fails as well
        for name in "ab":
            self.assertEqual(self.decision(name), "flaky")
            self.assertIn("failed", self.reruns(name, "base"))
            self.assertEqual({a["host"] for a in self.by_name()[name]["reruns"] if a["purpose"] == "base"}, {f"base-{name_of(base)}"})
        self.assertEqual({a["host"] for test in self.summary()["tests"] for a in test["attempts"]}, {name_of(change)})
        self.assertNotIn("reruns", self.by_name()["c"])
        base.path("/root/broken").unlink()
        done = self.run_as(1, "--baseline", self.events()[0]["baseline"]["source"])
        self.assertRegex(done.stdout, r"s/a regression: failed 6 of 6, baseline 0 of \d+ \(0 of \d+ on base hosts")

    def test_a_signature_of_the_base_kernel_is_not_new(self):
        change, base = self.machines(2)
        self.over([change], {"b": "test ! -e /root/broken || { test -e /root/first || { touch /root/first; exit 1; }; "
                                  "touch /root/waits; until test -e /root/go; do sleep 0.02; done; }"}, {"baseline": "latest"}, [base])
        self.baseline_runs(1)
        change.path("/root/broken").touch()

        def is_base(event):
            return event["event"] == "attempt_finished" and event["result"].get("purpose") == "base"

        process = self.start("run", "job.yaml")
        wait_for(lambda: change.path("/root/waits").exists() and any(map(is_base, self.events_so_far())), "b runs again on both")
        process.kill()
        process.communicate(timeout=60)
        change.path("/root/go").touch()

        def speak(event):
            if event["event"] == "attempt_finished" and (is_base(event) or event["result"]["outcome"] == "failed"):
                event["result"]["kernel_reports"] = [{"title": "WARNING at fs/x.c:1 in foo", "signature": "warning:foo"}]
            return event

        self.change_journal(speak)
        done = self.ffci("run", "--resume")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.decision("b"), "flaky")

    def test_a_base_host_that_is_not_there_leaves_the_baseline_to_decide(self):
        change, base = self.machines(2)
        self.over([change], {"a": "test ! -e /root/broken"}, {"baseline": "latest"}, [base],
                  ssh={"connect-timeout": "2s", "boot-timeout": "1s"})
        self.baseline_runs(1)
        change.path("/root/broken").touch()
        base.kill_sshd()
        self.run_as(1, timeout=100)

    def test_a_host_that_is_lost_with_all_reruns_leaves_them_open(self):
        machine = self.machine()
        self.over([machine], {"a": "true", "b": "test ! -e /root/broken || { test -e /root/first || { touch /root/first; exit 1; }; "
                                              "touch /root/rerun; sleep 300; }"}, {"baseline": "latest"},
                  ssh={"connect-timeout": "1s", "boot-timeout": "1s", "slots": 1})
        self.baseline_runs(1)
        machine.path("/root/broken").touch()
        process = self.start("run", "job.yaml")
        wait_for(machine.path("/root/rerun").exists, "b runs again")
        machine.kill_sshd()
        out, _ = process.communicate(timeout=100)
        self.assertEqual(self.decision("b"), "inconclusive", out)
        self.assertEqual(process.returncode, 5, out)
        self.check_reports()


if __name__ == "__main__":
    unittest.main()
