// VmCommand stands between a command in a VM and its observer: what the kernel has said before
// comes first, and an end that the VM's own end may explain is held back for a while.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hosts/deadline.hpp"
#include "hosts/host.hpp"

namespace ffci {

class VmCommand final : public CommandObserver {
 public:
  // `read_log` is called before anything is told; `on_ended` before the end is, and drops this
  // object, but not at once.
  VmCommand(boost::asio::io_context& loop, CommandObserver& observer,
            std::function<void()> read_log, std::function<void()> on_ended)
      : observer_(&observer),
        read_log_(std::move(read_log)),
        on_ended_(std::move(on_ended)),
        hold_(loop) {}

  // The life of the VM is over: nothing more is told.
  void silence() {
    observer_ = nullptr;
    hold_.cancel();
  }

  void on_output(Stream stream, std::string_view bytes) override {
    if (observer_ == nullptr) return;
    read_log_();
    if (observer_ != nullptr) observer_->on_output(stream, bytes);
  }
  void on_over(const CommandEnd& end) override {
    if (observer_ == nullptr || !is_certain(end)) return;
    read_log_();
    if (observer_ != nullptr) observer_->on_over(end);
  }
  void on_end(const CommandEnd& end, const std::optional<std::string>& unusable) override {
    if (observer_ == nullptr) return;
    read_log_();
    if (is_certain(end)) return tell_end(end, unusable);
    // SSH may only be the first to hear that the VM ends.
    hold_.set(vm_end_grace, [this, end, unusable] { tell_end(end, unusable); });
  }
  void tell_log(std::string_view line) {
    if (observer_ != nullptr) observer_->on_output(Stream::kernel_log, line);
  }

  // How much later QEMU's end may be than that of the connections into the VM.
  static constexpr Duration vm_end_grace = std::chrono::seconds(2);

 private:
  // Of any other end, the VM's own may be the reason.
  static bool is_certain(const CommandEnd& end) { return end.command || end.setup || end.stopped; }

  void tell_end(const CommandEnd& end, const std::optional<std::string>& unusable) {
    on_ended_();
    if (CommandObserver* const observer = std::exchange(observer_, nullptr))
      observer->on_end(end, unusable);
  }

  CommandObserver* observer_;  // nullptr: it has heard the end, or it is silenced
  std::function<void()> read_log_, on_ended_;
  Deadline hold_;
};

}  // namespace ffci
