// A YAML document as our own tree of values, each with the place where it was written. Aliases are
// expanded, merge keys (<<) merged, and a key occurs once in its map. yaml-cpp stays behind this.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/complaints.hpp"

namespace ffci::spec {

struct Entry;

struct Value {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  Location at;
  std::string text;               // of a scalar
  bool quoted = false;            // the scalar is text, even where it looks like a number
  bool faulty = false;            // complained of already; what it should hold is not known
  bool from_environment = false;  // ${VAR} was replaced in the scalar
  std::vector<Value> items;       // of a list
  std::vector<Entry> entries;     // of a map
};

struct Entry {
  std::string key;
  Location at;
  Value value;
};

// nullptr: no such key, or not a map.
[[nodiscard]] Value* find(Value& map, std::string_view key);
[[nodiscard]] const Value* find(const Value& map, std::string_view key);

// The text's only document. Complains of what is not YAML, and of YAML that no file of ours holds:
// tags, duplicate keys, keys that are no scalars, more than one document, nesting deeper than 64
// levels, aliases that grow without bound. nullopt: there is no tree, and a complaint says why; an
// empty document is a null.
[[nodiscard]] std::optional<Value> parse_yaml(const std::string& text, const Origin& origin,
                                              Complaints& complaints);

}  // namespace ffci::spec
