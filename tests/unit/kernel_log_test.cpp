#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

#include "base/text.hpp"
#include "kernel_log/kernel_splat.hpp"
#include "kernel_log/kmsg_decoder.hpp"
#include "kernel_log/splat_outcome.hpp"

namespace ffci {
namespace {

using namespace std::chrono_literals;

std::string sample(const std::string& name) {
  std::ifstream file(std::string(FFCI_TEST_DATA) + "/kernel_log/" + name, std::ios::binary);
  REQUIRE_MESSAGE(file.is_open(), name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (const std::string_view line : split(text, '\n'))
    lines.emplace_back(line);
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::string joined(const std::vector<std::string>& lines, const std::string& before,
                   const std::string& after = "\n") {
  std::string text;
  for (const std::string& line : lines)
    text += before + line + after;
  return text;
}

// "crash: TITLE | SIGNATURE", one line each.
std::string show(const std::vector<FoundSplat>& splats) {
  static constexpr std::string_view classes[] = {"crash", "warning", "corruption"};
  std::string text;
  for (const FoundSplat& splat : splats) {
    text += fmt::format("{}: {} | {}\n", classes[static_cast<int>(splat.splat_class)], splat.title,
                        splat.signature);
  }
  return text;
}

std::vector<KernelLogLine> decode(const std::string& bytes, std::size_t piece = 1 << 20) {
  std::vector<KernelLogLine> lines;
  KmsgDecoder decoder([&](const KernelLogLine& line) { lines.push_back(line); });
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    decoder.feed(std::string_view(bytes).substr(at, piece));
  decoder.finish();
  return lines;
}

// A record as /dev/kmsg gives it.
std::string record(int priority, int sequence, std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F || c == '\\') {
      escaped += fmt::format("\\x{:02x}", byte);
    } else {
      escaped += c;
    }
  }
  return fmt::format("{},{},{},-,caller=T123;{}\n", priority, sequence, sequence * 1000, escaped);
}

std::string found_in_kmsg(const std::string& bytes) {
  SplatFinder finder;
  for (const KernelLogLine& line : decode(bytes))
    finder.feed(line);
  return show(finder.splats());
}

// What is found in a log without times, which must be the same however the log comes: from dmesg,
// a serial console, /dev/kmsg.
std::string found(const std::string& log) {
  const std::string shown = show(find_splats(log));
  const std::vector<std::string> lines = lines_of(log);
  for (const char* before : {"[ 9456.976793] ", "<4>[    0.000001] ", "[12345.678901][  T777] ",
                             "[12345.678901] [ T13098] ", "<3>"}) {
    CHECK(show(find_splats(joined(lines, before))) == shown);
  }
  std::string console = "\x1B[0mgeneric/001 BUG: a test says so\r\n";
  for (const std::string& line : lines) {
    console += "generic/001  [  456.976793] " + line + "\x1B[0m\r\r\n";
    console += "WARNING: a test's own output\r\n";
  }
  CHECK(show(find_splats("[  456.970000] start\n" + console)) == shown);
  std::string kmsg;
  int sequence = 0;
  for (const std::string& line : lines) {
    kmsg += record(4, sequence++, line);
    kmsg += record(12, sequence++, "BUG: KASAN: somebody wrote this in fake_function+0x1/0x2");
  }
  CHECK(found_in_kmsg(kmsg) == shown);
  // Cut off anywhere it is no trouble.
  for (std::size_t length = 0; length < log.size(); length += 1 + log.size() / 50)
    (void)find_splats(std::string_view(log).substr(0, length));
  return shown;
}

std::string found_in(const std::string& file) {
  INFO(file);
  return found(sample(file));
}

FoundSplat splat(SplatClass splat_class, std::string title, std::string signature) {
  return {SplatKind::warning, splat_class, std::move(title), std::move(signature)};
}

}  // namespace

TEST_SUITE("kmsg decoder") {
  TEST_CASE("a record is its sequence, time, level, writer and text") {
    const auto lines = decode(
        "6,13395,9456976795,-;BTRFS info (device loop2): enabling free space tree\n"
        "12,13396,9457000000,-;run fstests generic/001 at 2026-01-02 03:04:05\n"
        "4,13397,9457000001,c,caller=T411,more=1;tab\\x09and \\xe2\\x82\\xac\n");
    REQUIRE(lines.size() == 3);
    CHECK(lines[0] == KernelLogLine{13395, 9456976795us, 6, true, "",
                                    "BTRFS info (device loop2): enabling free space tree"});
    CHECK(lines[1].level == 4);
    CHECK_FALSE(lines[1].from_kernel);
    CHECK(lines[2].caller == "T411");
    CHECK(lines[2].text == "tab\tand €");
  }

  TEST_CASE("dictionary lines and empty lines are dropped") {
    const auto lines = decode(
        "6,339,5140900,-;NET: Registered PF_ROUTE\n SUBSYSTEM=net\n DEVICE=n3\n\n"
        "6,340,5690716,-;udevd\n DEVICE=+acpi:PNP0A03:00\n");
    REQUIRE(lines.size() == 2);
    CHECK(lines[1].text == "udevd");
  }

  TEST_CASE("what is no record is kept with the time before it, and not trusted") {
    for (const std::string& garbage :
         {std::string("cat: /dev/kmsg: Broken pipe"), std::string("BUG: not a record"),
          std::string("6,1,2"), std::string("6,1,2,-"), std::string("x,1,2,-;text"),
          std::string("6,99999999999999999999999,2,-;text"),
          std::string("6,1,18446744073709551615,-;text"), std::string("\0\xFF\xFE;", 4)}) {
      const auto lines = decode("6,7,5000000,-;before\n" + garbage + "\n");
      REQUIRE(lines.size() == 2);
      CHECK(lines[1] == KernelLogLine{0, 5s, 4, false, "", garbage});
    }
  }

  TEST_CASE("the last line counts without its newline") {
    const auto lines = decode("6,1,1000000,-;one\n6,2,1000001,-;tw");
    REQUIRE(lines.size() == 2);
    CHECK(lines[1].text == "tw");
  }

  TEST_CASE("it does not matter in which pieces the bytes come") {
    const std::string log = sample("healthy_kmsg.txt") + "no record\n 6,1,1,-;\\xff\\\\x41\\x4";
    const auto whole = decode(log);
    CHECK(whole.size() > 100);
    for (const std::size_t piece : {1U, 3U, 64U, 8191U})
      CHECK(decode(log, piece) == whole);
  }

  TEST_CASE("escapes that are none stay as they are") {
    CHECK(decode("6,1,1,-;\\x4\\xzz\\n\\x5cx41\\\n")[0].text == "\\x4\\xzz\\n\\x41\\");
  }

  TEST_CASE("a line without end takes no more memory than the longest line") {
    std::size_t lines = 0;
    std::size_t longest = 0;
    KmsgDecoder decoder([&](const KernelLogLine& line) {
      ++lines;
      longest = std::max(longest, line.text.size());
    });
    const std::string megabyte(1 << 20, 'x');
    for (int i = 0; i < 200; ++i)
      decoder.feed(megabyte);
    decoder.feed("\n6,1,1,-;after\n");
    CHECK(lines == 2);
    CHECK(longest == KmsgDecoder::longest_line);
  }

  TEST_CASE("dmesg's form has the seconds in five columns, and the time on each line") {
    CHECK(dmesg_text({1, 9456976793us, 6, true, "T1", "text"}) == "[ 9456.976793] text");
    CHECK(dmesg_text({1, 0us, 6, true, "", ""}) == "[    0.000000] ");
    CHECK(dmesg_text({1, 123456789000007us, 6, true, "", "a\nb"}) ==
          "[123456789.000007] a\n[123456789.000007] b");
  }
}

TEST_SUITE("healthy logs") {
  TEST_CASE("mounts, scrubs, repairs and shutdowns on request are no splats") {
    const std::string log = sample("healthy_kmsg.txt");
    CHECK(found_in_kmsg(log).empty());
    std::string text;
    for (const KernelLogLine& line : decode(log))
      text += dmesg_text(line) + '\n';
    CHECK(show(find_splats(text)).empty());
  }

  TEST_CASE("injected I/O errors, user space's faults and what is only information are no splats") {
    CHECK(
        found(
            "blk_update_request: I/O error, dev dm-0, sector 1024 op 0x1:(WRITE) flags 0x800\n"
            "Buffer I/O error on dev dm-0, logical block 6, lost async page write\n"
            "XFS (dm-0): log I/O error -5\n"
            "XFS (dm-0): Filesystem has been shut down due to log error (0x2).\n"
            "XFS (dm-0): metadata I/O error in \"xfs_buf_ioend\" at daddr 0x2 len 1 error 5\n"
            "XFS (dm-0): WARNING: Reset corrupted AGFL on AG 0. 4 blocks leaked.\n"
            "BTRFS warning (device dm-0): csum failed root 5 ino 257 off 0 mirror 1\n"
            "BTRFS warning (device dm-0): direct IO failed ino 260 rw 0,0 err no 10\n"
            "EXT4-fs (dm-0): shut down requested (1)\n"
            "EXT4-fs (loop1): warning: mounting fs with errors, running e2fsck is recommended\n"
            "FAULT_INJECTION: forcing a failure.\n"
            "fsx[411]: segfault at 0 ip 000055d0a1b2c3d4 sp 00007ffd error 4 in fsx[55d0a1b2c000]\n"
            "traps: prog[412] general protection fault ip:7f00 sp:7f01 error:0 in libc.so[7f]\n"
            "INFO: lockdep is turned off.\n"
            "INFO: NMI handler (nmi_cpu_backtrace_handler) took too long to run: 1.2 msecs\n"
            "NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.\n"
            "perf: interrupt took too long (5143 > 5080), lowering the rate to 38000\n"
            "ODEBUG: Out of memory. ODEBUG disabled\n"
            "F2FS-fs (loop0): Try to recover 1th superblock, ret: 0\n"
            "F2FS-fs (loop0): Magic Mismatch, valid(0xf2f52010) - read(0x0)\n"
            "WARNING: the mand mount option is being deprecated and\n"
            "EXT4-fs: Unrecognized mount option \"BUG: KASAN: x\" or missing value\n"
            "fsstress invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0\n"
            "Out of memory: Killed process 4711 (fsstress) total-vm:2048kB\n") == "");
  }
}

TEST_SUITE("splats") {
  TEST_CASE("an oops, its trace and the panic after it are one") {
    CHECK(found_in("oops_x86_64.txt") ==
          "crash: BUG: kernel NULL pointer dereference in ext4_writepages | "
          "Oops:ext4_writepages|do_writepages|filemap_fdatawrite_wbc\n");
    CHECK(found_in("gpf.txt") ==
          "crash: general protection fault in gfs2_glock_remove_from_lru | "
          "Oops:gfs2_glock_remove_from_lru|gfs2_glock_put|gfs2_fill_super\n");
  }

  TEST_CASE("an oops reads the same on every architecture") {
    CHECK(found_in("oops_arm64.txt") ==
          "crash: BUG: kernel NULL pointer dereference in xfs_ilock | "
          "Oops:xfs_ilock|xfs_file_buffered_read|xfs_file_read_iter\n");
    CHECK(found_in("oops_riscv.txt") ==
          "crash: BUG: unable to handle page fault in ext4_mb_load_buddy_gfp | "
          "Oops:ext4_mb_load_buddy_gfp|ext4_free_blocks|ext4_ext_remove_space\n");
    CHECK(found_in("oops_s390.txt") ==
          "crash: BUG: unable to handle page fault in btrfs_qgroup_account_extent | "
          "Oops:btrfs_qgroup_account_extent|btrfs_commit_transaction|btrfs_ioctl_quota_rescan_"
          "wait\n");
    CHECK(found_in("oops_ppc64.txt") ==
          "crash: BUG: kernel NULL pointer dereference in xfs_buf_rele | "
          "Oops:xfs_buf_rele|xfs_trans_brelse|xfs_dialloc\n");
  }

  TEST_CASE("a warning says where it stands, in the form of every kernel") {
    CHECK(found_in("warning_3.17.txt") ==
          "warning: WARNING at fs/btrfs/delayed-inode.c:1410 btrfs_assert_delayed_root_empty | "
          "WARNING:btrfs_assert_delayed_root_empty|btrfs_commit_transaction|transaction_kthread\n");
    CHECK(found_in("warning_4.14.txt") ==
          "warning: WARNING at fs/btrfs/backref.c:1255 find_parent_nodes | "
          "WARNING:find_parent_nodes|__btrfs_find_all_roots|iterate_extent_inodes\n");
    CHECK(found_in("warning_6.19.txt") ==
          "warning: WARNING at fs/jfs/jfs_dmap.c:2867 dbAdjTree | "
          "WARNING:dbAdjTree|dbJoin|dbFreeBits\n");
    CHECK(found_in("warning_arm64_6.12.txt") ==
          "warning: WARNING at fs/iomap/buffered-io.c:1061 iomap_write_iter | "
          "WARNING:iomap_write_iter|iomap_file_buffered_write|xfs_file_buffered_write\n");
    CHECK(found("WARNING: [time_after(jiffies, timeout)] io_uring/io_uring.c:2915 at "
                "io_ring_exit_work+0x3d1/0xa80, CPU#2: kworker/u9:1/471\n") ==
          "warning: WARNING at io_uring/io_uring.c:2915 io_ring_exit_work | "
          "WARNING:io_ring_exit_work\n");
    CHECK(found("WARNING: fs/ext4/xattr.c:1064 at 0x0, CPU#3: fsx/811\n"
                "RIP: 0010:ext4_xattr_inode_update_ref+0x49c/0x500\n") ==
          "warning: WARNING at fs/ext4/xattr.c:1064 ext4_xattr_inode_update_ref | "
          "WARNING:ext4_xattr_inode_update_ref\n");
  }

  TEST_CASE("the message that comes with a warning or a BUG is its title") {
    CHECK(found_in("btrfs_abort.txt") ==
          "warning: BTRFS: Transaction aborted (error -28) in btrfs_finish_ordered_io | "
          "WARNING:btrfs_finish_ordered_io|btrfs_work_helper|process_one_work\n");
    CHECK(found_in("refcount.txt") ==
          "warning: refcount_t: underflow; use-after-free in btrfs_put_ordered_extent | "
          "refcount:btrfs_put_ordered_extent|btrfs_finish_one_ordered|btrfs_work_helper\n");
    CHECK(found_in("list_corruption.txt") ==
          "crash: list_del corruption in f2fs_destroy_node_manager | "
          "list-corruption:f2fs_destroy_node_manager|f2fs_put_super|generic_shutdown_super\n");
    CHECK(found_in("xfs_assertion.txt") ==
          "crash: XFS: Assertion failed: ip->i_nblocks + ip->i_delayed_blks == 0 in "
          "xfs_inactive_truncate | "
          "assertion:xfs_inactive_truncate|xfs_inactive|xfs_inodegc_worker\n");
    // arm prints the message below the place.
    CHECK(found("WARNING: CPU: 1 PID: 52 at lib/refcount.c:28 refcount_warn_saturate+0x128/0x160\n"
                "refcount_t: underflow; use-after-free.\n"
                "Call trace:\n"
                " refcount_warn_saturate from kobject_put+0x14c/0x1e8\n"
                " kobject_put from put_device+0x14/0x18\n") ==
          "warning: refcount_t: underflow; use-after-free in kobject_put | refcount:kobject_put\n");
    CHECK(found("DEBUG_LOCKS_WARN_ON(lock->magic != lock)\n"
                "WARNING: CPU: 1 PID: 4 at kernel/locking/mutex.c:582 __mutex_lock+0x9f1/0xc30\n"
                "RIP: 0010:__mutex_lock+0x9f1/0xc30\n"
                "Call Trace:\n"
                " nilfs_segctor_sync+0x1b/0x30\n") ==
          "warning: DEBUG_LOCKS_WARN_ON(lock->magic != lock) in nilfs_segctor_sync | "
          "lockdep:nilfs_segctor_sync\n");
    CHECK(found("------------[ cut here ]------------\n"
                "BUG: Dentry 00000000ddab0cc6{i=5d21,n=lo}  still in use (1) [unmount of xfs sda]\n"
                "WARNING: CPU: 1 PID: 1407 at fs/dcache.c:1673 umount_check+0x246/0x2c0\n") ==
          "warning: BUG: Dentry still in use in umount_check | BUG:umount_check\n");
  }

  TEST_CASE("sanitizers: what, and where the access was") {
    CHECK(found_in("kasan.txt") ==
          "crash: KASAN: slab-use-after-free in xfs_buf_rele | "
          "KASAN:xfs_buf_rele|xfs_trans_brelse|xfs_read_agf\n");
    CHECK(found_in("kfence.txt") ==
          "crash: KFENCE: use-after-free read in ext4_es_lookup_extent | "
          "KFENCE:ext4_es_lookup_extent|ext4_map_blocks|ext4_mpage_readpages\n");
    CHECK(found_in("kmsan.txt") ==
          "warning: KMSAN: uninit-value in btrfs_bin_search | "
          "KMSAN:btrfs_bin_search|btrfs_search_slot|btrfs_insert_empty_items\n");
    CHECK(found_in("kcsan.txt") ==
          "warning: KCSAN: data-race in xfs_buf_hold / xfs_buf_rele | "
          "KCSAN:xfs_buf_hold|xfs_buf_rele\n");
    CHECK(found_in("ubsan.txt") ==
          "warning: UBSAN: array-index-out-of-bounds at fs/xfs/libxfs/xfs_attr_leaf.c:2549 in "
          "xfs_attr3_leaf_getvalue | "
          "UBSAN:xfs_attr3_leaf_getvalue|xfs_attr_leaf_get|xfs_attr_get\n");
    CHECK(found("BUG: KASAN: double-free in kfree+0xd6/0x2e0\nCall Trace:\n kasan_report+0x1/0x2\n"
                " kfree+0xd6/0x2e0\n f2fs_put_super+0x1/0x2\n") ==
          "crash: KASAN: double-free in f2fs_put_super | KASAN:f2fs_put_super\n");
  }

  TEST_CASE("locking reports begin with where the locks were taken") {
    CHECK(found_in("lockdep_circular.txt") ==
          "warning: possible circular locking dependency detected: xfs_can_free_eofblocks | "
          "lockdep:xfs_can_free_eofblocks|balance_pgdat|xfs_inode_mark_reclaimable\n");
    CHECK(found_in("lockdep_old_recursive.txt") ==
          "warning: possible recursive locking detected: xfs_file_buffered_aio_write | "
          "lockdep:xfs_file_buffered_aio_write|vfs_rename|xfs_file_write_iter\n");
    CHECK(found_in("suspicious_rcu.txt") ==
          "warning: suspicious RCU usage: btrfs_num_copies | "
          "lockdep:btrfs_num_copies|scrub_stripe\n");
    CHECK(found("WARNING: inconsistent lock state\n"
                "inconsistent {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W} usage.\n"
                "fsx/77 [HC0[0]:SC1[1]:HE1:SE0] takes:\n"
                "ffff888 (&xa->xa_lock#4){+.?.}-{3:3}, at: folio_end_writeback+0x91/0x140\n") ==
          "warning: inconsistent lock state: folio_end_writeback | lockdep:folio_end_writeback\n");
    CHECK(found("WARNING: bad unlock balance detected!\n"
                "fsx/1 is trying to release lock (sb_writers) at:\n"
                "[<ffffffff812ab>] do_sys_ftruncate+0x1b/0x30\n"
                "but there are no more locks to release!\n") ==
          "warning: bad unlock balance detected: do_sys_ftruncate | lockdep:do_sys_ftruncate\n");
    CHECK(found("WARNING: lock held when returning to user space!\n"
                "6.1.0 #1 Not tainted\n"
                "1 lock held by mount/4711:\n"
                " #0: ffff88801 (&fi->mutex){+.+.}-{3:3}, at: fuse_lock_inode+0xaf/0xe0\n") ==
          "warning: lock held when returning to user space: fuse_lock_inode | "
          "lockdep:fuse_lock_inode\n");
    CHECK(found("WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected\n") ==
          "warning: irq-safe -> irq-unsafe lock order detected | "
          "lockdep:irq-safe -> irq-unsafe lock order detected\n");
    CHECK(found("BUG: MAX_LOCKDEP_CHAINS too low!\nturning off the locking correctness "
                "validator.\n") ==
          "warning: BUG: MAX_LOCKDEP_CHAINS too low | lockdep:BUG: MAX_LOCKDEP_CHAINS too low\n");
  }

  TEST_CASE("hangs and stalls: what the task was doing, not what noticed it") {
    CHECK(found_in("hung_task.txt") ==
          "warning: hung task in wait_on_page_bit | "
          "hung-task:wait_on_page_bit|wait_on_page_writeback|__filemap_fdatawait_range\n"
          "crash: hung task in jbd2_log_wait_commit | "
          "hung-task:jbd2_log_wait_commit|jbd2_log_do_checkpoint|__jbd2_log_wait_for_space\n");
    CHECK(found_in("hung_task_arm.txt") ==
          "warning: hung task in __lock_page | "
          "hung-task:__lock_page|mpage_prepare_extent_to_map|ext4_writepages\n");
    CHECK(found_in("soft_lockup.txt") ==
          "crash: soft lockup in btrfs_wait_ordered_range | "
          "soft-lockup:btrfs_wait_ordered_range|btrfs_sync_file|sys_fsync\n");
    CHECK(found_in("rcu_stall.txt") ==
          "warning: RCU stall in xlog_cil_insert_items | "
          "rcu-stall:xlog_cil_insert_items|xlog_cil_commit|__xfs_trans_commit\n");
    CHECK(found("NMI watchdog: Watchdog detected hard LOCKUP on cpu 3\n"
                "RIP: 0010:native_queued_spin_lock_slowpath+0x1b/0x30\n"
                "Call Trace:\n _raw_spin_lock+0x2b/0x30\n xfs_ail_push_all+0x1b/0x30\n") ==
          "warning: hard lockup in xfs_ail_push_all | hard-lockup:xfs_ail_push_all\n");
    CHECK(found("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!\n") ==
          "warning: workqueue lockup | workqueue-lockup:workqueue lockup\n");
  }

  TEST_CASE("other complaints of the core kernel") {
    CHECK(found_in("atomic_sleep.txt") ==
          "warning: BUG: sleeping function called from invalid context at "
          "kernel/locking/mutex.c:585 in bch2_btree_node_get | "
          "wrong-context:bch2_btree_node_get|bch2_btree_path_traverse_one\n");
    CHECK(found_in("slab.txt") ==
          "warning: BUG xfs_inode: Objects remaining in xfs_destroy_caches | "
          "slab:xfs_destroy_caches|exit_xfs_fs\n");
    CHECK(found("BUG kmalloc-64 (Tainted: G    B  ): Poison overwritten\n") ==
          "crash: BUG kmalloc-64: Poison overwritten | slab:BUG kmalloc-64: Poison overwritten\n");
    CHECK(found("BUG: scheduling while atomic: fsstress/123/0x00000002\n") ==
          "warning: BUG: scheduling while atomic | wrong-context:BUG: scheduling while atomic\n");
    CHECK(found("BUG: Bad page state in process fsx  pfn:1a7f3\n") ==
          "crash: BUG: Bad page state | bad-page:BUG: Bad page state\n");
    CHECK(found("kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n") ==
          "warning: kmemleak: new suspected memory leaks | "
          "memory-leak:kmemleak: new suspected memory leaks\n");
    CHECK(found("Kernel panic - not syncing: VFS: Unable to mount root fs on "
                "unknown-block(0,0)\n") ==
          "crash: Kernel panic: VFS: Unable to mount root fs on unknown-block(N,N) | "
          "panic:Kernel panic: VFS: Unable to mount root fs on unknown-block(N,N)\n");
    CHECK(found("VFS: Busy inodes after unmount of loop0 (ext4)\n"
                "kernel BUG at fs/super.c:654!\n"
                "Oops: invalid opcode: 0000 [#1] SMP\n"
                "RIP: 0010:generic_shutdown_super+0x2b0/0x2c0\n") ==
          "crash: VFS: Busy inodes after unmount in generic_shutdown_super | "
          "BUG:generic_shutdown_super\n");
  }

  TEST_CASE("corruption that a file system reports has a class of its own") {
    CHECK(found_in("xfs_internal_error.txt") ==
          "corruption: XFS: Internal error at fs/xfs/xfs_inode.c:2038 in xfs_ifree | "
          "corruption:xfs_ifree|xfs_inactive_ifree|xfs_inactive\n");
    CHECK(found("XFS (vda4): Metadata corruption detected at xfs_buf_ioend+0x1a3/0x590 [xfs], "
                "xfs_inode block 0x3b0aa0 xfs_inode_buf_verify\n"
                "XFS (vda4): Unmount and run xfs_repair\n"
                "XFS (vda4): First 128 bytes of corrupted metadata buffer:\n"
                "00000000: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"
                "XFS (vda4): Metadata corruption detected at xfs_buf_ioend+0x1a3/0x590 [xfs], "
                "xfs_inode block 0x3b0b20 xfs_inode_buf_verify\n") ==
          "corruption: XFS: Metadata corruption detected in xfs_inode_buf_verify | "
          "corruption:xfs_inode_buf_verify\n");
    CHECK(found("XFS (dm-0): Corruption of in-memory data (0x8) detected at "
                "xfs_trans_cancel+0x12d/0x150 [xfs] (fs/xfs/xfs_trans.c:958).  Shutting down "
                "filesystem.\n") ==
          "corruption: XFS: Corruption of in-memory data in xfs_trans_cancel | "
          "corruption:xfs_trans_cancel\n");
    CHECK(found("BTRFS critical (device vda3): corrupt leaf: root=257 block=30408704 slot=12, "
                "invalid key objectid, have 0 expect [256, 18446744073709551360]\n"
                "BTRFS critical (device vda3): corrupt leaf: root=5 block=22020096 slot=1, "
                "invalid key objectid, have 9 expect [256, 18446744073709551360]\n") ==
          "corruption: BTRFS critical: corrupt leaf: root=N block=N slot=N, invalid key objectid, "
          "have N expect [N, N] | corruption:BTRFS critical: corrupt leaf: root=N block=N slot=N, "
          "invalid key objectid, have N expect [N, N]\n");
    CHECK(
        found("BTRFS error (device sdb1): parent transid verify failed on logical 31457280 mirror "
              "1 wanted 411 found 407\n") ==
        "corruption: BTRFS error: parent transid verify failed | "
        "corruption:BTRFS error: parent transid verify failed\n");
    CHECK(found("BTRFS: error (device dm-0: state A) in cleanup_transaction:1992: errno=-5 IO "
                "failure\n") ==
          "corruption: BTRFS error: errno=-5 IO failure in cleanup_transaction | "
          "corruption:cleanup_transaction\n");
    CHECK(found("EXT4-fs error (device vdb): ext4_readdir:262: inode #8195: block 33012: comm "
                "ls: path (unknown): bad entry in directory: rec_len is smaller than minimal\n"
                "Aborting journal on device vdb-8.\n"
                "EXT4-fs error (device vdb): ext4_journal_check_start:84: comm ls: Detected "
                "aborted journal\n"
                "EXT4-fs (vdb): Remounting filesystem read-only\n") ==
          "corruption: EXT4-fs error in ext4_readdir | corruption:ext4_readdir\n");
    CHECK(found("F2FS-fs (loop0): inconsistent node block, nid:3, node_footer[nid:0,ino:0]\n") ==
          "corruption: F2FS-fs: inconsistent node block, nid:N, node_footer[nid:N,ino:N] | "
          "corruption:F2FS-fs: inconsistent node block, nid:N, node_footer[nid:N,ino:N]\n");
    CHECK(found("bcachefs (loop0): inconsistency detected - emergency read only at journal seq "
                "17\n") ==
          "corruption: bcachefs: inconsistency detected - emergency read only at journal seq N | "
          "corruption:bcachefs: inconsistency detected - emergency read only at journal seq N\n");
    CHECK(found("assertion failed: PageLocked(page), in fs/btrfs/extent_io.c:1921\n") ==
          "warning: assertion failed: PageLocked(page) | "
          "assertion:assertion failed: PageLocked(page)\n");
  }
}

TEST_SUITE("splat finder") {
  TEST_CASE("two defects are two splats, the same one twice is one") {
    CHECK(found(sample("warning_6.19.txt") + sample("kasan.txt") + sample("warning_6.19.txt")) ==
          found_in("warning_6.19.txt") + found_in("kasan.txt"));
  }

  TEST_CASE("a report without an end ends where another begins") {
    const std::string log = sample("warning_4.14.txt");
    CHECK(show(find_splats(log.substr(0, log.find("---[ end")) + sample("hung_task_arm.txt"))) ==
          found_in("warning_4.14.txt") + found_in("hung_task_arm.txt"));
  }

  TEST_CASE("the order is that of the beginnings, also around a line in between") {
    const std::string warning = sample("warning_6.19.txt");
    const std::size_t middle = warning.find("Call Trace:");
    CHECK(found(warning.substr(0, middle) +
                "EXT4-fs error (device vdb): ext4_lookup:1855: inode #2: comm ls: bad\n" +
                warning.substr(middle)) ==
          found_in("warning_6.19.txt") +
              "corruption: EXT4-fs error in ext4_lookup | corruption:ext4_lookup\n");
  }

  TEST_CASE("a panic belongs to what is right before it, and only to that") {
    const std::string panic = "Kernel panic - not syncing: panic_on_warn set ...\n";
    CHECK(found(sample("warning_6.19.txt") + panic).starts_with("crash: WARNING at"));
    const std::string noise = joined(std::vector<std::string>(600, "loop0: detected"), "");
    CHECK(found(sample("warning_6.19.txt") + noise + panic) ==
          found_in("warning_6.19.txt") +
              "crash: Kernel panic: panic_on_warn set ... | panic:Kernel panic: panic_on_warn set "
              "...\n");
    CHECK(
        found(sample("warning_6.19.txt") + "Kernel panic - not syncing: sysrq triggered crash\n") ==
        found_in("warning_6.19.txt") +
            "crash: Kernel panic: sysrq triggered crash | panic:Kernel panic: sysrq triggered "
            "crash\n");
  }

  TEST_CASE("what another context writes in between is not taken for the stack") {
    std::string log;
    for (const std::string& line : lines_of(sample("warning_6.19.txt"))) {
      log += "[    1.000000][  T112] " + line + "\n";
      log += "[    1.000001][  T200]  unrelated_function+0x1/0x2\n";
      log += "[    1.000001][    C1] RIP: 0010:interrupted_function+0x1/0x2\n";
    }
    CHECK(show(find_splats(log)) == found_in("warning_6.19.txt"));
  }

  TEST_CASE("the stack of an injected fault is not that of the splat around it") {
    CHECK(found("BUG: sleeping function called from invalid context at mm/slab.h:420\n"
                "FAULT_INJECTION: forcing a failure.\n"
                "Call Trace:\n should_failslab+0x1/0x2\n getname+0x1/0x2\n do_open+0x1/0x2\n"
                "Call Trace:\n __might_sleep+0x1/0x2\n xfs_log_force+0x1/0x2\n") ==
          "warning: BUG: sleeping function called from invalid context at mm/slab.h:420 in "
          "xfs_log_force | wrong-context:xfs_log_force\n");
  }

  TEST_CASE("what user space writes to the kernel's log is no splat") {
    CHECK(found_in_kmsg(record(12, 1, "BUG: KASAN: use-after-free in f+0x1/0x2") +
                        record(6, 2, "fine") + "BUG: KASAN: no record\n")
              .empty());
    CHECK(find_splats("<12>[    1.000000] BUG: KASAN: use-after-free in f+0x1/0x2\n").empty());
  }

  TEST_CASE("a task's name cannot make a splat with a newline, nor hide one") {
    CHECK(found_in_kmsg(record(4, 1, "comm a\nBUG: KASAN: use-after-free in f+0x1/0x2")).empty());
    CHECK(found_in_kmsg(record(3, 1, "INFO: task a\nb:2177 blocked for more than 143 seconds.") +
                        record(3, 2, "Call Trace:\n jbd2_log_wait_commit+0x1/0x2")) ==
          "warning: hung task in jbd2_log_wait_commit | hung-task:jbd2_log_wait_commit\n");
  }

  TEST_CASE("no more than the most, and fatal ones first") {
    std::string log;
    for (int i = 0; i < 100; ++i)
      log += fmt::format("EXT4-fs error (device vdb): ext4_function_{}:1: bad\n", i);
    CHECK(find_splats(log).size() == SplatFinder::most_splats);
    const auto splats = find_splats(log + sample("kasan.txt"));
    REQUIRE(splats.size() == SplatFinder::most_splats);
    CHECK(splats.front().title == "EXT4-fs error in ext4_function_0");
    CHECK(splats.back().kind == SplatKind::kasan);
  }

  TEST_CASE("titles and signatures are one line of valid UTF-8, whatever the log holds") {
    const auto splats = find_splats(
        std::string("BUG: \xFF\xFE\0 \x1B[31mred\x1B[0m \t x\n", 26) +
        "WARNING: " + std::string(100'000, '\xE2') + "\nBUG: KCSAN: data-race in \x01 / \xFF\n" +
        "DEBUG_LOCKS_WARN_ON(\r\x80)\n" + "BTRFS critical (device \xC3): \xC3\xA9\xC3\n");
    CHECK(splats.size() == 5);
    for (const FoundSplat& found : splats) {
      for (const std::string& text : {found.title, found.signature}) {
        CHECK(printable(text) == text);
        CHECK(text.find_first_of("\r\n\t") == std::string::npos);
        CHECK(text.size() < 600);
      }
    }
  }

  TEST_CASE("one line of 200 MB of garbage is nothing") {
    std::string garbage;
    garbage.reserve(200 << 20);
    while (garbage.size() < 200 << 20)
      garbage += "[[ 1.2 BUG +0x1/0x :1:";
    CHECK(find_splats(garbage).empty());
  }

  TEST_CASE("pieces of splats in any order do no harm") {
    std::vector<std::string> pieces;
    for (const char* name :
         {"oops_x86_64.txt", "oops_ppc64.txt", "oops_s390.txt", "kasan.txt", "lockdep_circular.txt",
          "rcu_stall.txt", "hung_task_arm.txt", "xfs_assertion.txt", "kfence.txt"}) {
      for (std::string& line : lines_of(sample(name)))
        pieces.push_back(std::move(line));
    }
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    std::minstd_rand random(seed);
    for (int round = 0; round < 300; ++round) {
      std::string log;
      for (std::size_t i = random() % 60; i > 0; --i) {
        std::string line = pieces[random() % pieces.size()];
        if (random() % 4 == 0) line.resize(random() % (line.size() + 1));
        if (random() % 8 == 0 && !line.empty())
          line[random() % line.size()] = static_cast<char>(random());
        log += line + (random() % 16 == 0 ? "" : "\n");
      }
      const auto splats = find_splats(log);
      REQUIRE(splats.size() <= SplatFinder::most_splats);
      for (const FoundSplat& found : splats) {
        REQUIRE_FALSE(found.title.empty());
        REQUIRE(found.signature.find(':') + 1 < found.signature.size());
        REQUIRE(printable(found.signature) == found.signature);
      }
    }
  }
}

TEST_SUITE("splat outcome") {
  const FoundSplat warned = splat(SplatClass::warning, "WARNING at fs/a.c:1 f", "WARNING:f|g");
  const FoundSplat crashed = splat(SplatClass::crash, "KASAN: bad in h", "KASAN:h");

  TEST_CASE("a fatal splat is a crash, another one a failure, none is neither") {
    CHECK_FALSE(outcome_from_kernel({}, {}).has_value());
    CHECK(outcome_from_kernel({warned}, {}) ==
          Outcome(Failed{"kernel: WARNING at fs/a.c:1 f", std::nullopt}));
    CHECK(outcome_from_kernel({warned, crashed}, {}) ==
          Outcome(Crashed{"kernel: KASAN: bad in h", "KASAN:h"}));
  }

  TEST_CASE("what the job allows, by title or by signature, does not count") {
    const std::vector<KernelLogAllowance> by_title = {{"KASAN: * in h", "known"}};
    CHECK(why_allowed(crashed, by_title) == "known");
    CHECK(why_allowed(warned, by_title).empty());
    CHECK(outcome_from_kernel({warned, crashed}, by_title) ==
          Outcome(Failed{"kernel: WARNING at fs/a.c:1 f", std::nullopt}));
    const std::vector<KernelLogAllowance> all = {{"WARNING:f|*", ""}, {"KASAN*", "known"}};
    CHECK_FALSE(outcome_from_kernel({warned, crashed}, all).has_value());
    CHECK_FALSE(why_allowed(warned, all).empty());
  }

  TEST_CASE("lockdep's own limits fail no test") {
    const auto splats = find_splats("BUG: MAX_LOCKDEP_ENTRIES too low!\n");
    REQUIRE(splats.size() == 1);
    CHECK_FALSE(outcome_from_kernel(splats, {}).has_value());
  }

  TEST_CASE("each splat becomes a report") {
    CHECK(kernel_reports({warned, crashed}, {{"KASAN:h", "known"}}) ==
          std::vector<KernelReport>{{"WARNING at fs/a.c:1 f", "WARNING:f|g", ""},
                                    {"KASAN: bad in h", "KASAN:h", "known"}});
  }
}

}  // namespace ffci
