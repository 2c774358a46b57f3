#include "spec/environment.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/text.hpp"

namespace ffci::spec {
namespace {

constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
constexpr std::string_view letters_and_digits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

struct Reference {
  std::string name;
  std::optional<std::string> fallback;
  size_t length = 0;  // of the whole "${…}"
};

// `text` begins with "${". nullopt: it is neither ${VAR} nor ${VAR:-default}.
std::optional<Reference> parse_reference(std::string_view text) {
  const size_t close = text.find('}');
  if (close == std::string_view::npos) return std::nullopt;
  const std::string_view inside = text.substr(2, close - 2);
  const std::string_view name = inside.substr(0, inside.find_first_not_of(letters_and_digits));
  if (name.empty() || letters.find(name.front()) == std::string_view::npos) return std::nullopt;
  Reference reference{std::string(name), std::nullopt, close + 1};
  const std::string_view rest = inside.substr(name.size());
  if (rest.empty()) return reference;
  if (!rest.starts_with(":-") || rest.find("${") != std::string_view::npos) return std::nullopt;
  reference.fallback = std::string(rest.substr(2));
  return reference;
}

class Replacer {
 public:
  Replacer(const Environment& environment, Complaints& complaints)
      : environment_(environment), complaints_(complaints) {}

  void replace(Value& value) {
    if (value.kind == Value::Kind::scalar) replace_scalar(value);
    for (Value& item : value.items)
      replace(item);
    for (Entry& entry : value.entries)
      replace(entry.value);
  }

 private:
  void replace_scalar(Value& value) {
    if (value.text.find("${") == std::string::npos) return;
    const std::string text = std::exchange(value.text, {});
    for (std::string_view rest = text; !rest.empty();) {
      size_t taken = 1;
      if (rest.starts_with("$${")) {
        value.text += "${";
        taken = 3;
      } else if (!rest.starts_with("${")) {
        value.text += rest.front();
      } else if (const auto reference = parse_reference(rest)) {
        value.text += lookup(*reference, value);
        value.quoted = false;
        value.from_environment = true;
        taken = reference->length;
      } else {
        complain(value, fmt::format("'{}' begins neither ${{VAR}} nor ${{VAR:-default}}; write "
                                    "$${{ to leave it to the shell",
                                    printable_line(rest.substr(0, rest.find('}')), 40)));
        return;
      }
      rest.remove_prefix(taken);
    }
  }

  std::string lookup(const Reference& reference, Value& value) {
    const auto set = environment_ ? environment_(reference.name) : std::nullopt;
    if (reference.fallback) return set && !set->empty() ? *set : *reference.fallback;
    if (set) return *set;
    complain(value, fmt::format("environment variable '{0}' is not set; write ${{{0}:-default}} "
                                "for a default, or $${{{0}}} to leave it to the shell",
                                reference.name));
    return {};
  }

  void complain(Value& value, const std::string& what) {
    complaints_.add(value.at, what);
    value.faulty = true;
  }

  const Environment& environment_;
  Complaints& complaints_;
};

}  // namespace

void replace_variables(Value& value, const Environment& environment, Complaints& complaints) {
  Replacer(environment, complaints).replace(value);
}

}  // namespace ffci::spec
