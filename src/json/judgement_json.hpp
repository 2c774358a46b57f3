// A Judgement as the journal has it, and the summary too. What can't be read is thrown as
// std::invalid_argument, with its place: "tests/3: 'decision' is missing".
#pragma once

#include <nlohmann/json.hpp>

#include "model/judgement.hpp"

namespace ffci {

[[nodiscard]] nlohmann::ordered_json test_to_json(const TestId& id);
[[nodiscard]] TestId test_from_json(const nlohmann::ordered_json& json);

[[nodiscard]] nlohmann::ordered_json judgement_to_json(const Judgement& judgement);
[[nodiscard]] Judgement judgement_from_json(const nlohmann::ordered_json& json);

}  // namespace ffci
