#include "suites/parameter_sweep.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace ffci {
namespace {

using Values = std::vector<std::pair<std::string_view, std::string_view>>;  // {parameter, value}

// In one pass, so that a value that looks like "{mode}" stays as it is.
std::string replace_parameters(std::string_view text, const Values& values) {
  std::string replaced;
  while (!text.empty()) {
    const bool shell_variable = replaced.ends_with('$');
    bool found = false;
    if (text[0] == '{' && !shell_variable) {
      for (const auto& [parameter, value] : values) {
        const std::string_view inside = text.substr(1);
        if (!inside.starts_with(parameter) || !inside.substr(parameter.size()).starts_with('}'))
          continue;
        replaced += value;
        text.remove_prefix(parameter.size() + 2);
        found = true;
        break;
      }
    }
    if (!found) {
      replaced += text[0];
      text.remove_prefix(1);
    }
  }
  return replaced;
}

// Names hold '/' and glob characters, which must not act as such.
std::string glob_of_name(std::string_view name) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  std::string glob(name);
  std::replace_if(
      glob.begin(), glob.end(), [&](char c) { return plain.find(c) == std::string_view::npos; },
      '?');
  return glob;
}

std::vector<std::string> replace_in_files(std::vector<std::string> files, std::string_view test,
                                          Values values) {
  const std::string glob = glob_of_name(test);
  values.emplace_back("test", glob);
  for (std::string& file : files)
    file = replace_parameters(file, values);
  return files;
}

}  // namespace

std::vector<std::string> files_of_test(const std::vector<std::string>& files,
                                       std::string_view test) {
  return replace_in_files(files, test, {});
}

std::vector<CommandTestSpec> expand_parameters(const CommandTestSpec& test) {
  if (test.parameters.empty()) {
    CommandTestSpec alone = test;
    alone.files = files_of_test(test.files, test.name);
    return {std::move(alone)};
  }
  std::vector<Values> combinations{{}};
  for (const auto& [parameter, values] : test.parameters) {
    std::vector<Values> longer;
    for (const Values& combination : combinations) {
      for (const std::string& value : values) {
        longer.push_back(combination);
        longer.back().emplace_back(parameter, value);
      }
    }
    combinations = std::move(longer);
  }
  // What all share; each would copy the parameters otherwise, with the values of all.
  CommandTestSpec shared = test;
  shared.parameters.clear();
  std::vector<CommandTestSpec> tests;
  tests.reserve(combinations.size());
  for (const Values& values : combinations) {
    std::vector<std::string> settings;
    for (const auto& [parameter, value] : values)
      settings.push_back(fmt::format("{}={}", parameter, value));
    CommandTestSpec& one = tests.emplace_back(shared);
    one.name = fmt::format("{}[{}]", test.name, fmt::join(settings, ","));
    one.command = replace_parameters(test.command, values);
    one.setup = replace_parameters(test.setup, values);
    one.teardown = replace_parameters(test.teardown, values);
    one.files = replace_in_files(test.files, one.name, values);
  }
  return tests;
}

}  // namespace ffci
