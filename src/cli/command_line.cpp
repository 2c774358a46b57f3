#include "cli/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <sstream>

#include "base/text.hpp"
#include "store/recordings.hpp"

namespace ffci {
namespace {

namespace po = boost::program_options;

// Options that stand for one key of the spec.
struct KeyOption {
  const char* names;  // as Program_options wants them: "long,s"
  const char* key;
  const char* argument;
  const char* help;
  SpecOverride::Form form = SpecOverride::Form::yaml;  // a comma_list may also be repeated
  const char* removes = nullptr;                       // the key that the option makes void
};

constexpr std::string_view source_help =
    "SOURCE: latest (default), a recording's label, -1 (the most recent\n"
    "recording), a run id, the path of a run's folder, or the path or URL of a summary.json.\n\n";

constexpr KeyOption key_options[] = {
    {"name", "name", "NAME", "the job's name"},
    {"groups,g", "suites.*.fstests.groups", "GROUP,...",
     "only these groups of fstests, each GROUP or DIR/GROUP; the spec's `tests` do not add to them",
     SpecOverride::Form::comma_list, "suites.*.fstests.tests"},
    {"exclude-groups,x", "suites.*.fstests.exclude.groups", "GROUP,...", "not these groups",
     SpecOverride::Form::comma_list},
    {"exclude-tests-file,E", "suites.*.fstests.exclude.tests-file", "FILE,...",
     "not the tests of fstests that FILE names, one a line", SpecOverride::Form::comma_list},
    {"section,s", "suites.*.fstests.section", "NAME,...",
     "only these sections of the hosts' local.config", SpecOverride::Form::comma_list},
    {"exclude-section,S", "suites.*.fstests.exclude-section", "NAME,...", "not these sections",
     SpecOverride::Form::comma_list},
    {"file-system", "suites.*.fstests.file-system", "NAME", "that fstests test, such as btrfs"},
    {"fstests.path", "suites.*.fstests.path", "DIR",
     "the built fstests, on each host that names no path of its own"},
    {"fstests.tree", "suites.*.fstests.tree", "DIR",
     "the fstests on this machine to select the tests from"},
    {"local.slots", "hosts.local.slots", "N", "tests at once on this machine"},
    {"local.devices", "hosts.local.devices", "DEVICES",
     "of each slot for fstests: a map such as {test: 10G, scratch: 10G}, or none"},
    {"vms", "hosts.ssh.machines", "HOST:PATH,...",
     "machines to run on over SSH, each [user@]host[:port][:/path]",
     SpecOverride::Form::comma_list},
    {"ssh.slots", "hosts.ssh.slots", "N", "tests at once on each of them"},
    {"ssh.identity", "hosts.ssh.identity", "FILE", "private key to log in with"},
    {"ssh.known-hosts", "hosts.ssh.known-hosts", "FILE", "the keys of the machines"},
    {"ssh.host-key", "hosts.ssh.host-key", "POLICY",
     "strict, or accept-new: machines that have no key there yet are added"},
    {"ssh.connect-timeout", "hosts.ssh.connect-timeout", "TIME", "limit of each login"},
    {"ssh.boot-timeout", "hosts.ssh.boot-timeout", "TIME",
     "how long a machine that was lost may take to come back"},
    {"ssh.proxy-command", "hosts.ssh.proxy-command", "COMMAND",
     "shell command whose stdin and stdout are the connection; %h host, %p port, %r user, %% a "
     "percent sign",
     SpecOverride::Form::text},
    {"ssh.isolation", "hosts.ssh.isolation", "HOW", "of tests there: auto, namespaces or session"},
    {"order", "run.order", "ORDER", "slowest-first, random or listed"},
    {"durations", "run.durations", "SOURCE",
     "where the expected durations come from: history, or the run SOURCE"},
    {"seed", "run.seed", "N", "of the random order"},
    {"shard", "run.shard", "I/N",
     "run part I of N of the tests (default: as CI_NODE_INDEX and CI_NODE_TOTAL or Slurm's array "
     "say), or off: all of them"},
    {"iterate,i", "run.iterate", "N", "run each test N times"},
    {"test-timeout", "run.test-timeout", "TIME",
     "limit of each test that has none of its own; 0: none"},
    {"deadline", "run.deadline", "TIME", "limit of the whole run"},
    {"retry-failures", "run.retry-failures", "N", "run a failed test up to N times more"},
    {"batch", "run.batch", "TIME",
     "give a host so many tests of fstests at once that they take about TIME, or off: one by one"},
    {"max-host-restarts", "run.max-host-restarts", "N", "how often one test may lose its host"},
    {"stop-after-failures", "run.stop-after-failures", "N",
     "start nothing more after N failed tests; 0: never"},
    {"kill-after", "run.kill-after", "TIME", "from SIGTERM to SIGKILL when a test is stopped"},
    {"heartbeat", "run.heartbeat", "TIME", "between progress lines; 0: none"},
    {"output-limit", "run.output-limit", "SIZE", "kept of each stream of an attempt; 0: all"},
    {"files-limit", "run.files-limit", "SIZE", "kept of the files of an attempt; 0: none"},
    {"keep.runs", "run.keep.runs", "N", "then remove all but the newest N runs"},
    {"keep.days", "run.keep.days", "N", "then remove runs that are older than N days"},
    {"probe-interval", "run.probe-interval", "TIME",
     "how often a machine is asked whether it lives, and how long it has to answer"},
    {"bpftrace", "run.bpftrace", "TEXT", "bpftrace program to run beside each test",
     SpecOverride::Form::text},
    {"bpftrace-script", "run.bpftrace-script", "FILE", "the same, from a file"},
    {"results-dir", "reports.directory", "DIR", "where runs are kept"},
    {"junit", "reports.junit", "FILE", "a copy of the JUnit report"},
    {"summary", "reports.summary", "FILE", "a copy of summary.json"},
};

std::string long_name(const KeyOption& option) {
  const std::string_view names = option.names;
  return std::string(names.substr(0, names.find(',')));
}

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

const po::value_semantic* value_of(const KeyOption& option) {
  if (option.form != SpecOverride::Form::comma_list) return text(option.argument);
  return po::value<Arguments>()->composing()->value_name(option.argument);
}

po::options_description spec_options() {
  po::options_description options("In the place of the spec's keys (the command line wins)");
  for (const KeyOption& option : key_options) {
    options.add_options()(option.names, value_of(option),
                          fmt::format("{} [{}]", option.help, option.key).c_str());
  }
  options.add_options()                                       //
      ("randomize,r", po::bool_switch(), "= --order random")  //
      ("keep-alive", po::bool_switch(),
       "leave the hosts up after the run, and say how to log in to them [run.keep-alive]")  //
      ("no-dmesg", po::bool_switch(),
       "do not watch what the kernel logs during a test [run.dmesg]")  //
      ("slowest-first", text("SOURCE"),
       "= --order slowest-first, and with =SOURCE also --durations SOURCE")  //
      ("set", po::value<Arguments>()->composing()->value_name("PATH=VALUE"),
       "any key, for example --set suites.kvm.commands.timeout=5m");
  return options;
}

// What a command takes.
struct Shape {
  std::string usage;  // what stands before the options
  po::options_description options;
};

constexpr const char* positional_name = "positional";

// Options whose value may be left out take it only with '=': otherwise they would swallow the job
// spec.
constexpr std::string_view with_optional_values[] = {"--slowest-first", "--record",
                                                     "--rerun-failures", "--resume"};
constexpr std::string_view left_out = "\n";  // the value then

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

// What stood behind all occurrences of the option, with commas between them.
std::optional<std::string> comma_list_given(const po::variables_map& found,
                                            const std::string& name) {
  const Arguments lists = all_given(found, name);
  return lists.empty() ? std::nullopt : std::optional(fmt::format("{}", fmt::join(lists, ",")));
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
    const Arguments known{"auto", "always", "never"};
    const auto at = std::find(known.begin(), known.end(), *when);
    if (at == known.end()) {
      return fail(ErrorKind::usage, fmt::format("--color: '{}' is not auto, always or never{}",
                                                *when, did_you_mean(*when, known)));
    }
    choices.colour = static_cast<ColourChoice>(at - known.begin());
  }
  if (const auto number = given(found, "print-n-slowest")) {
    auto parsed = whole_number("--print-n-slowest", *number);
    if (!parsed) return tl::unexpected(parsed.error());
    choices.print_n_slowest = *parsed;
  }
  return choices;
}

Result<std::vector<SpecOverride>> overrides_of(const po::variables_map& found) {
  std::vector<SpecOverride> overrides;
  // The general one first, so that an option of its own wins over it.
  if (found.count("set") > 0) {
    for (const std::string& assignment : found["set"].as<Arguments>()) {
      const size_t equals = assignment.find('=');
      if (equals == 0 || equals == std::string::npos) {
        return fail(ErrorKind::usage, fmt::format("--set: '{}' is not PATH=VALUE", assignment));
      }
      overrides.push_back({"--set", assignment.substr(0, equals), assignment.substr(equals + 1)});
    }
  }
  if (found["randomize"].as<bool>()) overrides.push_back({"--randomize", "run.order", "random"});
  if (found["keep-alive"].as<bool>())
    overrides.push_back({"--keep-alive", "run.keep-alive", "true"});
  if (found["no-dmesg"].as<bool>()) overrides.push_back({"--no-dmesg", "run.dmesg", "false"});
  if (const auto source = given(found, "slowest-first")) {
    overrides.push_back({"--slowest-first", "run.order", "slowest-first"});
    if (*source != left_out) overrides.push_back({"--slowest-first", "run.durations", *source});
  }
  for (const KeyOption& option : key_options) {
    const auto value = option.form == SpecOverride::Form::comma_list
                           ? comma_list_given(found, long_name(option))
                           : given(found, long_name(option));
    if (!value) continue;
    const std::string typed = "--" + long_name(option);
    overrides.push_back({typed, option.key, *value, option.form});
    if (option.removes != nullptr)
      overrides.push_back({typed, option.removes, *value, SpecOverride::Form::absent});
  }
  return overrides;
}

// Parses, answers --help, and lets `choose` make the choices of what was found.
template <class Choices, class Choose>
Result<Parsed<Choices>> parse_with(const Arguments& arguments, Shape shape, Choose choose) {
  po::options_description help;
  help.add_options()("help,h", po::bool_switch(), "show this help");
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

Result<void> choose_label(const po::variables_map& found, JobChoices& choices) {
  choices.record = given(found, "record");
  if (!choices.record) return {};
  if (choices.record != left_out) return check_label(*choices.record);
  choices.record = "";
  return {};
}

Result<void> choose_job(const po::variables_map& found, JobChoices& choices) {
  choices.resume = given(found, "resume");
  if (choices.resume == left_out) choices.resume = "latest";
  choices.patterns = all_given(found, positional_name);
  if (!choices.patterns.empty()) {
    choices.spec = choices.patterns.front();
    choices.patterns.erase(choices.patterns.begin());
  } else if (!choices.resume) {
    return fail(ErrorKind::usage, "no job spec was given; expected JOB [TEST…]");
  }
  choices.excluded = all_given(found, "exclude-tests");
  if (found.count("list") > 0) choices.list = found["list"].as<bool>();
  choices.events = given(found, "events");
  choices.rerun = given(found, "rerun-failures");
  if (choices.rerun == left_out) choices.rerun = "latest";
  if (const auto chosen = choose_label(found, choices); !chosen) return chosen;
  if (auto overridden = assign(choices.overrides, overrides_of(found)); !overridden)
    return overridden;
  choices.groups_given = found.count("groups") > 0;
  if (found.count("verbose") == 0) return {};  // the command has no log
  return assign(choices.console, console_of(found));
}

po::options_description selection_options() {
  po::options_description options("Selection");
  options.add_options()("exclude-tests,e", po::value<Arguments>()->composing()->value_name("TEST"),
                        "not these; may be repeated");
  options.add_options()("rerun-failures", text("SOURCE"),
                        "only those that failed, timed out, crashed or were errors in the latest "
                        "run, or with =SOURCE in that one");
  return options;
}

}  // namespace

Result<Parsed<JobChoices>> parse_run(const Arguments& arguments) {
  po::options_description here("This run");
  here.add_options()                                                              //
      ("list,l", po::bool_switch(), "only list the tests, as `ff-ci list` does")  //
      ("resume", text("RUN"),
       "go on with a run that was killed or stopped: the latest, or with =RUN that one; JOB and "
       "its options may be left out, and can't be others")  //
      ("events", text("FILE"),
       "write the run's events to FILE as they happen, one JSON object a line (-: stdout; the log "
       "then goes to stderr)")  //
      ("record", text("LABEL"),
       "record the run under its id, or with =LABEL under that label, which leaves an earlier run");
  Shape shape{
      "Usage: ff-ci run [OPTION…] JOB [TEST…]\n"
      "       ff-ci run --resume[=RUN]\n\n"
      "Runs the tests of the job spec JOB (YAML; - reads stdin), or those that match a TEST: "
      "SUITE,\n"
      "SUITE/TEST, or TEST alone when the job has one suite; * ? [] match as in a shell.\n\n",
      {}};
  shape.options.add(here).add(selection_options()).add(spec_options()).add(console_options());
  auto parsed = parse_with<JobChoices>(arguments, std::move(shape), choose_job);
  if (parsed) parsed->choices.arguments = arguments;
  return parsed;
}

Result<Parsed<JobChoices>> parse_list(const Arguments& arguments) {
  Shape shape{
      "Usage: ff-ci list [OPTION…] JOB [TEST…]\n\n"
      "Lists the tests that `ff-ci run` would run, with --verbose also their limits and expected "
      "durations.\n\n",
      {}};
  shape.options.add(selection_options()).add(spec_options()).add(console_options());
  return parse_with<JobChoices>(arguments, std::move(shape), choose_job);
}

Result<Parsed<PlanChoices>> parse_plan(const Arguments& arguments) {
  po::options_description here("This plan");
  here.add_options()  //
      ("max-hosts", text("N"),
       "up to so many slots or machines; without it, to where more of them buy little")  //
      ("json", po::bool_switch(), "as JSON (schemas/plan.schema.json)");
  Shape shape{
      "Usage: ff-ci plan [OPTION…] JOB [TEST…]\n\n"
      "Predicts how long `ff-ci run` would take, on more or fewer slots (of this machine) or "
      "machines\n"
      "(over SSH) than the job has: from what its tests took in earlier runs, and by the schedule "
      "of "
      "a\n"
      "real run. Runs no test. Failures, retries and lost hosts are not predicted.\n\n",
      {}};
  shape.options.add(here).add(selection_options()).add(spec_options());
  return parse_with<PlanChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, PlanChoices& choices) -> Result<void> {
        choices.json = found["json"].as<bool>();
        if (const auto number = given(found, "max-hosts")) {
          const bool digits = !number->empty() && number->size() < 5 &&
                              number->find_first_not_of("0123456789") == std::string::npos;
          choices.max_hosts = digits ? std::stoi(*number) : 0;
          if (*choices.max_hosts < 1 || *choices.max_hosts > 1024)
            return fail(ErrorKind::usage,
                        fmt::format("--max-hosts: '{}' is not a number from 1 to 1024", *number));
        }
        return choose_job(found, choices.job);
      });
}

Result<Parsed<ValidateChoices>> parse_validate(const Arguments& arguments) {
  Shape shape{
      "Usage: ff-ci validate [OPTION…] JOB…\n\n"
      "Checks job specs and prints every complaint; what they name (directories, imported files) "
      "is\n"
      "looked at by `ff-ci list`.\n\n",
      {}};
  shape.options.add(spec_options());
  return parse_with<ValidateChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, ValidateChoices& choices) -> Result<void> {
        choices.specs = all_given(found, positional_name);
        if (choices.specs.empty())
          return fail(ErrorKind::usage, "no job spec was given; expected JOB…");
        return assign(choices.overrides, overrides_of(found));
      });
}

Result<Parsed<ReportChoices>> parse_report(const Arguments& arguments) {
  po::options_description here("Reports");
  here.add_options()                                                 //
      ("results-dir", text("DIR"), "where runs are kept (results)")  //
      ("junit", text("FILE"), "also write the JUnit report there")   //
      ("summary", text("FILE"), "also write summary.json there");
  Shape shape{
      fmt::format(
          "Usage: ff-ci report [OPTION…] [SOURCE]\n\n"
          "Writes the reports of a stored run again, the same bytes from the same events, "
          "and prints its\nsummary. Exits as that run did. A lone summary.json is printed, and "
          "written only where --junit\nand --summary say.\n\n{}",
          source_help),
      {}};
  shape.options.add(here).add(console_options());
  return parse_with<ReportChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, ReportChoices& choices) -> Result<void> {
        const Arguments sources = all_given(found, positional_name);
        if (sources.size() > 1) return fail(ErrorKind::usage, "more than one SOURCE was given");
        if (!sources.empty()) choices.source = sources.front();
        choices.results = given(found, "results-dir").value_or(choices.results);
        choices.junit = given(found, "junit");
        choices.summary = given(found, "summary");
        return assign(choices.console, console_of(found));
      });
}

Result<Parsed<MergeChoices>> parse_merge(const Arguments& arguments) {
  po::options_description here("Reports");
  here.add_options()                                                          //
      ("results-dir", text("DIR"), "where the merged run is kept (results)")  //
      ("junit", text("FILE"), "also write the JUnit report there")            //
      ("summary", text("FILE"), "also write summary.json there");
  Shape shape{
      "Usage: ff-ci merge [OPTION…] RUN…\n\n"
      "Joins the shards of a plan, each run with `ff-ci run --shard I/N`, into one run with all "
      "reports,\n"
      "and exits as that run would have. All shards must be there, once, and of the same plan. "
      "RUN: "
      "the\n"
      "path of a run's folder, or a run id in the results directory.\n\n",
      {}};
  shape.options.add(here).add(console_options());
  return parse_with<MergeChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, MergeChoices& choices) -> Result<void> {
        choices.sources = all_given(found, positional_name);
        if (choices.sources.empty())
          return fail(ErrorKind::usage, "no run was given; expected RUN…");
        choices.results = given(found, "results-dir").value_or(choices.results);
        choices.junit = given(found, "junit");
        choices.summary = given(found, "summary");
        return assign(choices.console, console_of(found));
      });
}

Result<Parsed<RecordChoices>> parse_record(const Arguments& arguments) {
  po::options_description here("The recording");
  here.add_options()                                                 //
      ("source", text("SOURCE"), "the run (default: latest)")        //
      ("results-dir", text("DIR"), "where runs are kept (results)")  //
      ("force", po::bool_switch(), "also when the label leads to another run");
  Shape shape{
      fmt::format("Usage: ff-ci record [OPTION…] [LABEL]\n\n"
                  "Makes DIR/recordings/LABEL lead to a run; without LABEL it has the run's id. "
                  "ff-ci deletes no\nrecordings.\n\n{}",
                  source_help),
      {}};
  shape.options.add(here);
  return parse_with<RecordChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, RecordChoices& choices) -> Result<void> {
        const Arguments labels = all_given(found, positional_name);
        if (labels.size() > 1) return fail(ErrorKind::usage, "more than one LABEL was given");
        if (!labels.empty()) choices.label = labels.front();
        choices.source = given(found, "source").value_or(choices.source);
        choices.results = given(found, "results-dir").value_or(choices.results);
        choices.force = found["force"].as<bool>();
        return labels.empty() ? Result<void>() : check_label(choices.label);
      });
}

Result<Parsed<CompareChoices>> parse_compare(const Arguments& arguments) {
  po::options_description here("Runs");
  here.add_options()                                                          //
      (",a", text("SOURCE"), "the earlier run (default: the one before -b)")  //
      (",b", text("SOURCE"), "the later run (default: latest)")               //
      ("results-dir", text("DIR"), "where runs are kept (results)");
  po::options_description output("Output");
  output.add_options()                                                                      //
      ("json", po::bool_switch(), "as JSON, see schemas/comparison.schema.json")            //
      ("markdown", po::bool_switch(), "as Markdown, for example for $GITHUB_STEP_SUMMARY")  //
      ("strict-baseline", po::bool_switch(), "exit with 3 when tests are fixed or vanished");
  Shape shape{
      fmt::format(
          "Usage: ff-ci compare [-a SOURCE] [-b SOURCE] [OPTION…]\n\n"
          "Says what changed from run a to run b, test by test. Exits with 1 when tests "
          "fail in b that did\nnot in a, or the kernel reports there what it did not; with 5 "
          "when that can't be known.\n\n{}",
          source_help),
      {}};
  shape.options.add(here).add(output);
  return parse_with<CompareChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, CompareChoices& choices) -> Result<void> {
        if (found.count(positional_name) > 0)
          return fail(ErrorKind::usage, "compare takes its runs with -a and -b");
        choices.a = given(found, "-a").value_or(choices.a);
        choices.b = given(found, "-b").value_or(choices.b);
        choices.results = given(found, "results-dir").value_or(choices.results);
        choices.strict_baseline = found["strict-baseline"].as<bool>();
        const bool json = found["json"].as<bool>(), markdown = found["markdown"].as<bool>();
        if (json && markdown)
          return fail(ErrorKind::usage, "--json and --markdown exclude each other");
        if (json) choices.format = CompareChoices::Format::json;
        if (markdown) choices.format = CompareChoices::Format::markdown;
        return {};
      });
}

Result<Parsed<HistoryChoices>> parse_history(const Arguments& arguments) {
  po::options_description here("History");
  here.add_options()                                                                    //
      ("number,n", text("N"), "at most so many runs, or results of each test (20)")     //
      ("json", po::bool_switch(), "print JSON, as schemas/history.schema.json has it")  //
      ("rebuild", po::bool_switch(), "make the history anew from the runs' folders")    //
      ("results-dir", text("DIR"), "where runs are kept (results)");
  Shape shape{
      "Usage: ff-ci history [OPTION…] [TEST…]\n\n"
      "Lists the runs that are known, the newest first; or of each TEST (SUITE, SUITE/TEST, TEST, "
      "with\n"
      "* ? [] as in a shell) what became of it, how often it goes wrong, and how long it "
      "takes.\n\n",
      {}};
  shape.options.add(here);
  return parse_with<HistoryChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, HistoryChoices& choices) -> Result<void> {
        choices.patterns = all_given(found, positional_name);
        choices.json = found["json"].as<bool>();
        choices.rebuild = found["rebuild"].as<bool>();
        choices.results = given(found, "results-dir").value_or(choices.results);
        if (choices.rebuild && (choices.json || !choices.patterns.empty()))
          return fail(ErrorKind::usage, "--rebuild takes no TEST and no --json");
        if (const auto number = given(found, "number"))
          return assign(choices.most, whole_number("-n", *number));
        return {};
      });
}

}  // namespace ffci
