// Field and Fields read the tree of values into the types of the model. Each reader complains of
// what does not fit, says what would, and gives nullopt; of a field that is absent it gives nullopt
// and is silent.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "spec/complaints.hpp"
#include "spec/yaml_document.hpp"

namespace ffci::spec {

// One value of the spec, maybe absent, with its path as complaints show it: "suites.0.name". Refers
// to a value and to complaints that outlive it.
class Field {
 public:
  Field(const Value* value, std::string path, Complaints& complaints)
      : value_(value), path_(std::move(path)), complaints_(&complaints) {}

  [[nodiscard]] bool present() const { return value_ != nullptr; }
  [[nodiscard]] bool is(Value::Kind kind) const { return present() && value_->kind == kind; }
  // As complaints show it.
  [[nodiscard]] const std::string& name() const { return path_; }
  [[nodiscard]] bool from_command_line() const {
    return present() && where().origin->kind == SpecComplaint::Origin::command_line;
  }
  // Some of its text stood in the environment.
  [[nodiscard]] bool from_environment() const { return present() && value_->from_environment; }
  // These only of a field that is present.
  [[nodiscard]] const Location& where() const { return value_->at; }
  void complain(std::string_view what) const { complaints_->add(where(), what); }
  // Complains of the value, and of what should be there; nullopt for the reader to return.
  std::nullopt_t expected(std::string_view what) const;

  // Numbers and booleans are taken as the text they were written as.
  [[nodiscard]] std::optional<std::string> text() const;
  [[nodiscard]] std::optional<std::string> filled_text() const;  // not blank
  [[nodiscard]] std::optional<std::string> line() const;         // printable, up to 255 bytes
  [[nodiscard]] std::optional<std::string> title() const;        // a line that is not blank
  [[nodiscard]] std::optional<std::string> word() const;         // letters, digits, '.', '_', '-'
  [[nodiscard]] std::optional<std::string> file_name_glob() const;
  // A glob of files below a directory: one line, not absolute, without "..".
  [[nodiscard]] std::optional<std::string> glob_below() const;
  // Absolute and normal; relative ones start where the value was written, ~/ at HOME.
  [[nodiscard]] std::optional<std::string> path() const;
  // An earlier run (SOURCE): a label, a number, a run id, a URL, or a path, which becomes absolute.
  [[nodiscard]] std::optional<std::string> run_source() const;

  // false, or off, which is false to YAML 1.1. Silent in any case.
  [[nodiscard]] bool is_off() const;
  // true or false in YAML's spellings, without quotes. `choices` is what a complaint says of them.
  [[nodiscard]] std::optional<bool> boolean(std::string_view choices = "true or false") const;
  [[nodiscard]] std::optional<std::uint64_t> whole(std::uint64_t least, std::uint64_t most) const;
  [[nodiscard]] std::optional<int> whole_int(int least, int most) const;
  [[nodiscard]] std::optional<double> number(double least, double most) const;
  [[nodiscard]] std::optional<std::uint64_t> size() const;
  [[nodiscard]] std::optional<std::uint64_t> size_over_zero() const;
  [[nodiscard]] std::optional<Duration> duration(  // zero: none
      std::string_view choices = "a duration such as 30s, 20m or 1h30m") const;
  [[nodiscard]] std::optional<Duration> duration_over_zero() const;

  template <class Choice>
  using Choices = std::initializer_list<std::pair<std::string_view, Choice>>;
  template <class Choice>
  [[nodiscard]] std::optional<Choice> choice(Choices<Choice> choices) const {
    std::vector<std::string> names;
    for (const auto& [name, choice] : choices)
      names.emplace_back(name);
    const std::optional<size_t> chosen = index_in(names);
    if (!chosen) return std::nullopt;
    return (choices.begin() + *chosen)->second;
  }

  [[nodiscard]] std::vector<Field> items() const;          // of a list with at least one
  [[nodiscard]] std::vector<Field> any_items() const;      // of a list that may be empty
  [[nodiscard]] std::vector<Field> item_or_items() const;  // a scalar is a list of one

 private:
  friend class Fields;

  [[nodiscard]] Field child(std::string_view key, const Value* value) const;
  [[nodiscard]] std::optional<size_t> index_in(std::span<const std::string> names) const;
  [[nodiscard]] std::string resolved(std::string_view path) const;
  [[nodiscard]] std::vector<Field> children() const;

  const Value* value_;
  std::string path_;
  Complaints* complaints_;
};

// The fields of a map. Those that were never asked for are unknown keys, of which finish()
// complains.
class Fields {
 public:
  // Complains of a value that is no map; all its fields are absent then.
  explicit Fields(Field map);

  [[nodiscard]] bool is_map() const { return map_.present(); }
  [[nodiscard]] Field optional(std::string_view key);
  [[nodiscard]] Field required(std::string_view key);
  // Keys that the documentation has, and this version has not.
  void not_supported(std::initializer_list<std::string_view> keys);
  // A word that others have for a key: whoever writes it is told the key.
  void known_as(std::string_view key, std::string_view word) { words_.emplace_back(word, key); }
  // Every field, where the user chooses the keys.
  [[nodiscard]] std::vector<std::pair<std::string, Field>> all() const;
  void finish() const;

 private:
  Field map_;
  std::vector<std::string> known_;
  std::vector<std::string_view> not_supported_;
  std::vector<std::pair<std::string_view, std::string_view>> words_;
};

}  // namespace ffci::spec
