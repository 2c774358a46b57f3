#include "base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace ffci {

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorKind::no_input, fmt::format("cannot read {}: {}", path.string(), why));
  };
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return refuse(std::strerror(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return refuse(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return refuse("is a directory");
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return refuse(std::strerror(errno));
    if (n == 0) return content;
    if (content.size() + static_cast<size_t>(n) > limit)
      return refuse("larger than " + human_size(limit));
    content.append(buffer, static_cast<size_t>(n));
  }
}

Result<std::vector<std::filesystem::path>> entries_of(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  // Not a range-for: its increment throws.
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error))
    entries.push_back(at->path());
  if (error) {
    const bool missing = error == std::errc::no_such_file_or_directory;
    return fail(missing ? ErrorKind::no_input : ErrorKind::io,
                fmt::format("cannot read {}: {}", directory.string(), error.message()));
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      pollfd writable{fd, POLLOUT, 0};
      ::poll(&writable, 1, -1);
      continue;
    }
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

Result<void> write_file(const std::filesystem::path& path, std::string_view content) {
  const auto refuse = [&](int error) {
    return fail(ErrorKind::io,
                fmt::format("cannot write {}: {}", path.string(), std::strerror(error)));
  };
  std::error_code made;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), made);
  if (made) return refuse(made.value());
  struct stat existing {};
  if (::stat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode) &&
      !S_ISDIR(existing.st_mode)) {
    const Fd device(
        ::open(path.c_str(), O_WRONLY | O_CLOEXEC));  // /dev/stdout, a FIFO: nothing to rename over
    const int failed = device ? write_all(device.get(), content) : errno;
    if (failed != 0) return refuse(failed);
    return {};
  }
  const std::string beside = path.string() + ".tmp";
  const Fd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return refuse(errno);
  int error = write_all(fd.get(), content);
  if (error == 0 && ::fsync(fd.get()) != 0) error = errno;
  if (error == 0 && ::rename(beside.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(beside.c_str());
    return refuse(error);
  }
  return {};
}

}  // namespace ffci
