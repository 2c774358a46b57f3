// AttemptRun stands between a host and the engine for one attempt: output goes to the attempt's
// files and to the suite's parser as it arrives, the kernel's log is looked through, the files that
// come back are unpacked, and what is learned goes to the engine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "engine/input.hpp"
#include "hosts/host.hpp"
#include "kernel_log/kernel_splat.hpp"
#include "model/job_spec.hpp"
#include "store/attempt_files.hpp"
#include "store/unpack_files.hpp"
#include "suites/suite.hpp"

namespace ffci {

// Where an attempt runs and what its AttemptRun needs of the run.
struct AttemptRunSetting {
  BatchNumber batch = 0;
  std::filesystem::path run_folder;
  std::string folder;  // relative to it
  std::uint64_t files_limit = 0;
  const std::vector<KernelLogAllowance>* allowed = nullptr;
  std::function<Duration()> now;
  std::function<void(Input)> tell;  // the engine, with the next turn
  // Does the work in another thread and then calls `done` in the loop.
  std::function<void(std::function<void()> work, std::function<void()> done)> in_background;
};

class AttemptRun final : public CommandObserver, public std::enable_shared_from_this<AttemptRun> {
 public:
  AttemptRun(AttemptRunSetting setting, std::unique_ptr<OutputParser> parser, AttemptFiles files);

  // Before the host is given the command.
  void begin();
  void on_output(Stream stream, std::string_view bytes) override;
  void on_over(const CommandEnd& end) override { end_ = end; }
  void on_end(const CommandEnd& end, const std::optional<std::string>& slot_unusable) override;
  // In the place of on_end, when the host is gone: tells the end of the test that was running.
  void lose_host(const std::string& why);

 private:
  void tell_facts();
  void unpack();
  void tell_end();
  [[nodiscard]] Attempt result_of(TestEnded ended);
  void add_kernel_reports(Attempt& result);
  void check(const Result<void>& written);

  AttemptRunSetting setting_;
  std::unique_ptr<OutputParser> parser_;
  AttemptFiles files_;
  std::vector<TestFact> facts_;
  SplatFinder splats_;
  std::optional<std::size_t> running_;  // the test, by its place in the batch
  Duration began_{};
  std::optional<CommandEnd> end_;
  std::optional<std::string> slot_unusable_;
  bool has_archive_ = false;
  Unpacked unpacked_;
  bool abandoned_ = false;
};

}  // namespace ffci
