// The keys that all VMs have, whoever calls QEMU for them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/job_spec.hpp"
#include "spec/field.hpp"

namespace ffci::spec {

// Those of `fields`, the map of `field`.
void read_vms(const Field& field, Fields& fields, VmHostsSpec& vms);

[[nodiscard]] std::vector<std::string> read_words(const Field& field);

// A path, or a name that is looked for in PATH.
[[nodiscard]] std::optional<std::string> read_program(const Field& field);

}  // namespace ffci::spec
