#include "cli/options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace ffci {
namespace {

// Options whose value may be left out take it only with '=': otherwise they would swallow the job
// spec.
constexpr std::string_view with_optional_values[] = {"--slowest-first", "--record",
                                                     "--rerun-failures", "--resume"};

Arguments without_optional_values(Arguments arguments) {
  for (std::string& argument : arguments) {
    if (argument == "--") break;
    for (const std::string_view option : with_optional_values) {
      if (argument != option) continue;
      argument.append("=").append(left_out);
      break;
    }
  }
  return arguments;
}

bool is_recording_number(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-' &&
         argument.find_first_not_of("0123456789", 1) == std::string::npos;
}

// "-1" is a SOURCE, not an option: it goes with the option before it, or stands alone.
Arguments with_recording_numbers(const Arguments& arguments, const po::options_description& all) {
  const auto wants_value = [&](const std::string& typed) {
    const bool is_long = typed.starts_with("--");
    const auto& options = all.options();
    return std::any_of(options.begin(), options.end(), [&](const auto& option) {
      const std::string name =
          is_long ? "--" + option->long_name()
                  : option->canonical_display_name(po::command_line_style::allow_dash_for_short);
      return name == typed && option->semantic()->min_tokens() > 0;
    });
  };
  Arguments joined;
  bool only_positional = false;
  for (const std::string& argument : arguments) {
    only_positional |= argument == "--";
    if (only_positional || !is_recording_number(argument)) {
      joined.push_back(argument);
    } else if (!joined.empty() && wants_value(joined.back())) {
      joined.back() += (joined.back().starts_with("--") ? "=" : "") + argument;
    } else {
      joined.push_back(fmt::format("--{}={}", positional_name, argument));
    }
  }
  return joined;
}

}  // namespace

po::typed_value<std::string>* text(const char* argument) {
  return po::value<std::string>()->value_name(argument);
}

po::options_description console_options() {
  po::options_description options("The log");
  options.add_options()                                                                           //
      ("verbose,v", po::bool_switch(), "a line for every test, also for those that just passed")  //
      ("color", text("WHEN"), "auto (default; honours NO_COLOR), always or never")                //
      ("print-failure-list", po::bool_switch(),
       "end with a list of the failed tests to paste behind `ff-ci run JOB`")  //
      ("print-n-slowest", text("N"), "end with the N slowest tests")           //
      ("print-duration-hist", po::bool_switch(), "end with a histogram of the durations");
  return options;
}

Result<po::variables_map> parse(const Arguments& arguments, const Shape& shape) {
  po::options_description all;
  all.add(shape.options);
  all.add_options()(positional_name, po::value<Arguments>());
  po::positional_options_description positional;
  positional.add(positional_name, -1);
  try {
    po::variables_map found;
    constexpr auto style =
        po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(
        po::command_line_parser(with_recording_numbers(without_optional_values(arguments), all))
            .options(all)
            .positional(positional)
            .style(style)
            .run(),
        found);
    po::notify(found);
    return found;
  } catch (const po::unknown_option& error) {
    Arguments known;
    for (const auto& option : shape.options.options())
      known.push_back("--" + option->long_name());
    const std::string typed = error.get_option_name();
    return fail(ErrorKind::usage,
                fmt::format("unknown option '{}'{}", typed, did_you_mean(typed, known)));
  } catch (const po::error& error) {
    return fail(ErrorKind::usage, error.what());
  }
}

std::optional<std::string> given(const po::variables_map& found, const std::string& name) {
  const auto option = found.find(name);
  if (option == found.end()) return std::nullopt;
  return option->second.as<std::string>();
}

Arguments all_given(const po::variables_map& found, const std::string& name) {
  const auto option = found.find(name);
  return option == found.end() ? Arguments() : option->second.as<Arguments>();
}

Result<std::size_t> whole_number(std::string_view option, const std::string& typed) {
  const bool digits = !typed.empty() && typed.size() < 10 &&
                      typed.find_first_not_of("0123456789") == std::string::npos;
  if (!digits)
    return fail(ErrorKind::usage, fmt::format("{}: '{}' is not a number", option, typed));
  return std::stoul(typed);
}

Result<ConsoleChoices> console_of(const po::variables_map& found) {
  ConsoleChoices choices;
  choices.verbose = found["verbose"].as<bool>();
  choices.print_failure_list = found["print-failure-list"].as<bool>();
  choices.print_duration_histogram = found["print-duration-hist"].as<bool>();
  if (const auto when = given(found, "color")) {
    if (*when == "always") {
      choices.colour = ColourChoice::always;
    } else if (*when == "never") {
      choices.colour = ColourChoice::never;
    } else if (*when != "auto") {
      const Arguments known{"auto", "always", "never"};
      return fail(ErrorKind::usage, fmt::format("--color: '{}' is not auto, always or never{}",
                                                *when, did_you_mean(*when, known)));
    }
  }
  if (const auto number = given(found, "print-n-slowest")) {
    auto parsed = whole_number("--print-n-slowest", *number);
    if (!parsed) return tl::unexpected(parsed.error());
    choices.print_n_slowest = *parsed;
  }
  return choices;
}

}  // namespace ffci
