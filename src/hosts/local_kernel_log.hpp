// LocalKernelLog follows the log of this machine's kernel.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "kernel_log/kmsg_decoder.hpp"
#include "model/command.hpp"

namespace ffci {

class LocalKernelLog {
 public:
  // A line as dmesg has it, with its newline; Stream::user_log when user space has written it.
  using OnLine = std::function<void(Stream, const std::string& line)>;

  // Error (unavailable): it can't be read.
  [[nodiscard]] static Result<std::unique_ptr<LocalKernelLog>> open(boost::asio::io_context& loop,
                                                                    OnLine on_line);
  ~LocalKernelLog();

  // Tells of what has come until now.
  void catch_up();

 private:
  LocalKernelLog(boost::asio::io_context& loop, int descriptor, OnLine on_line);
  void wait();

  // Outlives the log until what was asked of the loop has come back.
  std::shared_ptr<boost::asio::posix::stream_descriptor> records_;
  KmsgDecoder decoder_;
};

}  // namespace ffci
