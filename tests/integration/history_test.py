"""What ff-ci knows from earlier runs: the history, the durations it gives, and which runs stay."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import unittest

from jsonschema import Draft7Validator

from harness import AS_ROOT, SOURCE, FfciTest

FLAKY = "test -e $PWD/seen || { touch $PWD/seen; exit 1; }"
TESTS = {"ok": "sleep 0.1", "bad": "echo oops >&2; exit 3", "skip": "exit 4", "flaky": FLAKY}


class HistoryTest(FfciTest):
    def history(self, *arguments, code=0):
        done = self.ffci("history", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def history_json(self, *arguments):
        found = json.loads(self.history("--json", *arguments))
        schema = json.loads((SOURCE / "schemas" / "history.schema.json").read_text())
        Draft7Validator.check_schema(schema)
        Draft7Validator(schema).validate(found)
        return found

    def database(self, statement):
        with contextlib.closing(sqlite3.connect(self.folder / "results" / "history.db")) as database:
            return database.execute(statement).fetchall()

    def dump(self):
        with contextlib.closing(sqlite3.connect(self.folder / "results" / "history.db")) as database:
            return list(database.iterdump())

    def run_ids(self):
        return sorted((path.name for path in (self.folder / "results" / "runs").iterdir()), key=lambda name: (name[:16], len(name), name))

    def run_again(self, *arguments, code=None):
        """Its id."""
        done = self.run_job(*arguments)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return self.summary()["run_id"], done


class Telling(HistoryTest):
    def setUp(self):
        super().setUp()
        self.commands(TESTS, run="retry-failures: 1")
        self.ids = [self.run_again(code=1)[0] for _ in range(3)]

    def test_runs_are_listed_the_newest_first_with_their_counts_and_labels(self):
        recordings = self.folder / "results" / "recordings"
        recordings.mkdir()
        (recordings / "v6.18").symlink_to(f"../runs/{self.ids[0]}")
        lines = self.history().splitlines()
        self.assertEqual([line.split()[0] for line in lines], self.ids[::-1])
        self.assertIn("4 tests: 2 passed, 1 failed, 1 skipped", lines[0])
        self.assertIn("1 flaky", lines[2])
        self.assertIn("[v6.18]", lines[2])
        self.assertEqual(len(self.history("-n", 1).splitlines()), 1)
        runs = self.history_json()["runs"]
        self.assertEqual([run["run_id"] for run in runs], self.ids[::-1])
        self.assertEqual(runs[2]["recordings"], ["v6.18"])
        self.assertEqual(runs[0]["counts"]["total"], 4)

    def test_a_test_is_told_with_its_verdicts_its_rate_and_its_durations(self):
        told = self.history("s/flaky")
        self.assertIn("  ~..\n", told)
        self.assertIn("bad attempts in 1 of 3 runs: 33.3 % (95 % confidence: 6.1 to 79.2 %); passed in the end (flaky): 1, bad in the end: 0", told)
        self.assertRegex(told, r"duration: median \S+, from \S+ to \S+\n")
        self.assertIn(f"{self.ids[0]}", told)
        self.assertEqual(self.history("flaky"), told)
        self.assertIn("bad in the end: 3", self.history("bad"))
        self.assertIn("  sss\n", self.history("skip"))
        self.assertIn("and 2 more", self.history("-n", 1, "bad"))

    def test_json_of_tests_has_them_all(self):
        tests = self.history_json("s/*")["tests"]
        self.assertEqual([test["name"] for test in tests], sorted(TESTS))
        by_name = {test["name"]: test for test in tests}
        self.assertEqual(by_name["bad"]["bad_attempt_rate"]["bad"], 3)
        self.assertNotIn("rate", by_name["skip"]["bad_attempt_rate"])
        self.assertGreater(by_name["ok"]["duration_seconds"]["median"], 0.09)
        self.assertEqual(len(by_name["bad"]["results"]), 3)
        self.assertEqual(by_name["bad"]["results"][0]["attempts"], 2)
        self.assertEqual(len(self.history_json("-n", 1, "bad")["tests"][0]["results"]), 1)

    def test_an_unknown_test_exits_with_66_and_names_the_nearest(self):
        done = self.ffci("history", "s/flakey")
        self.assertEqual(done.returncode, 66)
        self.assertIn("did you mean 's/flaky'?", done.stderr)

    def test_making_it_anew_gives_the_same(self):
        before = self.dump()
        self.assertIn("3 runs", self.history("--rebuild"))
        self.assertEqual(self.dump(), before)
        os.remove(self.folder / "results" / "history.db")
        self.history()
        self.assertEqual(self.dump(), before)

    def test_runs_that_are_gone_are_named_when_it_is_made_anew(self):
        shutil.rmtree(self.folder / "results" / "runs" / self.ids[0])
        self.assertIn("only in the history", self.history())
        self.assertIn(f"dropped, as the results are gone: {self.ids[0]}", self.history("--rebuild"))
        self.assertEqual(len(self.history().splitlines()), 2)

    def test_its_tables_are_those_that_schemas_history_sql_describes_and_its_examples_work(self):
        described = (SOURCE / "schemas" / "history.sql").read_text()
        comment = "\n".join(line[2:] for line in described.split("PRAGMA")[0].splitlines())
        examples = re.findall(r"SELECT .*?;", comment, re.DOTALL)
        self.assertEqual(len(examples), 5)
        for example in examples:
            self.database(example)
        rates = self.database("SELECT name, runs, runs_with_bad_attempt, flaky_runs, bad_runs FROM test_rates ORDER BY name")
        self.assertEqual(rates, [("bad", 3, 3, 0, 3), ("flaky", 3, 1, 1, 0), ("ok", 3, 0, 0, 0)])
        self.assertEqual(self.database("SELECT count(*) FROM test_results"), [(12,)])
        self.assertEqual(self.database("SELECT count(*) FROM test_attempts WHERE kernel IS NOT NULL"), [(16,)])
        self.assertEqual(self.database("PRAGMA journal_mode"), [("wal",)])

    def test_an_empty_directory_has_no_history(self):
        self.assertIn("there are no runs", self.ffci("history", "--results-dir", "elsewhere").stderr)
        self.assertEqual(self.ffci("history", "--results-dir", "elsewhere").returncode, 66)
        self.assertFalse((self.folder / "elsewhere").exists())


class Durations(HistoryTest):
    def test_the_next_run_expects_what_the_last_ones_took(self):
        self.commands({"quick": "true", "slow": "sleep 0.4", "middle": "sleep 0.2"}, slots=1)
        self.run_again("s/quick", "s/slow", code=0)
        _, done = self.run_again("s/middle", code=0)
        self.assertIn("no earlier run tells", done.stdout)
        _, done = self.run_again(code=0)
        self.assertEqual(self.started(), ["slow", "middle", "quick"])
        self.assertIn("expected from history (2 runs)", done.stdout)

    def test_a_run_that_is_named_is_asked_alone(self):
        self.commands({"quick": "true", "slow": "sleep 0.2"}, slots=1)
        first, _ = self.run_again("s/quick", code=0)
        self.run_again("s/slow", code=0)
        _, done = self.run_again("--durations", first)
        self.assertIn(f"expected from run {first} (1 not known there)", done.stdout)
        _, done = self.run_again("--durations", "20200101T000000Z", code=66)


class Trouble(HistoryTest):
    def setUp(self):
        super().setUp()
        self.commands({"ok": "true", "bad": "false"})
        self.run_again(code=1)
        self.path = self.folder / "results" / "history.db"

    def test_a_damaged_history_changes_no_exit_code_and_is_mended(self):
        for number, damage in enumerate((b"", b"garbage" * 1000, self.path.read_bytes()[:5000])):
            with self.subTest(damage=damage[:10]):
                for suffix in ("-wal", "-shm"):
                    self.path.with_name("history.db" + suffix).unlink(missing_ok=True)
                self.path.write_bytes(damage)
                _, done = self.run_again(code=1)
                if damage:
                    self.assertIn("ff-ci: ", done.stderr)
                    self.assertIn("history.db.corrupt-", done.stderr)
                    self.assertTrue((self.folder / "results" / f"history.db.corrupt-{number}").exists())
                self.assertEqual(len(self.history().splitlines()), number + 2)

    def test_a_history_of_a_newer_ff_ci_is_left_alone_and_the_run_goes_on(self):
        self.database("PRAGMA user_version = 99")
        before = self.path.read_bytes()
        _, done = self.run_again(code=1)
        self.assertIn("version 99", done.stderr)
        self.assertIn("expected from run ", done.stdout)
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual(self.ffci("history").returncode, 65)

    def test_a_directory_in_its_place_does_not_stop_a_run(self):
        self.path.unlink()
        self.path.mkdir()
        _, done = self.run_again(code=1)
        self.assertIn("history.db", done.stderr)

    @unittest.skipUnless(AS_ROOT, "needs root")
    def test_results_that_cannot_be_written_can_be_asked_all_the_same(self):
        for path in (self.folder, *self.folder.rglob("*")):
            if not path.is_symlink():
                os.chmod(path, 0o555 if path.is_dir() else 0o444)
        binary = shutil.copy(os.environ["FFCI"], self.folder / "ff-ci")
        os.chmod(binary, 0o555)

        def ask():
            command = ["setpriv", "--reuid", "65534", "--clear-groups", binary, "history"]
            return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60)

        done = ask()
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 1), done.stderr)
        self.path.unlink()
        done = ask()
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 1), done.stderr)
        self.assertIn("can't be written", done.stderr)
        self.assertFalse(self.path.exists())


class Keeping(HistoryTest):
    def test_older_runs_go_and_the_history_still_knows_them(self):
        self.commands({"ok": "true"}, run="keep: {runs: 2}")
        ids = []
        for _ in range(4):
            run_id, done = self.run_again(code=0)
            ids.append(run_id)
        self.assertEqual(self.run_ids(), ids[2:])
        self.assertRegex(done.stdout, rf"removed 1 run of results, \S+ KiB: {ids[1]}\n")
        self.assertEqual(len(self.history().splitlines()), 4)
        self.assertIn("....", self.history("ok"))
        self.assertEqual(self.ffci("report").returncode, 0)

    def test_recorded_runs_stay(self):
        self.commands({"ok": "true"})
        first, _ = self.run_again(code=0)
        recordings = self.folder / "results" / "recordings"
        recordings.mkdir()
        (recordings / "main").symlink_to(f"../runs/{first}")
        second, _ = self.run_again(code=0)
        third, _ = self.run_again("--set", "run.keep.runs=1", code=0)
        self.assertEqual(self.run_ids(), [first, third])

    def test_none_goes_that_the_history_could_not_take(self):
        self.commands({"ok": "true"}, run="keep: {runs: 1}")
        first, _ = self.run_again(code=0)
        self.database("PRAGMA user_version = 99")
        second, done = self.run_again(code=0)
        self.assertIn("the run is not in the history yet, and no older run was removed", done.stderr)
        self.assertEqual(self.run_ids(), [first, second])

    def test_old_runs_go(self):
        self.commands({"ok": "true"})
        first, _ = self.run_again(code=0)
        runs = self.folder / "results" / "runs"
        (runs / first).rename(runs / "20200101T000000Z")
        second, done = self.run_again("--keep.days", 30, code=0)
        self.assertIn("20200101T000000Z", done.stdout)
        self.assertEqual(self.run_ids(), [second])


if __name__ == "__main__":
    unittest.main()
