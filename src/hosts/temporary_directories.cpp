#include "hosts/temporary_directories.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <spawn.h>
#include <sys/file.h>
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
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;

void reap(const std::shared_ptr<Descriptor>& process, pid_t pid) {
  process->async_wait(Descriptor::wait_read,
                      [process, pid](const boost::system::error_code& error) {
                        if (!error && ::waitpid(pid, nullptr, WNOHANG) == 0) reap(process, pid);
                      });
}

// A directory that this ff-ci holds locked, for as long as the descriptor is open. None: another
// one does, or it is not ours.
Fd lock_directory(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || status.st_uid != ::geteuid()) return {};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return fd;
}

// What was left by those that were killed.
void remove_abandoned(const std::filesystem::path& parent) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
    if (::fnmatch("ff-ci-??????", entry.path().filename().c_str(), 0) != 0) continue;
    if (const Fd lock = lock_directory(entry.path()))
      std::filesystem::remove_all(entry.path(), ignored);
  }
}

}  // namespace

Result<void> TemporaryDirectories::open() {
  const char* variable = std::getenv("TMPDIR");
  const std::string parent = variable != nullptr && *variable == '/' ? variable : "/tmp";
  remove_abandoned(parent);
  base_ = parent + "/ff-ci-XXXXXX";
  if (::mkdtemp(base_.data()) == nullptr) {
    return fail(ErrorKind::io, fmt::format("cannot make a temporary directory {}: {}",
                                           std::exchange(base_, {}), std::strerror(errno)));
  }
  lock_ = lock_directory(base_);
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
  reap(std::make_shared<Descriptor>(loop_, static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
       pid);
}

TemporaryDirectories::~TemporaryDirectories() {
  if (base_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(base_, ignored);
}

}  // namespace ffci
