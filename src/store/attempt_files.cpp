#include "store/attempt_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file.hpp"
#include "base/text.hpp"

namespace ffci {
namespace {

void forget_text(OutputExcerpt& excerpt) {
  excerpt.head.clear(), excerpt.tail.clear();
  excerpt.between = excerpt.bytes;
}

}  // namespace

Result<void> LazyFile::write(std::string_view bytes) {
  if (bytes.empty()) return {};
  const int from = earlier_ == Earlier::kept ? O_APPEND : O_TRUNC;
  if (!fd_) fd_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | from, 0644));
  const int error = fd_ ? write_all(fd_.get(), bytes) : errno;
  if (error != 0)
    return fail(ErrorKind::io,
                fmt::format("cannot write {}: {}", path_.string(), std::strerror(error)));
  return {};
}

Result<void> OutputFile::append(std::string_view bytes) {
  const std::string_view kept =
      limit_ == 0 ? bytes
                  : bytes.substr(0, std::min<std::uint64_t>(bytes.size(), limit_ - written_));
  bytes_ += bytes.size();
  written_ += kept.size();

  const std::string_view to_head = bytes.substr(0, head_bytes - head_.size());
  head_ += to_head;
  tail_ += bytes.substr(to_head.size())
               .substr(bytes.size() - to_head.size() > tail_bytes
                           ? bytes.size() - to_head.size() - tail_bytes
                           : 0);
  if (tail_.size() > 2 * tail_bytes) tail_.erase(0, tail_.size() - tail_bytes);
  return file_.write(kept);
}

Result<void> OutputFile::close() {
  Result<void> closed;
  if (written_ < bytes_) {
    const std::uint64_t cut = bytes_ - written_;
    const auto last = static_cast<size_t>(std::min<std::uint64_t>({cut, tail_.size(), tail_bytes}));
    closed = file_.write(fmt::format(
        "\n[ff-ci: {} bytes were cut here, at the output limit of {} bytes; the last {} follow]\n",
        cut - last, limit_, last));
    if (closed) closed = file_.write(std::string_view(tail_).substr(tail_.size() - last));
  }
  file_.close();
  return closed;
}

OutputExcerpt OutputFile::excerpt() const {
  OutputExcerpt excerpt;
  excerpt.bytes = bytes_;
  const std::string_view tail =
      std::string_view(tail_).substr(tail_.size() > tail_bytes ? tail_.size() - tail_bytes : 0);
  excerpt.between = bytes_ - head_.size() - tail.size();
  // Where the two meet they are one text: a character may lie across.
  if (excerpt.between == 0) {
    excerpt.head = to_utf8(head_ + std::string(tail));
  } else {
    excerpt.head = to_utf8(head_);
    excerpt.tail = to_utf8(tail);
  }
  if (written_ < bytes_)
    excerpt.cut_bytes = bytes_ - written_ - std::min<std::uint64_t>(bytes_ - written_, tail.size());
  return excerpt;
}

Result<void> ArchiveFile::append(std::string_view bytes) {
  const std::string_view kept =
      bytes.substr(0, std::min<std::uint64_t>(bytes.size(), limit_ - written_));
  bytes_ += bytes.size();
  written_ += kept.size();
  return file_.write(kept);
}

std::string ArchiveFile::problem() const {
  if (written_ == bytes_) return {};
  return fmt::format("their archive has {}, and what is beyond the limit of {} was dropped",
                     human_size(bytes_), human_size(limit_));
}

Result<AttemptFiles> AttemptFiles::create(const std::filesystem::path& folder,
                                          std::uint64_t limit) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return fail(ErrorKind::io, fmt::format("cannot make {}: {}", folder.string(), error.message()));
  return AttemptFiles(folder, limit);
}

Result<void> AttemptFiles::append(Stream stream, std::string_view bytes) {
  switch (stream) {
    case Stream::standard_output:
      return output_.append(bytes);
    case Stream::standard_error:
      return error_.append(bytes);
    case Stream::kernel_log:
    case Stream::user_log:
      return kernel_log_.append(bytes);
    case Stream::trace:
      return trace_.append(bytes);
    case Stream::archive:
      return {};
  }
  return {};
}

Result<void> AttemptFiles::close(Attempt& attempt) {
  Result<void> closed;
  for (const auto& [file, excerpt] :
       {std::pair{&output_, &attempt.standard_output}, std::pair{&error_, &attempt.standard_error},
        std::pair{&kernel_log_, &attempt.kernel_log}, std::pair{&trace_, &attempt.trace}}) {
    if (const Result<void> result = file->close(); !result && closed) closed = result;
    *excerpt = file->excerpt();
  }
  const bool passed = attempt.outcome && std::holds_alternative<Passed>(*attempt.outcome);
  if (passed) forget_text(attempt.standard_output), forget_text(attempt.standard_error);
  if (passed && attempt.kernel_reports.empty()) forget_text(attempt.kernel_log);
  forget_text(attempt.trace);
  return closed;
}

}  // namespace ffci
