// SshKernelLog follows the kernel's log of a machine over a channel of its own, from the time it
// was asked to.
#pragma once

#include <functional>
#include <string>

#include "hosts/ssh_session.hpp"
#include "kernel_log/kmsg_decoder.hpp"

namespace ffci {

class SshKernelLog {
 public:
  struct Callbacks {
    std::function<void()> on_started;
    // A line as dmesg has it, with its newline.
    enum class Writer { kernel, user_space, ff_ci };
    std::function<void(Writer, const std::string& line)> on_line;
    std::function<void(const std::string& mark)> on_end_of_run;
    std::function<void()> on_gone;  // it can't be followed any more
  };

  SshKernelLog(SshSession& session, const std::string& token, Callbacks callbacks);
  ~SshKernelLog();

 private:
  void take(const KernelLogLine& line);

  SshSession& session_;
  std::string begin_, end_;
  Callbacks callbacks_;
  KmsgDecoder decoder_;
  SshChannelId channel_ = 0;
  bool started_ = false;
};

}  // namespace ffci
