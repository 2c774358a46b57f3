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
    world = None  # of ssh_machines, where ff-ci runs; None: here

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
        self._write_job(tests, suite, {"local": {"slots": slots}}, {"kill-after": "300ms"}, run)

    def commands_over(self, machines, tests, suite="", slots=1, run="", ssh=None, local=0):
        """As commands(), over SSH machines: those of a world, or as a spec names them.

        `ssh` is further keys of hosts.ssh; None takes one away. The kernel's log, which all machines of all worlds share, is
        not watched, as long as `run` does not say so. `local` is slots here.
        """
        names = [machine if isinstance(machine, str) else f"root@{machine.address}:{machine.port}:/root" for machine in machines]
        keys = {"machines": names, "slots": slots, "identity": str(self.world.identity), "known-hosts": str(self.world.known_hosts),
                **(ssh or {})}
        hosts = {"ssh": {key: value for key, value in keys.items() if value is not None}}
        if local:
            hosts["local"] = {"slots": local}
        self._write_job(tests, suite, hosts, {"kill-after": "300ms", "dmesg": False}, run)

    def _write_job(self, tests, suite, hosts, run, run_lines):
        entries = [{"name": name, **(test if isinstance(test, dict) else {"command": test})} for name, test in tests.items()]
        given = {line.split(":")[0] for line in run_lines.splitlines()}
        self.write(
            "job.yaml",
            "version: 1\nname: job\nsuites:\n  - name: s\n    commands:\n"
            + "".join(f"      {line}\n" for line in suite.splitlines())
            + f"      tests: {json.dumps(entries)}\n"
            + f"hosts: {json.dumps(hosts)}\n"
            + "run:\n"
            + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in run.items() if key not in given)
            + "".join(f"  {line}\n" for line in run_lines.splitlines()),
        )

    def environment(self, **changes):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GITLAB_", "CI_NODE_", "SLURM_")) and k != "CI"}
        environment.update(changes)
        return environment

    def ffci(self, *arguments, env=None, timeout=120, stdin=None):
        return subprocess.run(self._command_line(arguments), cwd=self.folder, capture_output=True, text=True, errors="replace",
                              timeout=timeout, env=self.environment(**(env or {})), input=stdin)

    def start(self, *arguments, env=None):
        process = subprocess.Popen(self._command_line(arguments), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", env=self.environment(**(env or {})))
        self.addCleanup(self._end, process)
        return process

    def _command_line(self, arguments):
        line = [FFCI, *map(str, arguments)]
        return self.world.inside(line) if self.world else line

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

    def outcomes(self, test, run="latest"):
        """Of its attempts, in their order."""
        return [attempt["outcome"] for attempt in self.by_name(run)[test]["attempts"]]

    def events(self, run="latest"):
        lines = (self.folder / "results" / run / "journal.jsonl").read_bytes().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]

    def events_so_far(self, *kinds):
        """Those of a run that has just been started, too; of these kinds, or all."""
        try:
            return [event for event in self.events() if not kinds or event["event"] in kinds]
        except FileNotFoundError:
            return []

    def started(self, run="latest"):
        return [event["test"]["name"] for event in self.events(run) if event["event"] == "attempt_started"]

    def is_running(self, test):
        """A test's attempt was started, and is not finished."""
        events = self.events_so_far()
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
