#include "hosts/vsock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "base/fd.hpp"

namespace ffci {

Result<void> check_vsock() {
  const Fd device(::open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC));
  if (device) return {};
  if (errno == ENOENT) {
    return fail(ErrorKind::unavailable,
                "connection: vsock needs /dev/vhost-vsock, which is not here; load the module "
                "vhost_vsock, or use connection: port");
  }
  return fail(ErrorKind::unavailable,
              fmt::format("connection: vsock needs /dev/vhost-vsock, which can't be opened: {}",
                          std::strerror(errno)));
}

std::uint32_t random_cid() {
  std::random_device random;
  // Lower ones are the hypervisor's, the loopback's and the host's.
  return std::uniform_int_distribution<std::uint32_t>(VMADDR_CID_HOST + 1,
                                                      VMADDR_CID_ANY - 1)(random);
}

boost::asio::generic::stream_protocol::endpoint vsock_address(std::uint32_t cid, int port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = static_cast<unsigned>(port);
  return {&address, sizeof address};
}

}  // namespace ffci
