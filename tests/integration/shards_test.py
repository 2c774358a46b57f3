"""Shards of a job on machines that know nothing of each other, and what merging them makes."""

import json
import shutil
import signal
import unittest

from harness import FfciTest, wait_for

TESTS = {
    **{f"t{i:02}": "true" for i in range(20)},
    "slow": "sleep 0.5",
    "bad": "echo oops >&2; exit 1",
    "skip": "exit 4",
}


class Shards(FfciTest):
    def run_shards(self, count, *arguments):
        return [self.run_job("--shard", f"{i}/{count}", "--results-dir", f"shard{i}", *arguments) for i in range(1, count + 1)]

    def merge(self, *runs, **options):
        return self.ffci("merge", *runs, **options)

    def listed(self, *arguments, **options):
        done = self.ffci("list", "job.yaml", *arguments, **options)
        self.assertIn(done.returncode, (0, 4), done.stderr)
        return done.stdout.split()

    def test_the_shards_together_are_the_whole_and_give_the_same_verdicts_as_one_run(self):
        self.commands(TESTS, run="retry-failures: 1")
        self.assertEqual(self.run_job().returncode, 1)
        one = self.verdicts()
        order = [test["name"] for test in self.summary()["tests"]]
        self.run_shards(4, "--durations", str(self.folder / "results/latest/"))
        parts = [json.loads((self.folder / f"shard{i}/latest/summary.json").read_text()) for i in range(1, 5)]
        self.assertEqual([part["shard"]["index"] for part in parts], [1, 2, 3, 4])
        self.assertEqual(len({part["shard"]["plan"] for part in parts}), 1)
        names = [test["name"] for part in parts for test in part["tests"]]
        self.assertEqual(sorted(names), sorted(one))

        done = self.merge(*(f"shard{i}/latest" for i in (3, 1, 4, 2)), "--junit", "all.xml", "--summary", "all.json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(self.verdicts(), one)
        self.assertEqual([test["name"] for test in self.summary()["tests"]], order)
        self.assertEqual(self.summary()["merged"], [part["run_id"] for part in parts])
        self.assertEqual((self.folder / "all.json").read_text(), (self.folder / "results/latest/summary.json").read_text())
        self.assertEqual(self.output("bad", stream="stderr"), b"oops\n")
        self.assertIn("s/bad", done.stdout)
        # It is a run as any other.
        self.assertEqual(self.ffci("report").returncode, 1)
        self.assertEqual((self.folder / "all.json").read_text(), (self.folder / "results/latest/summary.json").read_text())

    def test_the_work_is_split_evenly_by_expected_durations(self):
        self.commands({"a": "sleep 0.8", "b": "sleep 0.4", "c": "sleep 0.4", **{f"t{i}": "true" for i in range(6)}})
        self.assertEqual(self.run_job().returncode, 0)
        first, second = self.listed("--shard", "1/2"), self.listed("--shard", "2/2")
        self.assertEqual(sorted(first + second), sorted(self.listed()))
        by_size = {name: shard for shard in (first, second) for name in shard for shard in [tuple(shard)]}
        self.assertNotEqual(by_size["s/a"], by_size["s/b"])
        self.assertEqual(by_size["s/b"], by_size["s/c"])

    def test_shards_do_not_mind_what_other_shards_tell_unless_they_are_told_to(self):
        self.commands({"a": "sleep 0.2", "b": "true", "c": "sleep 0.1"})
        for arguments, code in (((), 0), (("--durations", "none"), 0), (("--durations", "latest"), 65)):
            shutil.rmtree(self.folder / "results", ignore_errors=True)
            runs = []
            for shard in ("1/2", "2/2"):  # the second one knows the first
                self.assertEqual(self.run_job("--shard", shard, *arguments).returncode, 0)
                runs.append((self.folder / "results/latest").resolve())
            self.assertEqual(self.merge(*runs).returncode, code)

    def test_of_a_resumed_shard_only_the_ends_that_hold_are_merged(self):
        go = self.folder / "go"
        self.commands({"a": "true", "b": f"until [ -e {go} ]; do sleep 0.02; done", "c": "true"}, slots=1, run="order: listed")
        shards = [self.start("run", "job.yaml", "--shard", f"{i}/2", "--results-dir", f"shard{i}") for i in (1, 2)]
        for i, shard in enumerate(shards, start=1):
            journal = self.folder / f"shard{i}/latest/journal.jsonl"
            wait_for(lambda j=journal, s=shard: s.poll() is not None or '"attempt_started"' in (j.read_text() if j.exists() else ""),
                     "the shard runs")
        wait_for(lambda: [s for s in shards if s.poll() is None] != shards, "the shard without b ends")
        broken_off = next(i for i, shard in enumerate(shards, start=1) if shard.poll() is None)
        shards[broken_off - 1].send_signal(signal.SIGTERM)
        shards[broken_off - 1].communicate(timeout=60)
        go.touch()
        self.assertEqual(self.ffci("run", "--resume", "--results-dir", f"shard{broken_off}").returncode, 0)
        self.assertEqual(self.merge("shard1/latest", "shard2/latest").returncode, 0)
        ended = [event["test"]["name"] for event in self.events() if event["event"] == "test_finished"]
        self.assertEqual(sorted(ended), ["a", "b", "c"])

    def test_links_of_a_shard_are_not_followed_and_what_it_may_yet_write_is_copied(self):
        self.commands(TESTS)
        self.run_shards(2)
        self.write("elsewhere/folder/secret", "secret")
        shard = self.folder / "shard1/latest"
        self.write("shard1/latest/hosts/local/dmesg", "logged\n")
        self.write("shard1/latest/suites/s/local/stdout", "set up\n")
        (shard / "suites/t").symlink_to(self.folder / "elsewhere")
        hosts = self.folder / "shard2/latest/hosts"
        shutil.rmtree(hosts, ignore_errors=True)  # it is there if the kernel logged something meanwhile
        hosts.symlink_to(self.folder / "elsewhere")
        self.assertEqual(self.merge("shard1/latest", "shard2/latest").returncode, 1)
        merged = self.folder / "results/latest"
        self.assertEqual(list(merged.rglob("secret")), [])
        for kept in ("hosts/shard1-local/dmesg", "suites/s/shard1-local/stdout"):
            self.assertEqual((merged / kept).stat().st_nlink, 1)

    def test_what_is_missing_doubled_or_of_another_plan_is_named(self):
        self.commands(TESTS)
        self.run_shards(3)
        for runs, hint in (
            (["shard1/latest", "shard3/latest"], "of the plan's shards are missing: 2/3"),
            (["shard1/latest", "shard2/latest", "shard3/latest", "shard2/latest"],
             "shard 2/3 is there twice: shard2/latest and shard2/latest"),
        ):
            done = self.merge(*runs)
            self.assertEqual(done.returncode, 65)
            self.assertIn(hint, done.stderr)
        self.run_job("--shard", "2/3", "--results-dir", "other", "-e", "s/slow")
        done = self.merge("shard1/latest", "other/latest", "shard3/latest")
        self.assertEqual(done.returncode, 65)
        self.assertRegex(done.stderr, r"other/latest \(run \S+, shard 2/3\) of job 'job' is of another plan")
        self.run_job("--results-dir", "whole")
        done = self.merge("shard1/latest", "whole/latest")
        self.assertEqual(done.returncode, 65)
        self.assertIn("is no shard", done.stderr)
        self.assertEqual(self.merge("nowhere/latest").returncode, 66)
        self.assertFalse((self.folder / "results/latest").exists())

    def test_a_journal_that_was_tampered_with_is_found_out(self):
        self.commands({"a": "true", "b": "true"})
        self.run_shards(2)
        journals = [self.folder / f"shard{i}/latest/journal.jsonl" for i in (1, 2)]
        first, second = (journal.read_text() for journal in journals)
        mine, other = ('"a"', '"b"') if '"name":"a"' in first else ('"b"', '"a"')
        for text, hint in (
            (second.replace(f'"name":{other}', f'"name":{mine}'), "is there twice, in shard 1/2 and in 2/2"),
            (second.replace(f'"name":{other}', '"name":"c"'), "its digest is another one"),
            (second.replace('"index":2', '"index":-1'), "there is no shard -1/2"),
            (second.replace('"count":2', '"count":2000'), "there is no shard 2/2000"),
        ):
            journals[1].write_text(text)
            done = self.merge("shard1/latest", "shard2/latest")
            self.assertEqual(done.returncode, 65, done.stdout)
            self.assertIn(hint, done.stderr)
        journals[1].write_text(second)
        begins = next(journal for journal in journals if '"place":1' in journal.read_text())
        begins.write_text("".join(line for line in begins.read_text().splitlines(True) if "test_selected" not in line))
        self.assertIn("test number 1 of the plan is in none of its shards", self.merge("shard1/latest", "shard2/latest").stderr)

    def test_runners_that_keep_their_own_runs_split_the_next_night_the_same_way(self):
        self.commands({"a": "sleep 0.3", "b": "sleep 0.1", "c": "true", "d": "sleep 0.2"})
        for night in range(3):
            self.assertEqual([done.returncode for done in self.run_shards(2)], [0, 0])
            self.assertEqual(self.merge("shard1/latest", "shard2/latest").returncode, 0)
            self.assertEqual(sorted(self.verdicts()), ["a", "b", "c", "d"])

    def test_a_plan_is_of_the_whole_job(self):
        self.commands({f"t{i}": "true" for i in range(4)})
        plan = self.ffci("plan", "job.yaml", "--json", env={"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "2"})
        self.assertEqual(json.loads(plan.stdout)["tests"], 4)

    def test_a_shard_that_was_killed_makes_the_whole_incomplete(self):
        self.commands({"a": "true", "b": "true"})
        self.run_shards(2)
        journal = self.folder / "shard2/latest/journal.jsonl"
        lines = journal.read_text().splitlines(True)
        journal.write_text("".join(line for line in lines[:-1] if "attempt_finished" not in line and "test_finished" not in line))
        done = self.merge("shard1/latest", "shard2/latest")
        self.assertEqual(done.returncode, 5, done.stdout + done.stderr)
        self.assertEqual(self.summary()["result"], "incomplete")
        self.assertEqual(sorted(self.verdicts().values()), ["not_run", "passed"])
        reason = next(test for test in self.summary()["tests"] if test["verdict"] == "not_run")["reason"]
        self.assertEqual(reason, "ff-ci was killed while it ran")
        self.assertEqual(self.events()[-1]["event"], "run_finished")
        self.assertIn(self.summary()["run_id"], self.ffci("history").stdout)

    def test_the_variables_of_ci_systems(self):
        self.commands({f"t{i}": "true" for i in range(5)})
        expected = self.listed("--shard", "2/3")
        gitlab = {"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "3"}
        slurm = {"SLURM_ARRAY_TASK_ID": "14", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "12", "SLURM_ARRAY_TASK_STEP": "2"}
        for variables in (gitlab, slurm):
            self.assertEqual(self.listed(env=variables), expected)
            done = self.ffci("list", "job.yaml", env=variables)
            self.assertIn("shard 2/3, as ", done.stderr)
            self.assertEqual(len(self.listed("--shard", "off", env=variables)), 5)
            self.assertEqual(self.listed("--shard", "1/3", env=variables), self.listed("--shard", "1/3"))
        self.assertEqual(len(self.listed(env={"CI_NODE_TOTAL": "1"})), 5)
        done = self.ffci("list", "job.yaml", env={"CI_NODE_INDEX": "4", "CI_NODE_TOTAL": "3"})
        self.assertEqual(done.returncode, 64)
        self.assertIn("CI_NODE_INDEX=4", done.stderr)

    def test_more_shards_than_tests(self):
        self.commands({"only": "true"})
        done = self.run_shards(3)
        self.assertEqual([one.returncode for one in done], [0, 0, 0], done[1].stdout + done[1].stderr)
        self.assertEqual(self.merge("shard1/latest", "shard2/latest", "shard3/latest").returncode, 0)
        self.assertEqual(self.verdicts(), {"only": "passed"})

    def test_bad_shards_are_refused(self):
        self.commands({"a": "true"})
        for value in ("0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/100000"):
            done = self.run_job("--shard", value)
            self.assertEqual(done.returncode, 64, value)
            self.assertIn("INDEX/COUNT", done.stderr)

    def test_hostile_files_of_a_shard_stay_out(self):
        self.commands({"a": "true", "b": "true"})
        self.run_shards(2)
        folder = self.folder / "shard1/latest/tests"
        (folder / "link").symlink_to("/etc")
        self.assertEqual(self.merge("shard1/latest", "shard2/latest").returncode, 0)
        self.assertFalse((self.folder / "results/latest/tests/link").is_symlink())
        shutil.rmtree(self.folder / "shard1")
        self.assertEqual(self.ffci("report").returncode, 0)


if __name__ == "__main__":
    unittest.main()
