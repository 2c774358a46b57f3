"""Runs ff-ci as a user does: a job spec in a folder of its own, the command line, and what is left behind."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

FFCI = os.environ.get("FFCI", "ff-ci")
SOURCE = pathlib.Path(os.environ.get("FFCI_SOURCE", pathlib.Path(__file__).parents[2]))
AS_ROOT = os.geteuid() == 0


def wait_for(condition, what, seconds=30):
    """The first true value of condition(); no test sleeps for a time that it hopes is enough."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {seconds} s")


class FfciTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ffci-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    def commands(self, tests, suite="", slots=2, run=""):
        """A job of one suite `s`; `tests` maps names to commands, or to dicts of a test's keys."""
        entries = [{"name": name, **(test if isinstance(test, dict) else {"command": test})} for name, test in tests.items()]
        self.write(
            "job.yaml",
            "version: 1\nname: job\nsuites:\n  - name: s\n    commands:\n"
            + "".join(f"      {line}\n" for line in suite.splitlines())
            + f"      tests: {json.dumps(entries)}\n"
            + f"hosts: {{local: {{slots: {slots}}}}}\n"
            + "run:\n  kill-after: 300ms\n"
            + "".join(f"  {line}\n" for line in run.splitlines()),
        )

    def environment(self, **changes):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GITLAB_")) and k != "CI"}
        environment.update(changes)
        return environment

    def ffci(self, *arguments, env=None, timeout=120, stdin=None):
        return subprocess.run([FFCI, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True, errors="replace",
                              timeout=timeout, env=self.environment(**(env or {})), input=stdin)

    def start(self, *arguments):
        process = subprocess.Popen([FFCI, *map(str, arguments)], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", env=self.environment())
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()

    def run_job(self, *arguments, **options):
        return self.ffci("run", "job.yaml", *arguments, **options)

    # What a run has left behind.

    def summary(self, run="latest"):
        return json.loads((self.folder / "results" / run / "summary.json").read_text())

    def by_name(self, run="latest"):
        return {test["name"]: test for test in self.summary(run)["tests"]}

    def verdicts(self, run="latest"):
        return {name: test["verdict"] for name, test in self.by_name(run).items()}

    def events(self, run="latest"):
        lines = (self.folder / "results" / run / "journal.jsonl").read_bytes().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]

    def started(self, run="latest"):
        return [event["test"]["name"] for event in self.events(run) if event["event"] == "attempt_started"]

    def is_running(self, test):
        """A test's attempt was started, and is not finished."""
        try:
            events = self.events()
        except FileNotFoundError:
            return False
        counts = {kind: sum(e["event"] == kind and e["test"]["name"] == test for e in events if "test" in e)
                  for kind in ("attempt_started", "attempt_finished")}
        return counts["attempt_started"] > counts["attempt_finished"]

    def output(self, test, attempt=1, stream="stdout", run="latest"):
        path = self.folder / "results" / run / "tests" / "s" / test / str(attempt) / stream
        return path.read_bytes() if path.exists() else b""

    def junit(self, run="latest"):
        return ElementTree.parse(self.folder / "results" / run / "junit.xml").getroot()


def processes_with(marker):
    """The ids of live processes whose command line holds the marker."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if marker.encode() in (entry / "cmdline").read_bytes() and "State:\tZ" not in (entry / "status").read_text():
                found.append(int(entry.name))
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid()]
