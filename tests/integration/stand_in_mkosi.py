#!/usr/bin/python3
"""Stands in for mkosi, which Debian 12 does not have: takes those of its options that ff-ci gives it, in the spelling of 24, and starts
QEMU with the tests' kernel. As mkosi 25.3 does, it leaves its QEMU behind when it is killed, and keeps a copy of the image meanwhile.

    stand_in_mkosi.py --version
    stand_in_mkosi.py --directory DIR [OPTION…] -f build
    stand_in_mkosi.py --directory DIR [OPTION…] qemu

DIR holds guest.json: {"kernel": …, "initrd": …}, and the image, which `build` makes. The file `version` beside this program says which
mkosi it is."""

import argparse
import json
import pathlib
import shlex
import subprocess
import sys

VERSION = pathlib.Path(__file__).with_name("version").read_text().strip()


def options():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("directory", "include", "machine", "ephemeral", "runtime-network", "runtime-scratch", "kernel-command-line-extra",
                 "qemu-vsock", "qemu-mem", "console"):
        parser.add_argument(f"--{name}")
    for name in ("credential", "qemu-args"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("-f", action="count", default=0)
    parser.add_argument("verb", choices=("qemu", "build"))
    return parser.parse_args()


def main():
    if sys.argv[1:] == ["--version"]:
        print(f"mkosi {VERSION}")
        return 0
    given = options()
    folder = pathlib.Path(given.directory)
    if given.verb == "build":
        print(f"building with {given.f} -f")
        print("no space left" if (folder / "full").exists() else "built", file=sys.stderr, flush=True)
        (folder / "image.raw").write_text("image")
        return 1 if (folder / "full").exists() else 0
    modern = int(VERSION.split(".")[0]) >= 25
    if (given.console == "native") != modern:
        sys.exit(f"mkosi {VERSION} and --console={given.console} do not go together")
    image = folder / "image.raw"
    if not image.exists():
        sys.exit("there is no image")
    copy = folder / f"image.raw-{given.machine}"
    copy.write_bytes(image.read_bytes())
    guest = json.loads((folder / "guest.json").read_text())
    key = dict(shlex.split(credential)[0].split("=", 1) for credential in given.credential)["ssh.authorized_keys.root"]
    (folder / "key.pub").write_text(key)
    words = [word for argument in given.qemu_args for word in shlex.split(argument)]
    print("mkosi says what it does", file=sys.stderr, flush=True)
    ended = subprocess.run(
        ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "tcg", "-cpu", "max",
         "-m", given.qemu_mem, "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
         "-kernel", guest["kernel"], "-initrd", guest["initrd"], "-append", f"console=ttyS0 {given.kernel_command_line_extra}",
         "-fw_cfg", f"name=opt/ff-ci/authorized_keys,file={folder}/key.pub", "-nic", "none", *words])
    copy.unlink()
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
