#include "store/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/file.hpp"
#include "store/event_json.hpp"

namespace ffci {
namespace {

constexpr std::uint64_t largest_journal = 4ULL << 30;

// A finished test follows from its finished attempts.
bool should_be_synced(const RunEvent& event) {
  return std::holds_alternative<AttemptFinished>(event.fact) ||
         std::holds_alternative<RunFinished>(event.fact);
}

}  // namespace

Result<std::unique_ptr<JournalWriter>> JournalWriter::create(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644));
  if (!fd)
    return fail(ErrorKind::io,
                fmt::format("cannot make {}: {}", path.string(), std::strerror(errno)));
  return std::unique_ptr<JournalWriter>(new JournalWriter(path.string(), std::move(fd)));
}

Result<std::unique_ptr<JournalWriter>> JournalWriter::reopen(const std::filesystem::path& path) {
  const auto refused = [&path] {
    return fail(ErrorKind::io,
                fmt::format("cannot go on with {}: {}", path.string(), std::strerror(errno)));
  };
  Fd fd(::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return refused();
  off_t end = ::lseek(fd.get(), 0, SEEK_END);
  for (char last = 0; end > 0; --end) {
    if (::pread(fd.get(), &last, 1, end - 1) != 1) return refused();
    if (last == '\n') break;
  }
  if (end < 0 || ::ftruncate(fd.get(), end) != 0) return refused();
  return std::unique_ptr<JournalWriter>(new JournalWriter(path.string(), std::move(fd)));
}

JournalWriter::JournalWriter(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {
  // Signals are for the loop's thread.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  syncer_ = std::thread([this] { sync_until_closed(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

JournalWriter::~JournalWriter() {
  if (!close()) {
    // Whoever wanted to know has called close() before.
  }
}

// Allocates nothing: a supervisor may be cloned from this process at any moment, and must find no
// lock held.
void JournalWriter::sync_until_closed() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return dirty_ || closing_; });
    if (!dirty_) return;
    dirty_ = false;
    lock.unlock();
    if (::fdatasync(fd_.get()) != 0) sync_error_ = errno;
    lock.lock();
  }
}

tl::unexpected<Error> JournalWriter::refuse(int error) const {
  return fail(ErrorKind::io, fmt::format("cannot write {}: {}", path_, std::strerror(error)));
}

Result<void> JournalWriter::append(const RunEvent& event) {
  if (const int error = sync_error_; error != 0) return refuse(error);
  const off_t before = ::lseek(fd_.get(), 0, SEEK_END);
  if (const int error = write_all(fd_.get(), event_to_json(event) + "\n"); error != 0) {
    if (::ftruncate(fd_.get(), before) != 0) return refuse(error);
    return refuse(error);
  }
  if (should_be_synced(event)) {
    const std::lock_guard lock(mutex_);
    dirty_ = true;
    changed_.notify_one();
  }
  return {};
}

Result<void> JournalWriter::close() {
  if (syncer_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      dirty_ = closing_ = true;
      changed_.notify_one();
    }
    syncer_.join();
  }
  if (const int error = sync_error_; error != 0) return refuse(error);
  return {};
}

Result<void> replay_journal(const std::filesystem::path& path, EventSink& sink) {
  const Result<std::string> content = read_file(path, largest_journal);
  if (!content) return tl::unexpected(content.error());
  std::string_view rest = *content;
  bool holds_a_run = false;
  for (int line = 1; !rest.empty(); ++line) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;  // torn: ff-ci died while it wrote
    Result<RunEvent> event = event_from_json(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (!event)
      return fail(ErrorKind::data,
                  fmt::format("{}:{}: {}", path.string(), line, event.error().message));
    if (const auto* started = std::get_if<RunStarted>(&event->fact)) {
      holds_a_run = !started->run_id.empty();
    } else if (line == 1) {
      return fail(ErrorKind::data,
                  fmt::format("{}:1: the first event is not 'run_started'", path.string()));
    }
    sink.on_event(*event);
  }
  if (!holds_a_run) return fail(ErrorKind::data, fmt::format("{}: holds no run", path.string()));
  return {};
}

Result<std::vector<RunEvent>> read_events(const std::filesystem::path& path) {
  struct List final : EventSink {
    void on_event(const RunEvent& event) override { events.push_back(event); }
    std::vector<RunEvent> events;
  } list;
  if (const auto replayed = replay_journal(path, list); !replayed)
    return tl::unexpected(replayed.error());
  return std::move(list.events);
}

Result<Run> read_journal(const std::filesystem::path& path) {
  struct Fold final : EventSink {
    void on_event(const RunEvent& event) override { run.apply(event); }
    Run run;
  } fold;
  if (const auto replayed = replay_journal(path, fold); !replayed)
    return tl::unexpected(replayed.error());
  return std::move(fold.run);
}

bool ends_finished(const std::filesystem::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const off_t size = fd ? ::lseek(fd.get(), 0, SEEK_END) : -1;
  if (size <= 0) return false;
  // The event is a short one, but a line that was torn may stand behind it.
  std::string tail(static_cast<size_t>(std::min<off_t>(size, 64 << 10)), '\0');
  const ssize_t got =
      ::pread(fd.get(), tail.data(), tail.size(), size - static_cast<off_t>(tail.size()));
  if (got < 0 || static_cast<size_t>(got) != tail.size()) return false;
  const size_t end = tail.rfind('\n');
  if (end == std::string::npos) return false;
  const size_t before = end == 0 ? std::string::npos : tail.rfind('\n', end - 1);
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  const auto event = event_from_json(std::string_view(tail).substr(begin, end - begin));
  return event && std::holds_alternative<RunFinished>(event->fact);
}

}  // namespace ffci
