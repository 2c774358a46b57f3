#include "hosts/temporary_directories.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ffci {

Result<void> TemporaryDirectories::open() {
  const char* parent = std::getenv("TMPDIR");
  base_ = fmt::format("{}/ff-ci-XXXXXX", parent != nullptr && *parent == '/' ? parent : "/tmp");
  if (::mkdtemp(base_.data()) == nullptr) {
    return fail(ErrorKind::io, fmt::format("cannot make a temporary directory {}: {}",
                                           std::exchange(base_, {}), std::strerror(errno)));
  }
  ::chmod(base_.c_str(), 0755);
  return {};
}

Result<std::string> TemporaryDirectories::make() {
  std::string directory = fmt::format("{}/{}", base_, ++made_);
  if (::mkdir(directory.c_str(), 0700) != 0) {
    return fail(ErrorKind::io, fmt::format("cannot make the temporary directory {}: {}", directory,
                                           std::strerror(errno)));
  }
  ::chmod(directory.c_str(), 01777);  // tests drop to other users
  return directory;
}

void TemporaryDirectories::remove(const std::string& directory) {
  if (::rmdir(directory.c_str()) == 0 || errno != ENOTEMPTY) return;
  const char* const arguments[] = {"rm",   "-rf", "--one-file-system", "--", directory.c_str(),
                                   nullptr};
  pid_t pid = 0;
  if (::posix_spawnp(&pid, "rm", nullptr, nullptr, const_cast<char* const*>(arguments), environ) !=
      0)
    return;
  const auto process = std::make_shared<boost::asio::posix::stream_descriptor>(
      loop_, static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  process->async_wait(
      boost::asio::posix::stream_descriptor::wait_read,
      [process, pid](const boost::system::error_code&) { ::waitpid(pid, nullptr, WNOHANG); });
}

TemporaryDirectories::~TemporaryDirectories() {
  if (base_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(base_, ignored);
}

}  // namespace ffci
