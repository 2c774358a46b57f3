#!/usr/bin/env python3
"""VMs that ff-ci has mkosi start: a stand-in for it, and a real QEMU behind that."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

from harness import processes_with, wait_for
from qemu_guest import FULL_KERNEL, QEMU, make_guest, skip_reason
from vm_test_case import VmTest

HERE = pathlib.Path(__file__).resolve().parent


@unittest.skipIf(skip_reason(), skip_reason())
class MkosiTest(VmTest):
    def setUp(self):
        super().setUp()
        self.boots(make_guest())
        self.program = self.folder / "bin/mkosi"
        self.program.parent.mkdir()
        shutil.copy(HERE / "stand_in_mkosi.py", self.program)
        self.program.chmod(0o755)
        self.version("25.3")

    def boots(self, guest):
        self.write("config/guest.json", json.dumps({"kernel": str(guest.kernel), "initrd": str(guest.initrd)}))

    def version(self, version):
        self.write("bin/version", version)

    def vms(self, tests, run="", **mkosi):
        keys = {"program": str(self.program), "config": "config", "options": ["--qemu-mem=256M"], "boot-timeout": "4m", "path": "/root", **mkosi}
        self._write_job(tests, "", {"mkosi": keys}, {"kill-after": "1s", "probe-interval": "10s"}, run)

    def processes(self):
        return processes_with(str(self.folder / "config"))

    def assert_nothing_left(self):
        wait_for(lambda: not self.processes(), "no QEMU is left")
        self.assertEqual([path.name for path in (self.folder / "config").glob("image.raw-*")], [])
        self.assertEqual([str(path) for path in self.temporary.iterdir()], [])

    def test_the_image_is_built_and_vms_run_the_tests(self):
        self.vms({"works": "uname -s", "panics": "echo c >/proc/sysrq-trigger", "goes-on": "true"}, run="order: listed")
        self.assertEqual(self.run_job("-ff").returncode, 1, self.shown)
        self.assertEqual(self.verdicts(), {"works": "passed", "panics": "crashed", "goes-on": "passed"}, self.shown)
        self.assertEqual(self.output("works"), b"Linux\n")
        self.assertEqual(self.summary()["hosts"][0]["kind"], "mkosi")
        console = (self.folder / "results/latest/hosts/mkosi%3A1/console").read_text(errors="replace")
        self.assertIn("building with 2 -f", console)
        self.assertIn("Linux version", console)
        self.assertIn("Kernel panic", console)
        self.assert_nothing_left()

    def test_an_older_mkosi_is_called_as_it_wants(self):
        self.version("24.3")
        self.write("config/image.raw", "image")
        self.vms({"t": "true"})
        self.assertEqual(self.run_job().returncode, 0, self.shown)
        self.assert_nothing_left()

    def test_nothing_runs_on_when_ff_ci_is_killed(self):
        self.write("config/image.raw", "image")
        self.vms({"waits": "echo here; sleep 1000"})
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.output("waits"), "the test runs", seconds=240)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not self.processes(), "QEMU dies with ff-ci")
        self.run_something_else()
        self.assertEqual([str(path) for path in self.temporary.iterdir()], [])

    def test_a_vm_mounts_what_is_shared_and_is_left_to_log_in_to(self):
        self.boots(make_guest(FULL_KERNEL))
        self.write("config/image.raw", "image")
        self.write("the tree, too/file", "of the tree\n")
        self.vms({"reads": "cat /mnt/file && ! touch /mnt/new && echo still >/run/mark"}, run="keep-alive: true",
                 share=[{"path": "the tree, too", "tag": "tree", "mount": "/mnt"}])
        ended = self.run_job()
        self.assertEqual(ended.returncode, 0, self.shown)
        self.assertEqual(self.output("reads"), b"of the tree\n")
        log_in = self.log_in_command(ended)
        left = set(self.processes())
        running = left & set(processes_with(QEMU))
        self.assertEqual(len(running), 1)
        try:
            said = subprocess.run(f"{log_in} cat /mnt/file /run/mark", shell=True, capture_output=True, text=True, timeout=100)
            self.assertEqual(said.stdout, "of the tree\nstill\n", said.stderr)
            self.run_something_else()
            self.assertEqual(set(self.processes()), left, "another run has taken it down")
        finally:
            os.kill(running.pop(), signal.SIGKILL)
        wait_for(lambda: not self.processes(), "mkosi ends with its QEMU")
        self.run_something_else()
        self.assert_nothing_left()

    def test_what_mkosi_says_last_is_why_there_is_no_vm(self):
        self.vms({"t": "true"})
        self.assertEqual(self.run_job().returncode, 69, self.shown)
        self.assertIn("there is no image", self.shown)
        self.write("config/full", "")
        self.assertEqual(self.run_job("-f").returncode, 69, self.shown)
        self.assertIn("mkosi build: exit status 1: no space left", self.shown)

    def test_a_configuration_or_program_that_is_not_there_is_told_at_once(self):
        self.vms({"t": "true"}, config="nowhere")
        self.assertEqual(self.run_job().returncode, 66, self.shown)
        self.assertRegex(self.shown, r"job\.yaml:\d+:\d+: cannot read .*/nowhere: No such file")
        self.vms({"t": "true"}, program="mkosi-of-nowhere")
        self.assertEqual(self.run_job().returncode, 69, self.shown)
        self.assertIn("there is no program mkosi-of-nowhere", self.shown)


if __name__ == "__main__":
    unittest.main()
