#include "store/unpack_files.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "store/results_tree.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t deepest = 32;
constexpr std::size_t longest_path = 1024;
// Real ones take a few KiB. libarchive allows 1 MiB for each of many, takes quadratic time for ACLs
// and makes a list of any length from a sparse map.
constexpr std::uint64_t largest_header = 32 << 10;

tl::unexpected<Error> refuse(std::string_view what, const fs::path& path, int error) {
  return fail(ErrorKind::io,
              fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(error)));
}

enum class LeftOut {
  symlink,
  hard_link,
  device,
  fifo,
  unknown,
  leads_out,
  too_long,
  taken,
  too_large,
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> names_of_left_out{{
    {"symlink", "symlinks"},
    {"hard link", "hard links"},
    {"device", "devices"},
    {"FIFO", "FIFOs"},
    {"entry of unknown type", "entries of unknown type"},
    {"path out of the folder", "paths out of the folder"},
    {"path that is too long", "paths that are too long"},
    {"entry whose name was taken", "entries whose name was taken"},
    {"file beyond the limit of", "files beyond the limit of"},
}};

// Reads the tar through libarchive, block by block.
class TarReader {
 public:
  enum class Status { entry, end, cut_off, damaged, not_a_tar };
  struct Piece {
    std::string_view bytes;
    std::uint64_t offset = 0;
  };

  TarReader() = default;
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  [[nodiscard]] int open(const fs::path& path);  // 0, or errno
  [[nodiscard]] Status next_entry();
  [[nodiscard]] archive_entry* entry() const { return entry_; }
  // The next piece of the entry's data; `end`: there is no more.
  [[nodiscard]] Status next_piece(Piece& piece);
  // Of our own file: errno, or 0.
  [[nodiscard]] int read_error() const { return read_error_; }

 private:
  struct Free {
    void operator()(archive* reader) const { archive_read_free(reader); }
  };

  static la_ssize_t read_block(archive* reader, void* self, const void** block);
  [[nodiscard]] Status broken() const { return at_end_ ? Status::cut_off : Status::damaged; }

  Fd fd_;
  std::array<char, 16 << 10> block_;
  std::uint64_t header_bytes_ = 0;  // read since the end of the last entry
  bool in_header_ = false;
  bool at_end_ = false;
  bool is_tar_ = false;
  int read_error_ = 0;
  archive_entry* entry_ = nullptr;
  std::unique_ptr<archive, Free> reader_;  // the last member: freed before what it reads from
};

int TarReader::open(const fs::path& path) {
  fd_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd_) return errno;
  reader_.reset(archive_read_new());
  if (!reader_) return ENOMEM;
  // Of all formats only this one, and no compression.
  archive_read_support_format_tar(reader_.get());
  archive_read_set_callback_data(reader_.get(), this);
  archive_read_set_read_callback(reader_.get(), read_block);
  is_tar_ = archive_read_open1(reader_.get()) == ARCHIVE_OK;
  return read_error_;
}

la_ssize_t TarReader::read_block(archive* reader, void* self, const void** block) {
  TarReader& tar = *static_cast<TarReader*>(self);
  if (tar.in_header_ && tar.header_bytes_ > largest_header) {
    archive_set_error(reader, EINVAL, "header too large");
    return -1;
  }
  ssize_t length = 0;
  do {
    length = ::read(tar.fd_.get(), tar.block_.data(), tar.block_.size());
  } while (length < 0 && errno == EINTR);
  if (length < 0) {
    tar.read_error_ = errno;
    archive_set_error(reader, errno, "cannot read");
    return -1;
  }
  if (length == 0) tar.at_end_ = true;
  if (tar.in_header_) tar.header_bytes_ += static_cast<std::uint64_t>(length);
  *block = tar.block_.data();
  return length;
}

TarReader::Status TarReader::next_entry() {
  if (!is_tar_) return Status::not_a_tar;
  if (entry_ != nullptr && archive_read_data_skip(reader_.get()) != ARCHIVE_OK) return broken();
  const auto begin = archive_filter_bytes(reader_.get(), 0);
  in_header_ = true;
  header_bytes_ = 0;
  const int status = archive_read_next_header(reader_.get(), &entry_);
  in_header_ = false;
  if (status == ARCHIVE_OK || status == ARCHIVE_WARN) return Status::entry;
  // A tar ends with blocks of zeros; libarchive does not insist.
  if (status == ARCHIVE_EOF)
    return archive_filter_bytes(reader_.get(), 0) > begin ? Status::end : Status::cut_off;
  return broken();
}

TarReader::Status TarReader::next_piece(Piece& piece) {
  const void* data = nullptr;
  std::size_t length = 0;
  la_int64_t offset = 0;
  const int status = archive_read_data_block(reader_.get(), &data, &length, &offset);
  if (status == ARCHIVE_EOF) return Status::end;
  if (status != ARCHIVE_OK) return broken();
  if (offset < 0) return Status::damaged;
  piece = {{static_cast<const char*>(data), length}, static_cast<std::uint64_t>(offset)};
  return Status::entry;
}

std::optional<LeftOut> not_kept(unsigned type) {
  switch (type) {
    case AE_IFREG:
    case AE_IFDIR:
      return std::nullopt;
    case AE_IFLNK:
      return LeftOut::symlink;
    case AE_IFCHR:
    case AE_IFBLK:
      return LeftOut::device;
    case AE_IFIFO:
      return LeftOut::fifo;
    default:
      return LeftOut::unknown;
  }
}

using Parts = std::vector<std::string>;  // of a path; none: the folder itself

tl::expected<Parts, LeftOut> parts_of(std::string_view path) {
  Parts parts;
  std::size_t length = 0;
  bool leads_out = path.starts_with('/');
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    leads_out = leads_out || part == "..";
    if (parts.size() > deepest || length > longest_path) continue;
    parts.push_back(path_component(part));
    length += parts.back().size() + 1;
  }
  if (leads_out) return tl::unexpected(LeftOut::leads_out);
  if (parts.size() > deepest || length > longest_path) return tl::unexpected(LeftOut::too_long);
  return parts;
}

// libarchive's own writer would set the umask, which belongs to all threads.
class Unpacking {
 public:
  Unpacking(TarReader& tar, const fs::path& archive, const fs::path& folder,
            const UnpackLimits& limits)
      : tar_(tar), archive_(archive), folder_(folder), limits_(limits) {}

  [[nodiscard]] Result<Unpacked> run();

 private:
  [[nodiscard]] Result<void> take_entry();
  [[nodiscard]] Result<void> make_file(const Parts& parts, std::uint64_t size);
  // The directory of the first `depth` parts, made when missing; or errno.
  [[nodiscard]] tl::expected<Fd, int> directory(const Parts& parts, std::size_t depth);
  // 0, or the errno of what was made; sets ending_ when the archive broke off.
  [[nodiscard]] int write_data(int fd, std::uint64_t size);
  void leave_out(LeftOut why) { ++left_out_[static_cast<std::size_t>(why)]; }
  // What the archive brought about is counted; the rest is an error of ours.
  [[nodiscard]] Result<void> judge(int error);
  [[nodiscard]] std::string problem() const;

  TarReader& tar_;
  const fs::path& archive_;
  const fs::path& folder_;
  const UnpackLimits& limits_;
  Fd root_;
  std::uint64_t bytes_ = 0;
  std::size_t spent_ = 0;  // of limits_.files
  bool too_many_ = false;
  std::array<std::size_t, names_of_left_out.size()> left_out_{};
  TarReader::Status ending_ = TarReader::Status::entry;  // once it is over: how
  std::vector<std::string> files_;
};

Result<Unpacked> Unpacking::run() {
  if (::mkdir(folder_.c_str(), 0755) != 0 && errno != EEXIST) return refuse("make", folder_, errno);
  root_.reset(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root_) return refuse("write to", folder_, errno);
  while (ending_ == TarReader::Status::entry && !too_many_) {
    ending_ = tar_.next_entry();
    if (ending_ != TarReader::Status::entry) break;
    if (const Result<void> taken = take_entry(); !taken) return tl::unexpected(taken.error());
  }
  if (tar_.read_error() != 0) return refuse("read", archive_, tar_.read_error());
  std::sort(files_.begin(), files_.end());
  return Unpacked{std::move(files_), problem()};
}

Result<void> Unpacking::take_entry() {
  if (spent_ >= limits_.files) {
    too_many_ = true;
    return {};
  }
  ++spent_;
  archive_entry* entry = tar_.entry();
  const char* path = archive_entry_pathname(entry);
  const auto parts = parts_of(path == nullptr ? "" : path);
  if (const char* target = archive_entry_hardlink(entry); target != nullptr) {
    // A file that tar was told to write twice is a link to itself the second time.
    if (!parts || parts_of(target) != parts) leave_out(LeftOut::hard_link);
    return {};
  }
  if (const auto why = not_kept(archive_entry_filetype(entry)); why || !parts) {
    leave_out(why ? *why : parts.error());
    return {};
  }
  if (archive_entry_filetype(entry) == AE_IFDIR) {
    const auto made = directory(*parts, parts->size());
    return made ? Result<void>() : judge(made.error());
  }
  const auto size = archive_entry_size(entry);
  if (size < 0 || static_cast<std::uint64_t>(size) > limits_.bytes - bytes_) {
    leave_out(LeftOut::too_large);
    return {};
  }
  return make_file(*parts, static_cast<std::uint64_t>(size));
}

tl::expected<Fd, int> Unpacking::directory(const Parts& parts, std::size_t depth) {
  Fd at(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (std::size_t i = 0; at && i < depth; ++i) {
    const char* name = parts[i].c_str();
    if (::mkdirat(at.get(), name, 0755) == 0) {
      if (i + 1 < parts.size()) ++spent_;  // the last part is the entry itself
    } else if (errno != EEXIST) {
      return tl::unexpected(errno);
    }
    Fd next(::openat(at.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return tl::unexpected(errno);
    at = std::move(next);
  }
  if (!at) return tl::unexpected(errno);
  return at;
}

Result<void> Unpacking::make_file(const Parts& parts, std::uint64_t size) {
  if (parts.empty()) return judge(EISDIR);
  const auto parent = directory(parts, parts.size() - 1);
  if (!parent) return judge(parent.error());
  const char* name = parts.back().c_str();
  Fd file(
      ::openat(parent->get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return judge(errno);
  int error = write_data(file.get(), size);
  if (::close(file.release()) != 0 && error == 0) error = errno;
  if (error == 0 && ending_ == TarReader::Status::entry) {
    bytes_ += size;
    files_.push_back(fmt::format("{}", fmt::join(parts, "/")));
    return {};
  }
  ::unlinkat(parent->get(), name, 0);
  return error == 0 ? Result<void>() : judge(error);
}

int Unpacking::write_data(int fd, std::uint64_t size) {
  TarReader::Piece piece;
  for (;;) {
    const TarReader::Status status = tar_.next_piece(piece);
    if (status == TarReader::Status::end) break;
    ending_ = status;
    if (status != TarReader::Status::entry) return 0;
    if (piece.bytes.size() > size || piece.offset > size - piece.bytes.size()) {
      ending_ = TarReader::Status::damaged;
      return 0;
    }
    while (!piece.bytes.empty()) {
      const ssize_t written =
          ::pwrite(fd, piece.bytes.data(), piece.bytes.size(), static_cast<off_t>(piece.offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno;
      piece.bytes.remove_prefix(static_cast<std::size_t>(written));
      piece.offset += static_cast<std::uint64_t>(written);
    }
  }
  return ::ftruncate(fd, static_cast<off_t>(size)) == 0 ? 0 : errno;
}

Result<void> Unpacking::judge(int error) {
  switch (error) {
    case EEXIST:
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
      leave_out(LeftOut::taken);
      return {};
    case ENAMETOOLONG:
      leave_out(LeftOut::too_long);
      return {};
    case EFBIG:
      leave_out(LeftOut::too_large);
      return {};
    default:
      return refuse("write to", folder_, error);
  }
}

std::string Unpacking::problem() const {
  std::vector<std::string> kinds, problems;
  std::size_t total = 0;
  for (std::size_t i = 0; i < left_out_.size(); ++i) {
    if (left_out_[i] == 0) continue;
    const auto& [one, many] = names_of_left_out[i];
    kinds.push_back(fmt::format("{} {}", left_out_[i], left_out_[i] == 1 ? one : many));
    if (i == static_cast<std::size_t>(LeftOut::too_large))
      kinds.back() += fmt::format(" {} in all", human_size(limits_.bytes));
    total += left_out_[i];
  }
  if (total > 0) {
    std::string last = std::move(kinds.back());
    kinds.pop_back();
    problems.push_back(fmt::format("{}{}{} {} left out", fmt::join(kinds, ", "),
                                   kinds.empty() ? "" : " and ", last,
                                   total == 1 ? "was" : "were"));
  }
  if (too_many_)
    problems.push_back(
        fmt::format("what came after the first {} entries was left out", limits_.files));
  if (ending_ == TarReader::Status::not_a_tar) problems.emplace_back("the archive is not a tar");
  if (ending_ == TarReader::Status::cut_off) problems.emplace_back("the archive breaks off");
  if (ending_ == TarReader::Status::damaged)
    problems.emplace_back("the archive is damaged, and what came after was left out");
  return fmt::format("{}", fmt::join(problems, "; "));
}

}  // namespace

Result<Unpacked> unpack_files(const fs::path& archive, const fs::path& folder,
                              const UnpackLimits& limits) {
  TarReader tar;
  if (const int error = tar.open(archive); error != 0) return refuse("read", archive, error);
  return Unpacking(tar, archive, folder, limits).run();
}

}  // namespace ffci
