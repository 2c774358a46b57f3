// AttemptRun stands between a host and the engine for one attempt: output goes to the attempt's
// files and to the suite's parser as it arrives, and what the parser learns goes to the engine.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "engine/input.hpp"
#include "hosts/host.hpp"
#include "store/attempt_files.hpp"
#include "suites/suite.hpp"

namespace ffci {

class AttemptRun final : public CommandObserver {
 public:
  using Tell = std::function<void(Input)>;  // the engine, with the next turn

  AttemptRun(BatchNumber batch, std::unique_ptr<OutputParser> parser, AttemptFiles files,
             std::string folder, std::function<Duration()> now, Tell tell);

  // Before the host is given the command.
  void begin();
  void on_output(Stream stream, std::string_view bytes) override;
  void on_end(const CommandEnd& end, const std::optional<std::string>& slot_unusable) override;

 private:
  void tell_facts(const CommandEnd* end);
  void check(const Result<void>& written);

  BatchNumber batch_;
  std::unique_ptr<OutputParser> parser_;
  AttemptFiles files_;
  std::string folder_;
  std::function<Duration()> now_;
  Tell tell_;
  std::vector<TestFact> facts_;
  Duration began_{};
  bool abandoned_ = false;
};

}  // namespace ffci
