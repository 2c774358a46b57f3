// What `ff-ci plan` prints: a table of the numbers of hosts, and what follows from it; as text, or
// as JSON (schemas/plan.schema.json). Pure functions.
#pragma once

#include <string>

#include "model/forecast.hpp"

namespace ffci {

[[nodiscard]] std::string plan_table(const Forecast& forecast);
[[nodiscard]] std::string plan_json(const Forecast& forecast);

}  // namespace ffci
