#include "spec/yaml_document.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "base/text.hpp"

namespace ffci::spec {
namespace {

constexpr size_t most_bytes = 16 << 20;
constexpr size_t most_values = 200'000;
constexpr size_t deepest = 64;

// Thrown through yaml-cpp's parser to end it; never leaves parse_yaml.
struct Refusal {
  Location at;
  std::string why;
};

// Long text counts as several values: aliases multiply bytes as well as values.
size_t weight_of(const std::string& text) {
  return 1 + text.size() / 256;
}

size_t weight_of(const Value& value) {
  size_t weight = weight_of(value.text);
  for (const Value& item : value.items)
    weight += weight_of(item);
  for (const Entry& entry : value.entries)
    weight += weight_of(entry.key) + weight_of(entry.value);
  return weight;
}

size_t height_of(const Value& value) {
  size_t below = 0;
  for (const Value& item : value.items)
    below = std::max(below, height_of(item));
  for (const Entry& entry : value.entries)
    below = std::max(below, height_of(entry.value));
  return below + 1;
}

// Puts a map together from its keys and values.
class MapBuilder {
 public:
  MapBuilder(Value& map, Complaints& complaints) : map_(map), complaints_(complaints) {}

  void add(Value key, Value value) {
    // yaml-cpp places the null of "key:" at whatever comes next.
    if (value.kind == Value::Kind::null) value.at = key.at;
    if (key.kind != Value::Kind::scalar) {
      complaints_.add(key.at, "a key must be a name");
    } else if (const auto [known, fresh] = where_.emplace(key.text, key.at); !fresh) {
      complaints_.add(key.at, fmt::format("duplicate key '{}'; the first is at {}", key.text,
                                          to_string(known->second)));
    } else if (key.text == "<<" && !key.quoted) {
      merged_ = std::move(value);
    } else {
      map_.entries.push_back({std::move(key.text), key.at, std::move(value)});
    }
  }

  // Explicit keys win over merged ones, and earlier merged maps over later ones.
  void merge() {
    if (!merged_) return;
    if (merged_->kind == Value::Kind::list) {
      for (Value& map : merged_->items)
        merge(map);
    } else {
      merge(*merged_);
    }
  }

 private:
  void merge(Value& from) {
    if (from.kind != Value::Kind::map) {
      complaints_.add(from.at, "'<<' merges a map or a list of maps, such as *anchor");
      return;
    }
    for (Entry& entry : from.entries) {
      if (where_.emplace(entry.key, entry.at).second) map_.entries.push_back(std::move(entry));
    }
  }

  Value& map_;
  Complaints& complaints_;
  std::unordered_map<std::string, Location> where_;
  std::optional<Value> merged_;
};

// Turns yaml-cpp's events into a Value.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const Origin& origin, Complaints& complaints)
      : origin_(origin), complaints_(complaints) {}

  [[nodiscard]] Location locate(const YAML::Mark& mark) const {
    return {&origin_, std::max(0, mark.line) + 1, std::max(0, mark.column) + 1};
  }
  [[nodiscard]] Value take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (std::exchange(begun_, true)) {
      throw Refusal{locate(mark), fmt::format("a second document begins here; a {} is one document",
                                              origin_.document)};
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(value_at(mark, Value::Kind::null), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Value scalar = value_at(mark, Value::Kind::scalar);
    scalar.faulty = complains_of_tag(mark, tag);
    scalar.text = text;
    scalar.quoted = tag != "?";
    grow(mark, weight_of(text) - 1);
    add(std::move(scalar), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) {
      throw Refusal{locate(mark), "an alias within the value that it stands for"};
    }
    grow(mark, weight_of(found->second));
    refuse_depth(mark, open_.size() + height_of(found->second));
    Value copy = found->second;
    copy.at = locate(mark);
    add(std::move(copy), YAML::NullAnchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Value::Kind::list);
  }
  void OnSequenceEnd() override {
    Open list = close();
    list.value.items = std::move(list.children);
    add(std::move(list.value), list.anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Value::Kind::map);
  }
  void OnMapEnd() override {
    Open map = close();
    MapBuilder builder(map.value, complaints_);
    for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
      builder.add(std::move(map.children[i]), std::move(map.children[i + 1]));
    }
    builder.merge();
    add(std::move(map.value), map.anchor);
  }

 private:
  // A list or map whose end has not come; a map's children are its keys and values in turn.
  struct Open {
    Value value;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::vector<Value> children;
  };

  Value value_at(const YAML::Mark& mark, Value::Kind kind) {
    grow(mark, 1);
    Value value;
    value.kind = kind;
    value.at = locate(mark);
    return value;
  }
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            Value::Kind kind) {
    open_.push_back({value_at(mark, kind), anchor, {}});
    open_.back().value.faulty = complains_of_tag(mark, tag);
    refuse_depth(mark, open_.size());
  }
  Open close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    return closed;
  }
  void add(Value value, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchored_[anchor] = value;
    (open_.empty() ? root_ : open_.back().children.emplace_back()) = std::move(value);
  }

  void grow(const YAML::Mark& mark, size_t weight) {
    weight_ += weight;
    if (weight_ <= most_values) return;
    throw Refusal{locate(mark), fmt::format("more than {} values once aliases are expanded; a {} "
                                            "this large is taken for a mistake",
                                            most_values, origin_.document)};
  }
  void refuse_depth(const YAML::Mark& mark, size_t depth) const {
    if (depth <= deepest) return;
    throw Refusal{locate(mark), fmt::format("nested deeper than {} levels", deepest)};
  }
  // "?" is a plain value, "!" a quoted one.
  bool complains_of_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return false;
    constexpr std::string_view standard = "tag:yaml.org,2002:";
    const std::string written =
        tag.starts_with(standard) ? "!!" + tag.substr(standard.size()) : tag;
    complaints_.add(locate(mark), fmt::format("tag '{}' is not supported; remove it", written));
    return true;
  }

  const Origin& origin_;
  Complaints& complaints_;
  bool begun_ = false;
  size_t weight_ = 0;
  std::unordered_map<YAML::anchor_t, Value> anchored_;
  std::vector<Open> open_;
  Value root_;
};

// yaml-cpp replaces or drops bytes that YAML forbids; a user should rather hear of them.
void refuse_foreign_bytes(const std::string& text, const Origin& origin) {
  const std::string clean = to_utf8(text);
  Location at{&origin, 1, 1};
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (text[i] != clean[i]) {
      throw Refusal{at, fmt::format("byte 0x{:02x} is not UTF-8; is this a text file?", byte)};
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) {
      throw Refusal{at, fmt::format("control character 0x{:02x}; is this a text file?", byte)};
    }
    ++at.column;
    if (byte == '\n') ++at.line, at.column = 1;
  }
}

Value build_tree(const std::string& text, const Origin& origin, Complaints& complaints) {
  if (text.size() > most_bytes) {
    throw Refusal{
        {&origin},
        fmt::format("larger than {}; is this a {}?", human_size(most_bytes), origin.document)};
  }
  refuse_foreign_bytes(text, origin);
  TreeBuilder builder(origin, complaints);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    throw Refusal{builder.locate(error.mark), "not valid YAML: " + error.msg};
  }
  Value root = builder.take_root();
  if (root.at.origin == nullptr) root.at.origin = &origin;
  return root;
}

}  // namespace

const Value* find(const Value& map, std::string_view key) {
  const auto found = std::find_if(map.entries.begin(), map.entries.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == map.entries.end() ? nullptr : &found->value;
}

Value* find(Value& map, std::string_view key) {
  return const_cast<Value*>(find(std::as_const(map), key));
}

std::optional<Value> parse_yaml(const std::string& text, const Origin& origin,
                                Complaints& complaints) {
  try {
    return build_tree(text, origin, complaints);
  } catch (const Refusal& refusal) {
    complaints.add(refusal.at, refusal.why);
  } catch (const std::exception& error) {
    complaints.add({&origin}, fmt::format("cannot be read as YAML: {}", error.what()));
  }
  return std::nullopt;
}

}  // namespace ffci::spec
