// The command line's overrides, put into the tree of the file before anything reads it.
#pragma once

#include "spec/complaints.hpp"
#include "spec/yaml_document.hpp"

namespace ffci::spec {

// Sets one value, or that of each item that a * stands for, or takes a key away. A key that no spec
// knows is set too, and left to whoever reads the tree; complains of a path that leads nowhere:
// through a scalar, or to an item that a list does not have. `origin` is the override's own.
void apply_override(Value& root, const SpecOverride& override, const Origin& origin,
                    Complaints& complaints);

// How complaints name it: "--set run.iterate=2", "--test-timeout 5s".
[[nodiscard]] std::string shown_name(const SpecOverride& override);

}  // namespace ffci::spec
