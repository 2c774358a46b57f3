// What follows from an attempt, decided in one place.
#pragma once

#include <string>
#include <vector>

#include "model/attempt.hpp"

namespace ffci {

// Of what went wrong: of a crash as the outcome knows it, or else the first kernel report that is
// not allowed, or else that of the failure. Empty: there is none.
[[nodiscard]] std::string signature_of(const Attempt& attempt);

// The kernel's reports during it that have one, allowed ones too, and that of its crash.
[[nodiscard]] std::vector<KernelReport> reports_of(const Attempt& attempt);

// Of a failure that no rerun may excuse; empty: it is none.
[[nodiscard]] std::string failure_signature_of(const Attempt& attempt);

// An attempt without an outcome, as it is once its ff-ci is known to be dead. `ended`: the last
// that is known of its run, since that began.
[[nodiscard]] Attempt broken_off(Attempt attempt, Duration ended);

}  // namespace ffci
