// BatchRun stands between a host and the engine for one batch of tests: output goes to the files of
// the attempt that it belongs to and to the suite's parser as it arrives, the kernel's log is
// looked through, the files that come back are unpacked and go to their tests, and what is learned
// goes to the engine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "engine/action.hpp"
#include "hosts/host.hpp"
#include "kernel_log/kernel_splat.hpp"
#include "model/job_spec.hpp"
#include "store/attempt_files.hpp"
#include "store/unpack_files.hpp"
#include "suites/suite.hpp"

namespace ffci {

// What a BatchRun needs of the run.
struct BatchRunSetting {
  std::filesystem::path run_folder;
  std::uint64_t output_limit = 0;  // bytes kept of each stream of an attempt; 0: all
  std::uint64_t files_limit = 0;   // bytes kept of the files of a batch
  const std::vector<KernelLogAllowance>* allowed = nullptr;
  bool alone_on_host = false;  // nothing else runs there meanwhile
  std::function<Duration()> now;
  std::function<void(Input)> tell;  // the engine, with the next turn
  // Does the work in another thread and then calls `done` in the loop.
  std::function<void(std::function<void()> work, std::function<void()> done)> in_background;
};

class BatchRun final : public CommandObserver, public std::enable_shared_from_this<BatchRun> {
 public:
  // `suite` outlives it.
  BatchRun(BatchRunSetting setting, const Suite& suite, const action::StartBatch& start);

  // Before the host is given the command.
  void begin();
  void on_output(Stream stream, std::string_view bytes) override;
  void on_over(const CommandEnd& end) override { end_ = end; }
  void on_end(const CommandEnd& end, const std::optional<std::string>& slot_unusable) override;
  // In the place of on_end, when the host is gone: tells the end of the test that was running.
  void lose_host(const std::string& why);

 private:
  struct Returned {
    std::vector<std::vector<std::string>> files;  // by test
    std::string problem;
  };

  void keep_output(Stream stream, std::string_view bytes);
  void on_log_line(Stream stream, std::string_view line);
  void release_log();
  void on_standard_output(std::string_view bytes);
  void tell_facts(Stream stream, std::string_view bytes);
  void tell(const TestBegan& began);
  void tell(TestEnded ended);
  void tell_lost(std::size_t test, const std::string& why);
  void unpack();
  [[nodiscard]] static Result<Returned> unpack_to_tests(const std::filesystem::path& run_folder,
                                                        const std::vector<std::string>& folders,
                                                        const std::vector<TestId>& tests,
                                                        const std::vector<bool>& ended,
                                                        const Suite& suite, std::uint64_t limit);
  void tell_end();
  [[nodiscard]] Attempt result_of(TestEnded ended);
  void add_kernel_reports(Attempt& result);
  [[nodiscard]] std::string files_problem() const;
  void check(const Result<void>& written);

  BatchRunSetting setting_;
  const Suite& suite_;
  BatchNumber batch_;
  std::vector<TestId> tests_;
  std::vector<std::string> folders_;  // of the attempts, relative to the run's
  std::unique_ptr<OutputParser> parser_;
  std::vector<TestFact> facts_;

  std::optional<std::size_t> running_;  // the test, by its place in the batch
  Duration began_{};
  std::optional<AttemptFiles> files_;  // of the running test
  SplatFinder splats_;
  std::string held_;  // of stdout: the parser can't yet tell whose it is
  // The log may be ahead of stdout: the test that it says has begun, and its lines since then.
  std::optional<std::size_t> announced_;
  std::vector<std::pair<Stream, std::string>> held_log_;
  std::string preamble_;  // what was said before any test began; each attempt's output begins so
  bool any_began_ = false;

  ArchiveFile archive_;
  bool has_archive_ = false;
  Returned returned_;
  std::vector<bool> ended_;       // by test
  std::vector<bool> files_told_;  // by test: with its end
  std::optional<CommandEnd> end_;
  std::optional<std::string> slot_unusable_;
  bool abandoned_ = false;
};

}  // namespace ffci
