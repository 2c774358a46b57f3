#include "spec/overrides.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>

#include "base/text.hpp"

namespace ffci::spec {
namespace {

Value value_of(Value::Kind kind, std::string_view text, const Origin& origin) {
  Value value;
  value.kind = kind;
  value.at.origin = &origin;
  value.text = text;
  return value;
}

// "[fe80::1]:22", which YAML would take for a map whose key is a list.
bool begins_with_address(std::string_view text) {
  constexpr std::string_view ends = "[]{}\"', ";
  const size_t end = text.starts_with('[') ? text.find_first_of(ends, 1) : std::string_view::npos;
  return end != std::string_view::npos && text.substr(end).starts_with("]:");
}

bool is_yaml(std::string_view text) {
  return text.find_first_of("[{\"'") == 0 && !begins_with_address(text);
}

std::optional<Value> parse_value(const SpecOverride& override, const Origin& origin,
                                 Complaints& complaints) {
  const std::string& text = override.value;
  if (override.form == SpecOverride::Form::text) return value_of(Value::Kind::scalar, text, origin);
  if (override.form == SpecOverride::Form::comma_list) {
    Value list = value_of(Value::Kind::list, "", origin);
    for (const std::string_view item : split(text, ','))
      list.items.push_back(value_of(Value::Kind::scalar, trim(item), origin));
    return list;
  }
  if (is_yaml(text)) return parse_yaml(text, origin, complaints);
  const bool null = text.empty() || text == "~" || text == "null";
  return value_of(null ? Value::Kind::null : Value::Kind::scalar, null ? "" : text, origin);
}

// Walks from the root to the values that a path names: one, unless a * is in it.
class Walk {
 public:
  Walk(Value& root, std::string_view path, const Origin& origin, Complaints& complaints)
      : at_(&root), path_(path), rest_(path), origin_(origin), complaints_(complaints) {}

  // None: a complaint says where it ended.
  [[nodiscard]] std::vector<Value*> to_ends() {
    while (!at_end_) {
      const bool in_list = at_->kind == Value::Kind::list;
      if (in_list && rest_.starts_with("*.")) return into_items();
      if (!(in_list ? into_list() : into_map())) return {};
    }
    return {at_};
  }

 private:
  bool into_map() {
    if (at_->kind == Value::Kind::scalar) {
      return complain(
          fmt::format("{} is '{}', not a map", walked(), printable_line(at_->text, 60)));
    }
    at_->kind = Value::Kind::map;
    const std::string key(rest_.substr(0, rest_.find('.')));
    if (key.empty()) return complain(fmt::format("'{}' is not a path such as run.iterate", path_));
    Value* child = find(*at_, key);
    if (child == nullptr && rest_.substr(key.size()).starts_with(".*.")) {
      step(*at_, key.size());
      return complain_of_no_item();
    }
    if (child == nullptr) {
      at_->entries.push_back({key, {&origin_}, {}});
      child = &at_->entries.back().value;
      child->at.origin = &origin_;
    }
    step(*child, key.size());
    return true;
  }

  bool into_list() {
    // A name may hold dots itself, so the longest one that fits is meant.
    Value* named = nullptr;
    size_t length = 0;
    std::vector<std::string> names;
    for (Value& item : at_->items) {
      const Value* name = find(item, "name");
      if (name == nullptr || name->text.empty()) continue;
      names.push_back(name->text);
      const bool fits = rest_.starts_with(name->text) &&
                        (rest_.size() == name->text.size() || rest_[name->text.size()] == '.');
      if (fits && name->text.size() > length) named = &item, length = name->text.size();
    }
    if (named != nullptr) {
      step(*named, length);
      return true;
    }
    const std::string_view number = rest_.substr(0, rest_.find('.'));
    size_t index = 0;
    const char* const end = number.data() + number.size();
    const auto parsed = std::from_chars(number.data(), end, index);
    if (parsed.ec != std::errc() || parsed.ptr != end || index >= at_->items.size()) {
      return complain(
          fmt::format("{} has no item '{}'{}", walked(), number, did_you_mean(number, names)));
    }
    step(at_->items[index], number.size());
    return true;
  }

  // Every item that has the key behind the *.
  std::vector<Value*> into_items() {
    const std::string_view key = behind_star();
    std::vector<Value*> ends;
    bool any = false;
    for (Value& item : at_->items) {
      if (find(item, key) == nullptr) continue;
      any = true;
      Walk below(*this);
      below.step(item, 1);
      const std::vector<Value*> found = below.to_ends();
      ends.insert(ends.end(), found.begin(), found.end());
    }
    if (!any) complain_of_no_item();
    return ends;
  }
  [[nodiscard]] std::string_view behind_star() const {
    const std::string_view keys = rest_.substr(2);
    return keys.substr(0, keys.find('.'));
  }
  bool complain_of_no_item() {
    const std::string list = walked();
    return complain(list == "'suites'"
                        ? fmt::format("the job has no suite of {}", behind_star())
                        : fmt::format("{} has no item with '{}'", list, behind_star()));
  }

  void step(Value& into, size_t length) {
    at_ = &into;
    at_end_ = length == rest_.size();
    rest_.remove_prefix(at_end_ ? length : length + 1);
  }
  [[nodiscard]] std::string walked() const {
    if (rest_.size() == path_.size()) return "the job spec";
    return fmt::format("'{}'", path_.substr(0, path_.size() - rest_.size() - 1));
  }
  bool complain(const std::string& what) {
    complaints_.add({&origin_}, what);
    return false;
  }

  Value* at_;
  std::string_view path_, rest_;
  bool at_end_ = false;
  const Origin& origin_;
  Complaints& complaints_;
};

void remove_key(Value& root, std::string_view path, const Origin& origin, Complaints& complaints) {
  const size_t dot = path.rfind('.');
  const std::string_view key = path.substr(dot + 1);
  std::vector<Value*> maps{&root};
  if (dot != std::string_view::npos)
    maps = Walk(root, path.substr(0, dot), origin, complaints).to_ends();
  for (Value* const map : maps)
    std::erase_if(map->entries, [&](const Entry& entry) { return entry.key == key; });
}

}  // namespace

void apply_override(Value& root, const SpecOverride& override, const Origin& origin,
                    Complaints& complaints) {
  if (override.form == SpecOverride::Form::absent) {
    remove_key(root, override.path, origin, complaints);
    return;
  }
  const std::optional<Value> value = parse_value(override, origin, complaints);
  if (!value) return;
  for (Value* const target : Walk(root, override.path, origin, complaints).to_ends())
    *target = *value;
}

std::string shown_name(const SpecOverride& override) {
  const std::string value = printable_line(override.value, 60);
  if (override.option == "--set") return fmt::format("--set {}={}", override.path, value);
  return fmt::format("{} {}", override.option, value);
}

}  // namespace ffci::spec
