// The journal of a run: one event per line, appended before anything that depends on it is done,
// and synced to the disk by a thread beside the loop, so that the loop never waits for the disk.
// Killing ff-ci loses nothing that was appended; a crash of the machine loses what the last moments
// of syncing would have saved.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "model/run.hpp"
#include "model/run_event.hpp"

namespace ffci {

class JournalWriter {
 public:
  // Error (io): the file can't be made, or is already there.
  [[nodiscard]] static Result<std::unique_ptr<JournalWriter>> create(
      const std::filesystem::path& path);
  // To go on with a journal that was written before; a torn last line is cut off. Error (io).
  [[nodiscard]] static Result<std::unique_ptr<JournalWriter>> reopen(
      const std::filesystem::path& path);
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  // Error (io): it could not be written; also when an earlier sync failed. What was not written
  // whole is taken back.
  [[nodiscard]] Result<void> append(const RunEvent& event);
  // Waits until everything appended is on the disk. Error (io): it is not.
  [[nodiscard]] Result<void> close();

 private:
  JournalWriter(std::string path, Fd fd);
  void sync_until_closed();
  [[nodiscard]] tl::unexpected<Error> refuse(int error) const;

  std::string path_;
  Fd fd_;
  std::atomic<int> sync_error_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool dirty_ = false;    // guarded by mutex_
  bool closing_ = false;  // guarded by mutex_
  std::thread syncer_;
};

// What a journal tells, event by event. Errors as read_journal.
[[nodiscard]] Result<std::vector<RunEvent>> read_events(const std::filesystem::path& path);

// The run that a journal tells of. A torn last line is dropped. Errors: no_input: it can't be read;
// data: "journal.jsonl:LINE: …".
[[nodiscard]] Result<Run> read_journal(const std::filesystem::path& path);
// The same, event by event.
[[nodiscard]] Result<void> replay_journal(const std::filesystem::path& path, EventSink& sink);

// Whether the journal's last line says that the run has ended; nothing else of it is read.
[[nodiscard]] bool ends_finished(const std::filesystem::path& path);

}  // namespace ffci
