// What follows from an attempt, decided in one place.
#pragma once

#include <string>

#include "model/attempt.hpp"

namespace ffci {

// Of what went wrong: as the outcome knows it, or else the first kernel report that is not allowed.
// Empty: there is none.
[[nodiscard]] std::string signature_of(const Attempt& attempt);

// An attempt without an outcome, as it is once its ff-ci is known to be dead. `ended`: the last
// that is known of its run, since that began.
[[nodiscard]] Attempt broken_off(Attempt attempt, Duration ended);

}  // namespace ffci
