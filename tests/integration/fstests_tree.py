"""A tree of fstests without fstests: a `check` that says and leaves behind what the real one does, for tests that are a line of shell each.

    tree = FstestsTree(self.folder / "fstests")
    tree.add("generic/001")                                  # passes
    tree.add("generic/002", MISMATCH, "quick rw")            # in these groups beside auto
    tree.add("generic/003", "sleep 0.1; exit 3")
    tree.calls()                                             # what check was called with

A test says on stdout what its .out file has, or something else; $seqres.* are its files, and $here is the tree. What it can't do itself it
asks check for with a file: $seqres.inconsistent, its file system is broken; $seqres.leave, check ends with the exit status in it.
"""

import pathlib
import re

PASS = ""
MISMATCH = "echo 'I am intentionally broken'"
NOT_RUN = "echo 'needs reflink' >$seqres.notrun; exit"
EXIT_3 = "exit 3"
CORE = "touch core"
INCONSISTENT = "touch $seqres.inconsistent"
DMESG = "echo 'BUG: a bad page' >$seqres.dmesg"
HANG = "sleep 1000"
HANG_ONCE = "test -e $here/hung || { touch $here/hung; sleep 1000; }"
KILL_CHECK = "kill -9 $PPID; sleep 1000"
KILL_CHECK_ONCE = "test -e $here/killed || { touch $here/killed; kill -9 $PPID; sleep 1000; }"
LEAVE = "echo 1 >$seqres.leave"  # as where mkfs fails

CHECK = r"""#!/bin/bash
# As fstests' check prints it, and in its order.
here=$PWD
export here
: "${RESULT_BASE:=$here/results}"
config=${HOST_OPTIONS:-local.config}
wanted=() named=() tests=()
echo "$*" >>calls
while [ $# -gt 0 ]; do
  case $1 in
    -s) wanted+=("$2"); shift ;;
    -*) printf 'unexpected option: %s\nUsage: check [options] [testlist]\n' "$1"; exit 1 ;;
    *) named+=("$1") ;;
  esac
  shift
done
[ ! -e says ] || { cat says; exit "$(cat exits)"; }

for test in $(printf '%s\n' "${named[@]}" | sort -u); do
  if [ -f "tests/$test" ]; then tests+=("$test"); else echo "$test - unknown test, ignored"; fi
done
width=0
for test in "${tests[@]}"; do [ ${#test} -le $width ] || width=${#test}; done

sections=("")
if [ -f "$config" ]; then
  mapfile -t found < <(sed -n 's/^\[\(.*\)\]$/\1/p' "$config")
  [ ${#found[@]} = 0 ] || sections=("${found[@]}")
  [ ${#found[@]} != 0 ] || . "./${config#./}" 2>/dev/null || . "$config"
fi

bad() { echo -n "$*"; verdict=fail; }

run_test() {
  verdict=pass
  export seqres=$results/$test
  mkdir -p "${seqres%/*}"
  printf '%-*s' $width "$test"
  last=$(sed -n "s,^$test ,,p" "$RESULT_BASE/check.time" | tail -n 1)
  [ -n "$last" ] && printf ' %ss ... ' "$last" || printf '       '
  [ -z "$ran" ] && ran=$test || ran+=" $test"
  begun=$EPOCHSECONDS
  echo "begin $section $test $EPOCHREALTIME" >>"$here/times"
  "tests/$test" >"$out" 2>&1
  status=$?
  echo "end $section $test $EPOCHREALTIME" >>"$here/times"
  echo "all of $test" >>"$seqres.full"
  [ ! -f core ] || { mv core "$seqres.core"; bad "[dumped core]"; }
  if [ -f "$seqres.notrun" ]; then
    echo -n "[not run] "
    cat "$seqres.notrun"
    not_run+=" $test"
    return
  fi
  [ $status = 0 ] || bad "[failed, exit status $status]"
  if [ -f "$seqres.inconsistent" ]; then
    bad "_check_generic_filesystem: filesystem on ${TEST_DEV:-/dev/vdb} is inconsistent
(see $seqres.full for details)
"
  fi
  [ ! -f "$seqres.dmesg" ] || bad "_check_dmesg: something found in dmesg (see $seqres.dmesg)
"
  if [ -f "$seqres.leave" ]; then
    printf 'check: failed to mkfs $SCRATCH_DEV using specified options\nInterrupted!\nPassed all 0 tests\n'
    exit "$(cat "$seqres.leave")"
  fi
  if cmp -s "tests/$test.out" "$out"; then
    [ $verdict = fail ] || echo -n " $((EPOCHSECONDS - begun))s"
    [ $verdict = fail ] || echo "$test $((EPOCHSECONDS - begun))" >>"$RESULT_BASE/check.time"
    echo
  else
    bad "- output mismatch (see $seqres.out.bad)
"
    mv "$out" "$seqres.out.bad"
    diff -u "tests/$test.out" "$seqres.out.bad" | head -n 10 | sed 's/^/    /'
    printf "    ...\n    (Run 'diff -u %s %s'  to see the entire diff)\n" "$here/tests/$test.out" "$seqres.out.bad"
  fi
  [ $verdict = pass ] || failed+=" $test"
}

tell_summary() {
  [ -z "$ran" ] || echo "Ran: $ran"
  [ -z "$not_run" ] || echo "Not run:$not_run"
  if [ -n "$failed" ]; then
    echo "Failures:$failed"
    echo "Failed $(wc -w <<<"$failed") of $(wc -w <<<"$ran") tests"
  else
    echo "Passed all $(wc -w <<<"$ran") tests"
  fi
}

# Told to end, it waits for its test, and is content with itself.
interrupted() {
  tell_summary | sed '1a Interrupted!' >>"$results/check.log"
  exit 0
}
trap interrupted HUP INT TERM

touch "$RESULT_BASE/check.time"
any_failed=0
for section in "${sections[@]}"; do
  case " ${wanted[*]} " in "  " | *" $section "*) ;; *) continue ;; esac
  ran= not_run= failed=
  results=$RESULT_BASE${section:+/$section}
  mkdir -p "$results"
  [ -z "$section" ] || printf 'SECTION       -- %s\n' "$section"
  [ "$RECREATE_TEST_DEV" != true ] || printf 'RECREATING    -- %s on %s\n' "$FSTYP" "$TEST_DEV"
  printf 'FSTYP         -- %s\nPLATFORM      -- Linux/x86_64 %s\n' "$FSTYP" "$(uname -nr)"
  [ -z "$SCRATCH_DEV" ] || printf 'MKFS_OPTIONS  -- %s\nMOUNT_OPTIONS -- %s\n' "$SCRATCH_DEV" "$SCRATCH_DEV $SCRATCH_MNT"
  echo
  out=$RESULT_BASE/.out
  for test in "${tests[@]}"; do run_test; done
  tell_summary | tee -a "$results/check.log"
  [ -z "$failed" ] || any_failed=1
  echo
done
exit $any_failed
"""


class FstestsTree:
    """Made in `path`, which may be a folder of a machine."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.write("check", CHECK, 0o755)
        self.write("src/feature", "#!/bin/sh\n", 0o755)
        self._groups = {}

    def write(self, name, text, mode=0o644):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def add(self, name, does=PASS, groups=""):
        folder, number = name.split("/")
        says = f"QA output created by {number.split('-')[0]}"
        self.write(f"tests/{name}", f"#!/bin/bash\necho '{says}'\n{does}\n", 0o755)
        self.write(f"tests/{name}.out", says + "\n")
        self._groups.setdefault(folder, {})[number] = f"auto {groups}".strip()
        self.write(f"tests/{folder}/group.list", "".join(f"{n} {g}\n" for n, g in sorted(self._groups[folder].items())))
        return self

    def add_all(self, tests):
        """Names with what they do."""
        for name, does in tests.items():
            self.add(name, does)
        return self

    def sections(self, *names):
        self.write("local.config", "".join(f"[{name}]\nFSTYP=ext4\n\n" for name in names))

    def says(self, text, status):
        """In the place of any test."""
        self.write("says", text)
        self.write("exits", str(status))

    # What it has seen.

    def lines(self, name):
        path = self.path / name
        return path.read_text().splitlines() if path.exists() else []

    def calls(self):
        """Of each call of check, its arguments."""
        return [line.split() for line in self.lines("calls")]

    def times(self):
        """(begin, end) of each test that came to its end, by name; the last counts."""
        began, found = {}, {}
        for line in self.lines("times"):
            what, section, test, at = re.fullmatch(r"(\w+) (\S*) ?(\S+/\S+) ([\d.]+)", line).groups()
            if what == "begin":
                began[section, test] = float(at)
            else:
                found[test] = (began[section, test], float(at))
        return found
