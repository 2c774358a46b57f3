-- The history of a results directory, RESULTS/history.db: an index over its runs, for SQLite 3.
--
-- ff-ci adds each run to it when the run has ended. The runs' journals stay the truth: whatever is here is read from them, and
-- `ff-ci history --rebuild` makes the file anew from the run folders. Only runs whose folders `run.keep` has removed are then lost.
-- So look at it as much as you like, and change nothing. It is safe to read while ff-ci writes:
--
--     sqlite3 -readonly RESULTS/history.db
--
-- Names end in their unit: *_seconds are REAL, with a precision of a millisecond. Times are RFC 3339 in UTC, so that they sort, and
-- julianday() and strftime() take them. The views at the end join what belongs together: begin there.
--
-- The slowest tests, by the duration that the next run expects of them:
--
--     SELECT suite, configuration, name, arch, p90_seconds FROM tests ORDER BY p90_seconds DESC LIMIT 20;
--
-- The tests that fail most often, at least once in a while:
--
--     SELECT suite, name, arch, runs_with_bad_attempt, runs, round(100.0 * runs_with_bad_attempt / runs, 1) AS percent
--       FROM test_rates WHERE runs_with_bad_attempt > 0 AND runs >= 5 ORDER BY percent DESC LIMIT 20;
--
-- How one test did over time:
--
--     SELECT started, run_id, verdict, duration_seconds, reason FROM test_results
--       WHERE suite = 'ext4' AND name = 'generic/475' ORDER BY started;
--
-- What failed in the last week, and on which host:
--
--     SELECT run_id, suite, name, number, host, outcome, signature FROM test_attempts
--       WHERE outcome IN ('failed', 'timed_out', 'crashed') AND julianday(started) > julianday('now') - 7;
--
-- Tests that a signature of the kernel's log has hit:
--
--     SELECT signature, count(DISTINCT run_id) AS runs, group_concat(DISTINCT name) AS names FROM test_attempts
--       WHERE signature <> '' GROUP BY signature ORDER BY runs DESC;

PRAGMA application_id = 1179009865;  -- "FFCI"
-- Rises when a program for the older one would misread the newer one. ff-ci makes an older file anew, and leaves a newer one alone.
PRAGMA user_version = 2;

-- One row for each run that has ended. A run that was resumed after that stands here as it ended the last time.
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,           -- when it started, in milliseconds since 1970 (the next free one, if two did): a greater one is later
  run_id TEXT NOT NULL UNIQUE,      -- its folder is RESULTS/runs/<run_id>, unless run.keep has removed it
  job TEXT NOT NULL,
  ff_ci_version TEXT NOT NULL,
  started TEXT NOT NULL,            -- RFC 3339
  duration_seconds REAL NOT NULL,
  paused_seconds REAL NOT NULL,     -- how much of it no ff-ci was there, before it was resumed
  result TEXT NOT NULL,             -- as in summary.json: passed, failed, incomplete, nothing_run, no_hosts, interrupted
  exit_code INTEGER NOT NULL,
  passed INTEGER NOT NULL,          -- how many tests ended so
  failed INTEGER NOT NULL,
  timed_out INTEGER NOT NULL,
  crashed INTEGER NOT NULL,
  flaky INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  error INTEGER NOT NULL,
  not_run INTEGER NOT NULL,
  shard_index INTEGER,              -- NULL: it was no shard of a plan
  shard_count INTEGER,
  last_sequence INTEGER NOT NULL,   -- of the journal's events
  journal_bytes INTEGER NOT NULL    -- size of the journal that this was read from
);

-- The runs that a merged run was joined from. The merged one counts in durations and rates, they do not.
CREATE TABLE merged_runs (
  run INTEGER NOT NULL REFERENCES runs (id),
  part TEXT NOT NULL,               -- a run_id; it need not be known here
  PRIMARY KEY (run, part)
) WITHOUT ROWID;

CREATE TABLE hosts (
  run INTEGER NOT NULL REFERENCES runs (id),
  name TEXT NOT NULL,               -- "local", "ssh:vm1"
  kind TEXT NOT NULL,
  kernel TEXT NOT NULL,             -- uname -r
  arch TEXT NOT NULL,               -- uname -m
  slots INTEGER NOT NULL,
  restarts INTEGER NOT NULL,        -- times it came back after it was lost
  state TEXT NOT NULL,              -- in the end: ready, lost, retired
  ready_seconds REAL,               -- from the start of the run; NULL: it never was
  PRIMARY KEY (run, name)
) WITHOUT ROWID;

-- The set-ups of suites, in the order in which they ended.
CREATE TABLE set_ups (
  run INTEGER NOT NULL REFERENCES runs (id),
  number INTEGER NOT NULL,
  host TEXT NOT NULL,
  suite TEXT NOT NULL,
  duration_seconds REAL NOT NULL,
  failure TEXT,                     -- NULL: it did not fail
  PRIMARY KEY (run, number)
) WITHOUT ROWID;

-- What a command of a suite took beside its tests.
CREATE TABLE calls (
  run INTEGER NOT NULL REFERENCES runs (id),
  suite TEXT NOT NULL,
  call_seconds REAL NOT NULL,       -- median time in a slot from the last test of a command to the first of the next
  PRIMARY KEY (run, suite)
) WITHOUT ROWID;

-- A test is the same one in all runs with the same suite, configuration, architecture and name.
CREATE TABLE tests (
  id INTEGER PRIMARY KEY,
  suite TEXT NOT NULL,
  configuration TEXT NOT NULL,      -- section of fstests; '': the suite has only one
  arch TEXT NOT NULL,               -- uname -m of the host that decided the result; '': no host was ever ready
  name TEXT NOT NULL,
  -- What to expect of it, from the longest attempt of each of the last 10 runs in which one ran to an end of its own; NULL: from none.
  timed_runs INTEGER NOT NULL DEFAULT 0,  -- how many of them there are
  p90_seconds REAL,                -- their 90th percentile (nearest rank): what `run.durations: history` expects
  median_seconds REAL,             -- their median
  UNIQUE (suite, configuration, arch, name)
);

-- What became of a test in a run.
CREATE TABLE results (
  test INTEGER NOT NULL REFERENCES tests (id),
  run INTEGER NOT NULL REFERENCES runs (id),
  iteration INTEGER NOT NULL,       -- from 1
  verdict TEXT NOT NULL,            -- as in summary.json: passed, failed, timed_out, crashed, flaky, skipped, error, not_run
  reason TEXT NOT NULL,
  duration_seconds REAL NOT NULL,   -- of the attempt that decided
  longest_seconds REAL,             -- the longest attempt that ran to an end of its own; NULL: none did
  attempts INTEGER NOT NULL,
  bad_attempts INTEGER NOT NULL,    -- failed, timed_out or crashed
  signature TEXT NOT NULL,          -- of the crash that decided, or else of what the kernel reported during that attempt; '': nothing
  decision TEXT NOT NULL,           -- of the gate, as in summary.json; known_issue: known by an entry of the known issues; '': none
  PRIMARY KEY (test, run, iteration)
) WITHOUT ROWID;
CREATE INDEX results_of_run ON results (run);

CREATE TABLE attempts (
  test INTEGER NOT NULL,
  run INTEGER NOT NULL,
  iteration INTEGER NOT NULL,
  number INTEGER NOT NULL,          -- from 1
  host TEXT NOT NULL,               -- '': it never reached one
  slot INTEGER NOT NULL,
  batch INTEGER NOT NULL,           -- which command of the run ran it; 0: not known
  started_seconds REAL NOT NULL,    -- since the run began
  duration_seconds REAL NOT NULL,
  outcome TEXT NOT NULL,            -- passed, failed, skipped, timed_out, crashed, host_lost, setup_failed, not_run; '': ff-ci died
  signature TEXT NOT NULL,          -- as in results
  PRIMARY KEY (test, run, iteration, number),
  FOREIGN KEY (test, run, iteration) REFERENCES results (test, run, iteration)
) WITHOUT ROWID;

-- What the kernel reported during an attempt, and what a failure's signature is: each once.
CREATE TABLE signatures (
  test INTEGER NOT NULL,
  run INTEGER NOT NULL,
  iteration INTEGER NOT NULL,
  number INTEGER NOT NULL,          -- of the attempt
  signature TEXT NOT NULL,
  PRIMARY KEY (test, run, iteration, number, signature),
  FOREIGN KEY (test, run, iteration, number) REFERENCES attempts (test, run, iteration, number)
) WITHOUT ROWID;
CREATE INDEX signatures_of_run ON signatures (run);

-- One row for each result, with the names of its run and its test.
CREATE VIEW test_results AS
  SELECT runs.run_id, runs.job, runs.started, tests.suite, tests.configuration, tests.arch, tests.name, results.iteration,
         results.verdict, results.reason, results.duration_seconds, results.attempts, results.bad_attempts, results.signature
    FROM results JOIN runs ON runs.id = results.run JOIN tests ON tests.id = results.test;

-- One row for each attempt, with the names of its run and its test, and the kernel that it ran on.
CREATE VIEW test_attempts AS
  SELECT runs.run_id, runs.job, runs.started, tests.suite, tests.configuration, tests.arch, tests.name, attempts.iteration,
         attempts.number, attempts.host, hosts.kernel, attempts.slot, attempts.batch, attempts.started_seconds,
         attempts.duration_seconds, attempts.outcome, attempts.signature
    FROM attempts JOIN runs ON runs.id = attempts.run JOIN tests ON tests.id = attempts.test
         LEFT JOIN hosts ON hosts.run = attempts.run AND hosts.name = attempts.host;

-- How often a test goes wrong, and in how many of these runs it passed in the end (flaky) or did not (bad). A run counts when the
-- test passed or was bad in it; of merged runs the parts do not.
CREATE VIEW test_rates AS
  SELECT suite, configuration, arch, name, count(*) AS runs, sum(bad_attempts > 0) AS runs_with_bad_attempt,
         sum(bad_attempts > 0 AND NOT bad) AS flaky_runs, sum(bad) AS bad_runs
    FROM (SELECT results.test, sum(bad_attempts) AS bad_attempts, max(verdict IN ('failed', 'timed_out', 'crashed')) AS bad
            FROM results JOIN runs ON runs.id = results.run
           WHERE verdict IN ('passed', 'flaky', 'failed', 'timed_out', 'crashed')
             AND runs.run_id NOT IN (SELECT part FROM merged_runs)
           GROUP BY results.test, results.run)
         JOIN tests ON tests.id = test
   GROUP BY test;
