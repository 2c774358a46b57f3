#include "hosts/console_tail.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>

namespace ffci {
namespace {

constexpr Duration interval = std::chrono::milliseconds(30);
constexpr std::uint64_t release_after = 1 << 20;  // bytes

}  // namespace

Result<std::unique_ptr<ConsoleTail>> ConsoleTail::open(boost::asio::io_context& loop,
                                                       const std::string& path, OnBytes on_bytes) {
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file)
    return fail(ErrorKind::io, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  std::unique_ptr<ConsoleTail> tail(new ConsoleTail(loop, std::move(file), std::move(on_bytes)));
  tail->read_later();
  return tail;
}

void ConsoleTail::read_all() {
  if (reading_) return;  // from within what it told
  reading_ = true;
  std::array<char, 65536> buffer;
  // A VM may write faster than this reads.
  struct stat now {};
  const std::uint64_t end =
      ::fstat(file_.get(), &now) == 0 ? static_cast<std::uint64_t>(now.st_size) : 0;
  while (read_ < end) {
    const ssize_t got =
        ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(read_));
    if (got <= 0) break;
    read_ += static_cast<std::uint64_t>(got);
    on_bytes_({buffer.data(), static_cast<size_t>(got)});
    release();
  }
  reading_ = false;
}

void ConsoleTail::release() {
  if (read_ - released_ < release_after) return;
  // Some file systems can't, and keep it.
  ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<off_t>(released_), static_cast<off_t>(read_ - released_));
  released_ = read_;
}

void ConsoleTail::read_later() {
  next_.set(interval, [this] {
    read_later();
    read_all();
  });
}

}  // namespace ffci
