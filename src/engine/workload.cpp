#include "engine/workload.hpp"

#include <algorithm>

namespace ffci {
namespace {

// What is believed before anything was seen weighs as much as so many tests or calls.
constexpr Duration::rep weight_of_usual = 5, weight_of_usual_call = 1;
constexpr int calls_worth_a_batch = 5;
constexpr int calls_worth_a_long_test = 15, long_tests_in_a_share = 6;
// Of the even share. All of these were tried out on fstests' quick group, on up to 100 hosts.
constexpr double part_when_known = 0.85, part_when_unknown = 0.5;

}  // namespace

void Workload::add(const std::optional<Duration>& expected) {
  if (expected) {
    known_waiting_ += *expected;
  } else {
    ++unknown_waiting_;
  }
}

void Workload::remove(const std::optional<Duration>& expected) {
  if (expected) {
    known_waiting_ -= *expected;
  } else {
    --unknown_waiting_;
  }
}

void Workload::learn_test(Duration took) {
  tests_took_ += took;
  ++tests_seen_;
}

void Workload::learn_call(Duration took) {
  calls_took_ += took;
  ++calls_seen_;
}

Duration Workload::expected(const std::optional<Duration>& known) const {
  if (known) return *known;
  return (usual_ * weight_of_usual + tests_took_) / (weight_of_usual + tests_seen_);
}

Duration Workload::call_cost() const {
  return (usual_call_cost * weight_of_usual_call + calls_took_) /
         (weight_of_usual_call + calls_seen_);
}

Duration Workload::waiting() const {
  return known_waiting_ + expected({}) * unknown_waiting_;
}

void Workload::begin_batch(Duration expected_end) {
  running_ends_ += expected_end;
  ++running_;
}

void Workload::end_batch(Duration expected_end) {
  running_ends_ -= expected_end;
  --running_;
}

Duration Workload::even_share(size_t slots, Duration now) const {
  const Duration running = std::max(Duration{}, running_ends_ - now * running_);
  return (waiting() + running) / static_cast<Duration::rep>(slots);
}

bool Workload::wants_own_batch(Duration takes, size_t slots, Duration now) const {
  return slots > 1 && takes >= calls_worth_a_long_test * call_cost() &&
         takes >= even_share(slots, now) / long_tests_in_a_share;
}

Duration Workload::batch_limit(Duration target, size_t slots, Duration now) const {
  const Duration worth_a_call = calls_worth_a_batch * call_cost();
  if (slots <= 1) return std::max(target, worth_a_call);
  const Duration share = even_share(slots, now);
  const double known = static_cast<double>(known_waiting_.count()) /
                       static_cast<double>(std::max<Duration::rep>(1, waiting().count()));
  const double part = part_when_known * known + part_when_unknown * (1 - known);
  const Duration guided(static_cast<Duration::rep>(static_cast<double>(share.count()) * part));
  return std::max(std::min(share, worth_a_call), std::min(target, guided));
}

}  // namespace ffci
