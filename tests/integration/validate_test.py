"""ff-ci validate: job specs, the known-issues files that they name, and the options of the gate."""

import unittest

from harness import FfciTest

JOB = """version: 1
suites:
  - name: s
    commands: {tests: [{name: t, command: "true"}]}
"""
ISSUE = """version: 1
issues:
  - test: s/t
    reason: rare
    link: https://bugs.example.org/1
    expires: 2026-12-31
"""


class Validate(FfciTest):
    def judged(self, *arguments):
        done = self.ffci("validate", *arguments)
        return done.returncode, done.stdout + done.stderr

    def test_a_job_is_valid_with_the_known_issues_that_it_names(self):
        self.write("lists/known.yaml", ISSUE)
        self.write("job.yaml", JOB + "gate: {known-issues: lists/known.yaml}\n")
        self.assertEqual(self.judged("job.yaml"), (0, "job.yaml: valid\n"))

    def test_what_is_wrong_with_the_known_issues_of_a_job_is_told(self):
        known = self.write("known.yaml", ISSUE.replace("12-31", "12-32"))
        self.write("job.yaml", JOB + "gate: {known-issues: known.yaml}\n")
        complaint = f"{known}:6:14: 'issues.0.expires' is '2026-12-32'; expected a day as YYYY-MM-DD, such as 2026-03-31\n"
        self.assertEqual(self.judged("job.yaml"), (78, complaint))
        self.write("other.yaml", JOB + "gate: {known-issues: known.yaml}\nruns: {}\n")
        self.write("third.yaml", JOB + "gate: {known-issues: ./known.yaml}\n")
        code, said = self.judged("job.yaml", "other.yaml", "third.yaml")
        self.assertEqual(code, 78)
        self.assertEqual(said, complaint + "other.yaml:6:1: unknown key 'runs'; did you mean 'run'?\n")

    def test_known_issues_that_are_not_there_are_no_input(self):
        self.write("job.yaml", JOB + "gate: {known-issues: known.yaml}\n")
        self.assertEqual(self.judged("job.yaml"), (66, f"ff-ci: cannot read {self.folder}/known.yaml: No such file or directory\n"))

    def test_the_file_of_the_command_line_takes_the_place_of_the_jobs(self):
        self.write("job.yaml", JOB + "gate: {known-issues: missing.yaml}\n")
        self.write("known.yaml", ISSUE)
        self.assertEqual(self.judged("job.yaml", "--known-issues", "known.yaml"), (0, "job.yaml: valid\n"))

    def test_known_issues_alone_are_judged_without_a_job(self):
        self.write("known.yaml", ISSUE)
        self.assertEqual(self.judged("--known-issues", "known.yaml"), (0, "known.yaml: valid\n"))
        self.write("known.yaml", "version: 1\nisues: []\n")
        self.assertEqual(self.judged("--known-issues", "known.yaml"),
                         (78, "known.yaml:1:1: 'issues' is missing\nknown.yaml:2:1: unknown key 'isues'; did you mean 'issues'?\n"))

    def test_options_stand_for_the_keys_of_the_gate(self):
        self.write("job.yaml", JOB)
        code, said = self.judged("job.yaml", "--baseline", "-1", "--baseline-optional", "--confirm", "5", "--fail-on", "slower,flaky",
                                 "--fail-on", "vanished", "--strict-baseline", "--fail-on-flaky")
        self.assertEqual((code, said), (0, "job.yaml: valid\n"))
        code, said = self.judged("job.yaml", "--baseline", " ", "--confirm", "many", "--fail-on", "slow", "--fail-on", "flaky",
                                 "--set", "gate.slower.ratio=0.5", "--set", "gate.baseline-token=a-b")
        self.assertEqual(code, 64)
        self.assertEqual(sorted(line.rpartition("; ")[0] or line for line in said.replace("ff-ci: ", "").splitlines()), [
            "--baseline : 'gate.baseline' is ''",
            "--confirm many: 'gate.confirm' is 'many'",
            "--fail-on slow,flaky: 'gate.fail-on.0' is 'slow'; expected regression, new-failure, slower, flaky, vanished or skipped",
            "--set gate.baseline-token=a-b: 'gate.baseline-token' is not the name of an environment variable, such as CI_TOKEN",
            "--set gate.slower.ratio=0.5: 'gate.slower.ratio' is '0.5'",
        ])


if __name__ == "__main__":
    unittest.main()
