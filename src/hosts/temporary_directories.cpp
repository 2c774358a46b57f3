#include "hosts/temporary_directories.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "hosts/orphans.hpp"

namespace ffci {
namespace {

constexpr const char* marker = ".ff-ci";  // in what is ours to remove

// A directory that this ff-ci holds locked, for as long as the descriptor is open. None: another
// one does, or it is not ours.
Fd lock_directory(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || status.st_uid != ::geteuid()) return {};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return fd;
}

// The octal escapes of proc(5)'s mountinfo undone.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// Takes away what is mounted below the directory: removing it must never remove what only shows
// there. False: something still is, or nobody can tell.
bool unmount_below(const std::string& directory) {
  const auto mounts = read_file("/proc/self/mountinfo", 64 << 20);
  if (!mounts) return false;
  bool all = true;
  std::vector<std::string_view> lines = split(*mounts, '\n');
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {  // the innermost come last
    const std::vector<std::string_view> fields = split(*line, ' ');
    if (fields.size() < 5) continue;
    const std::string place = unescaped(fields[4]);
    if (place.starts_with(directory + "/"))
      all &= ::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
  }
  return all;
}

// What marks it as ours goes last: another ff-ci goes on where this one is killed.
void remove_now(const std::filesystem::path& directory) {
  if (!unmount_below(directory)) return;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().filename() != marker) std::filesystem::remove_all(entry->path(), ignored);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

// One that was made, and not marked yet: empty, and older than that takes.
void remove_unmarked(const std::filesystem::path& directory, const Fd& lock) {
  struct stat status {};
  const bool is_old = ::fstat(lock.get(), &status) == 0 && ::time(nullptr) - status.st_mtime > 60;
  if (is_old) ::rmdir(directory.c_str());
}

// What was left by those that were killed.
void remove_abandoned(const std::filesystem::path& parent) {
  std::error_code error;
  std::filesystem::directory_iterator entry(parent, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (::fnmatch("ff-ci-tmp.??????", entry->path().filename().c_str(), 0) != 0) continue;
    const Fd lock = lock_directory(entry->path());
    if (!lock) continue;
    const bool marked = ::faccessat(lock.get(), marker, F_OK, 0) == 0;
    marked ? remove_now(entry->path()) : remove_unmarked(entry->path(), lock);
  }
}

}  // namespace

Result<void> TemporaryDirectories::open(const std::string& parent_by_default) {
  const char* variable = std::getenv("TMPDIR");
  const std::string named = variable != nullptr && *variable == '/' ? variable : parent_by_default;
  std::error_code missing;
  const std::filesystem::path parent = std::filesystem::canonical(named, missing);
  if (missing) {
    return fail(ErrorKind::io,
                fmt::format("cannot use the temporary directory {}: {}", named, missing.message()));
  }
  remove_abandoned(parent);
  base_ = parent / "ff-ci-tmp.XXXXXX";
  if (::mkdtemp(base_.data()) == nullptr) {
    return fail(ErrorKind::io, fmt::format("cannot make a temporary directory {}: {}",
                                           std::exchange(base_, {}), std::strerror(errno)));
  }
  lock_ = lock_directory(base_);
  const Fd marked(lock_ ? ::openat(lock_.get(), marker, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1);
  if (!marked || ::chmod(base_.c_str(), 0755) != 0) {
    return fail(ErrorKind::io, fmt::format("cannot write to the temporary directory {}: {}", base_,
                                           std::strerror(errno)));
  }
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
  if (::rmdir(directory.c_str()) == 0 || !unmount_below(directory)) return;
  const char* const arguments[] = {"rm",   "-rf", "--one-file-system", "--", directory.c_str(),
                                   nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, "rm", &actions, nullptr, const_cast<char* const*>(arguments), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return;
  remember_own_child(pid);
  reap(std::make_shared<Descriptor>(loop_, static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
       pid);
}

void TemporaryDirectories::reap(const std::shared_ptr<Descriptor>& process, pid_t pid) {
  process->async_wait(
      Descriptor::wait_read, [this, process, pid](const boost::system::error_code& error) {
        if (error) return;
        if (::waitpid(pid, nullptr, WNOHANG) == 0)
          return reap(process, pid);  // a wake-up for nothing; see supervised_process.cpp
        forget_own_child(pid);
      });
}

TemporaryDirectories::~TemporaryDirectories() {
  if (!base_.empty() && !left_alone_) remove_now(base_);
}

}  // namespace ffci
