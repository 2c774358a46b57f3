// What the kernel complained of in its log: crashes, warnings, broken locking, stalls, corrupted
// file systems. SplatFinder reads the log line by line, find_splats a whole one; neither does any
// I/O, both survive anything and hold a bounded amount of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel_log/kernel_log_line.hpp"

namespace ffci {

enum class SplatKind {
  panic,
  oops,        // a null pointer, a page fault, a general protection fault, …
  kernel_bug,  // "kernel BUG at"
  bug,         // another "BUG:"
  kasan,
  kfence,
  kmsan,
  kcsan,
  ubsan,
  list_corruption,
  slab,      // SLUB's checks
  bad_page,  // page state or page table
  warning,
  refcount,
  assertion,  // of a file system
  lockdep,    // and the other checks of locks
  lockdep_exhausted,
  wrong_context,  // sleeping or scheduling while atomic
  hung_task,
  soft_lockup,
  hard_lockup,
  rcu_stall,
  workqueue_lockup,
  memory_leak,
  corruption,  // a file system found itself corrupt, or shut itself down for it
};

enum class SplatClass {
  crash,    // the kernel died, or what is in memory cannot be trusted any more
  warning,  // it went on
  // A file system's own complaint. Tests that inject corruption and I/O errors cause these on
  // purpose (fstests' own check of dmesg passes most of them over), so callers may leave them out.
  corruption,
};

struct FoundSplat {
  SplatKind kind = SplatKind::warning;
  SplatClass splat_class = SplatClass::warning;
  // On one line, valid UTF-8, without addresses, pids, CPUs, times, sizes and names of tasks:
  // "KASAN: slab-use-after-free in xfs_buf_rele".
  std::string title;
  // The same for the same defect across runs and, mostly, across kernels and architectures:
  // "WARNING:btrfs_finish_one_ordered|btrfs_work_helper|process_one_work". The kind, then up to
  // three functions from the top of the stack, the faulting one first, without what only reports
  // or detects, what could have been called by anybody (locks, allocation, lists, scheduling) and
  // what the unwinder merely guessed. Locking reports begin with where the locks were taken, data
  // races with both functions. Without any function: the kind and the title.
  std::string signature;

  [[nodiscard]] bool fatal() const { return splat_class == SplatClass::crash; }

  bool operator==(const FoundSplat&) const = default;
};

class SplatFinder {
 public:
  // Of more than these, those that are not fatal make room for those that are.
  static constexpr std::size_t most_splats = 20;
  // Of a longer line only the beginning is read.
  static constexpr std::size_t longest_line = 8 * 1024;

  SplatFinder();
  ~SplatFinder();
  SplatFinder(SplatFinder&&) noexcept;
  SplatFinder& operator=(SplatFinder&&) noexcept;

  // A line that the kernel did not write is passed over.
  void feed(const KernelLogLine& line);
  // A line of dmesg or of a serial console, without its newline; CRs, terminal escapes and the
  // output of others before the time are passed over. Once one line has had the kernel's time,
  // lines without it are taken for those of somebody else.
  void feed(std::string_view line);

  enum class Unfinished { included, left_out };
  // In the order of the log; a report that is not yet complete is there as far as it is known. The
  // same signature comes once: a second report can make the first fatal, no more. An oops and the
  // panic that it leads to are one.
  [[nodiscard]] std::vector<FoundSplat> splats(Unfinished unfinished = Unfinished::included) const;

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
};

// Of a log as dmesg prints it.
[[nodiscard]] std::vector<FoundSplat> find_splats(std::string_view log_text);

}  // namespace ffci
