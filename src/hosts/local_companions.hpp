// What goes with a command on this machine: the tracer beside it, and the files that come back
// behind it. It stands between the command and its observer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hosts/deadline.hpp"
#include "hosts/host.hpp"
#include "hosts/supervised_process.hpp"

namespace ffci {

class LocalCompanions final : public CommandObserver {
 public:
  struct Options {
    std::string tracer;               // a program for bpftrace; empty: none
    std::uint64_t archive_limit = 0;  // bytes of the tar of the command's files
    SupervisedOptions process;
  };

  // `on_over`: the observer has heard the end.
  LocalCompanions(boost::asio::io_context& loop, const Command& command, Options options,
                  CommandObserver& observer, std::function<void()> on_over);
  ~LocalCompanions() override;

  // `start` is called when the tracer is attached, and never after a stop.
  void begin(std::function<void()> start);
  void stop(Urgency urgency);

  // The command's $TMPDIR; `release` is called when nothing in it is needed any more.
  void take_files_from(std::string temporary, std::function<void()> release);

  void on_output(Stream stream, std::string_view bytes) override;
  void on_over(const CommandEnd& end) override { observer_.on_over(end); }
  void on_end(const CommandEnd& end, const std::optional<std::string>& slot_unusable) override;

 private:
  enum class Phase { tracer_starting, running, tracer_ending, files, over };

  void tracer_is_ready();
  void fetch_files();
  void finish();
  [[nodiscard]] std::unique_ptr<SupervisedProcess> start_process(
      const std::string& text, Stream output, std::function<void()> on_output,
      std::function<void()> on_process_end);

  boost::asio::io_context& loop_;
  Command command_;
  Options options_;
  CommandObserver& observer_;
  std::function<void()> on_over_, start_;
  Phase phase_ = Phase::running;
  bool stopped_ = false;
  std::unique_ptr<SupervisedProcess> tracer_, files_;
  Deadline deadline_;
  CommandEnd end_;
  std::optional<std::string> slot_unusable_;
  std::string temporary_;
  std::function<void()> release_;
};

}  // namespace ffci
