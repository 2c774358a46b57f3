"""What the VMs of the tests boot: Debian's cloud kernel with an initial RAM disk of static busybox, the kernel's virtio modules and this
computer's sshd.

    guest = make_guest()
    guest.kernel, guest.initrd        # paths
    make_guest(FULL_KERNEL)           # one that has 9p, too, and is larger

Where this computer has a socat, the SSH server can be reached over vsock, too.

The kernel's package is not installed, only fetched with apt-get (once, into a folder beside the built ff-ci, or in ~/.cache) and unpacked. `oops` and
`hang` in its /modules are a module of that kernel whose first instructions were replaced: loaded, the one oopses, and the other stops
its processor for good.
"""

import dataclasses
import functools
import gzip
import pathlib
import platform
import re
import shutil
import stat
import struct
import subprocess
import tempfile

from harness import FFCI

QEMU = "qemu-system-x86_64"
SSHD = "/usr/sbin/sshd"
UTILITIES = ("/bin/dash", "/usr/bin/flock", "/usr/bin/unshare")  # that busybox has not, or not with all their options
TOOLS = (QEMU, SSHD, "ssh-keygen", "dpkg-deb", "apt-get", "apt-cache", "ldd")
CLOUD_KERNEL = "linux-image-cloud-amd64"
FULL_KERNEL = "linux-image-amd64"
MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "failover", "net_failover",
           "virtio_net", "virtio_blk", "rng-core", "virtio-rng", "qemu_fw_cfg", "netfs", "fscache", "9pnet", "9pnet_virtio", "9p",
           "vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport")
VICTIM = "authenc"  # a module that nothing here needs
ENDINGS = {"oops": b"\x0f\x0b", "hang": b"\xfa\xeb\xfe"}  # ud2; cli, jmp .

INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /sbin
export PATH=/usr/bin:/usr/sbin:/bin:/sbin
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /run /tmp
mount -t devpts pts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
for module in {modules}; do insmod /modules/$module.ko; done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
mkdir -p -m 700 /root/.ssh /run/sshd
cat /sys/firmware/qemu_fw_cfg/by_name/opt/ff-ci/authorized_keys/raw >/root/.ssh/authorized_keys
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
echo booted >/run/booted
exec /bin/busybox init
"""

INITTAB = """::respawn:/usr/sbin/sshd -D -e
::ctrlaltdel:/bin/reboot -f
"""
OVER_VSOCK = "::respawn:/usr/bin/socat VSOCK-LISTEN:22,reuseaddr,fork TCP:127.0.0.1:22\n"

SSHD_CONFIG = """HostKey /etc/ssh/host_key
PermitRootLogin yes
StrictModes no
UsePAM no
UseDNS no
PidFile /run/sshd.pid
KexAlgorithms curve25519-sha256
"""


@dataclasses.dataclass
class Guest:
    kernel: pathlib.Path
    initrd: pathlib.Path


@functools.cache
def skip_reason():
    """Why there can be no VMs here, or None."""
    if platform.machine() != "x86_64":
        return "the tests' kernel is one for x86_64"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"VMs need {', '.join(missing)}" if missing else None


@functools.cache
def make_guest(kernel=CLOUD_KERNEL):
    built = "/" in FFCI
    folder = (pathlib.Path(FFCI).resolve().parent if built else pathlib.Path.home() / ".cache" / "ff-ci") / "test-guest"
    folder.mkdir(parents=True, exist_ok=True)
    packages = [_package(folder, name) for name in (kernel, "busybox-static")]
    with tempfile.TemporaryDirectory(prefix="ffci-guest-") as unpacked:
        for package in packages:
            subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
        return _build(pathlib.Path(unpacked), folder, kernel)


def _package(folder, name):
    """The newest one that is known, fetched if it is not there."""
    for last_try in (False, True):
        exact = _newest_kernel(name) if name.startswith("linux-image") else name
        found = exact and (_find(folder, exact) or _fetch(folder, exact))
        if found:
            return found
        if not last_try:
            _update_lists()
    raise AssertionError(f"apt-get can fetch no {exact or name}")


def _newest_kernel(name):
    """None: apt knows of none."""
    depends = subprocess.run(["apt-cache", "depends", name], capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    return found and found.group(1)


def _find(folder, package):
    found = sorted(folder.glob(f"{package}_*.deb"))
    return found[-1] if found else None


def _fetch(folder, package):
    """None: the lists may be too old, and its version gone from the archive."""
    subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package], cwd=folder)
    return _find(folder, package)


@functools.cache
def _update_lists():
    subprocess.run(["apt-get", "update", "-qq"])


def _build(unpacked, folder, kernel_name):
    root = Cpio()
    for directory in ("bin", "sbin", "dev", "etc/ssh", "lib", "modules", "proc", "root", "run", "sys", "tmp", "var/tmp", "var/log"):
        root.directory(directory)
    busybox = next(path for path in unpacked.glob("**/bin/busybox"))
    root.file("bin/busybox", busybox.read_bytes(), 0o755)
    root.link("bin/sh", "dash")  # busybox's prefers its own programs to all others
    modules = {path.name.removesuffix(".ko"): path for path in unpacked.glob("lib/modules/**/*.ko")}
    present = [name for name in MODULES if name in modules]
    for name in present:
        root.file(f"modules/{name}.ko", modules[name].read_bytes())
    for name, code in ENDINGS.items():
        root.file(f"modules/{name}.ko", _with_first_instructions(modules[VICTIM].read_bytes(), code))
    for program in (SSHD, *UTILITIES):
        _add_program(root, program)
    root.file("init", INIT.format(modules=" ".join(present)).encode(), 0o755)
    socat = shutil.which("socat")
    if socat:
        _add_program(root, socat, "usr/bin/socat")
    root.file("etc/inittab", (INITTAB + (OVER_VSOCK if socat else "")).encode())
    root.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n")
    root.file("etc/shadow", b"root:*:19000:0:99999:7:::\n", 0o600)
    root.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    root.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nshadow: files\n")
    root.file("etc/ssh/sshd_config", SSHD_CONFIG.encode())
    root.file("etc/ssh/host_key", _host_key(unpacked), 0o600)
    initrd, kernel = folder / f"initrd-{kernel_name}", folder / f"vmlinuz-{kernel_name}"
    initrd.write_bytes(gzip.compress(root.archive(), 1))
    shutil.copy(next(unpacked.glob("boot/vmlinuz-*")), kernel)
    return Guest(kernel, initrd)


def _host_key(folder):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"], check=True)
    return (folder / "host_key").read_bytes()


def _add_program(root, program, place=None):
    """With its libraries, where it looks for them."""
    root.file(place or program.lstrip("/"), pathlib.Path(program).read_bytes(), 0o755)
    for line in subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.splitlines():
        path = re.search(r"(/\S+) \(0x", line)
        if path:
            root.file(path.group(1).lstrip("/"), pathlib.Path(path.group(1)).read_bytes(), 0o755)


def _with_first_instructions(module, code):
    """A module of x86-64 (ELF64) whose init function begins with `code`, behind the call that ftrace owns."""
    module = bytearray(_unsigned(module))
    table, = struct.unpack_from("<Q", module, 0x28)
    size, count, _ = struct.unpack_from("<HHH", module, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", module, table + i * size) for i in range(count)]
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        names = sections[link][4]
        for at in range(offset, offset + length, entry):
            name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", module, at)
            if module[names + name:names + name + 12] == b"init_module\0":
                start = sections[section][4] + value
                if module[start:start + 4] == b"\xf3\x0f\x1e\xfa":  # endbr64
                    start += 4
                assert module[start] == 0xE8, "no call of __fentry__"
                module[start + 5:start + 5 + len(code)] = code
                return bytes(module)
    raise AssertionError("the module has no init_module")


def _unsigned(module):
    """A kernel takes no module with a signature that does not fit, and any without."""
    magic = b"~Module signature appended~\n"
    if not module.endswith(magic):
        return module
    length, = struct.unpack(">I", module[-len(magic) - 4:-len(magic)])
    return module[:-len(magic) - 12 - length]


class Cpio:
    """An archive as the kernel unpacks it into its root file system (newc)."""

    def __init__(self):
        self._bytes = bytearray()
        self._directories = set()
        self._number = 0

    def directory(self, name):
        for parent in [*reversed(pathlib.PurePath(name).parents), pathlib.PurePath(name)]:
            if str(parent) != "." and str(parent) not in self._directories:
                self._directories.add(str(parent))
                self._entry(str(parent), stat.S_IFDIR | (0o1777 if parent.name == "tmp" else 0o755), b"")

    def file(self, name, content, mode=0o644):
        self.directory(str(pathlib.PurePath(name).parent))
        self._entry(name, stat.S_IFREG | mode, content)

    def link(self, name, target):
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def archive(self):
        self._entry("TRAILER!!!", 0, b"")
        return bytes(self._bytes)

    def _entry(self, name, mode, content):
        self._number += 1
        fields = (self._number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        self._bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        self._pad()
        self._bytes += content
        self._pad()

    def _pad(self):
        self._bytes += b"\0" * (-len(self._bytes) % 4)
