"""Jobs whose VMs ff-ci boots: what is common to those of QEMU and of mkosi."""

from harness import FfciTest


class VmTest(FfciTest):
    def setUp(self):
        super().setUp()
        self.temporary = self.folder / "tmp"  # what ff-ci makes for its VMs is in there
        self.temporary.mkdir()

    def ffci(self, *arguments, timeout=500, **options):
        return super().ffci(*arguments, timeout=timeout, env={"TMPDIR": str(self.temporary)}, **options)

    def start(self, *arguments):
        return super().start(*arguments, env={"TMPDIR": str(self.temporary)})

    def run_job(self, *arguments):
        ended = self.ffci("run", "job.yaml", *arguments)
        self.shown = ended.stdout + ended.stderr
        return ended

    def run_something_else(self):
        """Which removes what a killed ff-ci has left."""
        self.write("next.yaml", "version: 1\nsuites: [{name: s, commands: {tests: [{name: t, command: 'true'}]}}]\n")
        self.assertEqual(self.ffci("run", "next.yaml").returncode, 0)

    def log_in_command(self, ended):
        """The one that `keep-alive` prints."""
        return next(line[line.index("ssh -i"):] for line in ended.stdout.splitlines() if "ssh -i" in line)
