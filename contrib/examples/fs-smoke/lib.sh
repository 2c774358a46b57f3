# shellcheck shell=bash
# What every fs-smoke test sources first.
#
# A test makes a file system in a sparse image, mounts it through a loop device,
# works on it, unmounts it, and checks the image with the file system's own fsck.
# All of that is in a directory of its own, which becomes the current one.
# Exit status: 0 passed, 4 skipped (the last line says why), 1 failed (a line
# that starts with "FAIL: " says why).
#
# MKFS_OPTIONS and MOUNT_OPTIONS are those of fstests, for make_fs and for loop_mount.

set -euo pipefail
set -E                      # the ERR trap holds inside functions, too
exec 2>&1                   # one log, in the order in which things happened
export LC_ALL=C             # tests compare error messages
PATH=$PATH:/usr/sbin:/sbin

cd "$(mktemp -d "${TMPDIR:-/tmp}/fs-smoke.XXXXXX")"
work=$PWD
declare -A held=()           # loop devices that this shell has open, see attach

pass() { echo "ok"; exit 0; }
skip() { echo "$*"; exit 4; }
fail() { echo "FAIL: $*" >&2; exit 1; }

# Nothing of a test outlives it. This does not run if it gets killed, but then its mounts go
# with its mount namespace, and its loop devices go with the mounts.
clean_up() {
    local dir dev
    trap - EXIT ERR
    set +e
    cd "$work"
    jobs -p | xargs --no-run-if-empty kill 2>/dev/null
    wait
    for dir in */; do
        if mountpoint --quiet "$dir"; then umount "$dir"; fi
    done
    for dev in "${!held[@]}"; do drop "$dev"; done
    cd /
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'fail "${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR

# run COMMAND...: says what it does, then does it.
run() {
    echo "+ $*"
    "$@" || fail "status $? of: $*"
}

# quietly COMMAND...: like run, but shows the command's output only if it fails.
quietly() {
    echo "+ $*"
    "$@" &>"$work/output" || {
        local status=$?
        cat "$work/output"
        fail "status $status of: $*"
    }
}

# must_fail MESSAGE COMMAND...: the command has to fail, and for this reason.
must_fail() {
    local message=$1 output
    shift
    echo "+ $* (must fail: $message)"
    if output=$("$@" 2>&1); then fail "succeeded, but must not: $*"; fi
    [[ $output == *"$message"* ]] || fail "expected \"$message\" from: $*, but got: $output"
}

# must_be WHAT VALUE OPERATOR WANTED, with an operator of test(1).
must_be() {
    test "$2" "$3" "$4" || fail "$1: $2, but must be $3 $4"
}

need_tools() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

# need_config OPTION: of the kernel, unless nobody knows how that was configured.
need_config() {
    local config
    config=$(zcat /proc/config.gz 2>/dev/null || cat "/boot/config-$(uname -r)" 2>/dev/null) || return 0
    grep --quiet "^$1=" <<<"$config" || skip "the kernel is built without $1"
}

# has_capability NUMBER: root in a container or a sandbox may lack any of them.
has_capability() {
    local effective
    effective=$(sed -n 's/^CapEff:\s*//p' /proc/self/status)
    (((0x$effective >> $1) & 1))
}
# shellcheck disable=SC2034 # one is for a test
readonly cap_sys_admin=21 cap_sys_resource=24

# use_fs NAME [SUPPORTED...]: the file system under test, for everything below.
use_fs() {
    fs=$1
    shift
    case $fs in
        ext4 | xfs | btrfs) ;;
        *) fail "which file system? ext4, xfs or btrfs, not \"$fs\"" ;;
    esac
    (($# == 0)) || [[ " $* " == *" $fs "* ]] || skip "this test is for $*, not for $fs"

    ((EUID == 0)) || skip "needs root"
    has_capability "$cap_sys_admin" || skip "root may not mount here"
    # The kernel mounts none of these for the root of any other user namespace than the first.
    [[ $(awk '{ print $3 }' /proc/self/uid_map) == 4294967295 ]] || skip "root of a user namespace may not mount $fs"
    need_tools mount losetup
    case $fs in
        ext4) need_tools mkfs.ext4 e2fsck ;;
        xfs) need_tools mkfs.xfs xfs_repair ;;
        btrfs) need_tools mkfs.btrfs btrfs ;;
    esac
    grep --quiet --word-regexp "$fs" /proc/filesystems || modprobe --quiet "$fs" 2>/dev/null || skip "the kernel has no $fs"
    [[ -b $(losetup --find 2>/dev/null) ]] || skip "there is no free loop device"
    (($(df --output=avail --block-size=1M . | tail -n 1) >= 1024)) || skip "less than 1 GiB is free in $work"
}

# make_image FILE SIZE [MKFS-OPTION...]
make_image() {
    local image=$1 size=$2
    shift 2
    run truncate --size="$size" "$image"
    make_fs "$@" "$image"
}

# make_fs [MKFS-OPTION...] DEVICE...
make_fs() {
    local options
    read -ra options <<<"${MKFS_OPTIONS:-}"
    quietly "mkfs.$fs" -q "${options[@]}" "$@"
}

# loop_mount FILE DIRECTORY [OPTIONS]: the loop device goes when the directory is unmounted.
loop_mount() {
    mkdir -p "$2"
    run mount -t "$fs" -o "loop${MOUNT_OPTIONS:+,$MOUNT_OPTIONS}${3:+,$3}" "$1" "$2"
}

# cycle_mount FILE DIRECTORY [OPTIONS]: what is read from now on comes from the image.
cycle_mount() {
    run umount "$2"
    loop_mount "$@"
}

# attach FILE: sets dev to a new loop device, for a file system on several of them.
# It is detached right away, but this shell holds it open: so the kernel lets go of it
# with its last user, be that this shell or a mount, even if the user gets killed.

attach() {
    local fd
    dev=$(losetup --find --show "$1")
    exec {fd}<"$dev"
    losetup --detach "$dev"
    held[$dev]=$fd
    echo "$1 is $dev"
}

# drop DEVICE: this shell is done with what it attached, and the kernel forgets that btrfs was on it.
drop() {
    local fd=${held[$1]}
    btrfs device scan --forget "$1" &>/dev/null || true
    exec {fd}<&-
    unset "held[$1]"
}

# check_image FILE: the file system's own verdict, nothing gets repaired.
check_image() {
    case $fs in
        ext4) quietly e2fsck -fn "$1" ;;
        xfs) quietly xfs_repair -n "$1" ;;
        btrfs) quietly btrfs check --readonly "$1" ;;
    esac
}

# write_data FILE SIZE: data that neither compresses nor repeats.
write_data() {
    head --bytes="$2" /dev/urandom >"$1"
}

# write_files DIRECTORY COUNT: small files of up to 8 KiB, a hundred per subdirectory.
write_files() {
    local dir=$1 count=$2 i text
    text=$(seq --separator=' ' 1860)
    for ((i = 0; i < count; i++)); do
        ((i % 100)) || mkdir -p "$dir/$((i / 100))" || return
        echo "$i ${text:0:i * 37 % 8192}" >"$dir/$((i / 100))/$i" || return
    done
}

# remember DIRECTORY: what all files in it contain, for verify to compare.
remember() {
    (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/sums"
    echo "remembered the sha256 of $(wc -l <"$work/sums") files in $1"
}

# verify DIRECTORY: every remembered file is there and unchanged.
verify() {
    echo "verifying $(wc -l <"$work/sums") files in $1"
    (cd "$1" && sha256sum --check --quiet "$work/sums") || fail "files in $1 are missing or changed"
}

# kib_on_disk FILE: what it takes up, holes don't count.
kib_on_disk() {
    du --block-size=1K "$1" | cut -f 1
}

# kib_used DIRECTORY: what is in use on the file system there.
kib_used() {
    df --output=used --block-size=1K "$1" | tail -n 1
}
