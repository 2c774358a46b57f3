#include "cli/cli.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>
#include <vector>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "model/exit_code.hpp"

namespace ffci {
namespace {

// One subcommand from what was typed behind it to its exit code.
template <auto parse, auto command>
Result<ExitCode> parse_and_run(const Arguments& arguments) {
  const auto parsed = parse(arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (!parsed->help) return command(parsed->choices);
  fmt::print("{}", *parsed->help);
  return ExitCode::ok;
}

struct Command {
  const char* name;
  const char* what;
  Result<ExitCode> (*run)(const Arguments&);
};

constexpr Command commands[] = {
    {"run", "run the tests of a job", parse_and_run<parse_run, run_command>},
    {"list", "list the tests that would run", parse_and_run<parse_list, list_command>},
    {"plan", "predict how long a job takes on how many hosts",
     parse_and_run<parse_plan, plan_command>},
    {"validate", "check job specs", parse_and_run<parse_validate, validate_command>},
    {"report", "write the reports of a stored run again",
     parse_and_run<parse_report, report_command>},
    {"merge", "join the shards of a run", parse_and_run<parse_merge, merge_command>},
    {"record", "give a stored run a label", parse_and_run<parse_record, record_command>},
    {"compare", "say what changed from one run to another",
     parse_and_run<parse_compare, compare_command>},
    {"history", "tell what is known from earlier runs",
     parse_and_run<parse_history, history_command>},
};

std::string help() {
  std::string text =
      "ff-ci runs kernel file-system tests and other suites of commands in pipelines: in parallel, "
      "slowest first, with every result kept.\n\n"
      "Usage: ff-ci COMMAND [OPTION…] …\n\nCommands:\n";
  for (const Command& command : commands)
    text += fmt::format("  {:<10}{}\n", command.name, command.what);
  text +=
      "\n`ff-ci COMMAND --help` tells a command's options. `ff-ci --version` prints the "
      "version.\n\nExit codes (with `--bisect` those that `git bisect run` wants):\n";
  for (const ExitCodeMeaning& code : exit_code_table())
    text += fmt::format("  {:<5}{}\n", static_cast<int>(code.code), code.meaning);
  return text;
}

Result<ExitCode> dispatch(const Arguments& arguments) {
  if (arguments.empty()) return fail(ErrorKind::usage, "no command was given; see `ff-ci --help`");
  const std::string& first = arguments.front();
  if (first == "--help" || first == "-h" || first == "help") {
    fmt::print("{}", help());
    return ExitCode::ok;
  }
  if (first == "--version") {
    fmt::print("ff-ci {}\n", FFCI_VERSION);
    return ExitCode::ok;
  }
  for (const Command& command : commands) {
    if (first == command.name) return command.run({arguments.begin() + 1, arguments.end()});
  }
  std::vector<std::string> names;
  for (const Command& command : commands)
    names.emplace_back(command.name);
  return fail(ErrorKind::usage, fmt::format("unknown command '{}'{}; see `ff-ci --help`", first,
                                            did_you_mean(first, names)));
}

// "ff-ci: " before an error of one line; complaints about files begin with the file's name.
void print_error(const Error& error) {
  const bool names_its_place = error.kind == ErrorKind::bad_spec;
  fmt::print(stderr, "{}{}\n", names_its_place ? "" : "ff-ci: ", printable(error.message));
}

// What a parent may have left us without, or with.
void make_the_process_ordinary() {
  int fd = 0;
  do
    fd = ::open("/dev/null", O_RDWR);  // so that no file of ours becomes stdin, stdout or stderr
  while (fd >= 0 && fd <= STDERR_FILENO);
  ::close(fd);
  std::signal(SIGPIPE, SIG_IGN);  // writing tells
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // ignored, children would vanish unseen
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Takes --bisect out, wherever it stands: also a command line that is otherwise wrong must not look
// like a bad revision.
bool take_bisect(Arguments& arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  const auto found = std::find(arguments.begin(), end, "--bisect");
  if (found == end) return false;
  arguments.erase(found);
  return true;
}

Result<ExitCode> run_and_print(const Arguments& arguments) {
  Result<ExitCode> done = dispatch(arguments);
  const bool printed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (done && !printed)
    return fail(ErrorKind::io, fmt::format("cannot write to stdout: {}", std::strerror(errno)));
  return done;
}

ExitCode exit_code_of(const Arguments& arguments) {
  try {
    const Result<ExitCode> done = run_and_print(arguments);
    if (done) return *done;
    print_error(done.error());
    return exit_code_for(done.error().kind);
  } catch (const std::system_error& error) {  // of fmt::print
    print_error({ErrorKind::io, fmt::format("cannot write: {}", error.what())});
    return ExitCode::io;
  } catch (const std::exception& error) {
    fmt::print(stderr, "ff-ci: internal error: {}\n", printable_line(error.what()));
    return ExitCode::internal;
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  make_the_process_ordinary();
  Arguments arguments(argv + std::min(argc, 1), argv + argc);
  const bool bisect = take_bisect(arguments);
  const ExitCode code = exit_code_of(arguments);
  return bisect ? bisect_code(code) : static_cast<int>(code);
}

}  // namespace ffci
