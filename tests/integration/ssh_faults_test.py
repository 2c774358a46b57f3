"""Many short tests over many SSH machines, while the machines and the network fail in every way that a seed draws.

FFCI_SEED replays the faults of a run as far as its timing does; FFCI_FAULT_MACHINES and FFCI_FAULT_TESTS (of each machine) make it
longer.
"""

import collections
import os
import pathlib
import random
import re
import threading
import time
import unittest

from harness import FfciTest, wait_for
from ssh_machines import World, needs_machines

MACHINES = int(os.environ.get("FFCI_FAULT_MACHINES", "20"))
TESTS = int(os.environ.get("FFCI_FAULT_TESTS", "40"))
FFCI = pathlib.Path(os.environ["FFCI"])
SANITIZED = b"__asan_init" in FFCI.read_bytes()  # that keeps much of what was freed
MOST_MEMORY = (1024 if SANITIZED else 100) << 20  # bytes

# What ends by itself always ends the same way, whatever becomes of its machine.
KINDS = {
    "true": ("true", "passed"),
    "bad": ("exit 3", "failed"),
    "flood": ("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2", "passed"),
    "slow": ("sleep 0.2", "passed"),
    "daemon": ("sleep 300 & setsid sleep 301 & echo left", "passed"),
    "fork": ("for i in 1 2 3 4 5 6; do sleep 0.02 & done; wait", "passed"),
}


@needs_machines
class Faults(FfciTest):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("FFCI_SEED", random.randrange(1 << 32)))
        print(f"FFCI_SEED={self.seed}", flush=True)
        self.random = random.Random(self.seed)
        self.world = World()
        self.addCleanup(self.world.close)

    def fault(self, machine, stop):
        """Breaks something, and in the end mends it."""

        def a_while(longest):
            stop.wait(self.random.uniform(0.1, longest))

        kind = self.random.choice(["reboot", "reset", "sshd", "hole", "link", "freeze", "disk", "banner"])
        self.faults[kind] += 1
        if kind == "reboot":
            machine.kill()
            a_while(1)
            machine.start()
        elif kind == "reset":
            machine.reset_connections()
        elif kind == "sshd":
            machine.kill_sshd()
            a_while(1)
            machine.restart_sshd()
        elif kind == "hole":
            machine.black_hole()
            a_while(4)
            machine.heal()
        elif kind == "link":
            machine.link_down()
            a_while(2)
            machine.link_up()
        elif kind == "freeze":
            machine.freeze()
            a_while(4)
            machine.thaw()
        elif kind == "disk":
            machine.fill_disk()
            a_while(1)
            machine.free_disk()
        elif kind == "banner":
            machine.kill_sshd()
            machine.garbage_banner(self.random.choice(["endless", "silence", "closes"]))
            a_while(1)
            machine.restart_sshd()

    def test_nothing_is_lost_and_nothing_fails_that_did_not_fail(self):
        machines = self.world.start(MACHINES)
        names = self.random.choices(list(KINDS), [6, 1, 1, 2, 1, 1], k=MACHINES * TESTS)
        tests = {f"{name}-{i}": KINDS[name][0] for i, name in enumerate(names)}
        tests["stubborn"] = {"command": "trap '' TERM; sleep 400 & while :; do sleep 40; done", "timeout": "2s"}
        self.commands_over(machines, tests, run="probe-interval: 2s\nmax-host-restarts: 100\nheartbeat: 0",
                           ssh={"connect-timeout": "4s", "boot-timeout": "60s"})
        self.faults = collections.Counter()
        log = open(self.folder / "log", "w+")
        self.addCleanup(log.close)
        process = self.world.popen([str(FFCI), "run", "job.yaml"], cwd=self.folder, stdout=log, stderr=log,
                                   env=self.environment())
        self.addCleanup(process.kill)
        ended = threading.Event()
        breaker = threading.Thread(target=self.break_things, args=(machines, ended))
        breaker.start()
        memory = 0
        try:
            deadline = time.monotonic() + 400
            while process.poll() is None and time.monotonic() < deadline:
                memory = max(memory, resident(process.pid))
                ended.wait(0.1)
        finally:
            ended.set()
            breaker.join()
        print(f"faults: {dict(self.faults)}, memory: {memory >> 20} MiB", flush=True)
        log.seek(0)
        self.assertIsNotNone(process.poll(), "it did not end:\n" + log.read()[-3000:])

        self.assertEqual(len(self.verdicts()), len(tests))
        wrong = {name: verdict for name, verdict in self.verdicts().items()
                 if verdict not in self.right_verdicts(name)}
        self.assertEqual(wrong, {})
        self.assertEqual(process.returncode, 1)
        self.assertLess(memory, MOST_MEMORY)
        finished = [event["test"]["name"] for event in self.events() if event["event"] == "test_finished"]
        self.assertEqual(sorted(finished), sorted(tests))
        for machine in machines:
            wait_for(lambda m=machine: not m.processes(), f"{machine.address} is left as it was")

    @staticmethod
    def right_verdicts(name):
        if name == "stubborn":
            return {"timed_out"}
        return {KINDS[re.sub("-.*", "", name)][1]}

    def break_things(self, machines, ended):
        while not ended.wait(self.random.uniform(0.05, 0.4)):
            self.fault(self.random.choice(machines), ended)


def resident(pid):
    """Bytes; 0: it is gone."""
    try:
        found = re.search(r"VmRSS:\s*(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    unittest.main()
