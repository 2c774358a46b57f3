// Workload: how much work of one suite waits for a slot, as far as it can share a command, and how
// long the next batch of it should take. The engine tells it what waits and what was learned during
// the run; each call takes the same time however much waits.
#pragma once

#include <cstddef>
#include <optional>

#include "base/time.hpp"

namespace ffci {

// What a command that can run several tests is believed to take beside them before any was seen.
inline constexpr Duration usual_call_cost{400};

class Workload {
 public:
  // `usual` is what a test without a known duration is believed to take before any was seen.
  explicit Workload(Duration usual) : usual_(usual) {}

  void add(const std::optional<Duration>& expected);
  void remove(const std::optional<Duration>& expected);

  // A test without a known duration took so long.
  void learn_test(Duration took);
  // A command took so long beside its tests.
  void learn_call(Duration took);

  // What to reckon with for a test in a batch: unlike the duration that puts unknown tests in order
  // this is a mean, as the sums are to be right.
  [[nodiscard]] Duration expected(const std::optional<Duration>& known) const;
  [[nodiscard]] Duration call_cost() const;
  [[nodiscard]] Duration waiting() const;

  // A batch of it began that is expected to end then, or is over.
  void begin_batch(Duration expected_end);
  void end_batch(Duration expected_end);

  // How long the next batch should take, when `slots` share the work: at first `target`; towards
  // the end a part of what would let all slots end at the same time, the larger the more durations
  // are known, so that what is not as expected can be evened out by the batches behind it. Not less
  // than five times what a call costs, or than that even share itself.
  [[nodiscard]] Duration batch_limit(Duration target, std::size_t slots, Duration now) const;
  // Whether a test that is expected to take so long should begin no batch of several: it is long
  // beside what each of the slots has left to do, and what a call costs is little beside it. Where
  // long tests share a batch, the last of them begins late, and later still when the others take
  // longer than expected.
  [[nodiscard]] bool wants_own_batch(Duration takes, std::size_t slots, Duration now) const;

 private:
  // What would let all slots end at the same time.
  [[nodiscard]] Duration even_share(std::size_t slots, Duration now) const;

  Duration usual_;
  Duration known_waiting_{};
  Duration::rep unknown_waiting_ = 0;
  Duration running_ends_{};  // the sum
  Duration::rep running_ = 0;
  Duration tests_took_{}, calls_took_{};
  Duration::rep tests_seen_ = 0, calls_seen_ = 0;
};

}  // namespace ffci
