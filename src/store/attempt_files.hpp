// What an attempt writes goes to its files as it arrives, up to a cap; the beginning and the end
// are also kept for the reports.
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

// One stream into one file. When the cap is reached the file ends there, and close() adds how much
// was cut and the last of it.
class OutputFile {
 public:
  static constexpr size_t head_bytes = 4 << 10;  // kept for the reports
  static constexpr size_t tail_bytes = 12 << 10;

  // `limit`: bytes kept in the file, 0: all. The file is made with the first byte.
  OutputFile(std::filesystem::path path, std::uint64_t limit)
      : path_(std::move(path)), limit_(limit) {}

  // Error (io): the disk refused it; the excerpt goes on.
  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] Result<void> close();
  [[nodiscard]] OutputExcerpt excerpt() const;

 private:
  [[nodiscard]] Result<void> write(std::string_view bytes);

  std::filesystem::path path_;
  std::uint64_t limit_;
  Fd fd_;
  std::uint64_t bytes_ = 0, written_ = 0;
  std::string head_, tail_;
};

class AttemptFiles {
 public:
  // Makes the folder. Error (io): it can't be made.
  [[nodiscard]] static Result<AttemptFiles> create(const std::filesystem::path& folder,
                                                   std::uint64_t limit);

  [[nodiscard]] Result<void> append(Stream stream, std::string_view bytes);
  // Puts what is known of the output into `attempt`: the sizes, and unless it passed the excerpts.
  [[nodiscard]] Result<void> close(Attempt& attempt);

 private:
  AttemptFiles(const std::filesystem::path& folder, std::uint64_t limit)
      : output_(folder / "stdout", limit), error_(folder / "stderr", limit) {}

  OutputFile output_, error_;
};

}  // namespace ffci
