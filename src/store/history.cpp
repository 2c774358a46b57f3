#include "store/history.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "store/history_import.hpp"
#include "store/history_schema.hpp"
#include "store/journal.hpp"
#include "store/results_tree.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t application_id = 0x46464349;  // "FFCI"

bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(fs::symlink_status(path, unknown));
}

std::uint64_t size_of(const fs::path& path) {
  std::error_code unknown;
  const auto size = fs::file_size(path, unknown);
  return unknown ? 0 : size;
}

std::uint64_t inode_of(const fs::path& path) {
  struct stat file {};
  return ::lstat(path.c_str(), &file) == 0 ? file.st_ino : 0;
}

// What SQLite keeps beside a database.
fs::path beside(const fs::path& file, const char* suffix) {
  return file.string() + suffix;
}

void remove_database(const fs::path& file) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"})
    ::unlink(beside(file, suffix).c_str());
}

std::vector<std::string> oldest_first(const fs::path& results) {
  std::vector<std::string> ids = run_ids(results);
  std::reverse(ids.begin(), ids.end());
  return ids;
}

Error newer_file(const fs::path& file, std::int64_t found) {
  return {ErrorKind::data,
          fmt::format("{} has version {} and this ff-ci knows version {}; it is left alone: use a "
                      "newer ff-ci, or move it away to have it made anew",
                      file.string(), found, History::version)};
}

void sync(const fs::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd) ::fsync(fd.get());
}

}  // namespace

Error History::error_of(const sqlite::Failure& failure) const {
  const bool busy = failure.kind() == sqlite::Failure::Kind::busy;
  return {busy ? ErrorKind::temporary : ErrorKind::io,
          fmt::format("{}: {}", file_.string(), printable_line(failure.what()))};
}

Result<void> History::take_lock(int how) {
  const auto give_up = std::chrono::steady_clock::now() + sqlite::Database::longest_wait;
  while (::flock(lock_.get(), how | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK)
      return fail(ErrorKind::io,
                  fmt::format("cannot lock {}: {}", file_.string(), std::strerror(errno)));
    if (std::chrono::steady_clock::now() > give_up)
      return fail(ErrorKind::temporary,
                  fmt::format("{} is in use by another ff-ci; try again", file_.string()));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

Result<History> History::open(const fs::path& results) {
  std::error_code unknown;
  if (!fs::is_directory(results / "runs", unknown))
    return fail(ErrorKind::no_input, fmt::format("there are no runs in {}", results.string()));
  History history(results);
  history.lock_.reset(
      ::open((results / ".history.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  try {
    if (history.lock_ && ::access(results.c_str(), W_OK) == 0) {
      if (const auto opened = history.open_to_write(); !opened)
        return tl::unexpected(opened.error());
    } else {
      history.open_to_read();
    }
  } catch (const sqlite::Failure& failure) {
    return tl::unexpected(history.error_of(failure));
  }
  return history;
}

History::State History::open_file(sqlite::Access access) {
  database_.reset();
  database_ = std::make_unique<sqlite::Database>(file_, access);
  const std::int64_t id = database_->whole("PRAGMA application_id");
  const std::int64_t found = database_->whole("PRAGMA user_version");
  const bool empty = database_->whole("SELECT count(*) FROM sqlite_schema") == 0;
  writable_ = access == sqlite::Access::write && !database_->is_read_only();
  if (id == 0 && empty) return State::fresh;
  if (id != application_id) return State::foreign;
  if (found < version) return State::older;
  if (found > version) return State::newer;
  return State::good;
}

std::optional<History::State> History::try_open_file() {
  try {
    return open_file(sqlite::Access::write);
  } catch (const sqlite::Failure& failure) {
    if (failure.kind() != sqlite::Failure::Kind::damaged) throw;
    damage_ = failure.what();
    database_.reset();
    return std::nullopt;
  }
}

Result<void> History::open_to_write() {
  if (const auto locked = take_lock(LOCK_SH); !locked) return locked;
  std::optional<State> state = try_open_file();
  if (!state || state == State::foreign || state == State::older) {
    database_.reset();
    if (const auto repaired = replace_file(); !repaired) return repaired;
    state = try_open_file();
  }
  if (!state) return fail(ErrorKind::io, fmt::format("{}: {}", file_.string(), damage_));
  if (state == State::newer)
    return tl::unexpected(newer_file(file_, database_->whole("PRAGMA user_version")));
  if (state == State::fresh) make_tables();
  return {};
}

void History::make_tables() {
  try {
    database_->execute("PRAGMA journal_mode = WAL");  // some network file systems have none
  } catch (const sqlite::Failure& failure) {
    if (failure.kind() != sqlite::Failure::Kind::busy) throw;  // another one makes the tables
  }
  sqlite::Transaction transaction(*database_);
  if (database_->whole("SELECT count(*) FROM sqlite_schema") > 0) return;  // now they are there
  database_->execute(history_schema);
  transaction.commit();
}

void History::make_in_memory(const std::string& why) {
  notes_.push_back(why);
  database_ = std::make_unique<sqlite::Database>(sqlite::Database::in_memory());
  database_->execute(history_schema);
  writable_ = in_memory_ = true;
}

void History::open_to_read() {
  if (is_there(file_)) {
    try {
      // Without a log beside it nothing is about to be written, either.
      const bool unchanging = size_of(beside(file_, "-wal")) == 0;
      const State state =
          open_file(unchanging ? sqlite::Access::read_unchanging : sqlite::Access::read);
      if (state == State::good) return;
    } catch (const sqlite::Failure&) {
      // What can't be read is made in memory.
    }
  }
  make_in_memory(
      fmt::format("{} can't be written, and holds no history that can be read; it is "
                  "read from the runs' journals for this time",
                  results_.string()));
}

// The lock is shared before and after it.
Result<void> History::replace_file() {
  database_.reset();
  if (const auto locked = take_lock(LOCK_EX); !locked) return locked;
  // Another one may have done it already.
  const std::optional<State> state = try_open_file();
  database_.reset();
  Result<void> replaced;
  if (!state || state == State::foreign) {
    replaced = set_aside(state ? "it is not a history of ff-ci" : damage_);
  } else if (state == State::older) {
    notes_.push_back(fmt::format("{} is of an older ff-ci; it is made anew from the runs' journals",
                                 file_.string()));
    remove_database(file_);
  }
  if (!replaced) return replaced;
  return take_lock(LOCK_SH);
}

Result<void> History::set_aside(const std::string& why) {
  fs::path aside;
  for (int number = 1; aside.empty() || is_there(aside); ++number)
    aside = file_.string() + fmt::format(".corrupt-{}", number);
  if (::rename(file_.c_str(), aside.c_str()) != 0)
    return fail(ErrorKind::io,
                fmt::format("{} is damaged ({}), and cannot be renamed: {}", file_.string(),
                            printable_line(why), std::strerror(errno)));
  for (const char* suffix : {"-wal", "-journal"})
    ::rename(beside(file_, suffix).c_str(), beside(aside, suffix).c_str());
  remove_database(file_);
  notes_.push_back(
      fmt::format("{} can't be used ({}); it is kept as {}, and made anew from the runs' journals",
                  file_.string(), printable_line(why), aside.filename().string()));
  return {};
}

Result<void> History::repair() {
  const std::string why = damage_;
  database_.reset();
  try {
    if (!lock_ || !writable_) {
      make_in_memory(fmt::format("{} is damaged ({}); the runs' journals are read for this time",
                                 file_.string(), printable_line(why)));
    } else {
      const std::uint64_t found_damaged = inode_of(file_);
      if (const auto locked = take_lock(LOCK_EX); !locked) return locked;
      if (inode_of(file_) == found_damaged) {  // else another one was faster
        if (const auto aside = set_aside(why); !aside) return aside;
      }
      if (const auto locked = take_lock(LOCK_SH); !locked) return locked;
      if (const auto opened = open_to_write(); !opened) return opened;
    }
    if (const auto added = add_missing_runs(); !added) return tl::unexpected(added.error());
  } catch (const sqlite::Failure& failure) {
    return tl::unexpected(error_of(failure));
  }
  return {};
}

Result<std::size_t> History::add_missing_runs() {
  if (!writable_) return 0;
  const auto known = guarded([](sqlite::Database& database) {
    std::unordered_map<std::string, std::uint64_t> bytes;
    sqlite::Statement runs(database, "SELECT run_id, journal_bytes FROM runs");
    while (runs.next())
      bytes.emplace(runs.text(0), static_cast<std::uint64_t>(runs.whole(1)));
    return bytes;
  });
  if (!known) return tl::unexpected(known.error());
  std::size_t added = 0;
  for (const std::string& run_id : oldest_first(results_)) {
    const fs::path folder = results_ / "runs" / run_id;
    const fs::path journal = folder / "journal.jsonl";
    const auto before = known->find(to_utf8(run_id));
    if (before != known->end() && before->second == size_of(journal)) continue;
    if (!ends_finished(journal)) continue;
    const auto facts = read_run_facts(folder);
    if (!facts) {
      notes_.push_back(fmt::format("run {} is not in the history: {}", printable_line(run_id),
                                   facts.error().message));
      continue;
    }
    const auto imported =
        guarded([&](sqlite::Database& database) { return import_run(database, *facts); });
    if (!imported) return tl::unexpected(imported.error());
    if (*imported) ++added;
  }
  return added;
}

Result<std::set<std::string>> History::known_runs_or_none() {
  std::set<std::string> known;
  try {
    // Closing it also puts into the file what stands beside it.
    const sqlite::Database before(file_, sqlite::Access::write);
    sqlite::Statement runs(before, "SELECT run_id FROM runs");
    while (runs.next())
      known.emplace(runs.text(0));
    return known;
  } catch (const sqlite::Failure& failure) {
    if (failure.kind() != sqlite::Failure::Kind::damaged) return tl::unexpected(error_of(failure));
    if (const auto aside = set_aside(failure.what()); !aside) return tl::unexpected(aside.error());
    return std::set<std::string>();
  }
}

Result<Rebuilt> History::rebuild(const fs::path& results) {
  auto old = open(results);
  if (!old) return tl::unexpected(old.error());
  if (!old->writable_ || !old->lock_)
    return fail(ErrorKind::io, fmt::format("cannot write to {}", results.string()));
  Rebuilt rebuilt;
  rebuilt.notes = old->take_notes();
  old->database_.reset();
  if (const auto locked = old->take_lock(LOCK_EX); !locked) return tl::unexpected(locked.error());
  const fs::path fresh = old->file_.string() + ".new";
  try {
    const auto known = old->known_runs_or_none();
    if (!known) return tl::unexpected(known.error());
    for (std::string& note : old->take_notes())
      rebuilt.notes.push_back(std::move(note));
    std::set<std::string> made;
    remove_database(fresh);
    {
      sqlite::Database database(fresh, sqlite::Access::write);
      database.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
      database.execute(history_schema);
      for (const std::string& run_id : oldest_first(results)) {
        const fs::path folder = results / "runs" / run_id;
        if (!ends_finished(folder / "journal.jsonl")) continue;
        const auto facts = read_run_facts(folder);
        if (!facts) {
          rebuilt.notes.push_back(fmt::format("run {} is not in the history: {}",
                                              printable_line(run_id), facts.error().message));
          continue;
        }
        import_run(database, *facts);
        made.insert(facts->run_id);
        ++rebuilt.runs;
      }
      database.execute("PRAGMA journal_mode = WAL");
    }
    std::set_difference(known->begin(), known->end(), made.begin(), made.end(),
                        std::back_inserter(rebuilt.dropped));
    sync(fresh);
    ::unlink(beside(old->file_, "-wal").c_str());
    ::unlink(beside(old->file_, "-shm").c_str());
    if (::rename(fresh.c_str(), old->file_.c_str()) != 0) {
      const int why = errno;
      remove_database(fresh);
      return fail(ErrorKind::io,
                  fmt::format("cannot write {}: {}", old->file_.string(), std::strerror(why)));
    }
    sync(results);
  } catch (const sqlite::Failure& failure) {
    remove_database(fresh);
    return tl::unexpected(old->error_of(failure));
  }
  return rebuilt;
}

}  // namespace ffci
