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
[ -z "$FFCI_TEST_DEV" ] || [ "$FFCI_ISOLATION" = namespaces ] ||
  fail "test devices need private namespaces, which can't be made here"
)sh";

// On a slot with devices of its own they take the place of those of the configuration there, which
// is found as ./check does. One with sections is read by ./check line by line, any other is a shell
// script, in which the last word counts.
constexpr const char* slot_configuration = R"sh(if [ -n "$FFCI_TEST_DEV" ]; then
  at=$FFCI_DEVICE_DIR
  mkdir -p "$at/test" "$at/scratch" || fail "no room in $at"
  config=${HOST_OPTIONS:-local.config}
  [ -z "$HOST_OPTIONS" ] || [ -f "$config" ] || fail "HOST_OPTIONS: there is no file $config"
  if [ ! -f "$config" ]; then
    dir=${HOST_CONFIG_DIR:-configs}
    host=$(uname -n)
    for config in "$dir/${host%%.*}.config" "$dir/${host%%.*}" /etc/xfsqa.config /dev/null; do
      [ ! -f "$config" ] || break
    done
  fi
  case $FSTYP in
    btrfs | bcachefs)
      # ./check takes SCRATCH_DEV from the pool; its tests read the configuration again, and keep it.
      scratch="unset SCRATCH_DEV
export SCRATCH_DEV_POOL='$FFCI_SCRATCH_DEVS'
[ -z \"\$CONFIG_INCLUDED\" ] || export SCRATCH_DEV='${FFCI_SCRATCH_DEVS%% *}'" ;;
    *)
      scratch="unset SCRATCH_DEV_POOL
export SCRATCH_DEV='${FFCI_SCRATCH_DEVS%% *}'" ;;
  esac
  devices="unset TEST_LOGDEV TEST_RTDEV SCRATCH_LOGDEV SCRATCH_RTDEV LOGWRITES_DEV USE_EXTERNAL
export FSTYP='$FSTYP' TEST_DEV='$FFCI_TEST_DEV' TEST_DIR='$at/test' SCRATCH_MNT='$at/scratch' RESULT_BASE='$RESULT_BASE'
$scratch"
  if grep -q '^[[:space:]]*\[[[:alnum:]_-]*\]' "$config"; then
    sed -E '/^[[:space:]]*(export[[:space:]]+)?((TEST|SCRATCH)_([A-Z]*DEV|DIR|MNT|DEV_POOL)|LOGWRITES_DEV|USE_EXTERNAL|RESULT_BASE)[[:space:]]*=/d' "$config"
  else
    cat "$config" && printf '\n%s\n' "$devices"
  fi >"$own/config" || fail "$config can't be read"
  eval "$devices"
  export HOST_OPTIONS="$own/config"
fi
)sh";

// What only private namespaces need, and allow.
constexpr const char* private_places = R"sh(if [ "$FFCI_ISOLATION" = namespaces ]; then
  # systemd is told process ids, and takes those of this namespace for its own: ./check must not put
  # its tests into scopes. What they leave ends with the namespace.
  for socket in /run/systemd/private /run/dbus/system_bus_socket; do
    [ ! -S $socket ] || mount --bind /dev/null $socket || fail "$socket can't be hidden"
  done
  # A private /tmp, in which what is needed of the other one stays where it is.
  mkdir -p "$own/tmp" && chmod 1777 "$own/tmp" || fail "no room in $own"
  for dir in "$tree" "$own" $FFCI_DEVICE_DIR; do
    case $dir in
      /tmp/*)
        mkdir -p "$own/tmp/${dir#/tmp/}" && mount --rbind "$dir" "$own/tmp/${dir#/tmp/}" ||
          fail "$dir can't be shown in a private /tmp"
        ;;
    esac
  done
  mount --rbind "$own/tmp" /tmp && cd "$tree" || fail "/tmp can't be private"
fi
)sh";

// A test file system that no earlier batch has left in an unknown state.
constexpr const char* slot_file_system = R"sh(key=
if [ -n "$FFCI_TEST_DEV" ]; then
  key="$FSTYP $section $MKFS_OPTIONS"
  if [ "$FSTYP" != tmpfs ] && [ "$(cat "$at/clean" 2>/dev/null)" != "$key" ]; then
    case $FSTYP in
      nfs | afs | glusterfs | cifs | 9p | fuse | virtiofs | pvfs2 | ubifs)
        fail "$FSTYP is not for block devices: it needs hosts.local.devices: none"
        ;;
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

// Devices are not in any namespace: what a test that was killed has made of those of its slot, or
// of files on them, would keep them busy.
constexpr const char* release_devices = R"sh([ -n "$FFCI_TEST_DEV" ] || exit 0
at=$FFCI_DEVICE_DIR
for loop in /sys/block/loop*/loop; do
  read -r file <"$loop/backing_file" || continue
  loop=${loop%/loop}
  case $file in "$at"/*) losetup -d "/dev/${loop##*/}" ;; esac
done 2>/dev/null
for point in "$at/test" "$at/scratch"; do
  umount -R -l "$point"
done 2>/dev/null
for device in $FFCI_TEST_DEV $FFCI_SCRATCH_DEVS; do
  for holder in "/sys/block/${device#/dev/}"/holders/dm-*; do
    read -r name <"$holder/dm/name" && dmsetup remove -f "$name"
  done
done >/dev/null 2>&1
exit 0
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
  script += slot_configuration;
  script += private_places;
  script += slot_file_system;
  return script + fmt::format("set --{}\n", arguments) + end;
}

std::string fstests_release() {
  return release_devices;
}

std::string fstests_probe() {
  return R"sh([ -x ./check ] || { echo "there is no fstests in $PWD: no ./check" >&2; exit 1; }
[ -x src/feature ] || { echo "the fstests in $PWD are not built: no src/feature" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "fstests run only as root" >&2; exit 1; }
command -v bash >/dev/null || { echo "there is no bash, which fstests need" >&2; exit 1; }
)sh";
}

}  // namespace ffci
