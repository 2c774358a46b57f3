"""Machines to log in to, without machines: network, pid, mount, uts and ipc namespaces with a real sshd in each, and their faults.

    world = World()
    self.addCleanup(world.close)
    one, two = world.start(2)
    world.run([FFCI, "run", "job.yaml"])        # only what runs in the world reaches one.address, or the name "vm1"
    one.panic()

A world is a network namespace of its own with a bridge: nothing of this computer's network changes, and many worlds do not meet. A machine
has its own processes, host name, boot id, addresses, /proc, /tmp, /run and /root (this one outlives a reboot, like a disk); the rest of
the file system is this computer's, read-only. Its kernel is this computer's too: kernel log, /sys and the time of day are shared.

Nothing outlives the process that made the world, however it dies: the first process of each machine, and the one that holds the world's
network and its temporary directory, end when their standard input does.
"""

import functools
import os
import pathlib
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest
import uuid

from harness import wait_for

SSHD = "/usr/sbin/sshd"
TOOLS = ("ip", "mount", "nsenter", "ss", "ssh", "ssh-keygen", "unshare", SSHD)
NAMESPACES = ("--pid", "--mount", "--net", "--uts", "--ipc")

# A bridge that always has a carrier, and one that is down: whatever hangs on it has a link that leads nowhere.
HOLD_WORLD = """
exec 2>world.log
ip -batch - <<END
link set lo up
link add br0 address 02:00:00:00:00:00 up type bridge
addr add 198.18.0.1/15 dev br0
link add port up master br0 type veth peer name anchor
link set anchor arp off up
link add hole type bridge
END
[ ! -e /proc/sys/net/ipv6 ] || ip addr add fd00::1/64 dev br0 nodad
echo ready
cat >/dev/null
tries=100  # the machines end at the same time, and may still write
until cd / && rm -rf -- "$0" || [ $((tries -= 1)) = 0 ]; do sleep 0.05; done
"""

# The first process of a machine. It tells its pid outside, waits for its network card, and becomes a `cat` without children to wait for.
BOOT = """
exec 2>>boot.log
read -r pid rest </proc/self/stat
echo "$pid"
read -r go
mount -t proc proc /proc
mount -t tmpfs -o "mode=755,size=$size" run /run
mkdir -m 755 /run/sshd /run/machine /run/home
mkdir -m 700 /run/home/tester
chown 65533 /run/home/tester
mount --bind . /run/machine
cd /run/machine
exec 2>>boot.log  # through a mount that stays writable
mount -o remount,bind,ro /
mount --bind boot_id /proc/sys/kernel/random/boot_id
mount --bind root /root
mount --bind passwd /etc/passwd
mount --bind shadow /etc/shadow
mount -t tmpfs -o "size=$size" tmp /tmp
echo "$name" >/proc/sys/kernel/hostname
ip -batch - <<END
link set lo up
link set eth0 up
addr add $address/15 dev eth0
END
[ ! -e /proc/sys/net/ipv6 ] || ip addr add "$address6/64" dev eth0 nodad
/usr/sbin/sshd -f /run/machine/sshd_config -E /run/machine/sshd.log
echo up
exec env --ignore-signal=CHLD cat >/dev/null
"""

SSHD_CONFIG = """
Port {port}
HostKey /run/machine/host_key
AuthorizedKeysFile /run/machine/authorized_keys
AuthenticationMethods publickey
PermitRootLogin yes
StrictModes no
UsePAM no
UseDNS no
PidFile none
PrintMotd no
MaxStartups 1000
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""

# Instead of sshd, in the machine. It takes sshd's name, so that it is found and ended like it.
LISTENER = """
import os, signal, socket, sys, time
kind, port = sys.argv[1], int(sys.argv[2])
open("/proc/self/comm", "w").write("sshd")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listening = socket.create_server(("", port), backlog=100)
while True:
    connection, _ = listening.accept()
    if kind == "closes" or os.fork():
        connection.close()
        continue
    listening.close()
    try:
        while kind == "endless":
            connection.sendall(b"\\0\\xff\\x1b[31mgarbage" * 10 + b"\\r\\n")
            time.sleep(0.001)
        while kind == "silence" and connection.recv(4096):
            pass
        if kind == "lines":
            connection.sendall(b"".join(b"garbage line %d \\xff\\r\\n" % i for i in range(5)))
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(connection.fileno(), 0)
            os.dup2(connection.fileno(), 1)
            os.execv("/usr/sbin/sshd", ["/usr/sbin/sshd", "-i", "-f", "/run/machine/sshd_config", "-E", "/run/machine/sshd.log"])
    except OSError:
        pass
    os._exit(0)
"""


@functools.cache
def skip_reason():
    """Why there can be no machines here, or None."""
    if os.geteuid() != 0:
        return "machines need root"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"machines need {', '.join(missing)}"
    trial = subprocess.run(
        ["unshare", "--fork", "--kill-child", *NAMESPACES, "sh", "-euc",
         "ip link add br0 type bridge; ip link add vm1 master br0 type veth peer name eth0; mount -t proc proc /proc; "
         "mount --bind /etc/hosts /proc/sys/kernel/random/boot_id; mount -o remount,bind,ro /; mount -t tmpfs tmp /tmp"],
        capture_output=True, text=True, errors="replace")
    if trial.returncode:
        return "no machines here, a chroot or container perhaps: " + " ".join((trial.stderr or "namespaces do not work").split())
    return None


def available():
    return skip_reason() is None


def needs_machines(test):
    """Decorates a test (or a class of tests) that is skipped, with the reason, where there can be none."""
    return unittest.skipIf(skip_reason(), skip_reason())(test)


class World:
    """The network of some machines, the client's key, and a known_hosts file with all of them."""

    def __init__(self):
        if skip_reason():
            raise unittest.SkipTest(skip_reason())
        self.machines = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ffci-machines-"))
        self.folder.chmod(0o755)
        self.identity = self.folder / "identity"
        self.known_hosts = self.folder / "known_hosts"
        self._hosts = self.folder / "hosts"
        self._hosts.write_text("127.0.0.1 localhost\n")
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-euc", HOLD_WORLD, self.folder], cwd=self.folder,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        make_keys(("ed25519", self.identity))
        if self._holder.stdout.readline() != "ready\n":
            problem = (self.folder / "world.log").read_text()
            self.close()
            raise AssertionError(f"no network: {problem}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for machine in self.machines:
            machine._send_kill()
        for machine in self.machines:
            machine._wait_dead()
        self.machines = []
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()

    def start(self, count=1, **options):
        """So many new machines, ready for logins; they start at the same time. The options are those of SshMachine."""
        machines = [SshMachine(self, len(self.machines) + i + 1, **options) for i in range(count)]
        self.machines += machines
        make_keys(*((machine.host_key, machine.folder / "host_key") for machine in machines))
        with self._hosts.open("a") as hosts:
            hosts.writelines(f"{m.address} {m.name}\n" for m in machines)
        self._boot(machines)
        self.write_known_hosts()
        return machines

    def write_known_hosts(self):
        """Trusts the host keys that the machines have now."""
        self.known_hosts.write_text("".join(machine.known_hosts_line() for machine in self.machines))

    def inside(self, arguments):
        """The command line that runs this one in the world: the same process id, and the mounts and current directory of the caller."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "unshare", "--mount",
                "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(self._hosts), *map(str, arguments)]

    def run(self, arguments, **options):
        return subprocess.run(self.inside(arguments), **options)

    def popen(self, arguments, **options):
        return subprocess.Popen(self.inside(arguments), **options)

    def ssh(self, machine, *arguments, user="root"):
        """The command line of a plain ssh client, for run() and popen(); with a key exchange that is quick."""
        settings = {"IdentityFile": self.identity, "IdentitiesOnly": "yes", "UserKnownHostsFile": self.known_hosts,
                    "GlobalKnownHostsFile": "none", "StrictHostKeyChecking": "yes", "UpdateHostKeys": "no", "BatchMode": "yes",
                    "KexAlgorithms": "curve25519-sha256"}
        return ["ssh", "-F", "none", *(f"-o{key}={value}" for key, value in settings.items()), "-p", machine.port,
                f"{user}@{machine.address}", *arguments]

    def ip(self, *commands, check=True):
        """Commands of ip(8) in the world's network, whose links have the names of the machines."""
        subprocess.run(["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "ip", "-batch", "-"], check=check, text=True,
                       input="".join(f"{command}\n" for command in commands), stderr=None if check else subprocess.DEVNULL)

    def _boot(self, machines):
        """All of them take each step together."""
        for machine in machines:
            machine._power_on()
        for machine in machines:
            machine._read_pid()
        self.ip(*(f"link add {m.name} up master br0 type veth peer name eth0 address {m._mac} netns {m.pid}" for m in machines))
        for machine in machines:
            machine._connected()
        for machine in machines:
            machine._wait_up()
        for machine in machines:
            machine._wait_listening()


class SshMachine:
    """Made and started by World.start(). Its users are root and `tester`, an ordinary one. A started machine has a working network."""

    def __init__(self, world, number, host_key="ed25519", port=22, size="64m", settings=""):
        """`size` is that of its /tmp and its /run; `settings` are further lines of its sshd_config, and win."""
        self.world = world
        self.name = f"vm{number}"
        self.address = "198.18.{}.{}".format(1 + (number - 1) // 250, 1 + (number - 1) % 250)
        self.address6 = f"fd00::1:{number:x}"  # where the kernel has IPv6
        self.port = port
        self.pid = None  # of its first process, seen from outside
        self.boot_id = None
        self.folder = world.folder / self.name
        self._mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        self._size = size
        self.host_key = host_key  # its kind: ed25519, ecdsa or rsa
        self._pidfd = None
        self._process = None
        self._fillers = []
        self.folder.mkdir()
        (self.folder / "root").mkdir(0o700)
        (self.folder / "authorized_keys").write_text(world.identity.with_suffix(".pub").read_text())
        (self.folder / "sshd_config").write_text(settings + "\n" + SSHD_CONFIG.format(port=port))
        users = [line for line in pathlib.Path("/etc/passwd").read_text().splitlines(True) if not line.startswith(("root:", "tester:"))]
        (self.folder / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\ntester:x:65533:65533::/run/home/tester:/bin/sh\n"
                                            + "".join(users))
        (self.folder / "shadow").write_text("root:*:19000:0:99999:7:::\ntester:*:19000:0:99999:7:::\n")

    # Its life.

    @property
    def alive(self):
        return self._pidfd is not None and not select.select([self._pidfd], [], [], 0)[0]

    def start(self):
        """Boots it again after kill(), with the addresses and the host key that it had."""
        self.kill()
        self.world._boot([self])

    def kill(self):
        """Everything in it dies at once; the kernel still says goodbye to its connections, later ones meet silence."""
        self._send_kill()
        if self._wait_dead():
            # Its network namespace goes away a little later, and until then its kernel would answer.
            self.world.ip(f"link delete {self.name}", check=False)

    def panic(self):
        """As kill(), but nobody hears of it."""
        self.black_hole()
        self.kill()

    def reboot(self):
        self.start()

    def _power_on(self):
        self.boot_id = str(uuid.uuid4())
        (self.folder / "boot_id").write_text(self.boot_id + "\n")
        environment = {"PATH": os.environ["PATH"], "name": self.name, "address": self.address, "address6": self.address6,
                       "size": self._size}
        with (self.folder / "boot.log").open("a") as log:
            self._process = subprocess.Popen(["unshare", "--fork", "--kill-child", *NAMESPACES, "sh", "-euc", BOOT], cwd=self.folder,
                                         env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                         start_new_session=True)

    def _read_pid(self):
        self.pid = int(self._process.stdout.readline() or self._not_started())
        self._pidfd = os.pidfd_open(self.pid)

    def _connected(self):
        try:
            os.write(self._process.stdin.fileno(), b"go\n")
        except BrokenPipeError:
            self._not_started()

    def _wait_up(self):
        if self._process.stdout.readline() != "up\n":
            self._not_started()
        self._process.stdout.close()

    def _wait_listening(self):
        try:
            wait_for(self.is_listening, f"{self.name} listens")
        except AssertionError:
            self._not_started()

    def _not_started(self):
        raise AssertionError(f"{self.name} did not start: {(self.folder / 'boot.log').read_text()}{self.log()}")

    def _send_kill(self):
        if self.alive:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _wait_dead(self):
        if self._process is None:
            return False
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._process = self._pidfd = self.pid = None
        return True

    # Its sshd.

    def kill_sshd(self):
        """Ends the listener and every connection; what they have started runs on."""
        self._kill_all(self._sshd_processes)

    def restart_sshd(self):
        """As `systemctl restart ssh`: the connections stay. Ends garbage_banner() too."""
        self._kill_listener()
        self._enter([SSHD, "-f", "/run/machine/sshd_config", "-E", "/run/machine/sshd.log"], check=True)
        self._wait_listening()

    def change_host_key(self, kind="ed25519"):
        """As after a new installation. world.known_hosts keeps the old one until world.write_known_hosts()."""
        self.host_key = kind
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink()
        make_keys((kind, self.folder / "host_key"))
        self.restart_sshd()

    def garbage_banner(self, kind="endless"):
        """Instead of sshd: `endless` garbage, `silence`, what `closes` at once, or some `lines` of garbage and then sshd."""
        if kind not in ("endless", "silence", "closes", "lines"):
            raise ValueError(kind)
        self._kill_listener()
        self._enter(["setsid", "--fork", "/usr/bin/python3", "-I", "-S", "-c", LISTENER, kind, self.port, "[listener]"], check=True,
                    stdin=subprocess.DEVNULL)
        self._wait_listening()

    def accept_but_silent(self):
        self.garbage_banner("silence")

    def is_listening(self):
        """Something waits for connections to the port of sshd."""
        if not self.alive:
            return False
        with open(f"/proc/{self.pid}/net/tcp") as table:
            return any(line.split()[1:4:2] == [f"00000000:{self.port:04X}", "0A"] for line in table)

    def log(self):
        """What sshd has told, of all boots."""
        path = self.folder / "sshd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def known_hosts_line(self):
        names = [self.name, self.address, self.address6]
        if self.port != 22:
            names = [f"[{name}]:{self.port}" for name in names]
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        return f"{','.join(names)} {kind} {key}\n"

    def _kill_listener(self):
        self._kill_all(lambda: [pid for pid in self._sshd_processes() if "[listener]" in command_line(pid)])

    # Its network. All of them but reset_connections() are silent: nobody hears that something is wrong.

    def link_down(self):
        """Pulls its cable: the machine sees it, the others do not."""
        self.world.ip(f"link set {self.name} down")

    def link_up(self):
        self.world.ip(f"link set {self.name} up")

    def black_hole(self):
        """Drops every packet to and from it; both ends believe in their link."""
        self.world.ip(f"link set {self.name} master hole")

    def heal(self):
        self.world.ip(f"link set {self.name} master br0")

    def reset_connections(self):
        """Both ends of each of its connections meet a reset. Returns how many; skips the test where the kernel can not."""
        of_these = ["ss", "--no-header", "--tcp", "--numeric", "state", "established"]
        before = self._in_network(of_these)
        done = self._in_network([*of_these, "--kill"])
        if before and not done:
            raise unittest.SkipTest("this kernel can not reset connections (CONFIG_INET_DIAG_DESTROY)")
        return len(done.splitlines())

    def _in_network(self, arguments):
        return subprocess.run(["nsenter", f"--net=/proc/{self.pid}/ns/net", *arguments], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout

    # What happens in it.

    def processes(self):
        """(pid outside, command line) of what lives in it, without its first process, and sshd's."""
        return [(pid, command_line(pid)) for pid, name, state in self._processes() if name != "sshd" and state != "Z"]

    def exec(self, command):
        """The output of a shell command in it, by root, without ssh."""
        done = self._enter(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, errors="replace")
        if done.returncode:
            raise AssertionError(f"{self.name}: {command}: exit status {done.returncode}: {done.stdout}")
        return done.stdout

    def path(self, name):
        """Where its file /tmp/…, /run/… or /root/… is for this process, as long as the machine lives."""
        return pathlib.Path(f"/proc/{self.pid}/root") / str(name).lstrip("/")

    def freeze(self):
        """Stops all its processes, new ones too. Its kernel still acknowledges what it is sent; black_hole() ends that."""
        def running():
            return [pid for pid, _, state in self._processes() if state not in "TtZ"]
        def stopped():
            for pid in running():
                send(pid, signal.SIGSTOP)
            return not running()
        wait_for(stopped, f"{self.name} is frozen")

    def thaw(self):
        for pid, _, _ in self._processes():
            send(pid, signal.SIGCONT)

    def fill_disk(self, folder="/tmp"):
        """Leaves no byte free in its /tmp, or its /run."""
        if folder not in ("/tmp", "/run"):
            raise ValueError(folder)
        filler = self.path(folder) / ".filler"
        self._fillers.append(filler)
        with filler.open("ab", buffering=0) as file:
            free = os.statvfs(filler)
            if free.f_bavail:
                os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)

    def free_disk(self):
        while self._fillers:
            self._fillers.pop().unlink(missing_ok=True)

    def _enter(self, arguments, **options):
        return subprocess.run(["nsenter", "--target", str(self.pid), "--all", *map(str, arguments)],
                              env={"PATH": os.environ["PATH"], "HOME": "/root"}, **options)

    def _processes(self):
        """(pid outside, name, state) of all but the first one; of those in a pid namespace of their own, too."""
        if not self.alive:
            return []
        found = []
        home = namespaces(self.pid)
        for entry in os.listdir("/proc"):
            # `unshare`, which has started the first one, is outside, though not with its network.
            if not entry.isdigit() or int(entry) in (self.pid, self._process.pid):
                continue
            try:
                status = pathlib.Path(f"/proc/{entry}/stat").read_text()
                name, rest = status[status.index("(") + 1 :].rsplit(") ", 1)
                if home & namespaces(entry):
                    found.append((int(entry), name, rest[0]))
            except OSError:
                pass  # it has just ended
        return found

    def _sshd_processes(self):
        return [pid for pid, name, state in self._processes() if name == "sshd" and state != "Z"]

    def _kill_all(self, find):
        def gone():
            found = find()
            for pid in found:
                send(pid, signal.SIGKILL)
            return not found
        wait_for(gone, f"sshd of {self.name} is gone")


def make_keys(*keys):
    """Each is (kind, path)."""
    bits = {"rsa": ["-b", "2048"]}
    makers = [subprocess.Popen(["ssh-keygen", "-q", "-t", kind, *bits.get(kind, []), "-N", "", "-C", "", "-f", path])
              for kind, path in keys]
    if any([maker.wait() for maker in makers]):
        raise AssertionError("ssh-keygen failed")


def namespaces(pid):
    """Those that tell machines apart."""
    return {(kind, os.stat(f"/proc/{pid}/ns/{kind}").st_ino) for kind in ("pid", "net", "uts")}


def command_line(pid):
    try:
        return shlex.join(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0"))
    except OSError:
        return ""


def send(pid, what):
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        pass
