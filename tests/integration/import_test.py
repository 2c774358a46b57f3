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

    def test_ff_ci_takes_the_job(self):
        job, _ = self.job(ALL)
        self.write("expunges.txt", "generic/001\n")
        self.assertEqual(self.judged(job), (0, "job.yaml: valid\n"))

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

    def test_what_means_something_else_is_said(self):
        job, said = self.job(VMS + "[test_runner]\nprobe_interval = 0\nretry_failures = 1000\nbpftrace_script = 'a.bt'\n[mkosi]\nnum = 0\n")
        self.assertEqual(job["run"], {"probe-interval": "3600s", "max-host-restarts": 3, "retry-failures": 100, "bpftrace-script": "a.bt"})
        for named in ("probe_interval is 0", "retry_failures is 1000", "bpftrace_script: a file in the VMs", "mkosi.num: without VMs"):
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
            "1: 'fstests' is 1; expected text",
            "2: 'mkosi.num' is -1; expected a whole number of 0 or more",
            "5: 'test_selection.groups' is \"quick\"; expected a list of texts",
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
            "11: 'vm1' in 'custom_vm.vms' is not HOST:PATH, with a path that starts with /",
        ])

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
