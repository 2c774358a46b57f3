#include "hosts/local_kernel_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>

#include "base/fd.hpp"

namespace ffci {

using boost::asio::posix::stream_descriptor;

Result<std::unique_ptr<LocalKernelLog>> LocalKernelLog::open(boost::asio::io_context& loop,
                                                             OnLine on_line) {
  Fd fd(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  // What it holds already was before this run. Some sandboxes have another file in its place.
  if (!fd || ::lseek(fd.get(), 0, SEEK_END) < 0)
    return fail(ErrorKind::unavailable, fmt::format("/dev/kmsg: {}", std::strerror(errno)));
  std::array<char, 16> none{};
  if (::read(fd.get(), none.data(), none.size()) < 0 && errno != EAGAIN && errno != EINVAL &&
      errno != EPIPE)
    return fail(ErrorKind::unavailable, fmt::format("/dev/kmsg: {}", std::strerror(errno)));
  return std::unique_ptr<LocalKernelLog>(
      new LocalKernelLog(loop, fd.release(), std::move(on_line)));
}

LocalKernelLog::LocalKernelLog(boost::asio::io_context& loop, int descriptor, OnLine on_line)
    : records_(std::make_shared<stream_descriptor>(loop, descriptor)),
      decoder_([on_line = std::move(on_line)](const KernelLogLine& line) {
        on_line(line.from_kernel ? Stream::kernel_log : Stream::user_log, dmesg_text(line) + "\n");
      }) {
  wait();
}

LocalKernelLog::~LocalKernelLog() {
  boost::system::error_code ignored;
  records_->close(ignored);
}

void LocalKernelLog::catch_up() {
  // A record per read. EPIPE: older ones were overwritten before they were read.
  std::array<char, 8192> record;
  for (int most = 10'000; most > 0; --most) {
    const ssize_t got = ::read(records_->native_handle(), record.data(), record.size());
    if (got > 0) {
      decoder_.feed({record.data(), static_cast<size_t>(got)});
    } else if (got == 0 || (errno != EPIPE && errno != EINTR && errno != EINVAL)) {
      return;
    }
  }
}

void LocalKernelLog::wait() {
  records_->async_wait(stream_descriptor::wait_read,
                       [this, records = records_](const boost::system::error_code& error) {
                         if (error || !records->is_open()) return;
                         catch_up();
                         wait();
                       });
}

}  // namespace ffci
