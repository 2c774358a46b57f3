// vsock without a VM: on the loopback that a kernel has with the module vsock_loopback.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "base/fd.hpp"
#include "hosts/ssh_banner.hpp"
#include "hosts/ssh_connection.hpp"
#include "hosts/vsock.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

bool no_loopback() {
  if (std::filesystem::exists("/sys/module/vsock_loopback")) return false;
  MESSAGE("not tested: this kernel has no loopback for vsock");
  return true;
}

// A port that was nobody's, and its number.
std::pair<Fd, int> own_port() {
  Fd owner(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto any = vsock_address(VMADDR_CID_ANY, static_cast<int>(VMADDR_PORT_ANY));
  REQUIRE(::bind(owner.get(), any.data(), static_cast<socklen_t>(any.size())) == 0);
  sockaddr_vm address{};
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(owner.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return {std::move(owner), static_cast<int>(address.svm_port)};
}

// Greets whoever connects, as often as it was told to.
class Greeter {
 public:
  explicit Greeter(int times) {
    std::tie(listener_, port) = own_port();
    REQUIRE(::listen(listener_.get(), 8) == 0);
    thread_ = std::thread([this, times] {
      for (int i = 0; i < times; ++i) {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 10'000) != 1) return;
        const Fd guest(::accept(listener_.get(), nullptr, nullptr));
        if (::write(guest.get(), "SSH-2.0-x\r\n", 11) != 11) return;
        char ignored = 0;
        while (::read(guest.get(), &ignored, 1) > 0) {
        }
      }
    });
  }
  ~Greeter() { thread_.join(); }

  int port = 0;

 private:
  Fd listener_;
  std::thread thread_;
};

Result<Fd> connect_to(int port) {
  boost::asio::io_context loop;
  SshTarget target;
  target.machine.cid = VMADDR_CID_LOCAL;
  target.machine.port = port;
  std::optional<Result<Fd>> end;
  const auto connection =
      SshConnection::start(loop, target, [&](Result<Fd> got) { end.emplace(std::move(got)); });
  loop.run_for(10s);
  REQUIRE(end);
  return std::move(*end);
}

}  // namespace

TEST_CASE("the CID that a VM gets is one that a VM can have") {
  for (int i = 0; i < 1000; ++i) {
    const std::uint32_t cid = random_cid();
    CHECK(cid > VMADDR_CID_HOST);
    CHECK(cid != VMADDR_CID_ANY);
  }
}

TEST_CASE("an SSH server is heard, and connected to, over vsock") {
  if (no_loopback()) return;
  Greeter greeter(2);
  boost::asio::io_context loop;
  bool heard = false;
  const auto banner =
      std::make_unique<SshBanner>(loop, vsock_address(VMADDR_CID_LOCAL, greeter.port), [&] {
        heard = true;
        loop.stop();
      });
  loop.run_for(10s);
  CHECK(heard);
  const Result<Fd> connected = connect_to(greeter.port);
  REQUIRE(connected);
  CHECK((::fcntl(connected->get(), F_GETFL) & O_NONBLOCK) != 0);
  pollfd waiting{connected->get(), POLLIN, 0};
  REQUIRE(::poll(&waiting, 1, 10'000) == 1);
  char greeting[4] = {};
  REQUIRE(::read(connected->get(), greeting, sizeof greeting) == 4);
  CHECK(std::string(greeting, 4) == "SSH-");
}

TEST_CASE("a vsock that nobody listens at can't be connected to") {
  if (no_loopback()) return;
  const int port = own_port().second;  // the kernel gives the ones behind it first
  const Result<Fd> connected = connect_to(port);
  REQUIRE_FALSE(connected);
  CHECK(connected.error().message.starts_with("connect: "));
}
