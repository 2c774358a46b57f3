#include "store/results_tree.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file.hpp"
#include "base/text.hpp"
#include "store/run_id.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr size_t longest_component = 200;  // NAME_MAX is 255; suffixes are added to it

// FNV-1a: short, and the same everywhere.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325ULL;
  for (const char c : text)
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return value;
}

// Of everything in RESULTS/runs.
std::vector<std::string> names_of_runs(const fs::path& results) {
  std::vector<std::string> names;
  for (const fs::path& entry : entries_of(results / "runs").value_or(std::vector<fs::path>()))
    names.push_back(entry.filename());
  return names;
}

tl::unexpected<Error> refuse(const fs::path& path, int error) {
  return fail(ErrorKind::io,
              fmt::format("cannot write to {}: {}", path.string(), std::strerror(error)));
}

}  // namespace

std::string path_component(std::string_view text) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+=,[]-";
  std::string component;
  for (const char c : text) {
    if (plain.find(c) == std::string_view::npos || (c == '.' && component.empty())) {
      component += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      component += c;
    }
  }
  if (component.empty()) component = "%";
  if (component.size() > longest_component) {
    component.resize(longest_component - 17);
    component += fmt::format("-{:016x}", hash(text));
  }
  return component;
}

std::string attempt_folder(const TestId& id, int attempt, Purpose purpose) {
  std::string folder = "tests/" + path_component(id.suite);
  if (!id.configuration.empty()) folder += "@" + path_component(id.configuration);
  for (const std::string_view part : split(id.name, '/'))
    folder += "/" + path_component(part);
  if (id.iteration != 1) folder += fmt::format("@{}", id.iteration);
  return folder + fmt::format("/{}{}", purpose == Purpose::verdict ? "" : "rerun-", attempt);
}

std::string scope_folder(std::string_view suite, std::string_view host) {
  return fmt::format("suites/{}/{}", path_component(suite), path_component(host));
}

std::string host_folder(std::string_view host) {
  return fmt::format("hosts/{}", path_component(host));
}

Result<ResultsTree> ResultsTree::open(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory / "runs", error);
  if (error) return refuse(directory, error.value());
  const fs::path lock_path = directory / ".lock";
  Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock) return refuse(lock_path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return refuse(lock_path, errno);
    const std::string holder = read_file(lock_path, 64).value_or("");
    return fail(ErrorKind::temporary,
                fmt::format("another ff-ci{} is writing to {}; wait for it, or choose another "
                            "directory with --results-dir",
                            holder.empty() ? "" : fmt::format(" (pid {})", printable_line(holder)),
                            directory.string()));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.get(), 0) != 0 || write_all(lock.get(), pid) != 0)
    return refuse(lock_path, errno);
  return ResultsTree(directory, std::move(lock));
}

Result<fs::path> ResultsTree::make_run(WallTime now, std::string& run_id) const {
  // A run that was removed does not give its id to another one.
  RunId id = next_run_id(now, names_of_runs(directory_));
  for (int tries = 1;; ++tries, ++id.number) {
    run_id = to_string(id);
    const fs::path folder = directory_ / "runs" / run_id;
    if (::mkdir(folder.c_str(), 0755) == 0) return folder;
    if (errno != EEXIST || tries == 10'000) return refuse(folder, errno);
  }
}

Result<void> ResultsTree::point_latest_to(const std::string& run_id) const {
  const fs::path latest = directory_ / "latest", fresh = directory_ / ".latest.new";
  ::unlink(fresh.c_str());
  if (::symlink(("runs/" + run_id).c_str(), fresh.c_str()) != 0 ||
      ::rename(fresh.c_str(), latest.c_str()) != 0) {
    return refuse(latest, errno);
  }
  return {};
}

std::vector<std::string> run_ids(const fs::path& results) {
  std::vector<std::string> ids = names_of_runs(results);
  std::erase_if(ids, [&](const std::string& id) {
    std::error_code unknown;
    return id.starts_with('.') || !fs::exists(results / "runs" / id / "journal.jsonl", unknown);
  });
  std::sort(ids.begin(), ids.end(),
            [](const std::string& a, const std::string& b) { return is_earlier_run(b, a); });
  return ids;
}

Result<std::string> run_before(const fs::path& results, const std::string& run_id) {
  for (std::string& id : run_ids(results)) {
    if (is_earlier_run(id, run_id)) return std::move(id);
  }
  return fail(ErrorKind::no_input,
              fmt::format("there is no run before {} in {}", run_id, results.string()));
}

}  // namespace ffci
