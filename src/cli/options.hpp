// What the parsers of all commands share: reading a command line with Boost.Program_options, and
// the options that several commands have.
#pragma once

#include <boost/program_options.hpp>
#include <cstddef>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "cli/command_line.hpp"

namespace ffci {

namespace po = boost::program_options;

// What a command takes.
struct Shape {
  std::string usage;  // what stands before the options
  po::options_description options;
};

inline constexpr const char* positional_name = "positional";
// The value of an option whose value was left out.
inline constexpr std::string_view left_out = "\n";
inline constexpr std::string_view source_help =
    "SOURCE: latest (default), a recording's label, -1 (the most recent\n"
    "recording), a run id, the path of a run's folder, or the path or URL of a summary.json.\n\n";

[[nodiscard]] po::typed_value<std::string>* text(const char* argument);
[[nodiscard]] po::options_description console_options();

// Error (usage): names the option and the nearest known one.
[[nodiscard]] Result<po::variables_map> parse(const Arguments& arguments, const Shape& shape);

[[nodiscard]] std::optional<std::string> given(const po::variables_map& found,
                                               const std::string& name);
[[nodiscard]] Arguments all_given(const po::variables_map& found, const std::string& name);
[[nodiscard]] Result<std::size_t> whole_number(std::string_view option, const std::string& typed);
[[nodiscard]] Result<ConsoleChoices> console_of(const po::variables_map& found);

// Parses, answers --help, and lets `choose` make the choices of what was found.
template <class Choices, class Choose>
Result<Parsed<Choices>> parse_with(const Arguments& arguments, Shape shape, Choose choose) {
  po::options_description help;
  // For --bisect see cli.cpp.
  help.add_options()("help,h", po::bool_switch(), "show this help")  //
      ("bisect", po::bool_switch(),
       "exit as `git bisect run` wants it: 125 for a revision that can't be tested");
  shape.options.add(help);
  const auto found = parse(arguments, shape);
  if (!found) return tl::unexpected(found.error());
  Parsed<Choices> parsed;
  if ((*found)["help"].as<bool>()) {
    std::ostringstream text;
    text << shape.usage << shape.options;
    parsed.help = text.str();
    return parsed;
  }
  if (const Result<void> chosen = choose(*found, parsed.choices); !chosen) {
    return tl::unexpected(chosen.error());
  }
  return parsed;
}

template <class T>
Result<void> assign(T& to, Result<T> value) {
  if (!value) return tl::unexpected(value.error());
  to = std::move(*value);
  return {};
}

}  // namespace ffci
