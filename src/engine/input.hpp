// What the engine is told: each input says what happened outside, and handle() is told when. Hosts,
// suites and batches go by number: hosts and suites by their place in the EnginePlan, batches by
// the number in action::StartBatch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/run_event.hpp"

namespace ffci {

using BatchNumber = std::uint64_t;

namespace input {

// The first input of a run.
struct Begin {
  RunStarted header;
};
// In the place of Begin, for a plan with an earlier run.
struct Resume {
  RunResumed fact;
};
struct AcceptHost {
  std::size_t host = 0;
  HostReady facts;
};
// It could not be started, or it is gone. What ran there is lost with it; a test may have been
// ended just before, as HostLost or Crashed, by whoever knows more of it. Nothing more is heard of
// a set-up or teardown there, and nothing of the host itself before it is started again.
struct LoseHost {
  std::size_t host = 0;
  std::string why;
  bool for_good = false;  // it can't come back: it is not started again
};
// A host that is up is not fit for another test: nothing more is started there, and it is started
// anew when nothing runs there any more. Nobody is to blame for that. One that has not run anything
// yet is used all the same: it would come back as it is.
struct ReplaceHost {
  std::size_t host = 0;
  std::string why;
};
struct FinishSetUp {
  std::size_t host = 0, suite = 0;
  Duration took{};
  std::optional<std::string> failure;
};
struct FinishTearDown {
  std::size_t host = 0, suite = 0;
  Duration took{};
  std::optional<std::string> failure;
};
// Test number `test` of the batch has begun; its files go to `files`. The tests of a batch run one
// at a time, in any order.
struct BeginTest {
  BatchNumber batch = 0;
  std::size_t test = 0;
  std::string files;
};
// It ended. The engine fills in the attempt's number, place and start.
struct EndTest {
  BatchNumber batch = 0;
  std::size_t test = 0;
  Attempt result;
  // What it left is not fit for the tests behind it: the batch is stopped, and they run in another.
  bool spoils_batch = false;
  // It failed for something that another test on the same kernel may have done.
  bool shared_blame = false;
};
// Files of a test of the batch that had ended came back from the host; EndBatch is yet to come.
struct KeepFiles {
  BatchNumber batch = 0;
  std::size_t test = 0;
  std::vector<std::string> kept_files;
  std::string files_problem;
};
// The batch's command is over; what that means for tests of it that did not end is the engine's to
// say.
struct EndBatch {
  BatchNumber batch = 0;
  std::optional<std::string>
      slot_unusable;  // something of it could not be killed: nothing more may run in that slot
                      // before the host has booted again
};
// The gate wants further runs before it says what it makes of the run. An order names a test of the
// plan.
struct OrderReruns {
  std::vector<RerunOrder> orders;
};
struct AcceptJudgement {
  Judgement judgement;
};
// A host that was told to stop is down.
struct FinishHost {
  std::size_t host = 0;
};
// Nothing but time has passed.
struct Tick {};
// A signal asks to end the run: the first in good order, the second at once.
struct Interrupt {
  int signal = 0;
};
// Results can't be kept any more: end the run.
struct Abandon {
  std::string why;
};

}  // namespace input

using Input = std::variant<input::Begin, input::Resume, input::AcceptHost, input::LoseHost,
                           input::ReplaceHost, input::FinishSetUp, input::FinishTearDown,
                           input::BeginTest, input::EndTest, input::KeepFiles, input::EndBatch,
                           input::OrderReruns, input::AcceptJudgement, input::FinishHost,
                           input::Tick, input::Interrupt, input::Abandon>;

}  // namespace ffci
