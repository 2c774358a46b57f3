#include "store/prune_runs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "store/journal.hpp"
#include "store/run_id.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

// Below RESULTS/runs; what another ff-ci did not come to the end of stays there for the next one.
constexpr const char* removal_folder = ".removing";

// The ids of the runs that links in `directory` lead to, or into.
Result<void> add_linked(const fs::path& directory, const fs::path& runs,
                        std::set<std::string>& linked) {
  const auto entries = entries_of(directory);
  if (!entries && entries.error().kind == ErrorKind::no_input) return {};
  if (!entries) return tl::unexpected(entries.error());
  for (const fs::path& entry : *entries) {
    std::error_code unknown;
    if (!fs::is_symlink(fs::symlink_status(entry, unknown))) continue;
    const fs::path target = fs::read_symlink(entry, unknown);
    for (const fs::path& part : target)  // also where it does not resolve
      linked.insert(part.string());
    const fs::path resolved = fs::weakly_canonical(entry, unknown);
    const auto [at, rest] =
        std::mismatch(runs.begin(), runs.end(), resolved.begin(), resolved.end());
    if (at == runs.end() && rest != resolved.end()) linked.insert(rest->string());
  }
  return {};
}

Result<std::set<std::string>> linked_runs(const fs::path& results, const fs::path& runs) {
  std::set<std::string> linked;
  for (const fs::path& directory : {results, results / "recordings"}) {
    if (const auto added = add_linked(directory, runs, linked); !added)
      return tl::unexpected(added.error());
  }
  return linked;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Removes what is in one folder. Folders within a folder are moved up to that one first, so that no
// depth is too deep and at most three descriptors are open.
class FolderRemoval {
 public:
  explicit FolderRemoval(int fd) : top_(fd) {}

  void clear() {
    // Moving makes new entries; a pass that gets nowhere is the last one.
    while (pass()) {
    }
  }
  // A folder can't be read or moved without its owner's rights.
  static void make_usable(const std::string& name, int fd) {
    const Fd folder(::openat(fd, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat now {};
    if (!folder || ::fstat(folder.get(), &now) != 0 || (now.st_mode & 0700) == 0700) return;
    // Through /proc, as chmod by name would follow a link that has come there meanwhile.
    if (::chmod(fmt::format("/proc/self/fd/{}", folder.get()).c_str(), 0700) != 0) return;
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  static std::vector<std::string> names_in(int fd) {
    std::vector<std::string> names;
    const int copy = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, CloseDirectory> directory(copy < 0 ? nullptr : ::fdopendir(copy));
    if (!directory) {
      if (copy >= 0) ::close(copy);
      return names;
    }
    while (const dirent* entry = ::readdir(directory.get())) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    return names;
  }

  // Whether it has removed anything.
  bool pass() {
    bool progress = false;
    for (const std::string& name : names_in(top_))
      progress |= remove(name);
    return progress;
  }

  bool remove(const std::string& name) {
    struct stat entry {};
    if (::fstatat(top_, name.c_str(), &entry, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (!S_ISDIR(entry.st_mode)) return unlink(top_, name, entry, 0);
    make_usable(name, top_);
    const Fd folder(::openat(top_, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return complain(name);
    for (const std::string& inner : names_in(folder.get())) {
      struct stat within {};
      if (::fstatat(folder.get(), inner.c_str(), &within, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (!S_ISDIR(within.st_mode)) {
        unlink(folder.get(), inner, within, 0);
        continue;
      }
      make_usable(inner, folder.get());  // it has to be, to be moved
      const std::string moved = fresh_name();
      if (::renameat(folder.get(), inner.c_str(), top_, moved.c_str()) != 0) complain(inner);
    }
    return unlink(top_, name, entry, AT_REMOVEDIR);
  }

  bool unlink(int fd, const std::string& name, const struct stat& entry, int flags) {
    if (::unlinkat(fd, name.c_str(), flags) != 0) return complain(name);
    if (flags != 0 || entry.st_nlink == 1)
      bytes_ += static_cast<std::uint64_t>(entry.st_blocks) * 512;
    return true;
  }

  std::string fresh_name() {
    struct stat entry {};
    std::string name;
    do
      name = fmt::format("moved-{}", ++moved_);
    while (::fstatat(top_, name.c_str(), &entry, AT_SYMLINK_NOFOLLOW) == 0);
    return name;
  }

  bool complain(const std::string& name) {
    const int error = errno;
    if (problem_.empty())
      problem_ = fmt::format("cannot remove {}: {}", printable_line(name), std::strerror(error));
    return false;
  }

  int top_;
  std::uint64_t bytes_ = 0, moved_ = 0;
  std::string problem_;
};

// The oldest first. A run that has not ended can go on: it goes for its age alone.
std::vector<std::string> unwanted(const fs::path& runs, const KeepSpec& keep,
                                  const std::string& current, WallTime now,
                                  const std::set<std::string>& linked) {
  std::vector<std::string> ids;
  for (const fs::path& folder : entries_of(runs).value_or(std::vector<fs::path>())) {
    std::error_code unknown;
    if (parse_run_id(folder.filename().string()) &&
        fs::is_directory(fs::symlink_status(folder, unknown)))
      ids.push_back(folder.filename());
  }
  std::sort(ids.begin(), ids.end(),
            [](const std::string& a, const std::string& b) { return is_earlier_run(b, a); });
  int newer = 0;  // that have ended
  std::erase_if(ids, [&](const std::string& id) {
    const bool ended = id == current || ends_finished(runs / id / "journal.jsonl");
    const bool beyond = keep.runs && ended && newer >= *keep.runs;
    if (ended) ++newer;
    const bool old = keep.days && now - parse_run_id(id)->second > std::chrono::days(*keep.days);
    return !(beyond || old) || id == current || linked.contains(id);
  });
  std::reverse(ids.begin(), ids.end());
  return ids;
}

}  // namespace

Result<PrunedRuns> prune_runs(const fs::path& results, const KeepSpec& keep,
                              const std::string& current, WallTime now,
                              const std::function<void()>& moved) {
  PrunedRuns pruned;
  if (!keep.runs && !keep.days) return pruned;
  std::error_code error;
  const fs::path runs = fs::canonical(results / "runs", error);
  if (error)
    return fail(ErrorKind::io,
                fmt::format("cannot read {}: {}", (results / "runs").string(), error.message()));
  const auto linked = linked_runs(results, runs);
  if (!linked) return tl::unexpected(linked.error());
  const Fd all(::open(runs.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto refuse = [&](const std::string& name) {
    const int cause = errno;
    return fmt::format("cannot remove {}: {}", (runs / name).string(), std::strerror(cause));
  };
  const std::vector<std::string> ids = unwanted(runs, keep, current, now, *linked);
  struct stat left {};
  const bool leftovers = ::fstatat(all.get(), removal_folder, &left, AT_SYMLINK_NOFOLLOW) == 0;
  if (ids.empty() && !leftovers) return pruned;
  if (::mkdirat(all.get(), removal_folder, 0700) != 0 && errno != EEXIST)
    return fail(ErrorKind::io, refuse(removal_folder));
  const Fd top(
      ::openat(all.get(), removal_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top) return fail(ErrorKind::io, refuse(removal_folder));
  for (const std::string& id : ids) {
    // A run is there as a whole, or it is gone.
    FolderRemoval::make_usable(id, all.get());
    if (::renameat(all.get(), id.c_str(), top.get(), id.c_str()) == 0) {
      pruned.removed.push_back(id);
    } else {
      pruned.problems.push_back(refuse(id));
    }
  }
  if (moved) moved();
  // No lock is needed to record a run: what was linked meanwhile comes back.
  const auto linked_now = linked_runs(results, runs);
  bool all_back = true;
  std::erase_if(pruned.removed, [&](const std::string& id) {
    if (linked_now && !linked_now->contains(id)) return false;
    if (::renameat(top.get(), id.c_str(), all.get(), id.c_str()) == 0) return true;
    all_back = false;
    pruned.problems.push_back(
        fmt::format("cannot move {} back to {}: {}", id, runs.string(), std::strerror(errno)));
    return true;
  });
  if (!linked_now) return tl::unexpected(linked_now.error());
  if (!all_back) {
    pruned.removed.clear();  // nor is anything else, yet
    return pruned;
  }
  FolderRemoval removal(top.get());
  removal.clear();
  pruned.bytes = removal.bytes();
  if (!removal.problem().empty()) pruned.problems.push_back(removal.problem());
  ::unlinkat(all.get(), removal_folder, AT_REMOVEDIR);
  return pruned;
}

}  // namespace ffci
