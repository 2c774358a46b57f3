// Does a test fail more often on the change than it did before? Pure.
#pragma once

#include "model/judgement.hpp"

namespace ffci {

// How likely at least change.bad of change.runs are bad if the change is no worse than the
// baseline, given how many of all are bad: Fisher's exact test, one-sided (R. A. Fisher, The Design
// of Experiments, 1935, chapter II). 1 when either has no runs, of which nothing follows. Less than
// about 1e-300 may be 0. Takes time in proportion to the smallest of the table's sums.
[[nodiscard]] double fisher_p_value(Trials change, Trials baseline);

}  // namespace ffci
