// summary.json: everything known of a run, versioned; schemas/summary.schema.json documents it. A
// pure function of the run.
#pragma once

#include <string>

#include "model/run.hpp"

namespace ffci {

[[nodiscard]] std::string summary_json(const Run& run);

}  // namespace ffci
