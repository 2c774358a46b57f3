// What an attempt writes, what the kernel says meanwhile and the files that come back go to the
// attempt's folder as they arrive, up to a cap; the beginning and the end of text are also kept for
// the reports. A stream that says nothing has no file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "model/attempt.hpp"
#include "model/command.hpp"

namespace ffci {

// What becomes of a file that is there already.
enum class Earlier { replaced, kept };

// A file that is made with its first byte.
class LazyFile {
 public:
  explicit LazyFile(std::filesystem::path path, Earlier earlier = Earlier::replaced)
      : path_(std::move(path)), earlier_(earlier) {}

  // Error (io): the disk refused it.
  [[nodiscard]] Result<void> write(std::string_view bytes);
  void close() { fd_.reset(); }

 private:
  std::filesystem::path path_;
  Earlier earlier_;
  Fd fd_;
};

// One stream into one file. When the cap is reached the file ends there, and close() adds how much
// was cut and the last of it.
class OutputFile {
 public:
  static constexpr size_t head_bytes = 4 << 10;  // kept for the reports
  static constexpr size_t tail_bytes = 12 << 10;

  // `limit`: bytes kept in the file, 0: all; what was there before does not count.
  OutputFile(std::filesystem::path path, std::uint64_t limit, Earlier earlier = Earlier::replaced)
      : file_(std::move(path), earlier), limit_(limit) {}

  // Error (io): the disk refused it; the excerpt goes on.
  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] Result<void> close();
  [[nodiscard]] OutputExcerpt excerpt() const;
  // So many were given.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  LazyFile file_;
  std::uint64_t limit_;
  std::uint64_t bytes_ = 0, written_ = 0;
  std::string head_, tail_;
};

// The archive of the files that come back, as it is. When the cap is reached the rest is dropped.
class ArchiveFile {
 public:
  // `limit`: bytes kept in the file; 0: none.
  ArchiveFile(std::filesystem::path path, std::uint64_t limit)
      : file_(std::move(path)), limit_(limit) {}

  [[nodiscard]] Result<void> append(std::string_view bytes);
  void close() { file_.close(); }
  // Why not all of it was kept; empty: it was.
  [[nodiscard]] std::string problem() const;

 private:
  LazyFile file_;
  std::uint64_t limit_;
  std::uint64_t bytes_ = 0, written_ = 0;
};

class AttemptFiles {
 public:
  // Makes the folder. `limit`: bytes kept of each stream, 0: all. Error (io): it can't be made.
  [[nodiscard]] static Result<AttemptFiles> create(const std::filesystem::path& folder,
                                                   std::uint64_t limit);

  // Not of the archive.
  [[nodiscard]] Result<void> append(Stream stream, std::string_view bytes);
  // Puts what is known of the streams into `attempt`: the sizes, and unless it passed the excerpts;
  // that of the kernel's log also when it has kernel_reports.
  [[nodiscard]] Result<void> close(Attempt& attempt);

 private:
  AttemptFiles(const std::filesystem::path& folder, std::uint64_t limit)
      : output_(folder / "stdout", limit),
        error_(folder / "stderr", limit),
        kernel_log_(folder / "dmesg", limit),
        trace_(folder / "bpftrace", limit) {}

  OutputFile output_, error_, kernel_log_, trace_;
};

}  // namespace ffci
