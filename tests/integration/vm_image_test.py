"""contrib/vm-image/build: what it refuses, what it leaves, and what it prints. Nothing is built: the programs it calls are stand-ins."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import unittest

import yaml

from harness import SOURCE, FfciTest, wait_for

VM_IMAGE = SOURCE / "contrib" / "vm-image"

# It unpacks nothing but what build takes out again.
MMDEBSTRAP = """#!/bin/bash
printf '%s\\n' "TMPDIR=$TMPDIR" "$@" >>"$STAND_IN/called"
[ ! -e "$STAND_IN/fail" ] || { echo 'E: no such suite' >&2; exit 25; }
for file; do case $file in */root.tar) tar -C "$STAND_IN/unpacked" -cf "$file" . ;; esac; done
"""
MKE2FS = """#!/bin/bash
printf 'of %s' "$(cat "$STAND_IN/content")" >"${!#}"
"""
# With `full`, the disk is full at the last file; with `wait`, it stays there for a signal.
CP = """#!/bin/bash
/bin/cp "$@" || exit
case ${!#} in
  *.initrd.new)
    [ ! -e "$STAND_IN/full" ] || { echo 'cp: No space left on device' >&2; exit 1; }
    if [ -e "$STAND_IN/wait" ]; then touch "$STAND_IN/waits"; exec sleep 60; fi ;;
esac
"""
UNSHARE = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""


class VmImage(FfciTest):
    def setUp(self):
        super().setUp()
        self.stand_in = self.folder / "stand-in"
        for name, text in (("mmdebstrap", MMDEBSTRAP), ("mke2fs", MKE2FS), ("cp", CP), ("unshare", UNSHARE),
                           ("newuidmap", "#!/bin/sh\n")):
            self.write(f"stand-in/bin/{name}", text, 0o755)
        self.write("stand-in/unpacked/boot/vmlinuz-6.1", "the kernel")
        self.write("stand-in/unpacked/boot/initrd.img-6.1", "the initrd")
        self.write("stand-in/content", "today")
        self.write("fstests/check", "")
        self.write("fstests/include/buildrules", "")
        (self.folder / "tmp").mkdir()
        (self.folder / "out").mkdir()

    def command(self, *arguments, build=VM_IMAGE / "build", **variables):
        environment = self.environment(**{"PATH": f"{self.stand_in}/bin:{os.environ['PATH']}", "STAND_IN": str(self.stand_in),
                                          "TMPDIR": str(self.folder / "tmp"), **variables})
        return {"args": [str(build), *map(str, arguments)], "cwd": self.folder, "env": environment, "text": True,
                "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    def build(self, *arguments, **options):
        return subprocess.run(**self.command("--fstests", "fstests", *arguments, **options), timeout=60)

    def built(self, *arguments, **options):
        done = self.build(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, *arguments, **variables):
        done = subprocess.run(**self.command(*arguments, **variables), timeout=60)
        self.assertEqual(done.stdout, "")
        self.assertFalse((self.stand_in / "called").exists())
        return done.returncode, done.stderr.removeprefix("vm-image/build: ").rstrip("\n")

    def files(self):
        """Their names and what is in them."""
        return {path.name: path.read_text() for path in (self.folder / "out").iterdir()}

    def printed_job(self, printed):
        hosts = re.search(r"^    (hosts:\n.*)$", printed, re.MULTILINE)[1]
        return yaml.safe_load(hosts.replace("      qemu", "  qemu"))["hosts"]["qemu"]

    def test_the_scripts_are_scripts(self):
        for script in ("build", "setup", "local.config"):
            done = subprocess.run(["bash", "-n", str(VM_IMAGE / script)], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""), script)

    def test_help_is_the_comment(self):
        done = subprocess.run(**self.command("--help"), timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--local-config FILE", done.stdout)
        self.assertNotIn("set -eu", done.stdout)

    def test_a_wrong_command_line_is_told_at_once(self):
        given = ("--fstests", "fstests")
        self.assertEqual(self.refused(), (64, "--fstests DIR must be given: a source tree of fstests"))
        self.assertEqual(self.refused("--fstests"), (64, "--fstests needs a value; see --help"))
        self.assertEqual(self.refused(*given, "--sise", "4G"), (64, "'--sise' is no option; see --help"))
        self.assertEqual(self.refused(*given, "image.raw"), (64, "'image.raw' is no option; see --help"))
        self.assertEqual(self.refused("--fstests", "out"), (66, "--fstests out: not a source tree of fstests, there is no check"))
        self.assertEqual(self.refused(*given, "--local-config", "none"), (66, "--local-config none: cannot be read"))
        for option, value, expected in (
            ("--format", "vmdk", "raw or qcow2"),
            ("--size", "4", "a size such as 4G"),
            ("--kernel", "bzImage", "a package, such as linux-image-cloud-amd64"),
            ("--packages", "vim emacs", "names of packages, with commas between them"),
            ("--mode", "chroot", "auto, root or unshare"),
        ):
            self.assertEqual(self.refused(*given, option, value), (64, f"{option} {value}: expected {expected}"))

    def test_an_output_that_cannot_be_is_told_at_once(self):
        given = ("--fstests", "fstests", "-o")
        self.assertEqual(self.refused(*given, "none/x.raw"), (73, "--output none/x.raw: there is no folder none"))
        self.assertEqual(self.refused(*given, "out"), (73, "--output out: it is there, and is no file"))
        self.assertEqual(self.refused(*given, "out/x\ny"), (64, "--output: expected a name without control characters"))

    def test_a_tmpdir_that_hooks_would_split_is_told_at_once(self):
        (self.folder / "a folder").mkdir()
        folder = self.folder / "a folder"
        self.assertEqual(self.refused("--fstests", "fstests", TMPDIR=str(folder)),
                         (64, f"TMPDIR {folder}: expected a path of letters, digits and /._+:@=~,-"))
        self.assertEqual(self.refused("--fstests", "fstests", TMPDIR="none"), (73, "TMPDIR none: not a folder that can be written"))

    def test_the_image_and_its_kernel_stand_beside_each_other(self):
        kernel = ("--kernel", "linux-image-cloud-amd64")
        for output, beside in (("out/x.raw", "x"), ("./out/img", "img"), (f"../{self.folder.name}/out/y.img", "y"),
                               ("out/debian.12", "debian.12"), ("out/d.d/z", "d.d/z"), ("out/.raw", ".raw")):
            with self.subTest(output=output):
                shutil.rmtree(self.folder / "out")
                (self.folder / "out/d.d").mkdir(parents=True)
                job = self.printed_job(self.built("-o", output, *kernel))
                out = self.folder.resolve() / "out"
                self.assertEqual((job["kernel"], job["initrd"]), (f"{out}/{beside}.vmlinuz", f"{out}/{beside}.initrd"))
                self.assertEqual({path: pathlib.Path(path).read_text() for path in (job["image"], job["kernel"], job["initrd"])}, {
                    str((self.folder / output).resolve()): "of today", job["kernel"]: "the kernel", job["initrd"]: "the initrd"})
                self.assertEqual(sum(path.is_file() for path in out.rglob("*")), 3)

    def test_what_is_printed_is_what_the_example_has(self):
        job = self.printed_job(self.built())
        example = yaml.safe_load((SOURCE / "contrib/examples/qemu.yaml").read_text())
        qemu = example["hosts"]["qemu"]
        self.assertEqual(job, {"image": str(self.folder.resolve() / qemu["image"]), "kernel": "bzImage", "append": qemu["append"],
                               "disks": qemu["disks"]})
        self.assertEqual(qemu["kernel"], "${KERNEL:-bzImage}")

    def test_odd_names_are_quoted(self):
        name = "it's, ${HOME} & more.raw"
        printed = self.built("-o", f"out/{name}")
        path = str(self.folder.resolve() / "out" / name)
        self.assertEqual(self.printed_job(printed)["image"], path.replace("${", "$${"))
        by_hand = re.search(r"^    qemu-system.*?[^\\\n]$", printed, re.MULTILINE | re.DOTALL)[0]
        drives = [word for word in shlex.split(by_hand.replace("\\\n", "")) if word.startswith("file=")]
        self.assertEqual(drives[0], f"file={path.replace(',', ',,')},if=virtio,format=raw,snapshot=on")

    def test_hooks_name_nothing_but_tmpdir(self):
        shutil.copytree(VM_IMAGE, self.folder / "a clone")
        printed = self.built("-o", "out/x.raw", build=self.folder / "a clone" / "build")
        called = (self.stand_in / "called").read_text()
        self.assertIn(f"TMPDIR={self.folder}/tmp\n", called)
        self.assertIn("/setup /usr/src/setup\n", called)
        self.assertNotIn("a clone", called)
        self.assertIn("/a\\ clone/kernel.config\n", printed)
        self.assertEqual(list((self.folder / "tmp").iterdir()), [])

    def test_the_old_image_stays_until_the_new_one_is_complete(self):
        given = ("-o", "out/x.raw", "--kernel", "linux-image-cloud-amd64")
        self.built(*given)
        before = self.files()
        self.assertEqual(before, {"x.raw": "of today", "x.vmlinuz": "the kernel", "x.initrd": "the initrd"})
        self.write("stand-in/content", "tomorrow")
        for trouble, said in (("fail", "E: no such suite\nvm-image/build: mmdebstrap failed; the last lines of its log are above\n"),
                              ("full", "cp: No space left on device\n")):
            self.write(f"stand-in/{trouble}", "")
            done = self.build(*given)
            self.assertEqual((done.returncode, done.stderr), (1, said))
            self.assertEqual(self.files(), before)
            (self.stand_in / trouble).unlink()
        self.write("stand-in/wait", "")
        process = subprocess.Popen(**self.command("--fstests", "fstests", *given), start_new_session=True)
        self.addCleanup(self._end, process)
        wait_for((self.stand_in / "waits").exists, "the copy of the initrd")
        self.assertIn("x.raw.new", self.files())
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 143)
        self.assertEqual(self.files(), before)
        self.assertEqual(list((self.folder / "tmp").iterdir()), [])
        (self.stand_in / "wait").unlink()
        self.built(*given)
        self.assertEqual(self.files(), {**before, "x.raw": "of tomorrow"})

    def test_the_kernel_configuration_builds_all_of_it_in(self):
        lines = [line for line in (VM_IMAGE / "kernel.config").read_text().splitlines() if line and not line.startswith("#")]
        self.assertEqual([line for line in lines if not re.fullmatch(r"CONFIG_[A-Z0-9_]+=y", line)], [])
        self.assertEqual(len(lines), len(set(lines)))


if __name__ == "__main__":
    unittest.main()
