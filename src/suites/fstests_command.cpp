#include "suites/fstests_command.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace ffci {
namespace {

constexpr const char* begin = R"sh(fail() { echo "ff-ci: $*" >&2; exit 1; }
tree=$PWD
own=$TMPDIR
[ -n "$own" ] || fail "there is no directory for results"
# Some tests expect their files in /tmp.
unset TMPDIR
export RESULT_BASE="$own/results"
rm -rf "$RESULT_BASE"
mkdir -p "$RESULT_BASE" || fail "there is no directory for results"
if [ "$FFCI_ISOLATION" = namespaces ]; then
  # systemd is told process ids, and takes those of this namespace for its own: ./check must not put
  # its tests into scopes. What they leave ends with the namespace.
  if [ -S /run/systemd/private ]; then
    mount -t tmpfs -o size=1m ff-ci /run/systemd || fail "systemd can't be hidden from the tests"
  fi
  # A private /tmp, in which what is needed of the other one stays where it is.
  mkdir -p "$own/tmp" && chmod 1777 "$own/tmp" || fail "no room in $own"
  for dir in "$tree" "$own" $FFCI_DEVICE_DIR; do
    case $dir in
      /tmp/*)
        mkdir -p "$own/tmp/${dir#/tmp/}" && mount --bind "$dir" "$own/tmp/${dir#/tmp/}" ||
          fail "$dir can't be shown in a private /tmp"
        ;;
    esac
  done
  mount --rbind "$own/tmp" /tmp && cd "$tree" || fail "/tmp can't be private"
elif [ -n "$FFCI_TEST_DEV" ]; then
  fail "test devices need private namespaces, which can't be made here"
fi
)sh";

// On a slot with devices of its own: the configuration, without its devices, and a test file system
// that no earlier batch has left in an unknown state.
constexpr const char* slot_devices = R"sh(key=
if [ -n "$FFCI_TEST_DEV" ]; then
  at=$FFCI_DEVICE_DIR
  mkdir -p "$at/test" "$at/scratch" || fail "no room in $at"
  config=${HOST_OPTIONS:-local.config}
  if [ ! -f "$config" ]; then
    dir=${HOST_CONFIG_DIR:-configs}
    host=$(uname -n)
    for config in "$dir/${host%%.*}.config" "$dir/${host%%.*}" /etc/xfsqa.config /dev/null; do
      [ ! -f "$config" ] || break
    done
  fi
  sed -E '/^[[:space:]]*(export[[:space:]]+)?((TEST|SCRATCH)_([A-Z]*DEV|DIR|MNT|DEV_POOL)|LOGWRITES_DEV|USE_EXTERNAL|RESULT_BASE)[[:space:]]*=/d' \
    "$config" >"$own/config" || fail "$config can't be read"
  export HOST_OPTIONS="$own/config"
  export TEST_DEV="$FFCI_TEST_DEV" TEST_DIR="$at/test" SCRATCH_MNT="$at/scratch"
  case $FSTYP in
    btrfs | bcachefs)
      unset SCRATCH_DEV
      export SCRATCH_DEV_POOL="$FFCI_SCRATCH_DEVS"
      ;;
    *)
      unset SCRATCH_DEV_POOL
      export SCRATCH_DEV="${FFCI_SCRATCH_DEVS%% *}"
      ;;
  esac
  key="$FSTYP $section $MKFS_OPTIONS"
  if [ "$FSTYP" != tmpfs ] && [ "$(cat "$at/clean" 2>/dev/null)" != "$key" ]; then
    case $FSTYP in
      ext[234]) force=-F ;;
      vfat | exfat | msdos | udf) force= ;;
      *) force=-f ;;
    esac
    wipefs -aq "$TEST_DEV"
    said=$(mkfs -t "$FSTYP" $force "$TEST_DEV" 2>&1) || fail "mkfs of $FSTYP on $TEST_DEV: $said"
    export RECREATE_TEST_DEV=true
  fi
  rm -f "$at/clean"
fi
)sh";

// The encryption tests add keys to the session's keyring.
constexpr const char* end =
    R"sh(if command -v keyctl >/dev/null && keyctl session - true 2>/dev/null; then
  keyctl session - sh -c 'exec ./check "$@" 2>&1' check "$@" 2>/dev/null
else
  ./check "$@" 2>&1
fi
status=$?
[ -z "$key" ] || [ $status != 0 ] || printf '%s\n' "$key" >"$at/clean"
exit $status
)sh";

// What ./check has an option for, in the place of FSTYP.
bool has_own_option(const std::string& file_system) {
  for (const char* known : {"nfs", "afs", "glusterfs", "cifs", "9p", "fuse", "virtiofs", "pvfs2",
                            "tmpfs", "ubifs", "overlay"}) {
    if (file_system == known) return true;
  }
  return false;
}

}  // namespace

std::string fstests_command(const FstestsSuiteSpec& spec, std::span<const TestId> batch) {
  const std::string& section = batch.front().configuration;
  std::string script = begin;
  for (const auto& [name, value] : spec.variables)
    script += fmt::format("export {}={}\n", name, shell_quote(value));
  std::string arguments;
  if (spec.file_system == "overlay") {
    script += "export FSTYP=\"${OVL_BASE_FSTYP:-ext4}\"\n";
  } else {
    script += fmt::format("export FSTYP={}\n", shell_quote(spec.file_system));
  }
  if (has_own_option(spec.file_system)) arguments += " -" + spec.file_system;
  if (!section.empty()) arguments += " -s " + shell_quote(section);
  for (const TestId& test : batch)
    arguments += " " + shell_quote(test.name);
  script += fmt::format("section={}\n", shell_quote(section));
  return script + slot_devices + fmt::format("set --{}\n", arguments) + end;
}

std::string fstests_probe() {
  return R"sh([ -x ./check ] || { echo "there is no fstests in $PWD: no ./check" >&2; exit 1; }
[ -x src/feature ] || { echo "the fstests in $PWD are not built: no src/feature" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "fstests run only as root" >&2; exit 1; }
command -v bash >/dev/null || { echo "there is no bash, which fstests need" >&2; exit 1; }
)sh";
}

}  // namespace ffci
