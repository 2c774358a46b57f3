// What a gate says of the parts of a run, joined. Pure.
#pragma once

#include <vector>

#include "model/judgement.hpp"
#include "model/run.hpp"

namespace ffci {

// The tests in the order of `run`, the whole of the parts; the worst result; of known issues what
// all parts say.
[[nodiscard]] Judgement join_judgements(const std::vector<Judgement>& parts, const Run& run);

// Of a part whose gate has said nothing, as its ff-ci was killed: each of its failures is
// inconclusive.
[[nodiscard]] Judgement not_judged(const Run& part);

}  // namespace ffci
