// ConsoleTail follows the file into which QEMU writes a VM's console: a file never makes the VM
// wait, however slow its reader is. What was read is given back to the file system, so that a
// console that floods costs no room.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "hosts/deadline.hpp"

namespace ffci {

class ConsoleTail {
 public:
  using OnBytes = std::function<void(std::string_view)>;

  // Makes the file. Error (io): it can't be.
  [[nodiscard]] static Result<std::unique_ptr<ConsoleTail>> open(boost::asio::io_context& loop,
                                                                 const std::string& path,
                                                                 OnBytes on_bytes);

  // Whatever has been written by now: it is read every now and then anyhow.
  void read_all();
  [[nodiscard]] bool any() const { return read_ > 0; }

 private:
  ConsoleTail(boost::asio::io_context& loop, Fd file, OnBytes on_bytes)
      : file_(std::move(file)), on_bytes_(std::move(on_bytes)), next_(loop) {}
  void read_later();
  void release();

  Fd file_;
  OnBytes on_bytes_;
  std::uint64_t read_ = 0, released_ = 0;
  bool reading_ = false;
  Deadline next_;
};

}  // namespace ffci
