// What was typed behind the commands that take a job spec.
#include <fmt/format.h>

#include "cli/command_line.hpp"
#include "cli/options.hpp"
#include "store/recordings.hpp"

namespace ffci {
namespace {

// Options that stand for one key of the spec.
struct KeyOption {
  const char* names;  // as Program_options wants them: "long,s"
  const char* key;
  const char* argument;
  const char* help;
  SpecOverride::Form form = SpecOverride::Form::yaml;  // a comma_list may also be repeated
  const char* removes = nullptr;                       // the key that the option makes void
};

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
    {"qemu.count", "hosts.qemu.count", "N", "VMs to boot and run on"},
    {"qemu.kernel", "hosts.qemu.kernel", "FILE", "the kernel that they boot"},
    {"qemu.initrd", "hosts.qemu.initrd", "FILE", "its initial RAM disk"},
    {"qemu.append", "hosts.qemu.append", "TEXT", "added to its command line",
     SpecOverride::Form::text},
    {"qemu.image", "hosts.qemu.image", "FILE", "their disk, raw or qcow2, which is not written to"},
    {"qemu.memory", "hosts.qemu.memory", "SIZE", "of each"},
    {"qemu.cpus", "hosts.qemu.cpus", "N", "of each"},
    {"qemu.slots", "hosts.qemu.slots", "N", "tests at once in each"},
    {"qemu.accelerator", "hosts.qemu.accelerator", "HOW", "auto, kvm or tcg"},
    {"qemu.snapshot", "hosts.qemu.snapshot", "HOW",
     "auto: all but the first start from its state after the boot, or off"},
    {"qemu.connection", "hosts.qemu.connection", "HOW",
     "to log in: port, which QEMU forwards, or vsock"},
    {"qemu.boot-timeout", "hosts.qemu.boot-timeout", "TIME", "until they can be logged in to"},
    {"mkosi.num,n", "hosts.mkosi.count", "N", "VMs to boot with mkosi and run on"},
    {"mkosi.config", "hosts.mkosi.config", "DIR", "the directory of mkosi.conf"},
    {"mkosi.options", "hosts.mkosi.options", "OPTION,...", "for mkosi",
     SpecOverride::Form::comma_list},
    {"mkosi.include", "hosts.mkosi.include", "PATH", "further configuration of mkosi"},
    {"mkosi.fstests", "hosts.mkosi.path", "DIR", "where fstests is in these VMs"},
    {"mkosi.timeout", "hosts.mkosi.boot-timeout", "TIME", "until they can be logged in to"},
    {"order", "run.order", "ORDER", "slowest-first, random or listed"},
    {"durations", "run.durations", "SOURCE",
     "where the expected durations come from: history, none, or the run SOURCE"},
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
    {"baseline", "gate.baseline", "SOURCE",
     "what the run is compared with: history, a run as for --durations, or s3://BUCKET/KEY"},
    {"confirm", "gate.confirm", "N",
     "run a suspected regression N times more before it is believed; 0: never"},
    {"known-issues", "gate.known-issues", "FILE",
     "failures that somebody knows, which make no build red"},
    {"fail-on", "gate.fail-on", "LIST",
     "what makes a build red beside regressions: new-failure, slower, flaky, vanished, skipped",
     SpecOverride::Form::comma_list},
    {"results-dir", "reports.directory", "DIR", "where runs are kept"},
    {"junit", "reports.junit", "FILE", "a copy of the JUnit report"},
    {"summary", "reports.summary", "FILE", "a copy of summary.json"},
};

// Options without a value that stand for one value of a key.
struct KeySwitch {
  const char* names;
  const char* key;
  const char* value;
  const char* help;
};

constexpr KeySwitch key_switches[] = {
    {"randomize,r", "run.order", "random", "= --order random"},
    {"keep-alive", "run.keep-alive", "true",
     "leave the hosts up after the run, and say how to log in to them"},
    {"no-dmesg", "run.dmesg", "false", "do not watch what the kernel logs during a test"},
    {"baseline-optional", "gate.baseline-optional", "true",
     "a baseline that is not there yet is none, and no error"},
    {"strict-baseline", "gate.strict-baseline", "true",
     "fixed and vanished tests have an exit code of their own"},
    {"fail-on-flaky", "gate.fail-on-flaky", "true",
     "a test that failed and then passed makes a build red, too"},
};

std::string long_name(std::string_view names) {
  return std::string(names.substr(0, names.find(',')));
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
  for (const KeySwitch& option : key_switches) {
    options.add_options()(option.names, po::bool_switch(),
                          fmt::format("{} [{}]", option.help, option.key).c_str());
  }
  options.add_options()  //
      ("mkosi.build,f",
       po::value<Arguments>()->composing()->implicit_value(Arguments{""}, "")->value_name("[=N]"),
       "build the image of mkosi before, with so many -f as stand here, or N [hosts.mkosi.build]")(
          "slowest-first", text("[=SOURCE]"),
          "= --order slowest-first, and with =SOURCE also --durations SOURCE")  //
      ("set", po::value<Arguments>()->composing()->value_name("PATH=VALUE"),
       "any key, for example --set suites.kvm.commands.timeout=5m");
  return options;
}

// How often the option stands there, also as -ff, or what its value says.
std::optional<std::string> builds_given(const po::variables_map& found) {
  const Arguments values = all_given(found, "mkosi.build");
  size_t times = 0;
  for (const std::string& value : values) {
    if (value.find_first_not_of('f') != std::string::npos) return value;
    times += 1 + value.size();
  }
  return values.empty() ? std::nullopt : std::optional(std::to_string(times));
}

// What stood behind all occurrences of the option, with commas between them.
std::optional<std::string> comma_list_given(const po::variables_map& found,
                                            const std::string& name) {
  const Arguments lists = all_given(found, name);
  return lists.empty() ? std::nullopt : std::optional(fmt::format("{}", fmt::join(lists, ",")));
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
  for (const KeySwitch& option : key_switches) {
    const std::string name = long_name(option.names);
    if (found[name].as<bool>()) overrides.push_back({"--" + name, option.key, option.value});
  }
  if (const auto builds = builds_given(found))
    overrides.push_back({"--mkosi.build", "hosts.mkosi.build", *builds});
  if (const auto source = given(found, "slowest-first")) {
    overrides.push_back({"--slowest-first", "run.order", "slowest-first"});
    if (*source != left_out) overrides.push_back({"--slowest-first", "run.durations", *source});
  }
  for (const KeyOption& option : key_options) {
    const auto value = option.form == SpecOverride::Form::comma_list
                           ? comma_list_given(found, long_name(option.names))
                           : given(found, long_name(option.names));
    if (!value) continue;
    const std::string typed = "--" + long_name(option.names);
    overrides.push_back({typed, option.key, *value, option.form});
    if (option.removes != nullptr)
      overrides.push_back({typed, option.removes, *value, SpecOverride::Form::absent});
  }
  return overrides;
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
  options.add_options()("rerun-failures", text("[=SOURCE]"),
                        "only those that failed, timed out, crashed or were errors in the latest "
                        "run, or with =SOURCE in that one");
  return options;
}

}  // namespace

Result<Parsed<JobChoices>> parse_run(const Arguments& arguments) {
  po::options_description here("This run");
  here.add_options()                                                              //
      ("list,l", po::bool_switch(), "only list the tests, as `ff-ci list` does")  //
      ("resume", text("[=RUN]"),
       "go on with a run that was killed or stopped: the latest, or with =RUN that one; JOB and "
       "its options may be left out, and can't be others")  //
      ("events", text("FILE"),
       "write the run's events to FILE as they happen, one JSON object a line (-: stdout; the log "
       "then goes to stderr)")  //
      ("record", text("[=LABEL]"),
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
        choices.job.whole = true;
        return choose_job(found, choices.job);
      });
}

Result<Parsed<ValidateChoices>> parse_validate(const Arguments& arguments) {
  Shape shape{
      "Usage: ff-ci validate [OPTION…] JOB…\n"
      "       ff-ci validate --known-issues FILE\n\n"
      "Checks job specs and the known-issues files that they name, or one such file alone, and "
      "prints\n"
      "every complaint. What else specs name (directories, imported files) is looked at by `ff-ci "
      "list`.\n\n",
      {}};
  shape.options.add(spec_options());
  return parse_with<ValidateChoices>(
      arguments, std::move(shape),
      [](const po::variables_map& found, ValidateChoices& choices) -> Result<void> {
        choices.specs = all_given(found, positional_name);
        choices.known_issues = given(found, "known-issues");
        if (choices.specs.empty() && !choices.known_issues)
          return fail(ErrorKind::usage, "no job spec was given; expected JOB…");
        return assign(choices.overrides, overrides_of(found));
      });
}

}  // namespace ffci
