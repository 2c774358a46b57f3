// What `ff-ci compare` prints: the tests that changed from one run to another, kind by kind, then
// those that take longer or less, then the counts. A pure function.
#pragma once

#include <string>

#include "gate/compare.hpp"

namespace ffci {

[[nodiscard]] std::string comparison_text(const RunComparison& comparison);

}  // namespace ffci
