// Temporary directories, one for each command or VM, below one of ff-ci's own. What is left there
// is removed after it, by a process beside the loop; the rest when this object goes.
#pragma once

#include <sys/types.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace ffci {

class TemporaryDirectories {
 public:
  explicit TemporaryDirectories(boost::asio::io_context& loop) : loop_(loop) {}
  ~TemporaryDirectories();
  TemporaryDirectories(const TemporaryDirectories&) = delete;
  TemporaryDirectories& operator=(const TemporaryDirectories&) = delete;

  // In $TMPDIR, or in this directory. Also removes what an ff-ci that was killed has left there.
  // Error (io): the directory that holds the others can't be made.
  [[nodiscard]] Result<void> open(const std::string& parent_by_default = "/tmp");
  // Error (io): it can't be made.
  [[nodiscard]] Result<std::string> make();
  void remove(const std::string& directory);

  // A descriptor that holds all of this: as long as somebody has it open, nobody removes it.
  [[nodiscard]] int lock() const { return lock_.get(); }
  // Whoever has the descriptor may go on: this object removes nothing.
  void leave_alone() { left_alone_ = true; }

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;
  void reap(const std::shared_ptr<Descriptor>& process, pid_t pid);

  boost::asio::io_context& loop_;
  std::string base_;
  Fd lock_;  // tells others that base_ is in use
  bool left_alone_ = false;
  unsigned long made_ = 0;
};

}  // namespace ffci
