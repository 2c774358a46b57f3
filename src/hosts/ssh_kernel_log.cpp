#include "hosts/ssh_kernel_log.hpp"

#include "hosts/remote_script.hpp"

namespace ffci {

SshKernelLog::SshKernelLog(SshSession& session, const std::string& token, Callbacks callbacks)
    : session_(session),
      begin_(begin_of_log(token)),
      end_(end_of_log(token)),
      callbacks_(std::move(callbacks)),
      decoder_([this](const KernelLogLine& line) { take(line); }) {
  SshSession::ChannelCallbacks channel;
  channel.on_output = [this](Stream stream, std::string_view bytes) {
    if (stream == Stream::standard_output) decoder_.feed(bytes);
  };
  channel.on_end = [this](const std::optional<std::string>&) {
    channel_ = 0;
    callbacks_.on_gone();
  };
  channel_ = session.open(std::string(remote_shell), std::move(channel));
  session.write(channel_, log_script(token), true);
}

SshKernelLog::~SshKernelLog() {
  session_.close(channel_);
}

void SshKernelLog::take(const KernelLogLine& line) {
  if (!started_) {
    if (line.from_kernel || line.text != begin_) return;
    started_ = true;
    return callbacks_.on_started();
  }
  using Writer = Callbacks::Writer;
  const Writer writer = line.from_kernel                   ? Writer::kernel
                        : line.text.starts_with("ff-ci: ") ? Writer::ff_ci
                                                           : Writer::user_space;
  callbacks_.on_line(writer, dmesg_text(line) + "\n");
  // "… end TOKEN.NUMBER"
  if (!line.from_kernel && line.text.starts_with(end_))
    callbacks_.on_end_of_run(line.text.substr(end_.rfind(' ') + 1));
}

}  // namespace ffci
