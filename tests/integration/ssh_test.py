"""Tests on machines that are reached over SSH, and what a user sees of the machines' troubles."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
import unittest
import urllib.parse

from harness import FfciTest, wait_for
from ssh_machines import World, make_keys, needs_machines


GATE = "until test -e /tmp/go; do sleep 0.02; done"  # a test that runs until open_gate()


def name_of(machine):
    return f"ssh:{machine.address}"


def as_user(user, machine):
    """For commands_over(): where this user's home is the machine's path."""
    return f"{user}@{machine.address}:{machine.port}:{'/root' if user == 'root' else '/run/home/' + user}"


def open_gate(*machines):
    for machine in machines:
        machine.path("/tmp/go").touch()


@needs_machines
class SshTest(FfciTest):
    """Machines of one world, each started for one test. No key of this computer's user is in reach of ff-ci."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.close)

    def machines(self, count, **options):
        machines = self.world.start(count, **options)
        for machine in machines:
            self.addCleanup(machine.kill)
        return machines

    def machine(self, **options):
        return self.machines(1, **options)[0]

    def environment(self, **changes):
        environment = super().environment(**{"HOME": str(self.folder), **changes})
        if "SSH_AUTH_SOCK" not in changes:
            environment.pop("SSH_AUTH_SOCK", None)
        return environment

    def assert_exit(self, code, *arguments, **options):
        done = self.run_job(*arguments, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def nothing_left(self, machine):
        """Neither processes nor files of ff-ci's."""
        wait_for(lambda: not machine.processes(), f"nothing runs on {machine.name}")
        self.assertEqual(machine.exec("ls -d /tmp/ff-ci-ssh.* /tmp/ff-ci-*/token.* /run/ff-ci/token.* 2>/dev/null || true"), "")

    def trouble(self, host=None):
        """Why it was lost, and retired; each once for every time. None: any host."""
        return [event["reason"] for event in self.events_so_far("host_lost", "host_retired") if host in (None, event["host"])]

    def first_trouble(self, *hints, env=None, seconds=30):
        """Starts the job, and ends it when something is wrong with a host."""
        shutil.rmtree(self.folder / "results", ignore_errors=True)
        process = self.start("run", "job.yaml", env=env)
        wait_for(self.trouble, "a host has trouble", seconds)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        for hint in hints:
            self.assertIn(hint, self.trouble()[0])
            self.assertIn(hint, out)
        return out

    def assert_refused(self, machine, *hints, **options):
        """No host can be used: each hint is in the log, at the machine's name, and nothing has run."""
        done = self.assert_exit(69, **options)
        self.assertEqual(set(self.verdicts().values()), {"not_run"})
        self.assertEqual(self.summary()["result"], "no_hosts")
        reasons = self.trouble(name_of(machine))
        for hint in hints:
            self.assertIn(hint, reasons[-1])
            self.assertRegex(done.stdout, f"host {re.escape(name_of(machine))} was (lost|retired): .*{re.escape(hint)}")
        return done

    def host_of(self, test):
        """Where its latest attempt is running, or has run."""
        return [e["host"] for e in self.events_so_far("attempt_started") if e["test"]["name"] == test][-1]


class Commands(SshTest):
    def test_each_way_to_end_has_its_verdict_and_its_reason(self):
        machine = self.machine()
        self.commands_over([machine], {
            "ok": "echo hello",
            "bad": "echo oops >&2; exit 3",
            "skip": "echo no such hardware; exit 4",
            "segv": "kill -SEGV $$",
            "nowhere": "./nowhere",
            "slow": {"command": "echo begun; sleep 60", "timeout": "300ms"},
            "bad-setup": {"command": "true", "setup": "echo no module >&2; exit 5"},
        })
        self.assert_exit(1)
        self.assertEqual(self.verdicts(), {"ok": "passed", "bad": "failed", "skip": "skipped", "segv": "failed", "nowhere": "failed",
                                           "slow": "timed_out", "bad-setup": "error"})
        tests = self.by_name()
        self.assertEqual(tests["bad"]["reason"], "exit status 3: oops")
        self.assertEqual(tests["bad"]["attempts"][0]["exit_status"], 3)
        self.assertEqual(tests["skip"]["reason"], "no such hardware")
        self.assertEqual(tests["segv"]["reason"], "exit status 139 (SIGSEGV)")
        self.assertIn("exit status 127 (command not found)", tests["nowhere"]["reason"])
        self.assertEqual(tests["slow"]["reason"], "timed out after 0.30s")
        self.assertEqual(self.output("slow"), b"begun\n")
        self.assertEqual(tests["bad-setup"]["reason"], "test set-up failed: exit status 5")
        self.nothing_left(machine)

    def test_reports_name_the_machine_and_how_it_was_reached(self):
        machine, other = self.machines(2, port=2222)
        self.commands_over([machine, f"root@{other.name}:2222:/root"], {"a": GATE, "b": GATE})
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("a") and self.is_running("b"), "both run")
        open_gate(machine, other)
        process.communicate(timeout=60)
        hosts = {host["name"]: host for host in self.summary()["hosts"]}
        self.assertEqual(set(hosts), {name_of(machine), f"ssh:{other.name}"})
        self.assertEqual({test["attempts"][0]["host"] for test in self.summary()["tests"]}, set(hosts))
        host = hosts[name_of(machine)]
        self.assertEqual((host["kind"], host["slots"], host["restarts"]), ("ssh", 1, 0))
        self.assertEqual((host["kernel"], host["arch"]), (os.uname().release, os.uname().machine))
        self.assertEqual(host["log_in"], f"ssh -i {self.world.identity} -p 2222 root@{machine.address}")
        self.assertIn(machine.boot_id, json.dumps(self.events()))

    def test_output_is_kept_exactly_and_its_streams_apart(self):
        machine = self.machine(size="200m")
        much = os.urandom(20_000_000)
        machine.path("/tmp/much").write_bytes(much)
        machine.path("/tmp/noise").write_bytes(bytes(range(256)) * 40)
        self.commands_over([machine], {"binary": "cat /tmp/noise; cat /tmp/noise /tmp/noise >&2",
                                       "much": "cat /tmp/much & cat /tmp/much >&2; wait",
                                       "unended": "printf 'no newline'",
                                       "none": "true"}, slots=2)
        self.assert_exit(0)
        self.assertEqual(self.output("binary"), bytes(range(256)) * 40)
        self.assertEqual(self.output("binary", stream="stderr"), bytes(range(256)) * 80)
        for stream in ("stdout", "stderr"):
            self.assertTrue(self.output("much", stream=stream) == much, stream)
        self.assertEqual(self.output("unended"), b"no newline")
        self.assertEqual((self.output("none"), self.output("none", stream="stderr")), (b"", b""))

    def test_new_keys_in_the_middle_of_much_output_are_no_trouble(self):
        machine = self.machine(size="200m", settings="RekeyLimit 1M\n")
        much = os.urandom(8_000_000)
        machine.path("/tmp/much").write_bytes(much)
        self.commands_over([machine], {f"t{i}": "cat /tmp/much & cat /tmp/much >&2; wait" for i in range(3)}, slots=3)
        self.assert_exit(0)
        self.assertEqual(self.trouble(), [])
        for test in self.verdicts():
            for stream in ("stdout", "stderr"):
                self.assertTrue(self.output(test, stream=stream) == much, f"{stream} of {test}")

    def test_a_machine_by_its_ipv6_address(self):
        if not os.path.exists("/proc/sys/net/ipv6"):
            self.skipTest("this kernel has no IPv6")
        machine = self.machine(port=2222)
        self.commands_over([f"root@[{machine.address6}]:2222:/root"], {"t": "true"})
        self.assert_exit(0)
        self.assertEqual(self.by_name()["t"]["attempts"][0]["host"], f"ssh:{machine.address6}")

    def test_more_slots_than_the_server_has_sessions_are_no_errors(self):
        machine = self.machine(settings="MaxSessions 4\n")
        self.commands_over([machine], {f"t{i}": "sleep 0.1" for i in range(12)}, slots=6)
        self.assert_exit(0)

    def test_as_many_slots_as_the_server_has_sessions_beside_the_control_shell(self):
        machine = self.machine(settings="MaxSessions 4\n")
        self.commands_over([machine], {f"t{i}": {"command": "echo x >file$$", "files": ["file*"]} for i in range(100)}, slots=3)
        self.assert_exit(0)
        self.assertEqual(self.trouble(), [])
        self.assertEqual({test: self.outcomes(test) for test in self.verdicts() if self.outcomes(test) != ["passed"]}, {})

    def test_what_a_login_shell_says_is_not_a_test_s_output(self):
        machine = self.machine()
        machine.path("/root/.bashrc").write_text("printf 'Welcome! 0 begin end done '\n")
        self.commands_over([machine], {"t": "echo mine; exit 1"})
        self.assert_exit(1)
        self.assertEqual(self.output("t"), b"mine\n")

    def test_what_a_login_shell_complains_about_is_not_a_test_s_reason(self):
        machine = self.machine()
        machine.path("/root/.bashrc").write_text("echo 'bash: cannot set locale' >&2\n")
        self.commands_over([machine], {"t": "exit 1"})
        self.assert_exit(1)
        self.assertEqual(self.by_name()["t"]["reason"], "exit status 1")

    def test_set_up_and_teardown_of_a_test_share_its_private_mounts(self):
        machine = self.machine()
        parts = {"setup": "mount -t tmpfs none /media && echo x >/media/file", "command": "cat /media/file; exit 1",
                 "teardown": "rm /media/file && echo torn down"}
        self.commands_over([machine], {"t": parts, "hangs": {**parts, "command": "sleep 60", "timeout": "300ms"}})
        self.assert_exit(1)
        self.assertEqual(self.output("t"), b"x\ntorn down\n")
        self.assertEqual(self.output("hangs"), b"torn down\n")
        self.assertNotIn(" /media ", machine.exec("cat /proc/1/mounts"))

    def test_a_failed_teardown_of_a_test_is_told_and_fails_nothing(self):
        self.commands_over([self.machine()], {"t": {"command": "true", "teardown": "exit 7"}})
        self.assert_exit(0)
        self.assertIn("exit status 7", self.by_name()["t"]["attempts"][0]["teardown_problem"])

    def test_a_test_finds_the_environment_of_a_login_and_no_input(self):
        self.commands_over([self.machine()], {
            "environment": "test $HOME = /root && test $USER = root && test -z \"$LC_ALL\" && case $PATH: in *:/sbin:*) pwd ;; esac",
            "input": "test -z \"$(cat)\"",
            "pipe": "yes | head -n 1",
            "signals": "! grep -E 'Sig(Blk|Ign):.*[1-9a-f]' /proc/self/status",
            "descriptors": "! ls /proc/self/fd | grep -v '^[0123]$'",
        })
        self.assert_exit(0)
        self.assertEqual(self.output("environment"), b"/root\n")

    def test_a_tmpdir_is_private_and_removed(self):
        machine = self.machine()
        tests = {f"t{i}": f"stat -c '%a %U' $TMPDIR; ls -A $TMPDIR; echo $TMPDIR; mkdir -p $TMPDIR/.deep/er; touch $TMPDIR/file; {GATE}"
                 for i in range(2)}
        self.commands_over([machine], {**tests, "after": "ls -A $TMPDIR"}, slots=2, run="order: listed")
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("t0") and self.is_running("t1"), "both run")
        open_gate(machine)
        self.assertEqual((process.communicate(timeout=60), process.returncode)[1], 0)
        first, second = (self.output(name).decode().split("\n") for name in tests)
        self.assertEqual((first[0], second[0]), ("700 root", "700 root"))
        self.assertEqual((len(first), len(second)), (3, 3))
        self.assertNotEqual(first[1], second[1])
        self.assertEqual(self.output("after"), b"")
        self.nothing_left(machine)

    def keeps_what_is_bound_below_a_tmpdir(self, isolation):
        machine = self.machine()
        machine.exec("mkdir /tmp/precious; echo still here >/tmp/precious/file")
        self.commands_over([machine], {"t": "mkdir $TMPDIR/m && mount --bind /tmp/precious $TMPDIR/m && touch $TMPDIR/x"},
                           ssh={"isolation": isolation})
        self.assert_exit(0)
        self.assertEqual(machine.exec("cat /tmp/precious/file || true"), "still here\n")

    def test_what_a_test_has_bound_below_its_tmpdir_is_not_removed_with_it(self):
        self.keeps_what_is_bound_below_a_tmpdir("namespaces")

    def test_what_a_test_has_bound_below_its_tmpdir_is_not_removed_with_it_without_namespaces(self):
        self.keeps_what_is_bound_below_a_tmpdir("session")

    def test_relative_directories_start_at_the_machine_s_path(self):
        machine = self.machine()
        machine.exec("mkdir -p /tmp/tree/sub")
        (self.folder / "sub").mkdir()
        for directory, there in (("", "/tmp/tree"), ("directory: sub", "/tmp/tree/sub"), ("directory: /usr", "/usr")):
            with self.subTest(directory):
                self.commands_over([f"root@{machine.address}:/tmp/tree"], {"t": {"command": "pwd", "setup": "pwd", "teardown": "pwd"}},
                                   suite=f"{directory}\nsetup: pwd >/tmp/where")
                self.assert_exit(0)
                self.assertEqual(self.output("t").decode().split(), [there] * 3)
                self.assertEqual(machine.path("/tmp/where").read_text(), there + "\n")

    def test_a_directory_that_is_not_on_the_machine_is_named(self):
        machine = self.machine()
        (self.folder / "only-here").mkdir()
        self.commands_over([f"root@{machine.address}:/tmp"], {"t": "true"}, suite="directory: only-here")
        self.run_job()
        self.assertEqual(self.verdicts()["t"], "error")
        self.assertIn("cannot enter the directory /tmp/only-here there", self.by_name()["t"]["reason"])

    def test_metacharacters_stay_where_they_are(self):
        machine = self.machine()
        names = ["$(touch /tmp/pwned)", "a;touch /tmp/pwned", "'q' \"d\"", "<&>]]>", "ünï", "-n", "%s\\n"]
        folder = "/tmp/a b'$(touch pwned)\\"
        machine.exec(f"mkdir {shlex.quote(folder)}")
        self.commands_over([f"root@{machine.address}:{folder}"], {name: "pwd" for name in names})
        self.assert_exit(0)
        self.assertEqual(set(self.verdicts()), set(names))
        self.assertEqual(self.output("-n"), folder.encode() + b"\n")
        self.assertEqual(machine.exec("find /tmp -name pwned"), "")

    def test_slots_of_a_machine_run_at_once_and_no_more(self):
        machine = self.machine()
        self.commands_over([machine], {f"t{i}": f"echo + >>/tmp/log; {GATE}; sleep 0.05; echo - >>/tmp/log" for i in range(5)}, slots=3)
        process = self.start("run", "job.yaml")
        log = machine.path("/tmp/log")
        wait_for(lambda: log.exists() and log.read_text().count("+") == 3, "three run")
        open_gate(machine)
        process.communicate(timeout=60)
        running = [0]
        for sign in log.read_text().split():
            running.append(running[-1] + (1 if sign == "+" else -1))
        self.assertEqual(max(running), 3)

    def test_a_machine_and_this_computer_share_the_work(self):
        machine = self.machine()
        marker = self.folder / "seen"
        self.commands_over([machine], {"a": f"touch {marker}.$$; {GATE}", "b": f"touch {marker}.$$; {GATE}"}, local=1)
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("a") and self.is_running("b"), "both run")
        hosts = {self.host_of("a"), self.host_of("b")}
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(hosts, {"local", name_of(machine)})


class Suites(SshTest):
    def test_a_suite_is_set_up_once_on_each_machine_before_its_tests_and_torn_down_after_them(self):
        machines = self.machines(2)
        self.commands_over(machines, {f"t{i}": f"echo {i} >>/root/log; sleep 0.1" for i in range(6)},
                           suite="setup: echo up >>/root/log\nteardown: echo down >>/root/log")
        self.assert_exit(0)
        for machine in machines:
            log = machine.path("/root/log").read_text().split()
            self.assertEqual([word for word in log if not word.isdigit()], ["up", "down"])
            self.assertEqual((log[0], log[-1]), ("up", "down"))
            self.assertGreater(len(log), 2)

    def test_what_a_set_up_leaves_running_lives_until_the_teardown_and_no_longer(self):
        machine = self.machine()
        # One that writes to the set-up's output, which stays open.
        daemon = "(while sleep 0.02; do echo tick; echo alive >>/tmp/beat; done; : the-daemon) &"
        beats = "b=$(wc -l </tmp/beat); until test $(wc -l </tmp/beat) -gt $b; do sleep 0.02; done"
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                self.commands_over([machine], {"first": beats, "second": beats}, ssh={"isolation": isolation},
                                   suite=f"setup: |\n  {daemon}\n  until test -s /tmp/beat; do sleep 0.02; done\nteardown: {beats}")
                self.assert_exit(0)
                self.assertEqual(self.summary()["problems"], [])
                self.nothing_left(machine)

    def test_mounts_of_a_set_up_are_there_for_the_tests(self):
        machine = self.machine()
        self.commands_over([machine], {"t": "cat /media/file"}, suite="setup: mount -t tmpfs none /media && echo x >/media/file\n"
                                                                      "teardown: umount /media")
        self.assert_exit(0)
        self.assertEqual(self.output("t"), b"x\n")

    def test_a_set_up_that_fails_on_one_machine_leaves_the_tests_to_the_other(self):
        good, bad = self.machines(2)
        self.commands_over([good, bad], {f"t{i}": "sleep 0.1" for i in range(4)},
                           suite=f"setup: test $(hostname) = {good.name} || {{ echo no module >&2; exit 1; }}\nteardown: touch /root/down")
        done = self.assert_exit(0)
        self.assertEqual({test["attempts"][0]["host"] for test in self.summary()["tests"]}, {name_of(good)})
        self.assertIn(f"set-up of suite s on {name_of(bad)} failed: exit status 1: no module", done.stdout)
        self.assertEqual(len(self.summary()["problems"]), 1)

    def test_a_failed_set_up_is_torn_down(self):
        machine = self.machine()
        self.commands_over([machine], {"t": "true"}, suite="setup: exit 1\nteardown: touch /root/down")
        self.assert_exit(5)
        self.assertEqual(self.verdicts(), {"t": "error"})
        self.assertTrue(machine.path("/root/down").exists())

    def test_a_set_up_that_takes_too_long_is_stopped_and_leaves_no_process(self):
        machine = self.machine()
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                self.commands_over([machine], {"t": "true"}, ssh={"isolation": isolation}, run="test-timeout: 500ms",
                                   suite="setup: trap '' TERM; setsid sleep 300 & while :; do sleep 1; done")
                self.assert_exit(5)
                self.assertEqual(self.verdicts(), {"t": "error"})
                self.assertIn("set-up of suite s failed: it was stopped", self.by_name()["t"]["reason"])
                self.nothing_left(machine)

    def test_a_teardown_that_takes_too_long_is_stopped(self):
        machine = self.machine()
        self.commands_over([machine], {"t": "true"}, suite="teardown: sleep 300", run="test-timeout: 500ms")
        self.assert_exit(0)
        self.assertIn("teardown of suite s failed", " ".join(self.summary()["problems"]))
        self.nothing_left(machine)


# Ignores SIGTERM, and flees into sessions of its own.
FUGITIVES = ("trap '' TERM HUP INT; for i in 1 2 3; do setsid sh -c 'trap \"\" TERM; (while :; do sleep 1; : fugitive; done) & "
             "while :; do sleep 1; : fugitive; done' & done; "
             "( ( setsid sh -c 'while :; do sleep 1; : fugitive; done' & ) & ); echo begun; while :; do sleep 1; : fugitive; done")


class Timeouts(SshTest):
    def leaves_nothing(self, user, **ssh):
        machine = self.machine()
        self.commands_over([as_user(user, machine)],
                           {"hangs": {"command": FUGITIVES, "timeout": "500ms", "teardown": "echo torn down"}, "next": GATE},
                           run="order: listed", ssh=ssh)
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("next"), "the next test runs")
        self.assertEqual([line for _, line in machine.processes() if "fugitive" in line], [])
        open_gate(machine)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, out)
        self.assertEqual(self.verdicts(), {"hangs": "timed_out", "next": "passed"})
        self.assertEqual(self.output("hangs"), b"begun\ntorn down\n")
        self.assertEqual([host["restarts"] for host in self.summary()["hosts"]], [0])
        self.nothing_left(machine)
        return out

    def test_all_that_a_test_has_started_is_gone_before_the_next_one_begins(self):
        self.assertIn("private pid and mount namespaces", self.leaves_nothing("root", isolation="namespaces"))

    def test_the_same_without_namespaces(self):
        self.assertIn("isolation: sessions", self.leaves_nothing("root", isolation="session"))

    def test_the_same_as_an_ordinary_user(self):
        self.assertIn("not root there", self.leaves_nothing("tester"))

    def test_what_a_test_that_passes_leaves_running_is_gone_too(self):
        machine = self.machine()
        for user, isolation in (("root", "namespaces"), ("root", "session"), ("tester", "session")):
            with self.subTest(user=user, isolation=isolation):
                self.commands_over([as_user(user, machine)], {"t": f"({FUGITIVES}) >/dev/null 2>&1 & sleep 0.1"},
                                   ssh={"isolation": isolation})
                self.assert_exit(0)
                self.nothing_left(machine)

    def test_what_keeps_a_test_s_output_open_ends_with_it(self):
        machine = self.machine()
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                self.commands_over([machine], {"t": "setsid sleep 300 & echo done"}, ssh={"isolation": isolation})
                began = time.monotonic()
                self.assert_exit(0)
                self.assertLess(time.monotonic() - began, 20)
                self.assertEqual(self.output("t"), b"done\n")

    def test_a_test_has_time_to_end_between_sigterm_and_sigkill(self):
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                self.commands_over([self.machine()], {"t": {"command": "trap 'echo cleaned up; exit 1' TERM; while :; do sleep 0.05; done",
                                                            "timeout": "300ms"}}, ssh={"isolation": isolation}, run="kill-after: 20s")
                self.assert_exit(1)
                self.assertEqual(self.output("t"), b"cleaned up\n")
                self.assertEqual(self.verdicts(), {"t": "timed_out"})

    def test_each_process_gets_sigterm_once(self):
        counts = "trap 'echo $0 got it' TERM; sleep 60 & wait; while :; do sleep 0.02; done"
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                self.commands_over([self.machine()], {"t": {"command": f"sh -c {shlex.quote(counts)} child & {counts}", "timeout": "500ms"}},
                                   ssh={"isolation": isolation}, run="kill-after: 1s")
                self.assert_exit(1)
                self.assertEqual(sorted(self.output("t").decode().splitlines()), ["/bin/sh got it", "child got it"])

    def test_a_stopped_process_is_no_obstacle(self):
        machine = self.machine()
        self.commands_over([machine], {"t": {"command": "kill -STOP $$", "timeout": "300ms"}}, ssh={"isolation": "session"})
        self.assert_exit(1)
        self.assertEqual(self.verdicts(), {"t": "timed_out"})
        self.nothing_left(machine)


class Connecting(SshTest):
    """Each cause is told with the step that failed, and what to do."""

    def known_hosts(self, *machines, more=""):
        return self.write("known_hosts", "".join(machine.known_hosts_line() for machine in machines) + more)

    def test_what_is_wrong_is_told_of_each_machine_and_without_a_host_nothing_runs(self):
        refusing, hole, endless, silent, closing, unknown, changed, revoked, locked, rsa, empty = machines = (
            self.machines(9) + self.machines(1, host_key="rsa") + self.machines(1))
        known = self.known_hosts(*[machine for machine in machines if machine is not unknown],
                                 more="@revoked * " + revoked.known_hosts_line().split(" ", 1)[1])
        refusing.kill_sshd()
        hole.black_hole()
        endless.garbage_banner("endless")
        silent.accept_but_silent()
        closing.garbage_banner("closes")
        changed.change_host_key()
        (locked.folder / "authorized_keys").write_text("")
        names = ["root@nohost.invalid:/root", *(as_user("root", machine) for machine in machines if machine is not empty),
                 f"root@{empty.address}:/nowhere"]
        self.commands_over(names, {f"t{i}": "true" for i in range(20)}, ssh={"known-hosts": str(known), "connect-timeout": "2s"})
        done = self.assert_exit(69)
        self.assertEqual(set(self.verdicts().values()), {"not_run"})
        self.assertEqual(self.summary()["result"], "no_hosts")
        for machine, hints in {
            None: ["resolve: "],
            refusing: ["connect: Connection refused", refusing.address],
            hole: ["connect: no answer within 2"],
            endless: ["handshake: "],
            silent: ["handshake: no answer within 2"],
            closing: ["handshake: the connection was closed or reset"],
            unknown: [f"host key: {known} does not know this machine (ssh-ed25519 SHA256:", f"ssh-keyscan -p 22 {unknown.address} >> {known}",
                      "host-key: accept-new"],
            changed: ["host key: it has changed", f"ssh-keygen -R '{changed.address}' -f {known}"],
            revoked: ["host key: ssh-ed25519 SHA256:", f"is revoked in {known}"],
            locked: [f"authentication: {self.world.identity} was refused as user root", "authorized_keys"],
            rsa: ["handshake: ", "ed25519", "RSA"],
            empty: ["path: /nowhere does not exist"],
        }.items():
            name = name_of(machine) if machine else "ssh:nohost.invalid"
            with self.subTest(name, hint=hints[0]):
                reasons = self.trouble(name)
                for hint in hints:
                    self.assertIn(hint, reasons[-1])
                    self.assertRegex(done.stdout, f"host {re.escape(name)} was (lost|retired): .*{re.escape(hint)}")

    def test_a_server_that_is_none_costs_neither_time_nor_memory_and_the_others_work_on(self):
        good, *bad = self.machines(4)
        for machine, kind in zip(bad, ("endless", "silence", "closes")):
            machine.garbage_banner(kind)
        _, alone = self.cost_of_six_tests_on(good)
        used, memory = self.cost_of_six_tests_on(*bad, good)
        self.assertEqual({test["attempts"][0]["host"] for test in self.summary()["tests"]}, {name_of(good)})
        self.assertLess(self.summary()["duration_seconds"], 15)
        self.assertLess(used, 1.5)
        self.assertLess(memory, alone + (16 << 10))

    def cost_of_six_tests_on(self, *machines):
        """What ff-ci has used shortly before it ends: seconds of CPU, and kB at its peak."""
        self.commands_over(machines, {f"t{i}": "sleep 0.5" for i in range(6)}, ssh={"connect-timeout": "1s"})
        shutil.rmtree(self.folder / "results", ignore_errors=True)
        process = self.start("run", "job.yaml")
        wait_for(lambda: len(self.events_so_far("attempt_finished")) == 5, "the last test runs")
        used = sum(map(int, pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
        memory = int(re.search(r"VmHWM:\s*(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1])
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        return used, memory

    def test_lines_before_the_banner_are_passed_over(self):
        machine = self.machine()
        machine.garbage_banner("lines")
        self.commands_over([machine], {"t": "true"})
        self.assert_exit(0)

    def test_accept_new_adds_a_machine_once_and_knows_it_from_then_on(self):
        machine = self.machine()
        known = self.folder / "not/yet/there/known_hosts"
        ssh = {"known-hosts": str(known)}
        self.commands_over([machine], {"t": "true"}, ssh={**ssh, "host-key": "accept-new"})
        self.assert_exit(0)
        self.assert_exit(0)
        kind, key = machine.known_hosts_line().split()[1:]
        self.assertEqual(known.read_text(), f"{machine.address} {kind} {key}\n")
        self.commands_over([machine], {"t": "true"}, ssh=ssh)
        self.assert_exit(0)

    def test_accept_new_does_not_accept_a_changed_key(self):
        machine = self.machine()
        known = self.known_hosts(machine)
        machine.change_host_key()
        before = known.read_text()
        self.commands_over([machine], {"t": "true"}, ssh={"known-hosts": str(known), "host-key": "accept-new"})
        self.assert_refused(machine, "host key: it has changed")
        self.assertEqual(known.read_text(), before)

    def test_known_hosts_with_hashes_patterns_and_ports_are_understood(self):
        machine = self.machine(port=2222)
        kind, key = machine.known_hosts_line().split()[1:]
        for names in (f"[{machine.address}]:2222", "[198.18.*]:*", f"[nobody]:22,[{machine.address}]:2222"):
            with self.subTest(names):
                self.commands_over([machine], {"t": "true"}, ssh={"known-hosts": str(self.write("known", f"# mine\n\n{names} {kind} {key} me\n"))})
                self.assert_exit(0)
        known = self.write("hashed", f"[{machine.address}]:2222 {kind} {key}\n")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
        self.assertNotIn(machine.address, known.read_text())
        self.commands_over([machine], {"t": "true"}, ssh={"known-hosts": str(known)})
        self.assert_exit(0)

    def test_an_rsa_key_of_the_user_s_is_refused_and_told_why(self):
        machine = self.machine()
        key = self.folder / "id_rsa"
        make_keys(("rsa", key))
        (machine.folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
        self.commands_over([machine], {"t": "true"}, ssh={"identity": str(key)})
        self.assert_refused(machine, f"authentication: {key} was refused as user root", "RSA keys can't be used", "ed25519 or ecdsa")

    def test_an_ecdsa_key_opens_the_machine(self):
        machine = self.machine(host_key="ecdsa")
        make_keys(("ecdsa", self.folder / "id_ecdsa"))
        (machine.folder / "authorized_keys").write_text((self.folder / "id_ecdsa.pub").read_text())
        self.commands_over([machine], {"t": "true"}, ssh={"identity": str(self.folder / "id_ecdsa")})
        self.assert_exit(0)

    def test_the_keys_in_the_home_directory_are_tried(self):
        machine = self.machine()
        (self.folder / ".ssh").mkdir()
        make_keys(("ecdsa", self.folder / ".ssh/id_ecdsa"))
        (self.folder / ".ssh/id_ed25519").write_bytes(self.world.identity.read_bytes())
        self.commands_over([machine], {"t": "true"}, ssh={"identity": None})
        self.assert_exit(0)

    def test_an_encrypted_or_missing_identity_ends_ff_ci_before_anything_runs(self):
        key = self.folder / "secret"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "passphrase", "-f", key], check=True)
        for identity, hint in ((key, "ssh-add"), (self.folder / "nowhere", "No such file"), (key.with_suffix(".pub"), "not a private key")):
            with self.subTest(identity.name):
                self.commands_over(["root@nohost.invalid:/root"], {"t": "true"}, ssh={"identity": str(identity)})
                done = self.run_job()
                self.assertIn(done.returncode, (66, 69), done.stderr)
                self.assertIn(str(identity), done.stderr)
                self.assertIn(hint, done.stderr)
                self.assertFalse((self.folder / "results").exists())

    def test_without_any_key_it_says_how_to_name_one(self):
        machine = self.machine()
        self.commands_over([machine], {"t": "true"}, ssh={"identity": None})
        self.assert_refused(machine, "authentication: there is no key to try: name one (identity: FILE), or start an agent")

    def agent(self, *keys):
        path = self.folder / "agent"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        wait_for(path.exists, "the agent listens")
        for key in keys:
            subprocess.run(["ssh-add", "-q", key], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(path)})
        return {"SSH_AUTH_SOCK": str(path)}

    def test_the_agent_s_keys_are_tried_one_after_the_other(self):
        machines = self.machines(3)
        make_keys(("rsa", self.folder / "a"), ("ed25519", self.folder / "b"))
        env = self.agent(self.folder / "a", self.folder / "b", self.world.identity)
        self.commands_over(machines, {f"t{i}": "true" for i in range(6)}, ssh={"identity": None})
        self.assert_exit(0, env=env)

    def test_keys_that_are_all_refused_are_named(self):
        machine = self.machine()
        make_keys(("ed25519", self.folder / "other"))
        env = self.agent(self.folder / "other")
        self.commands_over([machine], {"t": "true"}, ssh={"identity": None})
        self.assert_refused(machine, "authentication: ssh-ed25519 of the agent", "was refused as user root", env=env)

    def test_an_agent_that_is_not_there_is_named(self):
        machine = self.machine()
        self.commands_over([machine], {"t": "true"}, ssh={"identity": None})
        self.assert_refused(machine, f"authentication: cannot reach the SSH agent at {self.folder}/nowhere",
                            env={"SSH_AUTH_SOCK": f"{self.folder}/nowhere"})

    def test_an_agent_that_hangs_costs_a_connect_timeout_and_stops_nothing_else(self):
        machine = self.machine()
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(f"{self.folder}/agent")
            agent.listen(100)
            go = self.folder / "go"
            self.commands_over([machine], {"here": f"until test -e {go}; do sleep 0.02; done"}, local=1,
                               ssh={"identity": None, "connect-timeout": "1s"})
            process = self.start("run", "job.yaml", env={"SSH_AUTH_SOCK": f"{self.folder}/agent"})
            reason = wait_for(self.trouble, "the machine can't be used")[0]
            self.assertTrue(self.is_running("here"))
            go.touch()
            process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertIn("authentication: no answer within 1", reason)

    def test_with_an_identity_nobody_asks_the_agent(self):
        machine = self.machine()
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(f"{self.folder}/agent")
            agent.listen(100)
            self.commands_over([machine], {"t": "true"})
            self.assert_exit(0, env={"SSH_AUTH_SOCK": f"{self.folder}/agent"})

    def test_a_proxy_command_leads_to_a_machine_that_has_no_address_here(self):
        jump, inner = self.machines(2)
        known = self.write("known", inner.known_hosts_line().replace(inner.name, "inner", 1))
        to_jump = shlex.join(map(str, self.world.ssh(jump)))
        proxy = f"echo '%h %p %r %%' >>{self.folder}/asked; exec {to_jump} -W {inner.address}:%p"
        self.commands_over(["root@inner:/root"], {"t": "hostname"}, ssh={"proxy-command": proxy, "known-hosts": str(known)})
        self.assert_exit(0)
        self.assertEqual(self.output("t").decode(), inner.name + "\n")
        self.assertEqual((self.folder / "asked").read_text(), "inner 22 root %\n")
        self.nothing_left(inner)
        wait_for(lambda: not jump._processes() or len(jump._sshd_processes()) == 1, "the way is closed")

    def test_a_proxy_command_that_fails_is_told_with_its_last_words(self):
        for proxy, hints in (("echo one >&2; echo no such bastion >&2; exit 1", ["proxy-command", "no such bastion"]),
                             ("exec nowhere-to-be-found", ["proxy-command", "not found"]),
                             ("exec sleep 300", ["no answer within 1"])):
            with self.subTest(proxy):
                self.commands_over(["root@inner:/root"], {"t": "true"}, ssh={"proxy-command": proxy, "connect-timeout": "1s"})
                self.first_trouble(*hints)

    def test_another_architecture(self):
        machine = self.machine()
        self.commands_over([machine], {"t": "true"}, ssh={"arch": "aarch64"})
        self.assert_refused(machine, f"architecture: it is {os.uname().machine}, and the tests are for aarch64 (hosts.ssh.arch)")

    def test_namespaces_are_not_for_ordinary_users(self):
        machine = self.machine()
        self.commands_over([as_user("tester", machine)], {"t": "true"}, ssh={"isolation": "namespaces"})
        self.assert_refused(machine, "isolation: private namespaces can't be made: not root there")

    def test_a_path_that_can_not_be_entered(self):
        machine = self.machine()
        machine.exec("touch /tmp/file; mkdir -m 700 /tmp/secret")
        for path, hint in (("/tmp/file", "/tmp/file is no directory"), ("/tmp/secret", "/tmp/secret can't be entered")):
            with self.subTest(path):
                self.commands_over([f"tester@{machine.address}:{path}"], {"t": "true"})
                self.assert_refused(machine, f"path: {hint}")

    def test_a_login_that_is_none(self):
        machine = self.machine(settings="ForceCommand echo this account is not available; exit 1\n")
        self.commands_over([machine], {"t": "true"})
        self.first_trouble("shell: ")

    def test_on_a_full_disk_runs_what_needs_none(self):
        machine = self.machine(size="1m")
        for folder in ("/tmp", "/run"):
            machine.fill_disk(folder)
        self.commands_over([machine], {"t": "echo ran", "fails": "cp /etc/services /tmp/file"})
        self.assert_exit(1)
        self.assertEqual(self.output("t"), b"ran\n")
        self.assertIn("No space left on device", self.by_name()["fails"]["reason"])
        machine.free_disk()
        self.nothing_left(machine)


class Losses(SshTest):
    """What becomes of tests whose machine is lost."""

    def started_on_all(self, *machines, tests=None, **job):
        """A run with a test behind the gate on each of the machines. The test of each machine."""
        tests = tests or {f"t{i}": GATE for i in range(len(machines))}
        self.commands_over(machines, tests, **{"run": "probe-interval: 30s", **job})
        process = self.start("run", "job.yaml")
        names = list(tests)[:len(machines)]
        wait_for(lambda: all(self.is_running(test) for test in names), "a test runs on each machine")
        running = {self.host_of(test): test for test in names}
        return process, [running[name_of(machine)] for machine in machines]

    def ended(self, process, code):
        out, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, out)
        return out

    def wait_lost(self, *machines, seconds=30):
        names = {name_of(machine) for machine in machines}
        wait_for(lambda: names <= {event["host"] for event in self.events_so_far("host_lost")}, f"lost: {names}", seconds)

    def test_a_killed_machine_s_test_runs_again_on_another_and_the_others_do_not_notice(self):
        dies, lives = self.machines(2)
        process, (unlucky, lucky) = self.started_on_all(dies, lives, ssh={"connect-timeout": "1s"})
        dies.kill()
        self.wait_lost(dies)
        open_gate(lives)
        out = self.ended(process, 0)
        self.assertEqual(self.verdicts(), {unlucky: "passed", lucky: "passed"})
        attempts = self.by_name()[unlucky]["attempts"]
        self.assertEqual([(a["outcome"], a["host"]) for a in attempts], [("host_lost", name_of(dies)), ("passed", name_of(lives))])
        self.assertEqual(self.outcomes(lucky), ["passed"])
        self.assertIn("closed or reset", attempts[0]["reason"])
        self.assertRegex(out, f"RETRY .*s/{unlucky}")

    def test_a_machine_that_reboots_comes_back_and_works_on(self):
        machine = self.machine()
        process, (first,) = self.started_on_all(machine, tests={"first": f"touch /root/$$; {GATE}", "second": "true"}, run="order: listed",
                                                suite="setup: echo up >>/root/log\nteardown: echo down >>/root/log")
        before = machine.boot_id
        machine.reboot()
        open_gate(machine)
        out = self.ended(process, 0)
        self.assertEqual(self.outcomes("first"), ["host_lost", "passed"])
        self.assertEqual(self.outcomes("second"), ["passed"])
        self.assertEqual([host["restarts"] for host in self.summary()["hosts"]], [1])
        boots = [event["boot_id"] for event in self.events() if event["event"] == "host_ready"]
        self.assertEqual(boots, [before, machine.boot_id])
        self.assertIn(f"host {name_of(machine)} is back", out)
        self.assertEqual(machine.path("/root/log").read_text().split(), ["up", "up", "down"])
        self.nothing_left(machine)

    def test_silence_is_noticed_by_the_next_probe(self):
        healthy, *silent = machines = self.machines(5)
        process, (lucky, *unlucky) = self.started_on_all(*machines, run="probe-interval: 1s", ssh={"connect-timeout": "1s"})
        for machine, fault in zip(silent, ("link_down", "black_hole", "panic", "freeze")):
            getattr(machine, fault)()
        began = time.monotonic()
        self.wait_lost(*silent)
        self.assertLess(time.monotonic() - began, 8)
        for machine in silent:
            self.assertIn("no answer within 1", self.trouble(name_of(machine))[0])
        self.assertEqual(self.trouble(name_of(healthy)), [])
        open_gate(healthy)
        self.ended(process, 0)
        for test in unlucky:
            self.assertEqual(self.outcomes(test), ["host_lost", "passed"])
        self.assertEqual(self.outcomes(lucky), ["passed"])

    def test_what_ran_before_the_silence_is_killed_before_anything_runs_after_it(self):
        for hurt, heal in (("black_hole", "heal"), ("freeze", "thaw")):
            with self.subTest(hurt):
                machine = self.machine()
                script = machine.path("/root/test.sh")
                script.write_text("sh -c 'while :; do sleep 0.1; : left-behind; done'\n")
                process, _ = self.started_on_all(machine, tests={"t": ". ./test.sh"}, run="probe-interval: 1s",
                                                 ssh={"connect-timeout": "1s", "isolation": "session"})
                wait_for(lambda: any("left-behind" in line for _, line in machine.processes()), "it runs")
                getattr(machine, hurt)()
                self.wait_lost(machine)
                self.assertTrue(any("left-behind" in line for _, line in machine.processes()))
                script.write_text("! grep -l '[l]eft-behind' /proc/[0-9]*/cmdline\n")
                getattr(machine, heal)()
                self.ended(process, 0)
                self.assertEqual(self.outcomes("t"), ["host_lost", "passed"])
                self.nothing_left(machine)

    def test_a_reset_connection_is_made_again(self):
        machine = self.machine()
        process, (test,) = self.started_on_all(machine)
        machine.reset_connections()
        self.wait_lost(machine)
        open_gate(machine)
        self.ended(process, 0)
        self.assertEqual(self.outcomes(test), ["host_lost", "passed"])
        self.nothing_left(machine)

    def test_without_sshd_a_test_s_processes_end_also_when_nobody_comes_back(self):
        machine = self.machine()
        process, (test,) = self.started_on_all(machine, tests={"t": FUGITIVES}, ssh={"isolation": "session"})
        wait_for(lambda: any("fugitive" in line for _, line in machine.processes()), "it runs")
        machine.kill_sshd()
        wait_for(lambda: not machine.processes(), "the control shell has killed them")
        process.send_signal(signal.SIGINT)
        self.ended(process, 130)

    def test_when_sshd_and_the_control_shell_are_killed_what_they_left_is_found_at_the_next_login(self):
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                machine = self.machine()
                script = machine.path("/root/test.sh")
                script.write_text(FUGITIVES)
                process, _ = self.started_on_all(machine, tests={"t": ". ./test.sh"}, ssh={"isolation": isolation})
                wait_for(lambda: self.output("t") == b"begun\n", "it runs")
                control, = [pid for pid, _ in machine.processes() if os.path.exists(f"/proc/{pid}/fd/9")]
                os.kill(control, signal.SIGKILL)
                machine.kill_sshd()
                self.assertTrue(any("fugitive" in line for _, line in machine.processes()))
                script.write_text(GATE)
                machine.restart_sshd()
                wait_for(lambda: len(self.events_so_far("attempt_started")) == 2, "it is tried again")
                self.assertEqual([line for _, line in machine.processes() if "fugitive" in line], [])
                open_gate(machine)
                self.ended(process, 0)
                self.assertEqual(self.outcomes("t"), ["host_lost", "passed"])
                self.nothing_left(machine)

    def test_a_machine_that_comes_back_late_is_still_used(self):
        machine, other = self.machines(2)
        process, (unlucky, lucky) = self.started_on_all(machine, other, ssh={"connect-timeout": "1s"})
        machine.kill()
        other.kill()
        self.wait_lost(machine, other)
        wait_for(lambda: any("connect: no answer" in reason for reason in self.trouble(name_of(machine))), "it is not there")
        machine.start()
        wait_for(lambda: machine.alive and [e for e in self.events_so_far("host_ready") if e["host"] == name_of(machine)][1:], "it is back")
        open_gate(machine)
        self.ended(process, 0)
        self.assertEqual([self.outcomes(test) for test in (unlucky, lucky)], [["host_lost", "passed"]] * 2)

    def test_a_test_that_lost_its_host_too_often_is_an_error_and_no_failure(self):
        machine = self.machine()
        process, (first,) = self.started_on_all(machine, tests={"first": GATE, "second": "true"},
                                                run="order: listed\nmax-host-restarts: 0")
        machine.reboot()
        out = self.ended(process, 5)
        self.assertEqual(self.verdicts(), {"first": "error", "second": "passed"})
        self.assertEqual(self.outcomes("first"), ["host_lost"])
        self.assertEqual(self.summary()["result"], "incomplete")
        case = self.junit().find(".//testcase[@name='first']")
        self.assertIsNone(case.find("failure"))
        self.assertEqual(case.find("error").get("type"), "host_lost")
        self.assertIn("s/first", out)

    def test_a_failure_before_the_loss_stays_a_failure(self):
        machine = self.machine()
        process, _ = self.started_on_all(machine, tests={"t": f"echo x >>/root/n; test $(wc -l </root/n) != 1 || exit 3; {GATE}"},
                                         run="retry-failures: 1\nmax-host-restarts: 0")
        wait_for(lambda: len(self.events_so_far("attempt_started")) == 2, "it is tried again")
        wait_for(lambda: self.is_running("t"), "it runs")
        machine.reboot()
        self.ended(process, 1)
        self.assertEqual(self.outcomes("t"), ["failed", "host_lost"])
        self.assertEqual(self.verdicts(), {"t": "failed"})

    def test_when_no_machine_comes_back_nothing_more_runs_and_it_says_so(self):
        machines = self.machines(2)
        process, unlucky = self.started_on_all(*machines, tests={f"t{i}": GATE for i in range(5)},
                                                ssh={"connect-timeout": "1s", "boot-timeout": "5s"})
        for machine in machines:
            machine.kill()
        out = self.ended(process, 69)
        self.assertEqual(self.verdicts(), {f"t{i}": "error" if f"t{i}" in unlucky else "not_run" for i in range(5)})
        self.assertEqual(self.summary()["result"], "no_hosts")
        for machine in machines:
            self.assertIn(f"host {name_of(machine)} was retired", out)

    def test_a_lost_set_up_is_made_again(self):
        machine = self.machine()
        self.commands_over([machine], {"t": "true"}, suite=f"setup: echo up >>/root/log; {GATE}\nteardown: echo down >>/root/log")
        process = self.start("run", "job.yaml")
        log = machine.path("/root/log")
        wait_for(lambda: log.exists() and log.read_text(), "the set-up runs")
        machine.reboot()
        open_gate(machine)
        self.ended(process, 0)
        self.assertEqual(machine.path("/root/log").read_text().split(), ["up", "up", "down"])


class Endings(SshTest):
    """ff-ci ends, in whatever way: nothing of it stays on the machines."""

    def begun(self, *machines, **job):
        self.commands_over(machines, {"t": {"command": FUGITIVES, "teardown": "touch /root/torn-down"}, "waits": "true"},
                           **{"suite": "setup: sleep 300 &", "run": "order: listed", **job})
        process = self.start("run", "job.yaml")
        wait_for(lambda: any("fugitive" in line for machine in machines for _, line in machine.processes()), "it runs")
        return process

    def test_kill_9_leaves_no_process_and_no_lock(self):
        machine = self.machine()
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                process = self.begun(machine, ssh={"isolation": isolation})
                process.kill()
                process.wait()
                wait_for(lambda: not machine.processes(), "nothing runs there", 10)
                self.nothing_left(machine)

    def test_after_kill_9_the_next_ff_ci_works_at_once(self):
        machine = self.machine()
        process = self.begun(machine)
        process.kill()
        process.wait()
        self.commands_over([machine], {"t": "true"})
        began = time.monotonic()
        self.assert_exit(0)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(self.trouble(), [])

    def test_a_signal_ends_the_run_in_order_and_leaves_nothing(self):
        for sent, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            for isolation in ("namespaces", "session"):
                with self.subTest(sent.name, isolation=isolation):
                    machine = self.machine()
                    process = self.begun(machine, ssh={"isolation": isolation})
                    process.send_signal(sent)
                    out, _ = process.communicate(timeout=60)
                    self.assertEqual(process.returncode, code, out)
                    self.assertEqual(self.verdicts(), {"t": "not_run", "waits": "not_run"})
                    self.assertTrue(machine.path("/root/torn-down").exists())
                    self.nothing_left(machine)

    def test_a_second_signal_does_not_wait(self):
        machine = self.machine()
        process = self.begun(machine, run="kill-after: 10m")
        process.send_signal(signal.SIGINT)
        wait_for(lambda: self.events_so_far("run_stopping"), "the first signal was taken")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.nothing_left(machine)

    def interrupted_in_silence(self, signals, **job):
        """How long ff-ci takes to end, when its machines do not answer."""
        silent, frozen, refusing = self.machines(3)
        self.commands_over([silent, frozen, refusing], {f"t{i}": GATE for i in range(3)}, **job)
        process = self.start("run", "job.yaml")
        wait_for(lambda: all(self.is_running(f"t{i}") for i in range(3)), "all run")
        silent.black_hole()
        frozen.freeze()
        refusing.kill_sshd()
        began = time.monotonic()
        for count in range(signals):
            process.send_signal(signal.SIGINT)
            wait_for(lambda: len(self.events_so_far("run_stopping")) > count, "the signal was taken")
        process.communicate(timeout=100)
        self.assertEqual(process.returncode, 130)
        return time.monotonic() - began

    def test_a_signal_waits_for_silent_machines_no_longer_than_a_probe(self):
        self.assertLess(self.interrupted_in_silence(1, run="probe-interval: 1s"), 10)

    def test_a_second_signal_does_not_wait_for_silent_machines(self):
        self.assertLess(self.interrupted_in_silence(2, run="probe-interval: 8s"), 4)

    def test_the_deadline_ends_what_runs(self):
        machine = self.machine()
        self.commands_over([machine], {"t": FUGITIVES}, run="deadline: 1s")
        self.assert_exit(5)
        self.assertEqual(self.verdicts(), {"t": "not_run"})
        self.nothing_left(machine)

    def second(self, machine, run=""):
        """A run of another folder, while the first one has the machine."""
        self.commands_over([machine], {"first": GATE})
        first = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("first"), "the first one runs")
        (self.folder / "results").rename(self.folder / "first-results")
        self.commands_over([machine], {"second": "true"}, run=run)
        return first, self.start("run", "job.yaml")

    def test_a_second_ff_ci_says_who_has_the_machine_and_works_when_it_is_free(self):
        machine = self.machine()
        first, second = self.second(machine)
        reason, = wait_for(self.trouble, "the second one has trouble")[:1]
        self.assertIn(f"lock: another ff-ci uses this machine: job job, process {first.pid} on ", reason)
        open_gate(machine)
        out, _ = second.communicate(timeout=60)
        self.assertEqual(second.returncode, 0, out)
        self.assertIn(reason, out)
        self.assertEqual(first.wait(timeout=60), 0)

    def test_a_short_probe_interval_hides_not_who_has_the_machine(self):
        machine = self.machine()
        _, second = self.second(machine, run="probe-interval: 1s")
        reason, = wait_for(self.trouble, "the second one has trouble")[:1]
        open_gate(machine)
        second.communicate(timeout=60)
        self.assertIn("lock: another ff-ci uses this machine", reason)

    def test_users_of_a_machine_do_not_lock_out_each_other(self):
        machine = self.machine()
        self.commands_over([machine], {"first": GATE})
        first = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("first"), "the first one runs")
        (self.folder / "results").rename(self.folder / "first-results")
        self.commands_over([as_user("tester", machine)], {"second": "true"})
        self.assert_exit(0)
        open_gate(machine)
        self.assertEqual((first.communicate(timeout=60), first.returncode)[1], 0)


class Files(SshTest):
    def files(self, test="t", attempt=1):
        """What was kept, by name."""
        folder = self.folder / "results/latest/tests/s" / test / str(attempt) / "files"
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}

    def test_files_that_match_come_back_also_of_a_test_that_failed_or_timed_out(self):
        machine = self.machine()
        make = "mkdir -p out/deep; echo one >out/a.log; echo two >out/deep/b.log; echo no >out/c.txt; head -c 300000 /dev/urandom >bin; " \
               "md5sum <bin; "
        files = ["out/*.log", "out/deep", "bin", "nothing*"]
        self.commands_over([as_user("root", machine)], {
            "t": {"command": make, "files": files}, "fails": {"command": make + "exit 1", "files": files},
            "hangs": {"command": make + "sleep 60", "files": files, "timeout": "500ms"}})
        self.assert_exit(1)
        for test in ("t", "fails", "hangs"):
            kept = self.files(test)
            self.assertEqual(set(kept), {"out/a.log", "out/deep/b.log", "bin"})
            self.assertEqual((kept["out/a.log"], kept["out/deep/b.log"], len(kept["bin"])), (b"one\n", b"two\n", 300000))
            attempt = self.by_name()[test]["attempts"][0]
            self.assertEqual({file.split("/files/")[1] for file in attempt["files"] if "/files/" in file}, set(kept))
            self.assertNotIn("files_problem", attempt)
            self.assertEqual(self.output(test, stream="stderr"), b"")

    def test_hostile_names_and_links_get_nowhere(self):
        machine = self.machine()
        machine.exec("mkdir -p /root/out; echo secret >/root/secret")
        names = ["$(touch pwned)", "; touch pwned", "-rf", "--checkpoint-action=exec=touch pwned", "new\nline", "ünï", "q'\"", "%2F", "\x1b[31m"]
        for name in names:
            machine.path("/root/out/" + name).write_bytes(name.encode())
        machine.exec("cd /root/out; ln -s /etc/passwd link; ln -s / root; ln /root/secret hard; mkfifo fifo; ln -s ../.. up; "
                     "mkdir dir; ln -s /etc dir/etc")
        self.commands_over([machine], {"t": {"command": "true", "files": ["out/*"]}})
        done = self.assert_exit(0)
        kept = {urllib.parse.unquote(name): content for name, content in self.files().items()}
        self.assertEqual(set(kept), {"out/" + name for name in [*names, "hard"]})
        for name in names:
            self.assertEqual(kept["out/" + name], name.encode())
        self.assertEqual([name for name in self.files() if not name.isascii() or not name.isprintable() or " " in name], [])
        self.assertRegex(self.by_name()["t"]["attempts"][0]["files_problem"], "symlinks.*FIFO|FIFO.*symlinks")
        self.assertFalse(list(self.folder.rglob("pwned")))
        self.assertEqual(machine.exec("find /root -name pwned"), "")
        self.assertNotIn("\x1b", done.stdout)

    def test_names_that_look_like_options_are_files_where_the_glob_begins_with_them(self):
        machine = self.machine()
        self.commands_over([machine], {"t": {"command": "echo x >-v; echo y >--help", "files": ["-*"]}})
        self.assert_exit(0)
        self.assertEqual(set(self.files()), {"-v", "--help"})

    def test_what_is_beyond_the_limit_is_dropped_and_said(self):
        machine = self.machine()
        self.commands_over([machine], {"t": {"command": "echo small >a; head -c 30000000 /dev/zero >big; echo x >c", "files": ["a", "big", "c"]},
                                       "endless": {"command": "truncate -s 1T sparse; echo x >b", "files": ["sparse"]},
                                       "next": "true"}, run="files-limit: 1M\norder: listed")
        began = time.monotonic()
        self.assert_exit(0)
        self.assertLess(time.monotonic() - began, 30)
        kept = self.files()
        self.assertEqual(kept["a"], b"small\n")
        self.assertNotIn("big", kept)
        for test in ("t", "endless"):
            self.assertIn("limit", self.by_name()[test]["attempts"][0]["files_problem"])

    def test_a_failure_whose_machine_is_lost_while_its_files_come_stays_a_failure(self):
        machine = self.machine()
        self.commands_over([machine], {"t": {"command": "test -e /root/again || { touch /root/again; exit 3; }", "files": ["again"]}})
        # A tar that never comes to its end, found before the real one.
        machine.exec("mkdir /tmp/bin; printf '#!/bin/sh\\nsleep 300\\n' >/tmp/bin/tar; chmod +x /tmp/bin/tar; mount --bind /tmp/bin /usr/local/bin")
        process = self.start("run", "job.yaml")
        wait_for(lambda: any("sleep 300" in line for _, line in machine.processes()), "the files are fetched")
        machine.reboot()
        process.communicate(timeout=60)
        self.assertEqual((process.returncode, self.outcomes("t"), self.verdicts()), (1, ["failed"], {"t": "failed"}))


class Hostile(SshTest):
    def test_output_is_only_output(self):
        machine = self.machine()
        lies = ("printf '::error::pwned\\n##[error]pwned\\n\\033[2J\\033]0;pwned\\007\\0 end\\ncommand 0 1.00 2.00\\nleft \\n done\\n'; "
                "printf '0123456789abcdef0123456789abcdef end\\ncommand 0 1.00 2.00\\n0123456789abcdef0123456789abcdef done\\n'")
        shown = subprocess.run(["sh", "-c", lies], capture_output=True).stdout
        self.commands_over([machine], {"bad": lies + "; exit 3", "hangs": {"command": lies + "; sleep 60", "timeout": "500ms"}})
        done = self.run_job(env={"GITHUB_ACTIONS": "true"})
        self.assertEqual(self.verdicts(), {"bad": "failed", "hangs": "timed_out"})
        self.assertEqual(self.output("bad"), shown)
        self.assertEqual(self.output("hangs"), shown)
        self.assertNotIn("\x1b", done.stdout)
        self.assertNotIn("##[", done.stdout)
        stopped = None
        for line in done.stdout.splitlines():
            if stopped is None and line.startswith("::stop-commands::"):
                stopped = line.split("::")[2]
            elif stopped is not None and line == f"::{stopped}::":
                stopped = None
            elif stopped is None:
                self.assertFalse(line.lstrip().startswith("::error::pwned"), line)

    def test_the_nonce_of_the_last_words_is_nowhere_a_test_looks(self):
        machine = self.machine()
        for isolation in ("namespaces", "session"):
            self.commands_over([machine], {"t": "tr '\\0' '\\n' </proc/$PPID/environ; tr '\\0' '\\n' </proc/$PPID/cmdline; env; ls -l /proc/self/fd; "
                                                "ps axeww; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'"},
                               ssh={"isolation": isolation})
            self.assert_exit(0)
            # What it may find: names of connections, which begin marks ("token.number").
            found = set(re.findall(rb"\b[0-9a-f]{32}\b(?!\.)", self.output("t")))
            self.assertEqual({nonce for nonce in found if b"FFCI_MARK=" + nonce not in self.output("t")}, set())

    def test_a_test_that_kills_its_watcher_has_neither_passed_nor_failed(self):
        machine = self.machine()
        grandparent = "read -r _ _ _ p _ </proc/$PPID/stat; "
        kills = {"parent": "kill -9 $PPID; sleep 300",
                 "parent-and-ends": "kill -9 $PPID; exit 0",
                 "grandparent": grandparent + "kill -9 $p; exit 0",
                 "both": grandparent + "kill -9 $p $PPID; exit 0",
                 "all": "for p in $(grep -lsF FFCI_ /proc/[0-9]*/environ | cut -d/ -f3); do test $p = $$ || kill -9 $p; done; exit 0"}
        # Nobody notices before its time is over.
        late = {"command": grandparent + "kill -9 $p; sleep 300", "timeout": "1s"}
        self.commands_over([machine], {**kills, "late": late, "next": "true"}, run="max-host-restarts: 1\norder: listed",
                           ssh={"isolation": "session"})
        self.assert_exit(1)
        self.assertEqual(self.verdicts(), {**dict.fromkeys(kills, "error"), "late": "timed_out", "next": "passed"})
        self.nothing_left(machine)

    def test_in_its_namespace_a_test_can_kill_only_itself(self):
        machine = self.machine()
        self.commands_over([machine], {"t": "kill -9 -1; exit 3", "watcher": "kill -9 1; kill -9 $PPID; exit 3", "next": "true"},
                           ssh={"isolation": "namespaces"}, run="order: listed")
        self.assert_exit(1)
        self.assertEqual(self.verdicts(), {"t": "failed", "watcher": "failed", "next": "passed"})
        self.assertEqual(self.trouble(), [])

    def test_a_test_that_kills_all_it_can_loses_its_machine(self):
        doomed, = self.machines(1)
        self.commands_over([doomed], {"t": "kill -9 -1; sleep 300"}, ssh={"isolation": "session", "connect-timeout": "1s"},
                           run="max-host-restarts: 0")
        process = self.start("run", "job.yaml")
        wait_for(self.trouble, "the machine is lost")
        doomed.restart_sshd()
        process.communicate(timeout=60)
        self.assertEqual((process.returncode, self.verdicts()), (5, {"t": "error"}))

    def test_a_forged_end_on_every_descriptor_in_reach_is_no_pass(self):
        machine = self.machine()
        forge = ("for p in $PPID $(cut -d' ' -f4 /proc/$PPID/stat); do for f in /proc/$p/fd/*; do "
                 "printf 'command 0 1.00 2.00\\n' >$f; done; done 2>/dev/null; exit 3")
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                self.commands_over([machine], {"t": forge}, run="max-host-restarts: 0", ssh={"isolation": isolation})
                self.run_job(timeout=100)
                self.assertIn(self.verdicts()["t"], ("failed", "error"))


class KernelLog(SshTest):
    """All machines of this computer share its log: what is claimed here is only about lines of the test's own."""

    def test_lines_of_user_space_are_kept_and_are_no_report(self):
        machine = self.machine()
        marker = f"ff-ci-test-{os.getpid()}"
        lines = [f"{marker} WARNING: CPU: 0 PID: 1 at fs/ext4/inode.c:1 ext4_test+0x1/0x2", f"{marker} plain"]
        write = "".join(f"echo '<4>{line}' >/dev/kmsg; " for line in lines)
        warning = "echo '<4>WARNING: CPU: 0 PID: 1 at fs/ext4/inode.c:1 ext4_test+0x1/0x2' >/dev/kmsg; "
        self.commands_over([machine], {"writes": write + warning, "silent": "true"}, run="dmesg: true\norder: listed")
        self.assert_exit(0)
        self.assertEqual(self.verdicts(), {"writes": "passed", "silent": "passed"})
        attempt = self.by_name()["writes"]["attempts"][0]
        self.assertNotIn("kernel_reports", attempt)
        kept = self.output("writes", stream="dmesg").decode()
        for line in lines:
            self.assertIn(line, kept)
        self.assertTrue(any(file.endswith("/dmesg") for file in attempt["files"]))
        self.assertNotIn(marker, self.output("silent", stream="dmesg").decode())

    def test_the_machine_s_log_names_the_test_that_ran(self):
        machine = self.machine()
        name = f"named-{os.getpid()}"
        self.commands_over([machine], {name: "true"}, run="dmesg: true")
        self.assert_exit(0)
        self.assertEqual(self.output(name, stream="dmesg"), b"")  # what the kernel says, and not what ff-ci does
        log = self.folder / "results/latest/hosts" / name_of(machine).replace(":", "%3A") / "dmesg"
        self.assertIn(f"ff-ci: run s/{name}", log.read_text())

    def test_an_ordinary_user_can_not_read_it_and_tests_run_without(self):
        machine = self.machine()
        self.commands_over([as_user("tester", machine)], {"t": "true"}, run="dmesg: true")
        done = self.assert_exit(0)
        self.assertIn("kernel log not readable", done.stdout)

    def test_a_flood_of_lines_costs_no_test(self):
        machine = self.machine()
        self.commands_over([machine], {"floods": "i=0; while [ $i -lt 3000 ]; do echo \"<7>ff-ci-flood $i\"; i=$((i+1)); done >/dev/kmsg",
                                       "next": "true"}, run="dmesg: true\norder: listed")
        self.assert_exit(0)


FAKE_BPFTRACE = """#!/bin/sh
trap 'echo "@calls: 42"; exit 0' INT
echo "Attaching 1 probe... $1 $2"
echo complaint >&2
while :; do sleep 0.02; done
"""


class Tracing(SshTest):
    def traced(self, script, mode="755"):
        machine = self.machine()
        machine.exec("mkdir /tmp/bin; mount --bind /tmp/bin /usr/local/bin")
        machine.path("/tmp/bin/bpftrace").write_text(script)
        machine.exec(f"chmod {mode} /tmp/bin/bpftrace")
        return machine

    def test_its_output_is_kept_beside_each_test(self):
        machine = self.traced(FAKE_BPFTRACE)
        program = "kprobe:vfs_* { @calls = count(); } // 'quoted' $x"
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                self.commands_over([machine], {"a": "echo mine", "b": "exit 3"}, run=f"bpftrace: {json.dumps(program)}",
                                   ssh={"isolation": isolation})
                self.assert_exit(1)
                for test in ("a", "b"):
                    self.assertEqual(self.output(test, stream="bpftrace").decode(),
                                     f"Attaching 1 probe... -e {program}\ncomplaint\n@calls: 42\n")
                    self.assertTrue(any(file.endswith("/bpftrace") for file in self.by_name()[test]["attempts"][0]["files"]))
                self.assertEqual(self.output("a"), b"mine\n")
                self.nothing_left(machine)

    def test_a_program_can_come_from_a_file(self):
        machine = self.traced(FAKE_BPFTRACE)
        self.write("trace.bt", "BEGIN {}\n// two lines\n")
        self.commands_over([machine], {"t": "true"}, run="bpftrace-script: trace.bt")
        self.assert_exit(0)
        self.assertIn(b"-e BEGIN {}\n// two lines\n", self.output("t", stream="bpftrace"))

    def test_also_after_a_timeout_it_tells_what_it_has_counted(self):
        machine = self.traced(FAKE_BPFTRACE)
        for isolation in ("namespaces", "session"):
            with self.subTest(isolation):
                self.commands_over([machine], {"t": {"command": FUGITIVES, "timeout": "500ms"}}, run="bpftrace: BEGIN {}",
                                   ssh={"isolation": isolation})
                self.assert_exit(1)
                self.assertIn(b"@calls: 42", self.output("t", stream="bpftrace"))
                self.nothing_left(machine)

    def test_it_ends_with_an_interrupted_run(self):
        machine = self.traced(FAKE_BPFTRACE)
        self.commands_over([machine], {"t": GATE}, run="bpftrace: BEGIN {}")
        process = self.start("run", "job.yaml")
        wait_for(lambda: self.is_running("t") and self.output("t", stream="bpftrace"), "it runs")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.nothing_left(machine)

    def test_without_bpftrace_the_test_runs_and_the_file_says_so(self):
        machine = self.machine()
        machine.exec("mkdir /tmp/bin; mount --bind /tmp/bin /usr/local/bin; ! command -v bpftrace")
        self.commands_over([machine], {"t": "echo ran"}, run="bpftrace: BEGIN {}")
        self.assert_exit(0)
        self.assertEqual(self.output("t"), b"ran\n")
        self.assertRegex(self.output("t", stream="bpftrace").decode(), "bpftrace.*not found")

    def test_a_tracer_that_ends_at_once_is_no_matter_of_the_test(self):
        machine = self.traced("#!/bin/sh\necho 'syntax error' >&2; exit 1\n")
        self.commands_over([machine], {"t": "echo ran"}, run="bpftrace: nonsense")
        self.assert_exit(0)
        self.assertEqual(self.output("t", stream="bpftrace"), b"syntax error\n")

    def test_a_tracer_that_does_not_end_is_killed(self):
        machine = self.traced("#!/bin/sh\ntrap '' INT TERM\necho attached\nwhile :; do sleep 0.1; done\n")
        self.commands_over([machine], {"t": "true"}, run="bpftrace: BEGIN {}")
        self.assert_exit(0)
        self.assertEqual(self.output("t", stream="bpftrace"), b"attached\n")
        self.nothing_left(machine)


if __name__ == "__main__":
    unittest.main()
