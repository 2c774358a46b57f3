#include "hosts/ssh_connection.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "hosts/orphans.hpp"
#include "hosts/vsock.hpp"

namespace ffci {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class NetworkConnection final : public SshConnection {
 public:
  NetworkConnection(asio::io_context& loop, const SshTarget& target, OnConnected on_connected)
      : state_(std::make_shared<State>(loop, std::move(on_connected))) {
    state_->resolver.async_resolve(target.machine.host, std::to_string(target.machine.port),
                                   [state = state_](const boost::system::error_code& error,
                                                    const tcp::resolver::results_type& found) {
                                     if (!state->on_connected) return;
                                     if (error)
                                       return state->give_up("resolve: " + error.message());
                                     state->addresses = found;
                                     state->next = state->addresses.begin();
                                     state->try_next("no address");
                                   });
  }
  ~NetworkConnection() override {
    state_->on_connected = {};
    state_->resolver.cancel();
    boost::system::error_code ignored;
    state_->socket.close(ignored);
  }

 private:
  // Outlives the connection until the resolver has answered.
  struct State : std::enable_shared_from_this<State> {
    State(asio::io_context& loop, OnConnected to_tell)
        : resolver(loop), socket(loop), on_connected(std::move(to_tell)) {}

    void try_next(const std::string& why_not) {
      if (next == addresses.end()) return give_up("connect: " + why_not);
      const tcp::endpoint address = (next++)->endpoint();
      boost::system::error_code ignored;
      socket.close(ignored);
      socket.async_connect(
          address, [self = shared_from_this(), address](const boost::system::error_code& error) {
            if (!self->on_connected) return;
            if (error) {
              return self->try_next(
                  fmt::format("{} ({})", error.message(), address.address().to_string()));
            }
            self->succeed();
          });
    }

    void succeed() {
      boost::system::error_code error;
      socket.set_option(tcp::no_delay(true), error);
      socket.non_blocking(true, error);
      const int fd = socket.release(error);
      if (error) return give_up("connect: " + error.message());
      std::exchange(on_connected, {})(Fd(fd));
    }

    void give_up(const std::string& why) {
      std::exchange(on_connected, {})(fail(ErrorKind::unavailable, why));
    }

    tcp::resolver resolver;
    tcp::socket socket;
    tcp::resolver::results_type addresses;
    tcp::resolver::results_type::iterator next;
    OnConnected on_connected;
  };
  std::shared_ptr<State> state_;
};

class VsockConnection final : public SshConnection {
 public:
  VsockConnection(asio::io_context& loop, const SshMachineSpec& machine, OnConnected on_connected)
      : state_(std::make_shared<State>(loop, std::move(on_connected))) {
    state_->socket.async_connect(
        vsock_address(machine.cid, machine.port),
        [state = state_](const boost::system::error_code& error) { state->end(error); });
  }
  ~VsockConnection() override {
    state_->on_connected = {};
    boost::system::error_code ignored;
    state_->socket.close(ignored);
  }

 private:
  struct State {
    State(asio::io_context& loop, OnConnected to_tell)
        : socket(loop), on_connected(std::move(to_tell)) {}

    void end(boost::system::error_code error) {
      const OnConnected tell = std::exchange(on_connected, {});
      if (!tell) return;
      if (!error) socket.non_blocking(true, error);
      Fd connected;
      if (!error) connected.reset(socket.release(error));
      if (!error) return tell(std::move(connected));
      tell(fail(ErrorKind::unavailable, "connect: " + error.message()));
    }

    asio::generic::stream_protocol::socket socket;
    OnConnected on_connected;
  };
  std::shared_ptr<State> state_;
};

// As ssh_config(5) has it: %h, %p, %r and %%.
std::string expanded(const std::string& command, const SshMachineSpec& machine) {
  std::string text;
  for (size_t i = 0; i < command.size(); ++i) {
    const char next = command[i] == '%' && i + 1 < command.size() ? command[i + 1] : '\0';
    if (next == 'h') text += machine.host;
    if (next == 'p') text += std::to_string(machine.port);
    if (next == 'r') text += machine.user;
    if (next == '%') text += '%';
    if (next == 'h' || next == 'p' || next == 'r' || next == '%') {
      ++i;
    } else {
      text += command[i];
    }
  }
  return text;
}

class ProxyCommand final : public SshConnection {
 public:
  ProxyCommand(asio::io_context& loop, const SshTarget& target, const OnConnected& on_connected)
      : loop_(loop), errors_(std::make_shared<Errors>(loop)) {
    Result<Fd> connected = spawn(expanded(*target.proxy_command, target.machine));
    asio::post(loop, [on_connected, connected = std::make_shared<Result<Fd>>(std::move(connected)),
                      alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) on_connected(std::move(*connected));
    });
  }
  ~ProxyCommand() override {
    boost::system::error_code ignored;
    errors_->pipe.close(ignored);
    if (pid_ > 0) kill_own_child(loop_, pid_);
  }

  [[nodiscard]] std::string complaint() const override {
    errors_->take();
    return printable_last_line(errors_->text, 200);
  }

 private:
  struct Errors : std::enable_shared_from_this<Errors> {
    explicit Errors(asio::io_context& loop) : pipe(loop) {}
    void read() {
      pipe.async_read_some(
          asio::buffer(buffer),
          [self = shared_from_this()](const boost::system::error_code& error, size_t size) {
            if (error) return;
            self->append({self->buffer.data(), size});
            self->read();
          });
    }
    // What the loop has not come to read yet: the end of the connection may be known before it.
    void take() {
      std::array<char, 4096> piece;
      for (int pieces = 0; pieces < 64; ++pieces) {
        const ssize_t size = ::read(pipe.native_handle(), piece.data(), piece.size());
        if (size <= 0) return;
        append({piece.data(), static_cast<size_t>(size)});
      }
    }
    void append(std::string_view piece) {
      text += piece;
      if (text.size() > 4096) text.erase(0, text.size() - 2048);
    }
    asio::posix::stream_descriptor pipe;
    std::array<char, 1024> buffer{};
    std::string text;
  };

  Result<Fd> spawn(const std::string& command) {
    const auto failed = [](const char* what) {
      return fail(ErrorKind::unavailable,
                  fmt::format("proxy-command: cannot {}: {}", what, std::strerror(errno)));
    };
    int ends[2], error_ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      return failed("make a socket");
    Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    if (::pipe2(error_ends, O_CLOEXEC) != 0) return failed("make a pipe");
    errors_->pipe.assign(error_ends[0]);
    errors_->pipe.non_blocking(true);
    const Fd their_errors(error_ends[1]);
    ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, their_errors.get(), STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    const char* arguments[] = {"sh", "-c", command.c_str(), nullptr};
    const int error = ::posix_spawn(&pid_, "/bin/sh", &actions, &attributes,
                                    const_cast<char* const*>(arguments), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) {
      pid_ = 0;
      errno = error;
      return failed("start /bin/sh");
    }
    remember_own_child(pid_);
    errors_->read();
    return ours;
  }

  asio::io_context& loop_;
  std::shared_ptr<Errors> errors_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  pid_t pid_ = 0;
};

}  // namespace

std::unique_ptr<SshConnection> SshConnection::start(asio::io_context& loop, const SshTarget& target,
                                                    OnConnected on_connected) {
  if (target.proxy_command) return std::make_unique<ProxyCommand>(loop, target, on_connected);
  if (target.machine.cid != 0)
    return std::make_unique<VsockConnection>(loop, target.machine, std::move(on_connected));
  return std::make_unique<NetworkConnection>(loop, target, std::move(on_connected));
}

}  // namespace ffci
