// Deadline calls a function once, at a time that can be moved and taken back. What was taken back,
// or belonged to a Deadline that is gone, is never called, even when its time had come already.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "base/time.hpp"

namespace ffci {

class Deadline {
 public:
  explicit Deadline(boost::asio::io_context& loop)
      : state_(std::make_shared<State>(State{boost::asio::steady_timer(loop), 0})) {}
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { cancel(); }

  void set(Duration after, std::function<void()> then) {
    set_at(std::chrono::steady_clock::now() + after, std::move(then));
  }

  void set_at(std::chrono::steady_clock::time_point when, std::function<void()> then) {
    const auto turn = ++state_->turn;
    state_->timer.expires_at(when);
    state_->timer.async_wait(
        [state = state_, turn, then = std::move(then)](const boost::system::error_code& error) {
          if (!error && state->turn == turn) then();
        });
  }

  void cancel() {
    ++state_->turn;
    state_->timer.cancel();
  }

 private:
  struct State {
    boost::asio::steady_timer timer;
    std::uint64_t turn;
  };
  std::shared_ptr<State> state_;
};

}  // namespace ffci
