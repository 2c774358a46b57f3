"""The tests' own machines, with the plain ssh client: what a test of ff-ci relies on when it breaks one of them."""

import contextlib
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import ssh_machines
from harness import processes_with, wait_for
from ssh_machines import World, needs_machines


class Session:
    """An ssh client with a command on the machine that answers each line with the same line."""

    def __init__(self, test, machine, *options, command="cat"):
        self.process = machine.world.popen([*machine.world.ssh(machine, *options), command], stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        test.addCleanup(self.end)
        self.talk()

    def say(self, line="hello"):
        self.process.stdin.write(line + "\n")

    def hear(self):
        return self.process.stdout.readline().strip()

    def talk(self):
        self.say()
        if self.hear() != "hello":
            raise AssertionError(self.process.stderr.read())

    def ended(self):
        """What the client says at its end."""
        self.process.wait(timeout=30)
        return self.process.stderr.read()

    def is_quiet(self):
        return self.process.poll() is None and not select.select([self.process.stdout], [], [], 0)[0]

    def end(self):
        self.process.kill()
        self.process.communicate()


@needs_machines
class SshMachinesTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.close)

    def start(self, count=1, **options):
        machines = self.world.start(count, **options)
        for machine in machines:
            self.addCleanup(machine.kill)
        return machines if count > 1 else machines[0]

    def login(self, machine, command, *options, **client):
        return self.world.run([*self.world.ssh(machine, *options, **client), command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=60)

    def output(self, machine, command, *options, **client):
        done = self.login(machine, command, *options, **client)
        self.assertEqual(done.returncode, 0, done.stderr + machine.log())
        return done.stdout

    def refused(self, machine, *hints, options=()):
        done = self.login(machine, "true", *options)
        self.assertEqual(done.returncode, 255)
        for hint in hints:
            self.assertIn(hint, done.stderr)


class Machines(SshMachinesTest):
    def test_each_has_its_own_name_boot_processes_and_files(self):
        machines = self.start(2)
        seen = [self.output(machine, "hostname; cat /proc/sys/kernel/random/boot_id; touch /tmp/$(hostname) /root/$(hostname); "
                                     "ls /tmp /root; cat /proc/1/comm; echo /proc/[0-9]* | wc -w").split() for machine in machines]
        here = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        for machine, (name, boot_id, *rest) in zip(machines, seen):
            self.assertEqual((name, boot_id), (machine.name, machine.boot_id))
            self.assertNotEqual(boot_id, here)
            self.assertEqual(rest[:-1], ["/root:", name, "/tmp:", name, "cat"])
            self.assertLess(int(rest[-1]), 10)
        self.assertNotEqual(machines[0].boot_id, machines[1].boot_id)
        self.assertNotEqual(machines[0].known_hosts_line().split()[2], machines[1].known_hosts_line().split()[2])
        self.assertFalse(pathlib.Path("/tmp", machines[0].name).exists())

    def test_what_it_does_not_own_is_read_only(self):
        self.assertIn("Read-only file system", self.login(self.start(), "touch /etc/ffci-was-here").stderr)

    def test_names_and_both_kinds_of_addresses_lead_to_it(self):
        machine = self.start()
        for address in [machine.name] + [machine.address6] * os.path.exists("/proc/sys/net/ipv6"):
            with mock.patch.object(machine, "address", address):
                self.assertEqual(self.output(machine, "hostname"), machine.name + "\n")

    def test_only_the_world_s_key_opens_it_for_root_and_for_a_user(self):
        machine = self.start()
        self.assertEqual(self.output(machine, "id -u; pwd; touch file", user="tester"), "65533\n/run/home/tester\n")
        self.assertEqual(self.output(machine, "id -u; pwd; touch file"), "0\n/root\n")
        ssh_machines.make_keys(("ed25519", machine.folder / "other"))
        with mock.patch.object(self.world, "identity", machine.folder / "other"):
            self.refused(machine, "Permission denied (publickey)")

    def test_host_keys_are_of_the_kind_asked_for(self):
        for kind, name in (("ed25519", "ssh-ed25519"), ("ecdsa", "ecdsa-sha2-nistp256"), ("rsa", "ssh-rsa")):
            machine = self.start(host_key=kind)
            self.assertIn(f"{machine.address6} {name} ", machine.known_hosts_line())
            self.assertEqual(self.output(machine, "echo in"), "in\n")

    def test_another_port_and_further_settings_of_sshd(self):
        machine = self.start(port=2222, settings="ForceCommand echo forced\n")
        self.assertIn(f"[{machine.address}]:2222", machine.known_hosts_line())
        self.assertEqual(self.output(machine, "hostname"), "forced\n")

    def test_processes_are_those_of_the_tests(self):
        machine = self.start()
        self.assertEqual(machine.processes(), [])
        Session(self, machine, command="exec cat - 2>/dev/null")
        (pid, command), = machine.processes()
        self.assertEqual(command, "cat -")
        self.assertIn(pid, processes_with("cat"))

    def test_processes_in_namespaces_of_their_own_are_among_them(self):
        one, two = self.start(2)
        Session(self, one, command="unshare --pid --net --fork --kill-child cat")
        self.assertEqual([command for _, command in one.processes() if command == "cat"], ["cat"])
        self.assertEqual(two.processes(), [])

    def test_orphans_leave_no_zombies(self):
        machine = self.start()
        self.output(machine, "(sleep 0 >/dev/null 2>&1 &); true")
        wait_for(lambda: machine.exec("grep -l 'State:.Z' /proc/[0-9]*/status || true") == "", "the orphan is gone")

    def test_exec_needs_no_ssh_and_files_can_be_reached(self):
        machine = self.start()
        machine.kill_sshd()
        self.assertEqual(machine.exec("hostname; echo there >/tmp/file"), machine.name + "\n")
        self.assertEqual(machine.path("/tmp/file").read_text(), "there\n")
        with self.assertRaisesRegex(AssertionError, "exit status 3: so"):
            machine.exec("echo so; exit 3")


class Lives(SshMachinesTest):
    def test_a_killed_machine_ends_its_connections_at_once_and_meets_later_ones_with_silence(self):
        machine = self.start()
        session = Session(self, machine)
        (pid, _), = machine.processes()
        machine.kill()
        self.assertIn("closed by remote host", session.ended())
        self.assertFalse(lives(pid))
        self.assertEqual((machine.alive, machine.processes()), (False, []))
        self.refused(machine, "timed out", options=["-o", "ConnectTimeout=1"])

    def test_a_reboot_keeps_address_key_and_home_and_changes_the_boot_id(self):
        machine = self.start()
        before = self.output(machine, "cat /proc/sys/kernel/random/boot_id; touch /tmp/gone /run/gone /root/kept")
        session = Session(self, machine)
        machine.reboot()
        self.assertIn("closed by remote host", session.ended())
        after = self.output(machine, "cat /proc/sys/kernel/random/boot_id; ls /tmp /run /root")
        self.assertNotEqual(after.split()[0], before.strip())
        self.assertEqual(after.split()[0], machine.boot_id)
        self.assertIn("kept", after)
        self.assertNotIn("gone", after)

    def test_after_a_panic_its_connections_know_nothing_until_it_is_back(self):
        machine = self.start()
        session = Session(self, machine)
        machine.panic()
        self.assertTrue(session.is_quiet())
        machine.start()
        with contextlib.suppress(BrokenPipeError):  # a packet that was on its way may have told it already
            session.say()
        self.assertRegex(session.ended(), "reset|Broken pipe")

    def test_without_sshd_what_it_started_runs_on(self):
        machine = self.start()
        session = Session(self, machine)
        self.login(machine, "sleep 300 >/dev/null 2>&1 </dev/null &")
        machine.kill_sshd()
        self.assertIn("closed by remote host", session.ended())
        self.assertIn("sleep 300", [command for _, command in machine.processes()])
        self.refused(machine, "Connection refused")
        machine.restart_sshd()
        self.assertIn("sleep 300", self.output(machine, "ps ax"))

    def test_a_restart_of_sshd_keeps_the_connections(self):
        machine = self.start()
        session = Session(self, machine)
        machine.restart_sshd()
        session.talk()
        self.assertEqual(self.output(machine, "echo in"), "in\n")

    def test_a_frozen_machine_answers_when_it_is_thawed(self):
        machine = self.start()
        session = Session(self, machine)
        machine.freeze()
        session.say("late")
        self.assertEqual({state for _, _, state in machine._processes()}, {"T"})
        self.assertTrue(session.is_quiet())
        machine.thaw()
        self.assertEqual(session.hear(), "late")
        self.assertEqual(self.output(machine, "echo in"), "in\n")

    def test_a_full_disk_is_its_own(self):
        machine = self.start(size="1m")
        machine.fill_disk()
        machine.fill_disk("/run")
        for folder in ("/tmp", "/run"):
            self.assertIn("No space left on device", self.login(machine, f"echo x >{folder}/file").stderr)
        machine.free_disk()
        self.assertEqual(self.output(machine, "echo x >/tmp/file && cat /tmp/file"), "x\n")


class Networks(SshMachinesTest):
    def test_a_connection_survives_what_heals(self):
        for break_it, mend_it in (("link_down", "link_up"), ("black_hole", "heal")):
            with self.subTest(break_it):
                machine = self.start()
                session = Session(self, machine)
                getattr(machine, break_it)()
                session.say()
                self.assertTrue(session.is_quiet())
                carrier = machine.exec("cat /sys/class/net/eth0/carrier 2>&1 || true; ip -o link show eth0")
                self.assertEqual("NO-CARRIER" in carrier, break_it == "link_down")
                getattr(machine, mend_it)()
                self.assertEqual(session.hear(), "hello")

    def test_only_a_keep_alive_sees_that_a_machine_is_not_there(self):
        faults = ("link_down", "black_hole", "panic", "freeze")
        machines = self.start(len(faults))
        unwatched = [Session(self, machine) for machine in machines]
        watched = [Session(self, machine, "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1") for machine in machines]
        for machine, fault in zip(machines, faults):
            getattr(machine, fault)()
        for fault, with_keep_alive, without in zip(faults, watched, unwatched):
            with self.subTest(fault):
                self.assertIn("not responding", with_keep_alive.ended())
                self.assertTrue(without.is_quiet())

    def test_a_reset_ends_every_connection_and_no_later_one(self):
        machine = self.start()
        sessions = [Session(self, machine) for _ in range(2)]
        self.assertEqual(machine.reset_connections(), 2)
        for session in sessions:
            self.assertRegex(session.ended(), "reset|Broken pipe")
        self.assertEqual(self.output(machine, "echo in"), "in\n")


class Servers(SshMachinesTest):
    def test_another_host_key_is_noticed(self):
        machine = self.start()
        session = Session(self, machine)
        machine.change_host_key()
        session.talk()
        self.refused(machine, "REMOTE HOST IDENTIFICATION HAS CHANGED")
        machine.change_host_key("ecdsa")
        self.world.write_known_hosts()
        self.assertEqual(self.output(machine, "echo in"), "in\n")

    def test_garbage_instead_of_a_banner(self):
        machine = self.start()
        session = Session(self, machine)
        machine.garbage_banner("endless")
        session.talk()
        self.refused(machine, "banner")
        machine.garbage_banner("closes")
        self.refused(machine, "kex_exchange_identification")
        machine.garbage_banner("lines")
        self.assertEqual(self.output(machine, "echo in"), "in\n")
        machine.accept_but_silent()
        self.refused(machine, "timed out during banner exchange", options=["-o", "ConnectTimeout=1"])
        session.talk()
        self.assertEqual([command for _, command in machine.processes()], ["cat"])
        machine.restart_sshd()
        self.assertEqual(self.output(machine, "echo in"), "in\n")


def lives(pid):
    try:
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@needs_machines
class NothingIsLeft(unittest.TestCase):
    def setUp(self):
        self.links = self.names_of_links()

    @staticmethod
    def names_of_links():
        return set(os.listdir("/sys/class/net"))

    def nothing_is_here(self, folder):
        self.assertEqual(self.names_of_links() - self.links, set())
        self.assertNotIn(str(folder), pathlib.Path("/proc/self/mounts").read_text())

    def test_a_closed_world_leaves_nothing(self):
        with World() as world:
            machine, frozen = world.start(2)
            machine.exec("sleep 300 >/dev/null 2>&1 &")
            frozen.freeze()
            pids = [world._holder.pid, machine.pid, frozen.pid] + [pid for pid, _, _ in machine._processes() + frozen._processes()]
            self.nothing_is_here(world.folder)
        self.assertEqual([pid for pid in pids if lives(pid)], [])
        self.assertFalse(world.folder.exists())
        self.nothing_is_here(world.folder)

    def test_killing_the_test_leaves_nothing(self):
        script = ("import ssh_machines, sys\n"
                  "world = ssh_machines.World()\n"
                  "machine, frozen = world.start(2)\n"
                  "machine.exec('sleep 300 >/dev/null 2>&1 &')\n"
                  "frozen.freeze()\n"
                  "inside = [pid for pid, *_ in machine._processes() + frozen._processes()]\n"
                  "print(world.folder, world._holder.pid, machine.pid, frozen.pid, *inside, flush=True)\n"
                  "sys.stdin.read()\n")
        process = subprocess.Popen([sys.executable, "-B", "-c", script], cwd=pathlib.Path(__file__).parent, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        folder, *pids = process.stdout.readline().split()
        self.assertTrue(os.path.exists(folder))
        self.assertGreater(len(pids), 5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_for(lambda: not any(lives(pid) for pid in pids), "the machines are gone")
        wait_for(lambda: not os.path.exists(folder), "the folder is gone")
        self.nothing_is_here(folder)

    def test_worlds_do_not_meet(self):
        with World() as one, World() as two:
            machines = one.start() + two.start()
            self.assertEqual(machines[0].address, machines[1].address)
            machines[0].kill()
            for world, machine, reached in ((one, machines[0], 255), (two, machines[1], 0)):
                done = world.run(world.ssh(machine, "-o", "ConnectTimeout=1", "true"), capture_output=True)
                self.assertEqual(done.returncode, reached, done.stderr)


class Reasons(unittest.TestCase):
    """Where there can be no machines, tests are skipped and say why."""

    def test_without_root(self):
        with mock.patch("os.geteuid", return_value=1000):
            self.assertEqual(ssh_machines.skip_reason.__wrapped__(), "machines need root")

    def test_without_sshd(self):
        with mock.patch("os.geteuid", return_value=0), mock.patch("shutil.which", lambda tool: None if "sshd" in tool else tool):
            self.assertEqual(ssh_machines.skip_reason.__wrapped__(), "machines need /usr/sbin/sshd")

    def test_where_namespaces_are_not_allowed(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch("os.geteuid", return_value=0), \
                mock.patch("shutil.which", lambda tool: tool), mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"):
            fake = pathlib.Path(folder, "unshare")
            fake.write_text("#!/bin/sh\necho unshare: unshare failed: Operation not permitted >&2\nexit 1\n")
            fake.chmod(0o755)
            self.assertIn("perhaps: unshare: unshare failed: Operation not permitted", ssh_machines.skip_reason.__wrapped__())


if __name__ == "__main__":
    unittest.main()
