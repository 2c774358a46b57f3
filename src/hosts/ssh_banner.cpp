#include "hosts/ssh_banner.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <string_view>

#include "hosts/deadline.hpp"

namespace ffci {

namespace asio = boost::asio;

namespace {

constexpr Duration pause = std::chrono::milliseconds(50);
constexpr Duration first_patience = std::chrono::seconds(1);
constexpr Duration most_patience = std::chrono::seconds(10);

}  // namespace

struct SshBanner::State : std::enable_shared_from_this<State> {
  State(asio::io_context& loop, const Address& address_in, std::function<void()> on_answer_in)
      : socket(loop), address(address_in), on_answer(std::move(on_answer_in)), timer(loop) {}

  void ask() {
    ++attempt;
    boost::system::error_code ignored;
    socket.close(ignored);
    timer.set(patience, [self = weak_from_this()] {
      const auto state = self.lock();
      if (!state) return;
      state->patience = std::min(most_patience, state->patience * 3 / 2);
      state->ask();
    });
    socket.async_connect(address, [self = shared_from_this(),
                                   now = attempt](const boost::system::error_code& error) {
      if (now != self->attempt || !self->on_answer) return;
      if (error) return self->ask_later();
      self->listen();
    });
  }

  void listen() {
    socket.async_read_some(asio::buffer(buffer),
                           [self = shared_from_this(), now = attempt](
                               const boost::system::error_code& error, size_t got) {
                             if (now != self->attempt || !self->on_answer) return;
                             if (error) return self->ask_later();
                             if (!std::string_view(self->buffer.data(), got).starts_with("SSH-"))
                               return self->ask_later();
                             self->timer.cancel();
                             self->hang_up();
                             std::exchange(self->on_answer, {})();
                           });
  }

  void ask_later() {
    hang_up();
    timer.set(pause, [self = weak_from_this()] {
      if (const auto state = self.lock()) state->ask();
    });
  }

  void hang_up() {
    boost::system::error_code ignored;
    socket.close(ignored);
  }

  asio::generic::stream_protocol::socket socket;
  Address address;
  std::function<void()> on_answer;
  std::array<char, 256> buffer{};
  Duration patience = first_patience;
  unsigned attempt = 0;
  Deadline timer;
};

SshBanner::SshBanner(asio::io_context& loop, const Address& address,
                     std::function<void()> on_answer)
    : state_(std::make_shared<State>(loop, address, std::move(on_answer))) {
  state_->ask();
}

SshBanner::~SshBanner() {
  state_->on_answer = {};
  state_->timer.cancel();
  state_->hang_up();
}

}  // namespace ffci
