"""Runs that are named, from wherever they are: SOURCE, recordings, compare, failures that run again, durations from files."""

import json
import shutil
import unittest

from harness import SOURCE, FfciTest
from jsonschema import Draft7Validator

COMPARISON = Draft7Validator(json.loads((SOURCE / "schemas/comparison.schema.json").read_text("utf-8")))

# Changes with the files that are there, so that two runs differ.
TESTS = {
    "same": "true",
    "breaks": "test ! -e $PWD/broken",
    "mends": "test -e $PWD/broken",
    "skips": "test ! -e $PWD/broken || { echo no device; exit 4; }",
}


class SourcesTest(FfciTest):
    def run_id(self):
        return (self.folder / "results/latest").resolve().name

    def two_runs(self):
        """Their ids: everything but `mends` passes in the first; `breaks` fails in the second."""
        self.commands(TESTS)
        self.assertEqual(self.run_job().returncode, 1)
        first = self.run_id()
        self.write("broken", "")
        self.assertEqual(self.run_job().returncode, 1)
        return first, self.run_id()

    def compared(self, *arguments):
        """The comparison as JSON, which is valid, and the exit code."""
        done = self.ffci("compare", *arguments, "--json")
        self.assertIn(done.returncode, (0, 1, 3, 5), done.stderr)
        comparison = json.loads(done.stdout)
        self.assertEqual([error.message for error in COMPARISON.iter_errors(comparison)], [])
        return comparison, done.returncode

    def refused(self, code, *arguments):
        """The complaint of a command that exits with this code."""
        done = self.ffci(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr


class Sources(SourcesTest):
    def test_a_run_is_found_by_each_of_its_names(self):
        first, second = self.two_runs()
        self.ffci("record", "base", "--source", first)
        shutil.copy(self.folder / f"results/runs/{first}/summary.json", self.folder / "copy.json")
        for source in (first, "base", "-1", f"results/runs/{first}", f"results/runs/{first}/junit.xml", "copy.json",
                       "results/recordings/base"):
            with self.subTest(source):
                comparison, code = self.compared("-a", source)
                self.assertEqual((comparison["a"]["run_id"], comparison["b"]["run_id"]), (first, second))
                self.assertEqual(code, 1)
                done = self.ffci("report", source)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("s/mends", done.stdout)

    def test_a_lone_summary_is_reported_as_the_run_was(self):
        self.two_runs()
        before = (self.folder / "results/latest/summary.json").read_bytes()
        shutil.copy(self.folder / "results/latest/summary.json", self.folder / "copy.json")
        done = self.ffci("report", "copy.json", "--summary", "again.json", "--junit", "again.xml")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(json.loads((self.folder / "again.json").read_bytes()), json.loads(before))
        self.assertTrue((self.folder / "again.xml").exists())
        self.assertFalse((self.folder / "junit.xml").exists())

    def test_a_source_that_leads_nowhere_names_the_nearest(self):
        self.two_runs()
        self.ffci("record", "nightly")
        complaint = self.refused(66, "compare", "-a", "nightyl")
        self.assertIn("there is no run 'nightyl' in results", complaint)
        self.assertIn("did you mean 'nightly'?", complaint)
        self.assertIn("there is 1 recording", self.refused(66, "report", "-2"))

    def test_broken_files_are_refused_with_the_place(self):
        self.two_runs()
        whole = (self.folder / "results/latest/summary.json").read_text()
        self.write("cut.json", whole[: len(whole) // 2])
        self.write("deep.json", "[" * 1_000_000)
        self.write("newer.json", whole.replace('"version": 1', '"version": 2'))
        self.write("liar.json", whole.replace('"verdict": "failed"', '"verdict": "passed"'))
        self.assertRegex(self.refused(65, "report", "cut.json"), r"cut\.json:\d+:\d+: is no summary\.json")
        self.assertIn("nested too deeply", self.refused(65, "report", "deep.json"))
        self.assertIn("newer.json: version: ", self.refused(65, "report", "newer.json"))
        self.assertRegex(self.refused(65, "report", "liar.json"), r"tests/\d+/verdict: 'passed', but its attempts say 'failed'")
        (self.folder / "results/recordings").mkdir()
        (self.folder / "results/recordings/gone").symlink_to("../runs/none")
        self.assertIn("'gone' leads to ../runs/none, and no run is there", self.refused(66, "report", "gone"))


class Recordings(SourcesTest):
    def leads_to(self, label):
        return (self.folder / "results/recordings" / label).readlink().name

    def test_a_run_is_recorded_under_its_id_or_a_label(self):
        first, second = self.two_runs()
        self.assertEqual(self.ffci("record").returncode, 0)
        self.assertEqual(self.leads_to(second), second)
        done = self.ffci("record", "base", "--source", first)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"'base' leads to run {first}", done.stdout)
        self.assertEqual(self.leads_to("base"), first)

    def test_a_label_leaves_its_run_only_by_force(self):
        first, second = self.two_runs()
        self.ffci("record", "base", "--source", first)
        self.assertIn(first, self.refused(64, "record", "base"))
        self.assertEqual(self.leads_to("base"), first)
        self.assertEqual(self.ffci("record", "base", "--force").returncode, 0)
        self.assertEqual(self.leads_to("base"), second)

    def test_run_record_moves_its_label_and_says_from_where(self):
        self.commands({"a": "true"})
        self.assertEqual(self.run_job("--record=main").returncode, 0)
        first = self.run_id()
        self.assertEqual(self.leads_to("main"), first)
        done = self.run_job("--record=main")
        self.assertIn(f"no longer to run {first}", done.stdout)
        self.assertEqual(self.leads_to("main"), self.run_id())
        self.assertEqual(self.ffci("run", "--record", "job.yaml").returncode, 0)
        self.assertEqual(self.leads_to(self.run_id()), self.run_id())

    def test_labels_that_can_not_be_are_refused_before_anything_runs(self):
        self.commands({"a": "true"})
        for label in ("latest", "history", "12", "a/b", "-x", ".x", "20260131T120000Z"):
            with self.subTest(label):
                self.assertIn("can't be the label", self.refused(64, "run", f"--record={label}", "job.yaml"))
        self.assertFalse((self.folder / "results").exists())
        self.run_job()
        first = self.run_id()
        self.run_job()
        self.assertIn("it is the id of a run", self.refused(64, "record", first))

    def test_what_is_incomplete_is_recorded_with_a_warning(self):
        self.commands({"a": {"command": "true", "setup": "false"}})
        self.run_job()
        done = self.ffci("record", "bad")
        self.assertEqual(done.returncode, 0)
        self.assertIn("is incomplete: 1 of 1 tests have no result", done.stderr)

    def test_only_runs_of_the_directory_are_recorded(self):
        self.two_runs()
        shutil.copy(self.folder / "results/latest/summary.json", self.folder / "copy.json")
        self.assertIn("can't be recorded", self.refused(64, "record", "x", "--source", "copy.json"))
        shutil.copytree(self.folder / "results", self.folder / "other", symlinks=True)
        self.assertIn("is not one of the runs in", self.refused(64, "record", "x", "--source", "other/latest"))


class Compare(SourcesTest):
    def test_each_change_is_told_in_every_format(self):
        first, second = self.two_runs()
        comparison, code = self.compared()
        self.assertEqual((comparison["result"], code), ("regression", 1))
        self.assertEqual({test["name"]: test["change"] for test in comparison["tests"]},
                         {"same": "unchanged", "breaks": "regression", "mends": "fixed", "skips": "run_to_skip"})
        text = self.ffci("compare").stdout
        self.assertIn("  - s/breaks  passed -> failed  exit status 1\n", text)
        self.assertTrue(text.endswith("result: regression: 1 regression\n"))
        markdown = self.ffci("compare", "--markdown")
        self.assertEqual(markdown.returncode, 1)
        self.assertIn("- `s/breaks` passed → failed: `exit status 1`\n", markdown.stdout)
        self.assertIn(f"Compared: `{second}` with `{first}`", markdown.stdout)
        self.refused(64, "compare", "--markdown", "--json")

    def test_fixed_and_vanished_tests_are_drift(self):
        self.commands({"mends": TESTS["mends"], "gone": "true", "same": "true"})
        self.run_job()
        self.commands({"mends": TESTS["mends"], "same": "true"})
        self.write("broken", "")
        self.run_job()
        comparison, code = self.compared()
        self.assertEqual((comparison["result"], comparison["reason"], code), ("drift", "1 test fixed, 1 test vanished", 0))
        self.assertEqual(self.compared("--strict-baseline")[1], 3)

    def test_what_can_not_be_known_exits_with_5(self):
        self.commands({"a": "true"})
        self.run_job()
        self.commands({"a": {"command": "true", "setup": "false"}})
        self.run_job()
        comparison, code = self.compared()
        self.assertEqual((comparison["reason"], code), ("1 test has no result in the later run", 5))
        self.commands({"b": "true"})
        self.run_job()
        comparison, code = self.compared()
        self.assertEqual((comparison["reason"], code), ("no test has a result in both runs", 5))

    def test_a_run_that_broke_off_is_said_to_have(self):
        self.commands({"a": "true"})
        self.run_job()
        whole = self.run_id()
        journal = (self.folder / "results/latest/journal.jsonl").read_text().splitlines(keepends=True)
        self.write("cut/journal.jsonl", "".join(journal[:-1]))
        comparison, code = self.compared("-a", whole, "-b", "cut")
        self.assertEqual((comparison["b"]["finished"], code), (False, 5))
        self.assertIn("did not finish", self.ffci("compare", "-a", whole, "-b", "cut").stdout)
        self.assertEqual(self.compared("-a", "cut", "-b", whole)[1], 0)

    def test_flakes_and_retries_are_told(self):
        self.commands({"flaky": "test ! -e $PWD/broken || { rm $PWD/broken; exit 1; }"}, run="retry-failures: 1")
        self.run_job()
        self.write("broken", "")
        self.run_job()
        comparison, code = self.compared()
        self.assertEqual((comparison["tests"][0]["flaky"], comparison["b"]["retries"], code), ("now", 1, 0))

    def test_a_lone_summary_has_no_run_before_it(self):
        self.two_runs()
        shutil.copy(self.folder / "results/latest/summary.json", self.folder / "copy.json")
        self.assertIn("-a SOURCE names one", self.refused(64, "compare", "-b", "copy.json"))


class RerunFailures(SourcesTest):
    def listed(self, *arguments):
        done = self.ffci("list", "job.yaml", *arguments)
        return done.stdout.split(), done

    def test_only_what_failed_runs_again(self):
        self.commands({"ok": "true", "bad": "false", "slow": {"command": "sleep 60", "timeout": "200ms"}, "skip": "exit 4",
                       "setup": {"command": "true", "setup": "false"}})
        self.run_job("-i", 2)
        failed = ["s/bad", "s/slow", "s/setup"]
        self.assertEqual(self.listed("--rerun-failures")[0], failed)
        self.assertEqual(self.listed("--rerun-failures", "-e", "s/slow")[0], ["s/bad", "s/setup"])
        self.assertEqual(self.listed("--rerun-failures", "s/b*", "s/ok")[0], ["s/bad"])
        self.assertEqual(self.ffci("run", "--rerun-failures", "job.yaml", "s/bad").returncode, 1)
        self.assertEqual(sorted(self.verdicts()), ["bad"])

    def test_failures_of_a_recording_run_again(self):
        first, _ = self.two_runs()
        self.ffci("record", "base", "--source", first)
        self.assertEqual(self.listed("--rerun-failures=base")[0], ["s/mends"])
        self.assertEqual(self.listed("--rerun-failures=-1")[0], ["s/mends"])
        self.assertEqual(self.listed("--rerun-failures=latest")[0], ["s/breaks"])

    def test_a_test_that_is_gone_is_told_and_left_out(self):
        self.commands({"bad": "false", "gone": "false"})
        self.run_job()
        self.commands({"bad": "false"})
        names, done = self.listed("--rerun-failures")
        self.assertEqual((names, done.returncode), (["s/bad"], 0))
        self.assertIn("s/gone failed in run", done.stderr)

    def test_without_failures_there_is_nothing_to_do(self):
        self.commands({"a": "true"})
        self.run_job()
        for command in ("run", "list"):
            done = self.ffci(command, "--rerun-failures", "job.yaml")
            self.assertEqual(done.returncode, 4)
            self.assertIn(f"no failures in run {self.run_id()}", done.stderr)


class Durations(SourcesTest):
    def expected(self, *arguments):
        """Of each test, as `list -v` tells it."""
        done = self.ffci("list", "job.yaml", "-v", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {line.split("\t")[0]: line.split("\t")[2] for line in done.stdout.splitlines()}

    def test_check_time_of_fstests_tells_them(self):
        self.commands({"generic/001": "true", "generic/002": "true"}, run="durations: check.time")
        self.write("check.time", "generic/001 12\ngeneric/999 3\n")
        known = {"s/generic/001": "expected 12.0s", "s/generic/002": "expected unknown"}
        self.assertEqual(self.expected(), known)
        self.assertEqual(self.expected("--durations", self.folder / "check.time"), known)
        self.assertEqual(self.expected("--slowest-first"), known)
        self.write("check.time", "generic/001 soon\n")
        self.assertIn("check.time:1: ", self.refused(65, "list", "job.yaml"))

    def test_junit_files_tell_them(self):
        self.commands({"a": "sleep 0.2", "generic/001": "true"})
        self.run_job("--junit", "ours.xml")
        shutil.rmtree(self.folder / "results")
        self.assertRegex(self.expected("--durations", "ours.xml")["s/a"], r"expected 0\.[2-9]")
        self.write("theirs.xml", "<testsuite><testcase classname='xfstests.generic' name='001' time='7'/></testsuite>")
        self.assertEqual(self.expected("--durations", "theirs.xml")["s/generic/001"], "expected 7.00s")
        self.write("broken.xml", "<testsuite>\n<test")
        self.assertIn("broken.xml:2: ", self.refused(65, "list", "job.yaml", "--durations", "broken.xml"))

    def test_slowest_first_without_a_source_leaves_them(self):
        self.commands({"a": "true", "b": "true"}, slots=1, run="order: listed\ndurations: check.time")
        self.write("check.time", "a 1\nb 5\n")
        self.run_job("--slowest-first")
        self.assertEqual(self.started(), ["b", "a"])


if __name__ == "__main__":
    unittest.main()
