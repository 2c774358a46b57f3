"""What ff-ci writes is what schemas/ says. FFCI: the program; FFCI_SOURCE: the source tree."""

import copy
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

FFCI = os.path.abspath(os.environ["FFCI"])
SCHEMAS = pathlib.Path(os.environ["FFCI_SOURCE"]).resolve() / "schemas"
DEADLINE = 120  # seconds for anything that is waited for

ALL_KINDS = {
    "version": 1,
    "suites": [
        {
            "name": "s",
            "commands": {
                "setup": "true",
                "teardown": "false",
                "tests": [
                    {"name": "ok", "command": "echo hi"},
                    {"name": "bad", "command": "echo oops >&2; exit 3"},
                    {"name": "skip", "command": "echo none; exit 4"},
                    {"name": "segv", "command": "kill -SEGV $$"},
                    {"name": "slow", "command": "sleep 60", "timeout": "300ms"},
                    {"name": "badsetup", "setup": "false", "command": "true"},
                    {"name": "badteardown", "command": "true", "teardown": "false"},
                    {"name": "loud", "command": "yes | head -c 100000; exit 1"},
                    {"name": "bytes", "command": r"printf '\377\033[1m\001'; exit 1"},
                ],
            },
        },
        {
            "name": "tap",
            "commands": {
                "protocol": "ktap",
                "tests": [
                    {
                        "name": "sub",
                        "command": r"printf 'TAP version 13\n1..3\nok 1 a\nnot ok 2 b\n"
                        r"ok 3 c # SKIP no cpu\n'; exit 1",
                    }
                ],
            },
        },
        {
            "name": "unusable",
            "commands": {"setup": "false", "tests": [{"name": "never", "command": "true"}]},
        },
    ],
    "hosts": {"local": {"slots": 2}},
    "run": {"retry-failures": 1, "kill-after": "200ms", "output-limit": "32KiB"},
}

SLEEPS = {
    "version": 1,
    "suites": [
        {"name": "s", "commands": {"tests": [{"name": "sleeps", "command": "sleep 60"}]}},
    ],
    "hosts": {"local": {"slots": 1}},
    "run": {"iterate": 2, "kill-after": "200ms"},
}


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))


def complete_lines(journal):
    """Parsed; without a torn last line."""
    return [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]


def examples_in(node):
    """(schema, example) for each example at any depth."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "examples" and isinstance(value, list):
            yield from ((node, example) for example in value)
        else:
            yield from examples_in(value)


def places_in(value, path=()):
    """The path of `value` and of everything within it."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places_in(value[key], (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def with_extra_keys(document):
    for path in places_in(document):
        if isinstance(at(document, path), dict):
            changed = copy.deepcopy(document)
            at(changed, path)["extra"] = 1
            yield f"key {'/'.join(map(str, (*path, 'extra')))} added", changed


def with_wrong_types(document):
    for path in places_in(document):
        if path:
            changed = copy.deepcopy(document)
            value = at(document, path)
            at(changed, path[:-1])[path[-1]] = "1" if isinstance(value, (int, float)) else 1.5
            yield f"type of {'/'.join(map(str, path))} changed", changed


def without_required_keys(document):
    for key in document:
        # Left out of an event where there is nothing to say.
        if key not in ("batch", "boot_id", "expected_seconds", "log_in", "not_run", "signal"):
            yield f"key {key} removed", {k: v for k, v in document.items() if k != key}


class Workplace:
    """A temporary folder with a job in it, and ff-ci at work there."""

    def __init__(self, job):
        self._folder = tempfile.TemporaryDirectory(prefix="ff-ci-schemas-")
        self.path = pathlib.Path(self._folder.name)
        (self.path / "job.yaml").write_text(json.dumps(job), "utf-8")  # JSON is YAML
        self.run_folder = self.path / "results" / "latest"
        self.journal = self.run_folder / "journal.jsonl"
        self.log = self.path / "log"

    def close(self):
        self._folder.cleanup()

    def start(self, *arguments):
        # What a killed ff-ci leaves in TMPDIR goes with the folder.
        environment = os.environ | {"TMPDIR": str(self.path)}
        with open(self.log, "wb") as log:
            return subprocess.Popen([FFCI, *arguments], cwd=self.path, env=environment,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def ff_ci(self, *arguments):
        """Its exit code."""
        return self.end(self.start(*arguments))

    def end(self, process):
        try:
            return process.wait(DEADLINE)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def signal_while_a_test_runs(self, number, *options):
        """ff-ci's exit code when it gets the signal in the middle of the job."""
        process = self.start("run", "job.yaml", *options)
        try:
            deadline = time.monotonic() + DEADLINE
            while not self._attempt_started():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"no test was started:\n{self.log.read_text('utf-8')}")
                time.sleep(0.01)
            process.send_signal(number)
        except BaseException:
            process.kill()
            raise
        finally:
            code = self.end(process)
        return code

    def _attempt_started(self):
        return self.journal.exists() and any(
            line["event"] == "attempt_started" for line in complete_lines(self.journal)
        )


class SchemaTestCase(unittest.TestCase):
    def assert_valid(self, name, document):
        error = best_match(Draft7Validator(schema(name)).iter_errors(document))
        if error is not None:
            place = "/".join(map(str, error.absolute_path))
            self.fail(f"{name}.schema.json: at '{place}': {error.message}\nin {document}")

    def assert_valid_journal(self, lines):
        self.assertTrue(lines)
        for line in lines:
            with self.subTest(sequence=line.get("sequence"), event=line.get("event")):
                self.assert_valid("journal", line)

    def assert_valid_reports(self, run_folder):
        self.assert_valid("summary", json.loads((run_folder / "summary.json").read_bytes()))
        lint = subprocess.run(
            ["xmllint", "--noout", "--schema", SCHEMAS / "junit.xsd", run_folder / "junit.xml"],
            capture_output=True, timeout=DEADLINE, text=True)
        self.assertEqual(lint.returncode, 0, lint.stderr)


class SchemasThemselves(SchemaTestCase):
    def test_every_schema_is_valid_draft_07(self):
        for name in ("comparison", "job", "journal", "known-issues", "summary"):
            with self.subTest(schema=name):
                self.assertEqual(schema(name)["$schema"], "http://json-schema.org/draft-07/schema#")
                Draft7Validator.check_schema(schema(name))

    def test_every_example_validates_against_its_own_schema(self):
        for name in ("comparison", "job", "journal", "known-issues", "summary"):
            validator = Draft7Validator(schema(name))
            for node, example in examples_in(validator.schema):
                with self.subTest(schema=name, example=example):
                    error = best_match(validator.descend(example, node))
                    self.assertIsNone(error, error and error.message)

    def test_the_examples_of_the_journal_are_one_whole_run(self):
        examples = schema("journal")["examples"]
        self.assertEqual([e["sequence"] for e in examples], list(range(1, len(examples) + 1)))
        times = [e["time"] for e in examples]
        self.assertEqual(times, sorted(times))
        with tempfile.TemporaryDirectory(prefix="ff-ci-schemas-") as folder:
            journal = pathlib.Path(folder) / "journal.jsonl"
            journal.write_text("".join(json.dumps(e) + "\n" for e in examples), "utf-8")
            report = subprocess.run([FFCI, "report", folder + "/"], cwd=folder, timeout=DEADLINE,
                                    capture_output=True, text=True)
            self.assertEqual((report.returncode, report.stderr), (1, ""))
            self.assert_valid_reports(journal.parent)

    def test_each_kind_of_event_validates(self):
        lines = complete_lines(SCHEMAS.parent / "tests" / "unit" / "golden" / "journal.jsonl")
        self.assert_valid_journal(lines)
        definitions = [reference["$ref"].split("/")[-1] for reference in schema("journal")["oneOf"]]
        self.assertEqual({line["event"] for line in lines}, set(definitions))

    def test_the_summary_has_an_example(self):
        self.assertTrue(schema("summary")["examples"])

    def test_the_jobs_run_here_validate_against_the_job_schema(self):
        for job in (ALL_KINDS, SLEEPS):
            self.assert_valid("job", job)


class FinishedRun(SchemaTestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = Workplace(ALL_KINDS)
        cls.addClassCleanup(cls.work.close)
        cls.code = cls.work.ff_ci("run", "job.yaml")
        if not cls.work.journal.exists():
            raise AssertionError(f"nothing ran:\n{cls.work.log.read_text('utf-8')}")
        cls.lines = complete_lines(cls.work.journal)

    def test_every_line_of_the_journal_validates(self):
        self.assertEqual(self.code, 1)
        self.assertTrue(self.work.journal.read_bytes().endswith(b"\n"))
        self.assert_valid_journal(self.lines)

    def test_the_journal_holds_what_the_job_was_made_to_bring_about(self):
        self.assertLessEqual(
            {"run_started", "test_selected", "host_ready", "suite_set_up", "suite_torn_down",
             "attempt_started", "attempt_finished", "test_finished", "run_finished"},
            {line["event"] for line in self.lines},
        )
        results = [line["result"] for line in self.lines if line["event"] == "attempt_finished"]
        self.assertEqual({result["outcome"] for result in results},
                         {"passed", "failed", "skipped", "timed_out", "setup_failed"})
        self.assertLessEqual({"exit", "limit_seconds", "subtests", "stdout", "stderr",
                              "teardown_problem", "files"}, {key for r in results for key in r})
        streams = [r[name] for r in results for name in ("stdout", "stderr") if name in r]
        self.assertEqual({"bytes", "cut_bytes", "head", "between", "tail"},
                         {key for stream in streams for key in stream})

    def test_summary_and_junit_validate(self):
        self.assert_valid_reports(self.work.run_folder)

    def test_lines_that_ff_ci_would_not_write_are_rejected(self):
        validator = Draft7Validator(schema("journal"))
        for line in self.lines + schema("journal")["examples"]:
            for mutate in (with_extra_keys, with_wrong_types, without_required_keys):
                for what, mutant in mutate(line):
                    if validator.is_valid(mutant):
                        self.fail(f"{what}, and it is still valid: {json.dumps(mutant)}")

    def test_unknown_versions_events_outcomes_and_ends_are_rejected(self):
        validator = Draft7Validator(schema("journal"))

        def first(event):
            return copy.deepcopy(next(line for line in self.lines if line["event"] == event))

        started, finished, ended = map(first, ("run_started", "attempt_finished", "run_finished"))
        started["version"] = 2
        finished["result"]["outcome"] = "unfinished"
        ended["how"] = "interrupted"  # without the signal
        for mutant in (started, finished, ended, {"sequence": 1, "time": 0.0, "event": "coffee"}):
            self.assertFalse(validator.is_valid(mutant), mutant)


class InterruptedRun(SchemaTestCase):
    def test_journal_and_reports_of_a_terminated_run_validate(self):
        work = Workplace(SLEEPS)
        self.addCleanup(work.close)
        self.assertEqual(work.signal_while_a_test_runs(signal.SIGTERM), 143)
        lines = complete_lines(work.journal)
        self.assertIn("run_stopping", [line["event"] for line in lines])
        self.assertEqual((lines[-1]["how"], lines[-1]["signal"]), ("interrupted", signal.SIGTERM))
        self.assert_valid_journal(lines)
        self.assert_valid_reports(work.run_folder)


class ResumedShards(SchemaTestCase):
    def test_shards_one_of_them_resumed_and_the_merged_run_validate(self):
        work = Workplace(SLEEPS | {"suites": [{"name": "s", "commands": {"tests": [
            {"name": "waits", "command": "until [ -e $PWD/go ]; do sleep 0.02; done"}]}}]})
        self.addCleanup(work.close)
        self.assertEqual(work.signal_while_a_test_runs(signal.SIGKILL, "--shard", "1/2"), -signal.SIGKILL)
        (work.path / "go").touch()
        self.assertEqual(work.ff_ci("run", "--resume"), 0, work.log.read_text("utf-8"))
        first = work.run_folder.resolve()
        self.assertEqual(work.ff_ci("run", "job.yaml", "--shard", "2/2", "--results-dir", "other"), 0)
        second = (work.path / "other/latest").resolve()
        self.assertEqual(work.ff_ci("merge", first, second), 0, work.log.read_text("utf-8"))
        for folder, keys in ((first, {"shard", "paused_seconds"}), (second, {"shard"}), (work.run_folder, {"merged"})):
            self.assert_valid_journal(complete_lines(folder / "journal.jsonl"))
            self.assert_valid_reports(folder)
            summary = json.loads((folder / "summary.json").read_bytes())
            self.assertEqual({"shard", "paused_seconds", "merged"} & summary.keys(), keys)
        self.assertIn("run_resumed", [line["event"] for line in complete_lines(first / "journal.jsonl")])


class KilledRun(SchemaTestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = Workplace(SLEEPS)
        cls.addClassCleanup(cls.work.close)
        cls.code = cls.work.signal_while_a_test_runs(signal.SIGKILL)

    def test_its_journal_validates_apart_from_a_torn_last_line(self):
        self.assertEqual(self.code, -signal.SIGKILL)
        lines = complete_lines(self.work.journal)
        self.assertNotIn("run_finished", [line["event"] for line in lines])
        self.assert_valid_journal(lines)

    def test_its_report_exits_with_5_and_validates(self):
        self.assertEqual(self.work.ff_ci("report"), 5, self.work.log.read_text("utf-8"))
        self.assert_valid_reports(self.work.run_folder)

    def test_a_torn_last_line_changes_nothing_in_its_report(self):
        self.assertEqual(self.work.ff_ci("report"), 5)
        torn = self.work.path / "torn"
        shutil.copytree(self.work.run_folder, torn)
        with open(torn / "journal.jsonl", "ab") as journal:
            journal.write(b'{"sequence":99,"time":1.0,"event":"run_fin')
        self.assertEqual(self.work.ff_ci("report", f"{torn}/"), 5)
        self.assertEqual((torn / "summary.json").read_bytes(),
                         (self.work.run_folder / "summary.json").read_bytes())


if __name__ == "__main__":
    unittest.main()
