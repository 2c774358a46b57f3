// What the engine wants done, to be carried out in order. What a Record holds must be kept before
// the actions behind it are begun.
#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "engine/input.hpp"
#include "model/command.hpp"

namespace ffci {

namespace action {

struct Record {
  RunEvent event;
};
// Also one that is up, to have it anew: what was set up there is gone.
struct StartHost {
  std::size_t host = 0;
};
struct StopHost {
  std::size_t host = 0;
  Urgency urgency = Urgency::in_order;
};
struct SetUpSuite {
  std::size_t host = 0, suite = 0;
};
struct TearDownSuite {
  std::size_t host = 0, suite = 0;
};
// End the set-up or teardown that is under way; it is answered as usual.
struct StopScope {
  std::size_t host = 0, suite = 0;
  Urgency urgency = Urgency::in_order;
};
struct StartBatch {
  BatchNumber batch = 0;
  std::size_t host = 0;
  int slot = 1;
  std::size_t suite = 0;
  std::vector<TestId> tests;
  std::vector<int> attempts;  // the number of each test's attempt
  Purpose purpose = Purpose::verdict;
};
// End the batch, and everything it started; it is answered by EndBatch.
struct StopBatch {
  BatchNumber batch = 0;
  Urgency urgency = Urgency::in_order;
};
// Every test has had its turns: ask the gate what it makes of the run. It is answered by
// OrderReruns or AcceptJudgement; by the latter, when no further run is possible and `why_final`
// says why not. When that came to be so after the question, an order is not carried out, and the
// gate is asked again.
struct JudgeRun {
  std::string why_final;
};
// Call handle(Tick) at this time, if nothing else happens before. Replaces an earlier WakeAt.
struct WakeAt {
  Duration time{};
};
// The run is over; there will be no further action.
struct Finish {};

}  // namespace action

using Action = std::variant<action::Record, action::StartHost, action::StopHost, action::SetUpSuite,
                            action::TearDownSuite, action::StopScope, action::StartBatch,
                            action::StopBatch, action::JudgeRun, action::WakeAt, action::Finish>;

}  // namespace ffci
