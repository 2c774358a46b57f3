"""contrib/fast-fstests-import: configurations of fast-fstests become job specs that ff-ci takes."""

import subprocess
import sys
import unittest

import yaml

from harness import SOURCE, FfciTest

IMPORT = SOURCE / "contrib" / "fast-fstests-import"

# Each option that there is.
ALL = """fstests = "/src/fstests"

[test_selection]
tests = ["generic/475", "btrfs/2*"]
groups = ["btrfs/auto", "quick"]
exclude_tests = ["generic/562"]
exclude_tests_file = "expunges.txt"
exclude_groups = ["dangerous"]
section = "btrfs_4k"
exclude_section = "btrfs_64k"
iterate = 3
list = true
file_system = "btrfs"
slowest_first = -1
rerun_failures = "before"

[test_runner]
keep_alive = true
test_timeout = 600
bpftrace = 'kprobe:btrfs_sync_file { @["${x}"] = count(); }'
probe_interval = 15
max_supervisor_restarts = 2
dmesg = false
retry_failures = 1

[mkosi]
num = 5
config = "mkosi-kernel"
options = ["--profile=fast-fstests", "--build-sources=/src/linux:kernel"]
include = "../vm.conf"
fstests = "/fstests"
timeout = 60
build = 2

[custom_vm]
vms = ["root@vm1:/fstests", "vm2:2222:/home/fstests"]

[output]
results_dir = "results"
verbose = true
print_failure_list = true
print_n_slowest = 10
print_duration_hist = true
record = "nightly"
print_test_regressions = 10
"""
VMS = """[test_selection]
file_system = "ext4"
groups = ["quick"]

[custom_vm]
vms = ["root@vm1:/fstests"]
"""


class Import(FfciTest):
    def imported(self, text, *arguments, name="config.toml"):
        self.write(name, text)
        return subprocess.run([sys.executable, "-B", str(IMPORT), name, *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=60)

    def job(self, text, *arguments):
        done = self.imported(text, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return yaml.safe_load(done.stdout), done.stderr

    def refused(self, text, *arguments):
        done = self.imported(text, *arguments)
        self.assertEqual((done.returncode, done.stdout), (78, ""))
        return done.stderr.replace("fast-fstests-import: config.toml:", "").splitlines()

    def judged(self, job):
        self.write("job.yaml", yaml.safe_dump(job))
        done = self.ffci("validate", "job.yaml")
        return done.returncode, done.stdout + done.stderr

    def test_every_option_is_translated_or_named(self):
        job, said = self.job(ALL)
        self.assertEqual(job, {
            "version": 1,
            "name": "fast-fstests",
            "suites": [{"name": "btrfs", "fstests": {
                "path": "/fstests",
                "tree": "/src/fstests",
                "file-system": "btrfs",
                "tests": ["generic/475", "btrfs/2*"],
                "groups": ["btrfs/auto", "quick"],
                "exclude": {"tests": ["generic/562"], "tests-file": "expunges.txt", "groups": ["dangerous"]},
                "section": "btrfs_4k",
                "exclude-section": "btrfs_64k",
            }}],
            "hosts": {
                "mkosi": {"count": 5, "config": "mkosi-kernel", "options": ["--profile=fast-fstests", "--build-sources=/src/linux:kernel"],
                          "include": "../vm.conf", "boot-timeout": "60s", "build": 2},
                "ssh": {"machines": ["root@vm1:/fstests", "vm2:2222:/home/fstests"]},
            },
            "run": {
                "order": "slowest-first", "durations": "-1", "iterate": 3, "test-timeout": "600s", "probe-interval": "15s",
                "max-host-restarts": 2, "retry-failures": 1, "keep-alive": True, "dmesg": False,
                "bpftrace": 'kprobe:btrfs_sync_file { @["$${x}"] = count(); }',
            },
            "reports": {"directory": "results"},
        })
        for named in ("test_selection.list: on the command line, --list\n", "--rerun-failures=before\n", "--verbose\n", "--print-failure-list\n",
                      "--print-n-slowest 10\n", "--print-duration-hist\n", "--record=nightly\n", "print_test_regressions", "custom_vm.vms"):
            self.assertIn(named, said)

    def test_a_small_configuration_is_taken_as_it_was_printed(self):
        done = self.imported(VMS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.write("job.yaml", done.stdout)
        validated = self.ffci("validate", "job.yaml")
        self.assertEqual((validated.returncode, validated.stdout), (0, "job.yaml: valid\n"), validated.stderr)
        self.assertEqual(yaml.safe_load(done.stdout), {
            "version": 1, "name": "fast-fstests", "suites": [{"name": "ext4", "fstests": {"file-system": "ext4", "groups": ["quick"]}}],
            "hosts": {"ssh": {"machines": ["root@vm1:/fstests"]}}, "run": {"max-host-restarts": 3, "retry-failures": 0}})

    def test_defaults_of_fast_fstests_that_are_not_those_of_ff_ci_are_kept(self):
        job, _ = self.job('[test_selection]\nfile_system = "xfs"\n[mkosi]\nconfig = "m"\nfstests = "/f"\n')
        self.assertEqual(job["hosts"]["mkosi"], {"count": 10, "config": "m", "boot-timeout": "30s"})

    def test_what_is_not_given_and_differs_by_default_is_said(self):
        done = self.imported(VMS)
        for said in ("no slowest_first and no randomize: ff-ci starts the slowest tests first, by the durations of earlier runs; "
                     "order: listed takes them as they come",
                     "no test_runner.test_timeout: no limit for fast-fstests, 20m for ff-ci; test-timeout: 0 is no limit",
                     "no output.results_dir: fast-fstests keeps nothing, ff-ci keeps its runs in results"):
            self.assertIn(f"fast-fstests-import: note: {said}\n", done.stderr)
            self.assertIn(f"# {said}\n", done.stdout)
        _, said = self.job(ALL)
        for name in ("slowest_first", "test_timeout", "results_dir"):
            self.assertNotIn(name, said)

    def test_what_means_something_else_is_said(self):
        job, said = self.job(VMS + "[test_runner]\nprobe_interval = 0\nretry_failures = 1000\nbpftrace_script = 'a.bt'\n[mkosi]\nnum = 0\n")
        self.assertEqual(job["run"], {"probe-interval": "3600s", "max-host-restarts": 3, "retry-failures": 100, "bpftrace-script": "a.bt"})
        for named in ("probe_interval is 0", "retry_failures is 1000", "bpftrace_script: a file in the VMs", "mkosi.num: without VMs"):
            self.assertIn(named, said)
        job, said = self.job(VMS.replace("[custom", "iterate = 0\n[custom") + "[test_runner]\ntest_timeout = 0\n")
        self.assertEqual((job["run"]["iterate"], job["run"]["test-timeout"]), (1, "0s"))
        for named in ("iterate is 0: ff-ci runs each test at least once", "test_timeout is 0: no time at all for fast-fstests, no limit"):
            self.assertIn(named, said)
        self.assertEqual(self.job(VMS.replace("[custom", "slowest_first = ''\n[custom"))[0]["run"]["durations"], "latest")
        self.assertEqual(self.job(VMS.replace("[custom", "randomize = true\n[custom"))[0]["run"]["order"], "random")

    def test_relative_paths_lead_to_the_same_places_from_the_job(self):
        (self.folder / "jobs").mkdir()
        done = self.imported('fstests = "fstests"\n' + VMS + '[output]\nresults_dir = "/var/results"\n', "-o", "jobs/job.yaml")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        job = yaml.safe_load((self.folder / "jobs/job.yaml").read_text())
        self.assertEqual((job["suites"][0]["fstests"]["tree"], job["reports"]["directory"]), ("../fstests", "/var/results"))

    def test_the_file_system_of_the_command_line_wins(self):
        self.assertEqual(self.job(VMS, "--file-system", "btrfs")[0]["suites"][0]["name"], "btrfs")
        self.assertEqual(self.refused(VMS.replace("file_system", "section")), [
            "1: 'file_system' is missing, which ff-ci must know; give --file-system, such as btrfs"])

    def test_an_unknown_name_is_an_error_with_the_nearest_right_one(self):
        self.assertEqual(self.refused(VMS + """
[mkosi]
nun = 5
retry_failures = 1
[test_runer]
mkosi.num = 3
"""), [
            "9: unknown option 'nun' in [mkosi]; did you mean 'num'?",
            "10: unknown option 'retry_failures' in [mkosi]; it belongs to [test_runner]",
            "11: unknown section 'test_runer'; did you mean 'test_runner'?",
        ])
        self.assertEqual(self.refused("groups = ['quick']\nfstest = '/f'\nmkosi = 3\n" + VMS), [
            "1: unknown option 'groups'; it belongs to [test_selection]",
            "2: unknown option 'fstest'; did you mean 'fstests'?",
            "3: 'mkosi' is no section; write [mkosi]",
        ])

    def test_a_wrong_value_is_an_error_with_its_line(self):
        self.assertEqual(self.refused("fstests = 1\nmkosi.num = -1\n" + VMS.replace('["quick"]', '"quick"') + "[test_runner]\ndmesg = 1\n"), [
            "1: 'fstests' is 1; expected one line of text",
            "2: 'mkosi.num' is -1; expected a whole number of 0 or more",
            "5: 'test_selection.groups' is \"quick\"; expected a list of texts, one line each",
            "10: 'test_runner.dmesg' is 1; expected true or false",
        ])

    def test_what_excludes_each_other_is_an_error(self):
        self.assertEqual(self.refused("""[test_selection]
file_system = "xfs"
randomize = true
slowest_first = "main"
[test_runner]
bpftrace = "x"
bpftrace_script = "y"
[mkosi]
num = 3
[custom_vm]
vms = ["vm1"]
"""), [
            "4: 'slowest_first' and 'randomize' exclude each other",
            "7: 'bpftrace' and 'bpftrace_script' exclude each other",
            "11: 'vm1' in 'custom_vm.vms' is not [USER@]HOST[:PORT]:/PATH",
        ])

    def test_what_is_printed_is_taken(self):
        for text in (ALL, VMS, '[test_selection]\nfile_system = "xfs"\n[mkosi]\nconfig = "m"\nfstests = "/f"\nnum = 256\ntimeout = 1\n'):
            done = self.imported(text)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.write("expunges.txt", "generic/001\n")
            self.write("job.yaml", done.stdout)
            validated = self.ffci("validate", "job.yaml")
            self.assertEqual((validated.returncode, validated.stdout), (0, "job.yaml: valid\n"), validated.stderr)

    def test_no_text_leaves_its_comment(self):
        self.assertEqual(self.refused(VMS + r'''[output]
record = "x\nenvironments: 1"
results_dir = "r\u2028"
'''), [
            r"""8: 'output.record' is "x\nenvironments: 1"; expected one line of text""",
            r"""9: 'output.results_dir' is "r\u2028"; expected one line of text""",
        ])
        self.assertIn(r"unknown option 'x\nversion: 2\x1b[2J' in [custom_vm]", self.refused(VMS + r'"x\nversion: 2\u001b[2J" = 1')[0])
        done = self.imported(VMS + r'''[output]
record = "$(date) # x"
[test_runner]
bpftrace = "kprobe:x { # \"\u2028\u007f\n}\n"
''')
        self.assertIn("on the command line, --record='$(date) # x'\n", done.stderr)
        self.assertEqual(yaml.safe_load(done.stdout)["run"]["bpftrace"], 'kprobe:x { # "\u2028\x7f\n}\n')
        self.write("job.yaml", done.stdout)
        self.assertEqual(self.ffci("validate", "job.yaml").stdout, "job.yaml: valid\n")

    def test_what_ff_ci_would_refuse_is_an_error_here(self):
        self.assertEqual(self.refused("""[test_selection]
file_system = "x fs"
tests = ["generic/475", "quick"]
groups = ["a/b/c"]
section = "-s"
iterate = 10001
[mkosi]
num = 257
config = "m"
fstests = "/f"
timeout = 0
[custom_vm]
vms = ["vm1:/f", "u@VM1:22:/g", "vm2:0:/f", "[::g]:/f", "[fe80::1%eth0]:/f", "vm3://f"]
"""), [
            "2: \"x fs\" in 'test_selection.file_system' is not letters, digits, '.', '_' and '-', beginning with a letter or digit",
            "3: \"quick\" in 'test_selection.tests' is not DIR/NAME such as generic/475, or a pattern such as btrfs/2*",
            "4: \"a/b/c\" in 'test_selection.groups' is not GROUP or DIR/GROUP, such as quick or btrfs/auto",
            "5: \"-s\" in 'test_selection.section' is not letters, digits, '.', '_' and '-', beginning with a letter or digit",
            "6: 'iterate' is 10001; ff-ci takes up to 10000",
            "8: 'mkosi.num' is 257; ff-ci takes up to 256 VMs",
            "11: 'mkosi.timeout' is 0, and no VM is up in no time; expected the seconds that one may take",
            "13: 'u@VM1:22:/g' in 'custom_vm.vms' is the same host and port as 'vm1:/f'",
            "13: 'vm2:0:/f' in 'custom_vm.vms' is not [USER@]HOST[:PORT]:/PATH",
            "13: '[::g]:/f' in 'custom_vm.vms' is not [USER@]HOST[:PORT]:/PATH",
            "13: 'vm3://f' in 'custom_vm.vms' is not [USER@]HOST[:PORT]:/PATH",
        ])
        done = self.imported(VMS, "--file-system", "x fs")
        self.assertEqual((done.returncode, done.stdout), (64, ""))

    def test_times_beyond_those_of_ff_ci_are_its_longest(self):
        most = 2**63 - 1
        job, said = self.job(f"""[test_selection]
file_system = "xfs"
[mkosi]
config = "m"
fstests = "/f"
timeout = {most}
[test_runner]
test_timeout = {most}
probe_interval = {most}
""")
        longest = f"{10 * 365 * 24 * 3600}s"
        self.assertEqual((job["hosts"]["mkosi"]["boot-timeout"], job["run"]["test-timeout"], job["run"]["probe-interval"]), (longest,) * 3)
        self.assertEqual(said.count(f" is {most}: ff-ci takes up to ten years\n"), 3)
        self.assertEqual(self.judged(job), (0, "job.yaml: valid\n"))

    def test_absurd_values_are_errors_and_no_tracebacks(self):
        self.assertEqual(self.refused(f"mkosi.num = {2**63}\n" + VMS),
                         [f"1: 'mkosi.num' is {2**63}; expected a whole number of 0 or more, of up to 64 bits"])
        self.assertEqual(self.refused("mkosi.num = " + "9" * 5000), [" a number with too many digits"])
        self.assertEqual(self.refused("mkosi.num = 0x" + "f" * 5000),
                         ["1: 'mkosi.num' is too large to be shown; expected a whole number of 0 or more, of up to 64 bits"])
        self.assertEqual(self.refused("fstests" + ".a" * 3000 + " = 1\n"),
                         ["1: 'fstests' is too large to be shown; expected one line of text"])
        self.assertIn("nested", self.refused("fstests = " + "[" * 3000 + "]" * 3000)[0])

    def test_no_hosts_do_not_become_this_machine(self):
        self.assertIn("no hosts", self.refused('[test_selection]\nfile_system = "xfs"\n')[0])
        self.assertEqual(self.refused('[test_selection]\nfile_system = "xfs"\n[mkosi]\nnum = 3\n'),
                         ["3: 'mkosi.config' is missing", "3: 'mkosi.fstests' is missing"])

    def test_malformed_toml_is_an_error_with_its_place(self):
        self.assertEqual(self.refused('fstests = "/f"\n[mkosi]\nnum = \n'), ["3:7: Invalid value"])
        self.assertEqual(self.refused('fstests = "/f'), ['1: Unterminated string'])
        self.assertEqual(self.refused(b'fstests = "/f"\n\xff\n'), ["2: not UTF-8"])

    def test_files_that_are_not_there_are_no_input(self):
        done = self.imported(VMS, "-o", "missing/job.yaml")
        self.assertEqual((done.returncode, done.stderr.splitlines()[-1]),
                         (66, "fast-fstests-import: cannot write missing/job.yaml: No such file or directory"))
        (self.folder / "config.toml").unlink()
        done = subprocess.run([sys.executable, "-B", str(IMPORT)], cwd=self.folder, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (66, "fast-fstests-import: cannot read config.toml: No such file or directory\n"))


if __name__ == "__main__":
    unittest.main()
