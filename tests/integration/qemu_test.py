#!/usr/bin/env python3
"""VMs that ff-ci boots with QEMU, in software: their kernels panic, hang, oops and flood, and ff-ci goes on."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness import wait_for
from qemu_guest import FULL_KERNEL, QEMU, make_guest, skip_reason
from vm_test_case import VmTest

BOOT_TIMEOUT = "4m"  # computers that test are busy


def qemus(folder):
    """The pids of the QEMUs that have their files below the folder."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(str(folder)) and QEMU in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:
            pass
    return found


@unittest.skipIf(skip_reason(), skip_reason())
class QemuTest(VmTest):
    def setUp(self):
        super().setUp()
        self.guest = make_guest()

    def vms(self, tests, run="", suite="", local=0, probe_interval="10s", **qemu):
        keys = {"count": 1, "kernel": str(self.guest.kernel), "initrd": str(self.guest.initrd), "memory": "256M", "cpus": 1,
                "accelerator": "tcg", "boot-timeout": BOOT_TIMEOUT, "snapshot": "off", "path": "/root",
                **{key.replace("_", "-"): value for key, value in qemu.items()}}
        hosts = {"qemu": keys, **({"local": {"slots": local}} if local else {})}
        self._write_job(tests, suite, hosts, {"kill-after": "1s", "probe-interval": probe_interval}, run)

    def run_side_by_side(self, jobs):
        """{name: (exit code, what it shows)} of jobs, {name: the keywords of vms()}. Their results are in results/NAME."""
        running = {}
        for name, keywords in jobs.items():
            self.vms(**keywords)
            job = (self.folder / "job.yaml").rename(self.folder / f"{name}.yaml")
            with job.open("a") as file:
                file.write(f"reports: {{directory: results/{name}}}\n")
            running[name] = self.start("run", job.name)
        shown = {name: process.communicate(timeout=500)[0] for name, process in running.items()}
        return {name: (running[name].returncode, text) for name, text in shown.items()}

    def file(self, name, run="latest"):
        return (self.folder / "results" / run / name).read_text(errors="replace")

    def assert_nothing_left(self):
        wait_for(lambda: not qemus(self.temporary), "no QEMU is left")
        self.assertEqual([str(path) for path in self.temporary.iterdir()], [])

    def test_a_vm_is_booted_and_taken_down(self):
        self.vms({"kernel": "uname -r", "disk": "cat /sys/block/vda/size; echo $(cat /sys/block/vda/serial); blockdev --getsize64 /dev/vdb"},
                 disks=["1G", "3M"])
        ended = self.run_job()
        self.assertEqual(ended.returncode, 0, self.shown)
        self.assertEqual(self.summary()["hosts"][0]["kind"], "qemu", self.shown)
        self.assertRegex(self.output("kernel").decode(), r"cloud-amd64")
        self.assertEqual(self.output("disk").decode().split(), ["2097152", "disk1", "3145728"])
        console = self.file("hosts/qemu%3A1/console")
        self.assertIn("Linux version", console)
        self.assertIn("Server listening", console)
        self.assertNotIn("Server listening", self.file("hosts/qemu%3A1/dmesg"))
        self.assert_console_can_be_replayed("hosts/qemu%3A1")
        self.assert_nothing_left()

    def assert_console_can_be_replayed(self, host):
        folder = self.folder / "results/latest" / host
        console = (folder / "console").read_bytes()
        has_header = console.startswith(b"Console of ")  # a line that scriptreplay skips
        if has_header:
            console = console.split(b"\n", 1)[1]
        pieces = [line.split() for line in self.file(f"{host}/console.times").splitlines()]
        self.assertEqual(sum(int(size) for _, size in pieces), len(console))
        if has_header and shutil.which("scriptreplay"):
            replayed = subprocess.run(["scriptreplay", "-t", "console.times", "console", "--divisor", "10000"], cwd=folder,
                                      capture_output=True, timeout=100)
            self.assertTrue(replayed.stdout.startswith(console), replayed.stderr)
            self.assertIn(b"Linux version", replayed.stdout)

    def test_an_image_is_not_written_to(self):
        content = b"as it was".ljust(1 << 20, b"\0")
        raw = self.write("image.raw", content)
        qcow2 = self.folder / "image.qcow2"
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2], check=True)
        before = qcow2.read_bytes()
        reads = "head -c 9 /dev/vda"
        tests = {"writes": "echo new words >/dev/vda; sync; echo 3 >/proc/sys/vm/drop_caches", "reads-that": reads,
                 "dies": "echo b >/proc/sysrq-trigger; sleep 60", "reads": reads}
        for image, snapshot in ((raw, "off"), (raw, "auto"), (qcow2, "auto")):
            self.vms(tests, run="order: listed\nmax-host-restarts: 0", image=str(image), snapshot=snapshot, disks=["1M"])
            self.run_job()
            self.assertEqual(self.verdicts(), {name: "error" if name == "dies" else "passed" for name in tests}, self.shown)
            self.assertEqual(self.output("reads-that"), b"new words", self.shown)
            self.assertEqual(self.output("reads"), b"as it was", self.shown)
            self.assertNotIn("VMs boot instead", self.shown)
        self.assertEqual(raw.read_bytes(), content)
        self.assertEqual(qcow2.read_bytes(), before)
        self.assert_nothing_left()

    @unittest.skipUnless(os.access("/dev/kvm", os.R_OK | os.W_OK), "there is no KVM to do without")
    def test_a_vm_that_shows_no_life_under_kvm_gets_tcg(self):
        for trouble in ("exit 1", "exec sleep 1000"):
            program = self.write("qemu", f'#!/bin/sh\ncase " $* " in *" -accel kvm "*) {trouble} ;; esac\nexec {QEMU} "$@"\n', 0o755)
            self.vms({"t": "true"}, accelerator="auto", program=str(program), boot_timeout="36s")
            self.run_job()
            self.assertEqual(self.verdicts(), {"t": "passed"}, self.shown)
            self.assertIn("qemu:1 shows no sign of life under KVM", self.shown)
        self.assert_nothing_left()

    def test_kernels_that_die_are_charged_to_the_test_that_ran(self):
        console_flood = "yes '[noise] from a test' | head -c 300000 >/dev/ttyS0"
        log_flood = ("echo on >/proc/sys/kernel/printk_devkmsg; i=0; while [ $i -lt 1000 ]; do echo line $i of a flood >/dev/kmsg; "
                     "i=$((i+1)); done")
        tests = {
            "panics": "echo c >/proc/sysrq-trigger",
            "hangs": "insmod /modules/hang.ko",
            "oopses": "insmod /modules/oops.ko; true",
            "floods": f"{console_flood}; {log_flood}; echo done",
            "powers-off": "echo o >/proc/sysrq-trigger; sleep 60",
            **{f"good-{number}": "sleep 0.2; dmesg | grep -c 'invalid opcode' | grep -x 0" for number in range(8)},
        }
        self.vms(tests, run="max-host-restarts: 1\norder: listed", count=3, snapshot="auto")
        ended = self.run_job()
        expected = {"panics": "crashed", "hangs": "crashed", "oopses": "crashed", "floods": "passed", "powers-off": "error",
                    **{f"good-{number}": "passed" for number in range(8)}}
        self.assertEqual(self.verdicts(), expected, self.shown)
        tests = self.by_name()
        self.assertIn("sysrq", json.dumps(tests["panics"]), self.shown)
        self.assertIn("NMI", json.dumps(tests["hangs"]))
        self.assertIn("invalid opcode", json.dumps(tests["oopses"]))
        self.assertIn("Kernel panic - not syncing: sysrq triggered crash", self.output("panics", stream="dmesg").decode())
        self.assertIn("its kernel is tainted", self.shown)
        self.assert_flood_was_kept()
        self.assertEqual(self.outcomes("powers-off"), ["host_lost"] * 2, self.shown)
        self.assertIn("the VM powered off or was reset", json.dumps(tests["powers-off"]), self.shown)
        self.assert_nothing_left()

    def assert_flood_was_kept(self):
        consoles = [path.read_bytes() for path in self.folder.glob("results/latest/hosts/*/console")]
        console = next(text for text in consoles if b"[noise]" in text)
        self.assertGreater(len(console), 300_000)
        self.assertGreater(console.count(b"[noise] from a test\r\n"), 14_900)  # of 15,000; the kernel may speak in between
        logged = self.output("floods", stream="dmesg").decode()
        self.assertEqual(re.findall(r"\] line (\d+) of a flood$", logged, re.MULTILINE), [str(number) for number in range(1000)])

    def test_a_kernel_that_is_worn_is_kept_where_the_job_says_so(self):
        tests = {"oopses": "echo here >/run/mark; insmod /modules/oops.ko; true", "next": "cat /run/mark || echo replaced"}
        allowed = 'dmesg: {allow: [{match: "invalid opcode*", reason: known here}]}'
        ran = self.run_side_by_side({
            "kept": {"tests": tests, "replace_tainted": False},
            "allowed": {"tests": tests, "run": f"order: listed\n{allowed}"},
            "not-watched": {"tests": tests, "run": "order: listed\ndmesg: false"},
        })
        for name, (code, shown) in ran.items():
            crashes = name == "kept"
            self.assertEqual(code, 1 if crashes else 0, shown)
            self.assertEqual(self.verdicts(f"{name}/latest"), {"oopses": "crashed" if crashes else "passed", "next": "passed"}, shown)
            self.assertEqual("its kernel is tainted" in shown, name == "not-watched", shown)
            self.assertEqual(self.output("next", run=f"{name}/latest"), b"replaced\n" if name == "not-watched" else b"here\n")
            self.assertIn("invalid opcode", self.file("hosts/qemu%3A1/console", f"{name}/latest"))
            self.assertEqual((self.folder / "results" / name / "latest/hosts/qemu%3A1/dmesg").exists(), name != "not-watched")
        self.assertIn("known here", json.dumps(self.by_name("allowed/latest")["oopses"]))
        self.assert_nothing_left()

    def test_nothing_is_left_of_one_that_is_killed(self):
        self.vms({"waits": "sleep 1000"})
        process = self.start("run", "job.yaml")
        wait_for(lambda: qemus(self.temporary), "QEMU runs")
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not qemus(self.temporary), "QEMU dies with ff-ci")
        self.run_something_else()
        self.assert_nothing_left()

    def test_vms_that_stop_answering_are_replaced_while_others_work(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        server.settimeout(240)
        calls = f"nc 10.0.2.2 {server.getsockname()[1]} </dev/null"  # which is this machine
        self.vms({"waits": f"until test -e {self.folder}/go; do sleep 0.02; done", **{f"calls-{number}": calls for number in range(3)}},
                 run="order: listed", count=3, local=1, probe_interval="1s")
        process = self.start("run", "job.yaml")
        for connection in [server.accept()[0] for _ in range(3)]:  # each VM has run something
            connection.close()
        wait_for(lambda: len(self.events_so_far("attempt_finished")) == 3, "all but one are done", seconds=100)
        for pid in qemus(self.temporary):
            os.kill(pid, signal.SIGSTOP)
        ready = lambda: sorted(event["host"] for event in self.events_so_far("host_ready") if event["kind"] == "qemu")
        wait_for(lambda: len(ready()) == 6, "fresh VMs", seconds=240)
        self.write("go", "")
        shown, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, shown)
        self.assertEqual(ready(), ["qemu:1", "qemu:1", "qemu:2", "qemu:2", "qemu:3", "qemu:3"])
        self.assertEqual({event["reason"] for event in self.events_so_far("host_replaced")}, {"it does not answer"})
        self.assertEqual({name: self.outcomes(name) for name in self.verdicts()},
                         {name: ["passed"] for name in ("waits", "calls-0", "calls-1", "calls-2")})
        self.assert_nothing_left()

    def test_a_full_disk_of_ours_is_named(self):
        room = self.folder / "room"
        room.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40M", "ff-ci-test", room], check=True)
        self.addCleanup(subprocess.run, ["umount", room], check=True)
        self.temporary = room
        write = "dd if=/dev/urandom of=/dev/vda bs=1M conv=fsync"
        self.vms({"fits": f"{write} count=20", "fills": f"{write} count=100"}, run="order: listed\nmax-host-restarts: 0", disks=["1G"],
                 snapshot="auto", probe_interval="1s")
        self.run_job()
        self.assertRegex(self.shown, "VMs boot instead of starting from a snapshot: saving its state failed: only .* left in ")
        self.assertEqual(self.verdicts(), {"fits": "passed", "fills": "error"}, self.shown)
        self.assertRegex(self.shown, f"host qemu:1 was lost: QEMU can't write to its disks in {room}/.*: is that file system full")
        self.assert_nothing_left()

    def test_an_interrupted_run_takes_its_vms_down(self):
        self.vms({"waits": "echo here; sleep 1000"}, count=2)
        process = self.start("run", "job.yaml")
        wait_for(lambda: list(self.folder.glob("results/latest/tests/s/waits/1/stdout")), "the test runs", seconds=240)
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, shown)
        self.assert_nothing_left()

    def test_keep_alive_leaves_a_vm_to_log_in_to(self):
        self.vms({"marks": "echo still >/run/mark"}, run="keep-alive: true")
        ended = self.run_job()
        self.assertEqual(ended.returncode, 0, self.shown)
        log_in = self.log_in_command(ended)
        pids = qemus(self.temporary)
        self.assertEqual(len(pids), 1)
        try:
            said = subprocess.run(f"{log_in} cat /run/mark", shell=True, capture_output=True, text=True, timeout=100)
            self.assertEqual(said.stdout, "still\n", said.stderr)
            self.run_something_else()
            self.assertEqual(qemus(self.temporary), pids, "another run has taken it down")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not qemus(self.temporary), "it is gone")
        self.run_something_else()
        self.assert_nothing_left()

    def test_a_snapshot_is_quicker_than_a_boot(self):
        took = {}
        for snapshot in ("off", "auto"):
            asks = "cat /proc/sys/kernel/hostname /etc/machine-id; date +%s"
            clock = ["-rtc", "base=2020-01-01"] if snapshot == "auto" else []  # what the VM has from QEMU
            self.vms({"first": asks, "dies": "echo b >/proc/sysrq-trigger; sleep 60", "last": asks},
                     run="order: listed\nmax-host-restarts: 0", snapshot=snapshot, arguments=clock)
            self.run_job()
            self.assertEqual(self.verdicts(), {"first": "passed", "dies": "error", "last": "passed"}, self.shown)
            took[snapshot] = self.replacement()
        name, machine, now = self.output("last").decode().split()
        self.assertEqual(name, "qemu-1")
        self.assertNotEqual(machine, self.output("first").decode().split()[1])
        self.assertLess(abs(int(now) - time.time()), 60)
        print(f"from the start of a VM to its first command: boot {took['off']:.1f} s, snapshot {took['auto']:.1f} s, "
              f"{took['off'] / took['auto']:.1f} times as fast", flush=True)
        self.assertLess(took["auto"] * 2, took["off"])
        self.assert_nothing_left()

    def replacement(self):
        """The seconds from the start of the second VM to the start of its first test."""
        back_off = 1
        lost = next(event["time"] for event in self.events() if event["event"] == "host_lost")
        started = [event["time"] for event in self.events() if event["event"] == "attempt_started" and event["time"] > lost]
        return started[0] - lost - back_off

    def share_job(self, tests, run="", **qemu):
        """Of a guest that has 9p, with the folders `tree`, `out` and `spare`."""
        self.guest = make_guest(FULL_KERNEL)
        for name in ("tree", "out", "spare, too"):
            self.write(f"{name}/file", f"of {name}\n")
        shares = [{"path": "tree", "mount": "/mnt/the tree"}, {"path": "out", "mount": "/out", "writable": True},
                  {"path": "spare, too", "tag": "spare"}]
        self.vms(tests, run=run, share=shares, **qemu)

    def test_directories_are_shared(self):
        read = "cat '/mnt/the tree/file' /out/file"
        tests = {
            "reads": read,
            "does-not-write": "mount -o remount,rw '/mnt/the tree' && cd '/mnt/the tree' && ! touch new && ! rm file && cat file",
            "writes": "mkdir /out/made && echo from the VM >/out/made/new && echo changed >/out/file",
            "mounts-itself": "mkdir /run/spare && mount -t 9p -o trans=virtio spare /run/spare && cat /run/spare/file",
            "dies": "echo b >/proc/sysrq-trigger; sleep 60",
            "reads-again": read,
        }
        for snapshot in ("off", "auto"):
            shutil.rmtree(self.folder / "out", ignore_errors=True)
            self.share_job(tests, run="order: listed\nmax-host-restarts: 0", snapshot=snapshot)
            self.run_job()
            self.assertEqual(self.verdicts(), {name: "error" if name == "dies" else "passed" for name in tests}, self.shown)
            self.assertEqual(self.output("reads"), b"of tree\nof out\n")
            self.assertEqual(self.output("mounts-itself"), b"of spare, too\n")
            self.assertEqual(self.output("reads-again"), b"of tree\nchanged\n")
            self.assertEqual((self.folder / "out/made/new").read_text(), "from the VM\n")
            self.assertEqual([path.name for path in (self.folder / "tree").iterdir()], ["file"])
            self.assertNotIn("VMs boot instead", self.shown)
            self.assert_nothing_left()

    def test_a_vm_that_can_not_mount_a_share_runs_nothing(self):
        self.write("tree/file", "")
        for snapshot in ("off", "auto"):
            self.vms({"t": "true"}, share=[{"path": "tree", "mount": "/tree"}], snapshot=snapshot)  # its kernel has no 9p
            ended = self.run_job()
            self.assertIn("host qemu:1 was retired: its shared directories can't be used: mount: ", self.shown)
            self.assertNotIn("VMs boot instead", self.shown)
            self.assertEqual(ended.returncode, 69, self.shown)
            self.assert_nothing_left()

    def test_a_share_that_is_not_there_is_named(self):
        self.vms({"t": "true"}, share=[{"path": "none"}])
        ended = self.ffci("run", "job.yaml")
        self.assertIn(f"cannot share {self.folder}/none: No such file or directory", ended.stderr)
        self.assertEqual(ended.returncode, 66, ended.stderr)
        self.assert_nothing_left()

    @unittest.skipIf(os.path.exists("/dev/vhost-vsock"), "there is vsock for VMs")
    def test_vsock_needs_its_device(self):
        self.vms({"t": "true"}, connection="vsock")
        for command in ("validate", "list"):
            self.assertEqual(self.ffci(command, "job.yaml").returncode, 0)
        ended = self.ffci("run", "job.yaml")
        self.assertIn("connection: vsock needs /dev/vhost-vsock, which is not here; load the module vhost_vsock, or use connection: port",
                      ended.stderr)
        self.assertEqual(ended.returncode, 69, ended.stderr)
        self.assert_nothing_left()

    @unittest.skipUnless(os.access("/dev/vhost-vsock", os.R_OK | os.W_OK) and shutil.which("socat"), "it needs vsock for VMs, and socat")
    def test_vms_are_reached_over_vsock(self):
        self.vms({"dies": "echo b >/proc/sysrq-trigger; sleep 60", "asks": "ls /sys/bus/virtio/drivers/vmw_vsock_virtio_transport"},
                 run="order: listed\nmax-host-restarts: 0\nkeep-alive: true", connection="vsock", snapshot="auto")
        ended = self.run_job()
        self.assertEqual(self.verdicts(), {"dies": "error", "asks": "passed"}, self.shown)
        self.assertIn(b"virtio", self.output("asks"))
        log_in = self.log_in_command(ended)
        try:
            said = subprocess.run(f"{log_in} echo here", shell=True, capture_output=True, text=True, timeout=100)
            self.assertEqual(said.stdout, "here\n", said.stderr)
        finally:
            for pid in qemus(self.temporary):
                os.kill(pid, signal.SIGKILL)

    def test_too_much_memory_is_refused(self):
        self.vms({"t": "true"}, count=100, memory="1T")
        ended = self.ffci("run", "job.yaml")
        self.assertIn("100 VMs of 1.0 TiB need 100.0 TiB, and ", ended.stderr)
        self.assertEqual(ended.returncode, 69, ended.stderr)
        self.assert_nothing_left()

    def test_a_kernel_that_is_not_there_is_named(self):
        self.vms({"t": "true"}, kernel=str(self.folder / "none"))
        ended = self.ffci("run", "job.yaml")
        self.assertRegex(ended.stderr, rf"job\.yaml:\d+:\d+: cannot read {self.folder}/none: No such file or directory\n")
        self.assertEqual(ended.returncode, 66, ended.stderr)
        self.assert_nothing_left()

    def test_why_a_vm_can_not_be_used_is_told(self):
        noise = self.write("noise", "no kernel\n")
        panic = "its kernel died: Kernel panic: VFS: Unable to mount root fs"
        again_and_again = "it could not be used 4 times in a row; at last: "
        reasons = {
            "no-kernel": ({"kernel": str(noise)}, again_and_again + "QEMU: exit status 1: .*kernel"),
            "no-init": ({"append": "rdinit=/none", "snapshot": "auto"}, again_and_again + panic),
            "no-server": ({"append": "rdinit=/bin/busybox -- sleep 1000", "boot_timeout": "2s"},
                          again_and_again + "it could not be used within 2"),
            "no-such-user": ({"user": "stranger"}, "authentication: the run's own key was refused as user stranger"),
        }
        ran = self.run_side_by_side({name: {"tests": {"t": "true"}, **qemu} for name, (qemu, _) in reasons.items()})
        for name, (_, reason) in reasons.items():
            code, shown = ran[name]
            self.assertEqual(code, 69, shown)
            self.assertRegex(shown, f"host qemu:1 was retired: {reason}")
            self.assertEqual(self.verdicts(f"{name}/latest"), {"t": "not_run"}, shown)
        self.assertIn(f"VMs boot instead of starting from a snapshot: the first one was lost: {panic}", ran["no-init"][1])
        console = self.file("hosts/qemu%3A1/console", "no-init/latest")
        self.assertEqual(console.count("Linux version"), 4)
        self.assertIn("Kernel panic - not syncing: VFS: Unable to mount root fs", console)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
