// What a gate says of the parts of a run, joined. Pure.
#pragma once

#include <vector>

#include "model/judgement.hpp"
#include "model/run.hpp"

namespace ffci {

// The tests in the order of `run`, the whole of the parts; the worst result; of known issues what
// all parts say. A part that is inconclusive without a test was not judged: its `why` says so.
[[nodiscard]] Judgement join_judgements(const std::vector<Judgement>& parts, const Run& run);

}  // namespace ffci
