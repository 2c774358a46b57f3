#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "spec/load_job_spec.hpp"
#include "walk.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

using Loaded = tl::expected<JobSpec, std::vector<SpecComplaint>>;
using Variables = std::map<std::string, std::string>;

Loaded load(std::string text, const std::vector<SpecOverride>& overrides = {},
            const Variables& variables = {{"HOME", "/home/me"}}) {
  const SpecSource source{std::move(text), "job.yaml", "/specs", "/here",
                          [&](const std::string& name) -> std::optional<std::string> {
                            const auto found = variables.find(name);
                            if (found == variables.end()) return std::nullopt;
                            return found->second;
                          }};
  return load_job_spec(source, overrides);
}

JobSpec job(const std::string& text, const std::vector<SpecOverride>& overrides = {},
            const Variables& variables = {{"HOME", "/home/me"}}) {
  const Loaded loaded = load(text, overrides, variables);
  for (const SpecComplaint& complaint : loaded ? std::vector<SpecComplaint>{} : loaded.error()) {
    FAIL_CHECK(complaint.text);
  }
  return loaded ? *loaded : JobSpec{};
}

// All complaints, one a line.
std::string complaints(const std::string& text, const std::vector<SpecOverride>& overrides = {},
                       const Variables& variables = {}) {
  const Loaded loaded = load(text, overrides, variables);
  if (loaded) return "none";
  std::string all;
  for (const SpecComplaint& complaint : loaded.error()) {
    all += (all.empty() ? "" : "\n") + complaint.text;
  }
  return all;
}

SpecOverride set(std::string path, std::string value) {
  return {"--set", std::move(path), std::move(value)};
}

SpecOverride vms(std::string value) {
  return {"--vms", "hosts.ssh.machines", std::move(value), SpecOverride::Form::comma_list};
}

using Lines = std::vector<std::string>;

CommandsSuiteSpec commands_of(const JobSpec& job, size_t suite) {
  return std::get<CommandsSuiteSpec>(job.suites.at(suite));
}

FstestsSuiteSpec fstests_of(const JobSpec& job, size_t suite) {
  return std::get<FstestsSuiteSpec>(job.suites.at(suite));
}

// "job.yaml:3:1 text"
Lines shown(const std::vector<LocatedText>& texts) {
  Lines lines;
  for (const LocatedText& text : texts)
    lines.push_back(text.where + " " + text.text);
  return lines;
}

// "user host port path", with - for what is empty.
Lines shown(const std::vector<SshMachineSpec>& machines) {
  const auto word = [](const std::string& text) { return text.empty() ? "-" : text; };
  Lines lines;
  for (const SshMachineSpec& machine : machines) {
    lines.push_back(fmt::format("{} {} {} {}", word(machine.user), word(machine.host), machine.port,
                                word(machine.path)));
  }
  return lines;
}

// The least that a job is, with `more` below it. `more` begins on line 8.
std::string spec(const std::string& more = "") {
  return "version: 1\n"
         "suites:\n"
         "  - name: kvm\n"
         "    commands:\n"
         "      tests:\n"
         "        - name: hello\n"
         "          command: echo hello\n" +
         more;
}

// A suite of fstests with `more` below it, which begins on line 7.
std::string fstests_spec(const std::string& more = "") {
  return "version: 1\n"
         "suites:\n"
         "  - name: btrfs\n"
         "    fstests:\n"
         "      file-system: btrfs\n"
         "      path: /fstests\n" +
         more;
}

// Of that, where the path is missing.
std::string pathless_spec(const std::string& hosts = "") {
  return "version: 1\nsuites: [{name: a, fstests: {file-system: btrfs}}]\n" + hosts;
}

SpecOverride groups(std::string value) {
  return {"--groups", "suites.*.fstests.groups", std::move(value), SpecOverride::Form::comma_list};
}

std::string spec_with_command(const std::string& command) {
  return "version: 1\nsuites: [{name: a, commands: {tests: [{name: t, command: " + command +
         "}]}}]\n";
}

std::string command_of(const JobSpec& job) {
  return job.suites.empty() || commands_of(job, 0).tests.empty()
             ? ""
             : commands_of(job, 0).tests[0].command;
}

const std::string full_spec = R"(version: 1
name: gate
suites:
  - name: kvm
    commands:
      directory: selftests/kvm
      setup: modprobe kvm
      teardown: rmmod kvm
      timeout: 300s
      arch: x86_64
      parallel: 4
      files: [core*, "{test}/*.log"]
      tests:
        - &dirty
          name: dirty_log
          command: ./dirty_log -v $(nproc)
          setup: echo up
          teardown: echo down
          timeout: 5s
          arch: [x86_64, aarch64]
          files: out.txt
          parameters: {slots: [1, 2], mode: [a, "b c"]}
        - {<<: *dirty, name: merged}
      discover: "*_test"
      import: tests.json
      protocol: ktap
  - name: btrfs
    fstests:
      path: /fstests
      tree: ~/src/fstests
      file-system: btrfs
      tests: [generic/475, "btrfs/2*"]
      groups: [btrfs/auto, quick]
      exclude:
        tests: generic/562
        tests-file: [expunges/btrfs.txt, ~/all.txt]
        groups: dangerous
      section: [4k, 16k]
      exclude-section: 64k
      variables: {MKFS_OPTIONS: "-n 16k", LOAD_FACTOR: 2}
      timeout: 30m
hosts:
  local:
    slots: 2
    devices: {directory: scratch, test: 10G, scratch: 20G, pool: 4}
  ssh:
    machines: ["root@vm1:/fstests", "vm2:2222:/home/fstests"]
    slots: 3
    identity: ~/.ssh/key
    known-hosts: known_hosts
    host-key: accept-new
    connect-timeout: 5s
    boot-timeout: 90s
    proxy-command: nc %h %p
    isolation: session
    arch: aarch64
run:
  order: random
  durations: -1
  seed: 18446744073709551615
  iterate: 2
  test-timeout: 0
  deadline: 2h
  retry-failures: 1
  batch: {target: 10s}
  max-host-restarts: 4
  stop-after-failures: 5
  kill-after: 0
  heartbeat: 1m
  output-limit: 1MiB
  files-limit: 2MiB
  probe-interval: 10s
  keep-alive: true
  dmesg:
    allow:
      - {match: "WARNING*", reason: known}
      - {match: "*lockdep*", reason: also known}
  bpftrace: "BEGIN { exit(); }"
gate:
  baseline: runs/main
  baseline-optional: true
  baseline-token: {variable: CI_TOKEN, header: X-Token}
  confirm: 2
  confirm-limit: 6
  known-issues: known.yaml
  fail-on: [slower, vanished]
  strict-baseline: true
  fail-on-flaky: true
  slower: {ratio: 2, floor: 1s, deviations: 0.5, runs: 9}
  base-hosts:
    ssh: {machines: "vm9:/fstests", identity: key, slots: 2}
reports:
  directory: out
  junit: ${DIR:-junit}/j.xml
  summary: ~/s.json
)";

}  // namespace

TEST_CASE("every key of a spec reaches the job") {
  const JobSpec spec = job(full_spec);
  CHECK(spec.name == "gate");
  CHECK(spec.source == full_spec);
  REQUIRE(spec.suites.size() == 2);
  const CommandsSuiteSpec suite = commands_of(spec, 0);
  CHECK(suite.name == "kvm");
  CHECK(suite.directory == "/specs/selftests/kvm");
  CHECK(suite.directory_in_tree == "selftests/kvm");
  CHECK(suite.setup == "modprobe kvm");
  CHECK(suite.teardown == "rmmod kvm");
  CHECK(suite.timeout == 300s);
  CHECK(suite.arch == std::vector<std::string>{"x86_64"});
  CHECK(suite.parallel == 4);
  CHECK(suite.files == std::vector<std::string>{"core*", "{test}/*.log"});
  CHECK(suite.discover == "*_test");
  CHECK(suite.import_file == "/specs/tests.json");
  CHECK(suite.protocol == Protocol::ktap);
  CHECK(suite.where == "job.yaml:4:5");
  REQUIRE(suite.tests.size() == 2);
  const CommandTestSpec& test = suite.tests[0];
  CHECK(test.name == "dirty_log");
  CHECK(test.command == "./dirty_log -v $(nproc)");
  CHECK(test.setup == "echo up");
  CHECK(test.teardown == "echo down");
  CHECK(test.timeout == 5s);
  CHECK(test.arch == std::vector<std::string>{"x86_64", "aarch64"});
  CHECK(test.files == std::vector<std::string>{"out.txt"});
  CHECK(test.parameters ==
        decltype(test.parameters){{"slots", {"1", "2"}}, {"mode", {"a", "b c"}}});
  CHECK(test.where == "job.yaml:14:11");
  const FstestsSuiteSpec fstests = fstests_of(spec, 1);
  CHECK(fstests.name == "btrfs");
  CHECK(fstests.path == "/fstests");
  CHECK(fstests.tree == "/home/me/src/fstests");
  CHECK(fstests.file_system == "btrfs");
  CHECK(shown(fstests.tests) == Lines{"job.yaml:32:15 generic/475", "job.yaml:32:28 btrfs/2*"});
  CHECK(shown(fstests.groups) == Lines{"job.yaml:33:16 btrfs/auto", "job.yaml:33:28 quick"});
  CHECK(shown(fstests.excluded_tests) == Lines{"job.yaml:35:16 generic/562"});
  CHECK(shown(fstests.excluded_tests_files) ==
        Lines{"job.yaml:36:22 /specs/expunges/btrfs.txt", "job.yaml:36:42 /home/me/all.txt"});
  CHECK(shown(fstests.excluded_groups) == Lines{"job.yaml:37:17 dangerous"});
  CHECK(shown(fstests.sections) == Lines{"job.yaml:38:17 4k", "job.yaml:38:21 16k"});
  CHECK(shown(fstests.excluded_sections) == Lines{"job.yaml:39:24 64k"});
  CHECK(fstests.variables ==
        decltype(fstests.variables){{"MKFS_OPTIONS", "-n 16k"}, {"LOAD_FACTOR", "2"}});
  CHECK(fstests.timeout == 30min);
  CHECK(fstests.where == "job.yaml:27:5");
  REQUIRE(spec.local);
  CHECK(spec.local->slots == 2);
  REQUIRE(spec.local->devices);
  CHECK(spec.local->devices->directory == "/specs/scratch");
  CHECK(spec.local->devices->test_size == 10ULL << 30);
  CHECK(spec.local->devices->scratch_size == 20ULL << 30);
  CHECK(spec.local->devices->pool == 4);
  REQUIRE(spec.remote.ssh);
  CHECK(shown(spec.remote.ssh->machines) ==
        Lines{"root vm1 22 /fstests", "- vm2 2222 /home/fstests"});
  CHECK(spec.remote.ssh->machines[0].where == "job.yaml:47:16");
  CHECK(spec.remote.ssh->slots == 3);
  CHECK(spec.remote.ssh->identity == "/home/me/.ssh/key");
  CHECK(spec.remote.ssh->known_hosts == "/specs/known_hosts");
  CHECK(spec.remote.ssh->host_key == HostKeyPolicy::accept_new);
  CHECK(spec.remote.ssh->connect_timeout == 5s);
  CHECK(spec.remote.ssh->boot_timeout == 90s);
  CHECK(spec.remote.ssh->proxy_command == "nc %h %p");
  CHECK(spec.remote.ssh->isolation == RemoteIsolation::session);
  CHECK(spec.remote.ssh->arch == "aarch64");
  CHECK(spec.run.order == Order::random);
  CHECK(spec.run.durations == "-1");
  CHECK(spec.run.seed == 18446744073709551615ULL);
  CHECK(spec.run.iterate == 2);
  CHECK(spec.run.test_timeout == 0s);
  CHECK(spec.run.deadline == 2h);
  CHECK(spec.run.retry_failures == 1);
  CHECK(spec.run.batch_target == 10s);
  CHECK(spec.run.max_host_restarts == 4);
  CHECK(spec.run.stop_after_failures == 5);
  CHECK(spec.run.kill_after == 0s);
  CHECK(spec.run.heartbeat == 1min);
  CHECK(spec.run.output_limit == 1 << 20);
  CHECK(spec.run.files_limit == 2 << 20);
  CHECK(spec.run.probe_interval == 10s);
  CHECK(spec.run.keep_alive);
  CHECK(spec.run.kernel_log.watch);
  REQUIRE(spec.run.kernel_log.allowed.size() == 2);
  CHECK(spec.run.kernel_log.allowed[1].match == "*lockdep*");
  CHECK(spec.run.kernel_log.allowed[1].reason == "also known");
  CHECK(spec.run.bpftrace == "BEGIN { exit(); }");
  CHECK(spec.run.bpftrace_script.empty());
  CHECK(spec.gate.baseline == "/specs/runs/main");
  CHECK(spec.gate.baseline_optional);
  REQUIRE(spec.gate.token);
  CHECK(spec.gate.token->variable == "CI_TOKEN");
  CHECK(spec.gate.token->header == "X-Token");
  CHECK(spec.gate.confirm == 2);
  CHECK(spec.gate.confirm_limit == 6);
  CHECK(spec.gate.known_issues == "/specs/known.yaml");
  CHECK(spec.gate.fail_on ==
        std::set{FailOn::regression, FailOn::slower, FailOn::vanished, FailOn::flaky});
  CHECK(spec.gate.strict_baseline);
  CHECK(spec.gate.slower.ratio == 2);
  CHECK(spec.gate.slower.floor == 1s);
  CHECK(spec.gate.slower.deviations == 0.5);
  CHECK(spec.gate.slower.runs == 9);
  REQUIRE(spec.gate.base.ssh);
  CHECK(shown(spec.gate.base.ssh->machines) == Lines{"- vm9 22 /fstests"});
  CHECK(spec.gate.base.ssh->identity == "/specs/key");
  CHECK(spec.gate.base.ssh->known_hosts == "/home/me/.ssh/known_hosts");
  CHECK(spec.gate.base.ssh->slots == 2);
  CHECK(spec.reports.directory == "/specs/out");
  CHECK(spec.reports.junit == "/specs/junit/j.xml");
  CHECK(spec.reports.summary == "/home/me/s.json");
}

TEST_CASE("a minimal spec gets every default") {
  const JobSpec minimal = job(spec());
  CHECK(minimal.name == "job");
  REQUIRE(minimal.suites.size() == 1);
  CHECK(commands_of(minimal, 0).directory == "/specs");
  CHECK(commands_of(minimal, 0).directory_in_tree.empty());
  CHECK(commands_of(minimal, 0).files.empty());
  CHECK(commands_of(minimal, 0).parallel == 0);
  CHECK_FALSE(commands_of(minimal, 0).timeout);
  CHECK_FALSE(commands_of(minimal, 0).discover);
  CHECK_FALSE(minimal.local);
  CHECK_FALSE(minimal.remote.ssh);
  CHECK(minimal.run.order == Order::slowest_first);
  CHECK(minimal.run.durations == "history");
  CHECK(minimal.run.test_timeout == 20min);
  CHECK_FALSE(minimal.run.deadline);
  CHECK(minimal.run.batch_target == 30s);
  CHECK(minimal.run.files_limit == 64 << 20);
  CHECK(minimal.run.probe_interval == 30s);
  CHECK_FALSE(minimal.run.keep_alive);
  CHECK(minimal.run.kernel_log.watch);
  CHECK(minimal.run.bpftrace.empty());
  CHECK_FALSE(minimal.gate.baseline);
  CHECK_FALSE(minimal.gate.baseline_optional);
  CHECK_FALSE(minimal.gate.token);
  CHECK(minimal.gate.confirm == 3);
  CHECK(minimal.gate.confirm_limit == 12);
  CHECK(minimal.gate.known_issues.empty());
  CHECK(minimal.gate.fail_on == std::set{FailOn::regression});
  CHECK_FALSE(minimal.gate.strict_baseline);
  CHECK_FALSE(minimal.gate.base.ssh);
  CHECK(minimal.reports.directory == "/specs/results");
  CHECK_FALSE(minimal.reports.junit);
}

TEST_CASE("all complaints come at once, in the order of the file") {
  CHECK(
      complaints("version: 2\n"
                 "suites:\n"
                 "  - name: a b\n"
                 "    command: {}\n"
                 "run:\n"
                 "  test-timeout: abc\n"
                 "  iterat: 1\n") ==
      "job.yaml:1:10: 'version' is '2'; expected 1\n"
      "job.yaml:3:5: a suite needs 'commands' or 'fstests'\n"
      "job.yaml:3:11: 'suites.0.name' is 'a b'; expected letters, digits, '.', '_' and '-', "
      "beginning with a letter or digit\n"
      "job.yaml:4:5: unknown key 'command'; did you mean 'commands'?\n"
      "job.yaml:6:17: 'run.test-timeout' is 'abc'; expected a duration such as 30s, 20m or 1h30m\n"
      "job.yaml:7:3: unknown key 'iterat'; did you mean 'iterate'?");
}

TEST_CASE("complaints are one printable line, whatever the file holds") {
  CHECK(complaints(spec("\"\\e[31mred\\n\\a\": 1\n")) == "job.yaml:8:1: unknown key 'red #x07'");
}

TEST_CASE("a documented key that this version lacks is named as such") {
  CHECK(complaints(spec("environments: []\n")) ==
        "job.yaml:8:1: 'environments' is not supported by this version of ff-ci");
}

TEST_CASE("a number is taken as text where text is expected") {
  const JobSpec numbers =
      job("version: 1\nname: 001\nsuites: [{name: 5.10, commands: {discover: 1}}]\n");
  CHECK(numbers.name == "001");
  CHECK(commands_of(numbers, 0).name == "5.10");
  CHECK(commands_of(numbers, 0).discover == "1");
}

TEST_CASE("text that looks like a number is no number") {
  CHECK(complaints(spec("run: {iterate: '2'}\n")) ==
        "job.yaml:8:16: 'run.iterate' is '2' in quotes; expected a whole number from 1 to 10000");
}

TEST_CASE("names repeat only across suites") {
  const std::string two =
      "version: 1\n"
      "suites:\n"
      "  - {name: a, commands: {tests: [{name: t, command: x}]}}\n"
      "  - {name: b, commands: {tests: [{name: t, command: x}]}}\n";
  CHECK(complaints(two) == "none");
  CHECK(complaints(two, {set("suites.1.name", "a")}) ==
        "job.yaml:4:5: duplicate suite 'a'; the first is at job.yaml:3:5");
}

TEST_CASE("a sweep of parameters has an end") {
  std::string values = "0";
  for (int i = 1; i <= 100; ++i)
    values += ", " + std::to_string(i);
  const std::string sweep = fmt::format("          parameters: {{a: [{0}], b: [{0}]}}\n", values);
  CHECK(complaints(spec(sweep)) ==
        "job.yaml:8:23: the parameters make more than 10000 tests of this one");
}

TEST_CASE("relative paths start where they were written") {
  const JobSpec paths = job(spec("reports: {directory: ../out/, junit: ./a/../j.xml}\n"),
                            {set("reports.summary", "s.json")});
  CHECK(paths.reports.directory == "/out");
  CHECK(paths.reports.junit == "/specs/j.xml");
  CHECK(paths.reports.summary == "/here/s.json");
}

TEST_CASE("~ needs HOME") {
  CHECK(complaints(spec("reports: {junit: ~/j.xml}\n")) ==
        "job.yaml:8:18: 'reports.junit' begins with ~, but HOME is not set");
  CHECK(job(spec("reports: {junit: ~me/j.xml}\n")).reports.junit == "/specs/~me/j.xml");
}

TEST_CASE("a source of durations is a path when it looks like one") {
  const auto durations = [](const std::string& source) {
    return job(spec("run: {durations: \"" + source + "\"}\n")).run.durations;
  };
  CHECK(durations("main") == "main");
  CHECK(durations("-1") == "-1");
  CHECK(durations("https://ci/summary.json") == "https://ci/summary.json");
  CHECK(durations("summary.json") == "/specs/summary.json");
  CHECK(durations("old/run") == "/specs/old/run");
}

TEST_CASE("a baseline is a source, or lies in S3") {
  const auto baseline = [](const std::string& source) {
    return job(spec("gate: {baseline: \"" + source + "\"}\n")).gate.baseline;
  };
  CHECK(baseline("history") == "history");
  CHECK(baseline("s3://kernels/main.json") == "s3://kernels/main.json");
  CHECK(baseline("main.json") == "/specs/main.json");
  CHECK(job(spec(), {{"--baseline", "gate.baseline", "main.json"}}).gate.baseline ==
        "/here/main.json");
}

TEST_CASE("a token for the baseline is the name of a variable") {
  const TokenSpec token = job(spec("gate: {baseline-token: CI_TOKEN}\n")).gate.token.value();
  CHECK(token.variable == "CI_TOKEN");
  CHECK(token.header == "Authorization");
}

TEST_CASE("a token in the place of its variable's name is not shown") {
  const auto said = [](const std::string& gate) {
    return complaints(spec("gate: " + gate + "\n"), {}, {{"TOKEN", "s3cret"}});
  };
  CHECK(said("{baseline-token: s3-cret}") ==
        "job.yaml:8:24: 'gate.baseline-token' is not the name of an environment variable, such as "
        "CI_TOKEN; the token itself does not belong into the spec");
  for (const char* gate : {"{baseline-token: '${TOKEN}'}", "{baseline-token: {variable: 5s3cret}}",
                           "{baseline-token: {variable: A, header: 'Authorization: s3cret'}}"}) {
    CAPTURE(gate);
    CHECK(said(gate).find("the token itself does not belong into the spec") != std::string::npos);
    CHECK(said(gate).find("s3cret") == std::string::npos);
  }
}

TEST_CASE("the limit of confirming runs follows their number, unless it is given") {
  const auto limit = [](const std::string& gate, const std::vector<SpecOverride>& overrides = {}) {
    return job(spec("gate: {" + gate + "}\n"), overrides).gate.confirm_limit;
  };
  const SpecOverride confirm{"--confirm", "gate.confirm", "20"};
  CHECK(limit("confirm: 0") == 12);
  CHECK(limit("confirm: 3") == 12);
  CHECK(limit("confirm: 4") == 16);
  CHECK(limit("confirm: 1000") == 4000);
  CHECK(limit("confirm: 4, confirm-limit: 4") == 4);
  CHECK(limit("confirm: 3", {confirm}) == 80);
  CHECK(limit("confirm: 3, confirm-limit: 6", {confirm}) == 20);
  CHECK(complaints(spec("gate: {confirm: 7}\n"), {confirm, set("gate.confirm-limit", "5")}) ==
        "--set gate.confirm-limit=5: 'gate.confirm-limit' is '5'; expected at least 20, as many as "
        "'gate.confirm' begins with");
  CHECK(complaints(spec("gate: {confirm: few, confirm-limit: 2}\n")) ==
        "job.yaml:8:17: 'gate.confirm' is 'few'; expected a whole number from 0 to 1000");
}

TEST_CASE("fail-on-flaky adds to fail-on, but for a list of the command line") {
  const auto fail_on = [](const std::string& gate,
                          const std::vector<SpecOverride>& overrides = {}) {
    return job(spec("gate: {" + gate + "}\n"), overrides).gate.fail_on;
  };
  const SpecOverride list{"--fail-on", "gate.fail-on", "slower, vanished",
                          SpecOverride::Form::comma_list};
  const SpecOverride flaky{"--fail-on-flaky", "gate.fail-on-flaky", "true"};
  CHECK(fail_on("fail-on: slower") == std::set{FailOn::regression, FailOn::slower});
  CHECK(fail_on("fail-on-flaky: true") == std::set{FailOn::regression, FailOn::flaky});
  CHECK(fail_on("fail-on: [flaky], fail-on-flaky: false") ==
        std::set{FailOn::regression, FailOn::flaky});
  CHECK(fail_on("fail-on-flaky: true", {list}) ==
        std::set{FailOn::regression, FailOn::slower, FailOn::vanished});
  CHECK(fail_on("fail-on: [regression]", {list, flaky}) ==
        std::set{FailOn::regression, FailOn::slower, FailOn::vanished, FailOn::flaky});
  CHECK(complaints(spec(),
                   {{"--fail-on", "gate.fail-on", "regresion", SpecOverride::Form::comma_list}}) ==
        "--fail-on regresion: 'gate.fail-on.0' is 'regresion'; expected regression, new-failure, "
        "slower, flaky, vanished or skipped; did you mean 'regression'?");
}

TEST_CASE("machines of the base kernel have something to do, or the command line took it away") {
  const std::string base = "base-hosts: {ssh: {machines: vm9, known-hosts: k}}";
  const SpecOverride none{"--confirm", "gate.confirm", "0"};
  CHECK(complaints(spec("gate: {" + base + "}\n")) ==
        "job.yaml:8:20: 'gate.base-hosts' does nothing without 'gate.baseline'; add it");
  CHECK(complaints(spec("gate: {baseline: main, confirm: 0, " + base + "}\n")) ==
        "job.yaml:8:48: 'gate.base-hosts' does nothing while 'gate.confirm' is 0; remove it");
  CHECK(job(spec("gate: {baseline: main, " + base + "}\n")).gate.base.ssh);
  CHECK(job(spec("gate: {" + base + "}\n"), {set("gate.baseline", "main")}).gate.base.ssh);
  CHECK_FALSE(job(spec("gate: {baseline: main, " + base + "}\n"), {none}).gate.base.ssh);
}

TEST_CASE("no machine boots both kernels") {
  const std::string gate =
      "gate: {baseline: main, base-hosts: {ssh: {machines: [vm9, VM1], known-hosts: k}}}\n";
  CHECK(complaints(spec("hosts: {ssh: {machines: [vm1, vm2], known-hosts: k}}\n" + gate)) ==
        "job.yaml:9:59: machine 'VM1' is also in 'hosts.ssh.machines' (at job.yaml:8:26), where it "
        "has the kernel under test; remove it from one of them");
  CHECK(complaints(spec(gate), {vms("vm2,me@vm9"), set("hosts.ssh.known-hosts", "k")}) ==
        "job.yaml:8:54: machine 'vm9' is also in 'hosts.ssh.machines' (at --vms vm2,me@vm9), where "
        "it has the kernel under test; remove it from one of them");
}

TEST_CASE("machines of the base kernel have paths of fstests, too") {
  const std::string hosts =
      "hosts: {ssh: {machines: 'vm1:/fstests', known-hosts: k}}\n"
      "gate: {baseline: main, base-hosts: {ssh: {known-hosts: k, machines: ";
  CHECK(job(pathless_spec(hosts + "'vm9:/fstests'}}}\n")).gate.base.ssh);
  CHECK(complaints(pathless_spec(hosts + "vm9}}}\n")) ==
        "job.yaml:2:29: a suite of fstests needs 'path' for machine 'vm9' (at job.yaml:4:69), "
        "which names none");
}

TEST_CASE("the default of known-hosts needs HOME for the base kernel, too") {
  CHECK(complaints(spec("gate: {baseline: main, base-hosts: {ssh: {machines: vm9}}}\n")) ==
        "job.yaml:8:42: 'gate.base-hosts.ssh.known-hosts' is missing; it defaults to "
        "~/.ssh/known_hosts, but HOME is not set");
}

TEST_CASE("a machine is [user@]host[:port][:/path]") {
  const auto machine = [](const std::string& text) {
    const JobSpec read = job(spec("hosts: {ssh: {machines: '" + text + "'}}\n"));
    return read.remote.ssh ? shown(read.remote.ssh->machines) : Lines{};
  };
  CHECK(machine("vm1") == Lines{"- vm1 22 -"});
  CHECK(machine("root@vm1") == Lines{"root vm1 22 -"});
  CHECK(machine("vm1:2222") == Lines{"- vm1 2222 -"});
  CHECK(machine("vm1:/fstests") == Lines{"- vm1 22 /fstests"});
  CHECK(machine("root@vm1:2222:/fstests") == Lines{"root vm1 2222 /fstests"});
  CHECK(machine("vm1:65535:/") == Lines{"- vm1 65535 /"});
  CHECK(machine("192.0.2.1:/p:22/@home") == Lines{"- 192.0.2.1 22 /p:22/@home"});
  CHECK(machine("[fe80::1]") == Lines{"- fe80::1 22 -"});
  CHECK(machine("[fe80::1%eth0]:2222:/p") == Lines{"- fe80::1%eth0 2222 /p"});
  CHECK(machine("me@[::1]:/p") == Lines{"me ::1 22 /p"});
  CHECK(machine("[vm1]:2222") == Lines{"- vm1 2222 -"});
}

TEST_CASE("ssh alone means no local hosts, and gets every default") {
  const JobSpec alone = job(spec("hosts: {ssh: {machines: [vm1]}}\n"));
  CHECK_FALSE(alone.local);
  REQUIRE(alone.remote.ssh);
  CHECK(alone.remote.ssh->slots == 1);
  CHECK_FALSE(alone.remote.ssh->identity);
  CHECK(alone.remote.ssh->known_hosts == "/home/me/.ssh/known_hosts");
  CHECK(alone.remote.ssh->host_key == HostKeyPolicy::strict);
  CHECK(alone.remote.ssh->connect_timeout == 30s);
  CHECK_FALSE(alone.remote.ssh->proxy_command);
  CHECK(alone.remote.ssh->isolation == RemoteIsolation::automatic);
  CHECK(alone.remote.ssh->arch.empty());
}

TEST_CASE("the default of known-hosts needs HOME") {
  CHECK(complaints(spec("hosts: {ssh: {machines: vm1}}\n")) ==
        "job.yaml:8:14: 'hosts.ssh.known-hosts' is missing; it defaults to ~/.ssh/known_hosts, but "
        "HOME is not set");
  CHECK(complaints(spec("hosts: {ssh: {machines: vm1, known-hosts: /k}}\n")) == "none");
  CHECK(complaints(spec("hosts: {ssh: []}\n")) ==
        "job.yaml:8:14: 'hosts.ssh' is an empty list; expected a map");
}

TEST_CASE("a machine twice is a complaint that names both") {
  const std::string known = "known-hosts: /k, machines: ";
  CHECK(complaints(spec("hosts: {ssh: {" + known + "[a@vm1, 'b@VM1:22:/p', vm1:23]}}\n")) ==
        "job.yaml:8:50: machine 'b@VM1:22:/p' is the same host and port as 'a@vm1' at "
        "job.yaml:8:43; 'slots' says how many tests run there at once");
  CHECK(complaints(spec("hosts: {ssh: {" + known + "x}}\n"), {vms("a@vm1,b@vm1")}) ==
        "--vms a@vm1,b@vm1: machine 'b@vm1' is the same host and port as 'a@vm1' at --vms "
        "a@vm1,b@vm1; 'slots' says how many tests run there at once");
}

TEST_CASE("--vms brings machines, with or without hosts in the file") {
  const auto machines = [](const std::string& more, const SpecOverride& override) {
    const JobSpec read = job(spec(more), {override});
    return read.remote.ssh ? shown(read.remote.ssh->machines) : Lines{};
  };
  CHECK(machines("", vms("root@vm1:/p,vm2:2222, vm3")) ==
        Lines{"root vm1 22 /p", "- vm2 2222 -", "- vm3 22 -"});
  CHECK(machines("", vms("[fe80::1]:22:/p,[::1]")) == Lines{"- fe80::1 22 /p", "- ::1 22 -"});
  CHECK(machines("hosts: {ssh: {machines: [a, b]}}\n", vms("c")) == Lines{"- c 22 -"});
  CHECK(machines("hosts:\n", vms("c")) == Lines{"- c 22 -"});
  CHECK_FALSE(job(spec(), {vms("vm1")}).local);
  CHECK(job(spec("hosts: {local: {slots: 2}}\n"), {vms("vm1")}).local->slots == 2);
  CHECK(job(spec(), {vms("vm1"), {"--ssh.slots", "hosts.ssh.slots", "4"}}).remote.ssh->slots == 4);

  CHECK(machines("", set("hosts.ssh.machines", "[root@vm1:/p,vm2:2222]")) ==
        Lines{"root vm1 22 /p", "- vm2 2222 -"});
  CHECK(machines("", set("hosts.ssh.machines", "['[fe80::1]:22:/p', vm2]")) ==
        Lines{"- fe80::1 22 /p", "- vm2 22 -"});
  CHECK(machines("", set("hosts.ssh.machines", "[\"[fe80::1]:22\"]")) == Lines{"- fe80::1 22 -"});
  CHECK(machines("", set("hosts.ssh.machines", "[fe80::1]:22:/p")) == Lines{"- fe80::1 22 /p"});
  CHECK(machines("", set("hosts.ssh.machines", "vm1:/p")) == Lines{"- vm1 22 /p"});
  CHECK(machines("hosts: {ssh: {machines: [a, b]}}\n", set("hosts.ssh.machines.1", "c")) ==
        Lines{"- a 22 -", "- c 22 -"});
}

TEST_CASE("complaints about --vms name the machine") {
  const Variables home{{"HOME", "/home/me"}};
  CHECK(complaints(spec(), {vms("vm1,vm2:fstests")}, home) ==
        "--vms vm1,vm2:fstests: 'hosts.ssh.machines.1' is 'vm2:fstests'; expected "
        "[user@]host[:port][:/path], with a port from 1 to 65535, or a path that begins with one "
        "'/', after the host");
  CHECK(complaints(spec(), {vms("vm1,")}, home).find("'hosts.ssh.machines.1' is ''; expected") !=
        std::string::npos);
  CHECK(complaints(spec(), {vms("")}, home).find("'hosts.ssh.machines.0' is ''; expected") !=
        std::string::npos);
  CHECK(complaints(spec(), {set("hosts.ssh.machines", "a,b")}, home) ==
        "--set hosts.ssh.machines=a,b: 'hosts.ssh.machines' is 'a,b'; expected one machine; "
        "several are a list, such as [vm1, vm2]");
  CHECK(complaints(spec(), {{"--ssh.slots", "hosts.ssh.slots", "4"}}, home) ==
        "--ssh.slots 4: 'hosts.ssh.machines' is missing");
}

TEST_CASE("hosts are of some kind") {
  CHECK(complaints(spec("hosts: {}\n")) ==
        "job.yaml:8:8: 'hosts' needs 'local', 'ssh', 'qemu' or 'mkosi'");
  CHECK(complaints(spec("hosts: {shh: {}}\n")) ==
        "job.yaml:8:8: 'hosts' needs 'local', 'ssh', 'qemu' or 'mkosi'\n"
        "job.yaml:8:9: unknown key 'shh'; did you mean 'ssh'?");
}

TEST_CASE("a VM's share is named for its directory, and is not written to") {
  const JobSpec shares =
      job(spec("hosts:\n  qemu:\n    kernel: k\n    share:\n      - {path: out/}\n"
               "      - {path: ~/x, tag: y, mount: /z, writable: true}\n"));
  REQUIRE(shares.remote.qemu->share.size() == 2);
  const VmShareSpec &first = shares.remote.qemu->share[0], &second = shares.remote.qemu->share[1];
  CHECK(first.path == "/specs/out");
  CHECK(first.tag == "out");
  CHECK(first.mount.empty());
  CHECK_FALSE(first.writable);
  CHECK(second.path == "/home/me/x");
  CHECK(second.tag == "y");
  CHECK(second.mount == "/z");
  CHECK(second.writable);
}

TEST_CASE("a suite has commands or fstests") {
  CHECK(complaints("version: 1\nsuites: [{name: a}]\n") ==
        "job.yaml:2:10: a suite needs 'commands' or 'fstests'");
  CHECK(complaints(fstests_spec("    commands: {discover: x}\n")) ==
        "job.yaml:5:7: 'fstests' and 'commands' (at job.yaml:7:15) exclude each other; a suite is "
        "one of them");
}

TEST_CASE("a minimal suite of fstests names its path and its file system") {
  const JobSpec minimal = job(fstests_spec());
  const FstestsSuiteSpec suite = fstests_of(minimal, 0);
  CHECK(suite.name == "btrfs");
  CHECK(suite.where == "job.yaml:3:5");
  CHECK(suite.path == "/fstests");
  CHECK_FALSE(suite.tree);
  CHECK(suite.tests.empty());
  CHECK(suite.groups.empty());
  CHECK(suite.sections.empty());
  CHECK(suite.variables.empty());
  CHECK_FALSE(suite.timeout);
  CHECK(complaints("version: 1\nsuites: [{name: a, fstests: {path: /fstests}}]\n") ==
        "job.yaml:2:29: 'suites.0.fstests.file-system' is missing");
}

TEST_CASE("the path of fstests stays as written when it is absolute") {
  const auto path = [](const std::string& text) {
    return fstests_of(job("version: 1\nsuites: [{name: a, fstests: {file-system: xfs, path: '" +
                          text + "'}}]\n"),
                      0)
        .path;
  };
  CHECK(path("/a/../b/") == "/a/../b/");
  CHECK(path("~/fstests") == "/home/me/fstests");
  CHECK(path("../fstests/") == "/fstests");
}

TEST_CASE("each host has a path of fstests, its own or that of the suite") {
  const Variables home{{"HOME", "/home/me"}};
  CHECK(complaints(pathless_spec()) ==
        "job.yaml:2:29: a suite of fstests needs 'path' for this machine, which names none");
  CHECK(complaints(pathless_spec("hosts: {ssh: {machines: ['vm1:/fstests', vm2]}}\n"), {}, home) ==
        "job.yaml:2:29: a suite of fstests needs 'path' for machine 'vm2' (at job.yaml:3:42), "
        "which names none");
  CHECK(complaints(pathless_spec("hosts: {local: {slots: 1}, ssh: {machines: 'vm1:/p'}}\n"), {},
                   home) ==
        "job.yaml:2:29: a suite of fstests needs 'path' for this machine, which names none");
  CHECK(complaints(pathless_spec(), {vms("vm1:/p,vm2")}, home) ==
        "job.yaml:2:29: a suite of fstests needs 'path' for machine 'vm2' (at --vms vm1:/p,vm2), "
        "which names none");
  CHECK(fstests_of(job(pathless_spec(), {vms("vm1:/p,vm2:/q")}), 0).path.empty());
  CHECK(fstests_of(job(pathless_spec(), {{"--fstests.path", "suites.*.fstests.path", "built"}}), 0)
            .path == "/here/built");
}

TEST_CASE("tests of fstests are DIR/NAME or patterns of that, groups GROUP or DIR/GROUP") {
  CHECK(complaints(fstests_spec("      tests: [generic/001, auto, 'a b/1', generic/1/2]\n"
                                "      groups: ['btrfs/*', a/b/c]\n")) ==
        "job.yaml:7:28: 'suites.0.fstests.tests.1' is 'auto'; expected DIR/NAME such as "
        "generic/475, or a pattern such as btrfs/2*\n"
        "job.yaml:7:34: 'suites.0.fstests.tests.2' is 'a b/1'; expected DIR/NAME such as "
        "generic/475, or a pattern such as btrfs/2*\n"
        "job.yaml:7:43: 'suites.0.fstests.tests.3' is 'generic/1/2'; expected DIR/NAME such as "
        "generic/475, or a pattern such as btrfs/2*\n"
        "job.yaml:8:16: 'suites.0.fstests.groups.0' is 'btrfs/*'; expected GROUP or DIR/GROUP, "
        "such as quick or btrfs/auto\n"
        "job.yaml:8:27: 'suites.0.fstests.groups.1' is 'a/b/c'; expected GROUP or DIR/GROUP, such "
        "as quick or btrfs/auto");
}

TEST_CASE("what ff-ci sets itself is no variable of a suite") {
  CHECK(complaints(fstests_spec("      variables:\n"
                                "        RESULT_BASE: /r\n"
                                "        HOST_OPTIONS: /h\n"
                                "        TMPDIR: /t\n"
                                "        FSTYP: ext4\n"
                                "        1ST: x\n"
                                "        TEST_DEV: /dev/vdb\n")) ==
        "job.yaml:8:22: variable 'RESULT_BASE' is set by ff-ci, to keep the results of each call "
        "of ./check apart; remove it\n"
        "job.yaml:9:23: variable 'HOST_OPTIONS' is set by ff-ci, to tell ./check the devices of "
        "its slot; remove it\n"
        "job.yaml:10:17: variable 'TMPDIR' is set by ff-ci, so that no two tests share temporary "
        "files; remove it\n"
        "job.yaml:11:16: variable 'FSTYP' is set by ff-ci, to what 'file-system' says; remove it\n"
        "job.yaml:12:14: variable name '1ST' is not letters, digits and '_', beginning with a "
        "letter or '_'");
}

TEST_CASE("slots have test devices unless there is one slot and the spec says none") {
  const auto devices = [](const std::string& text) {
    return job(fstests_spec("hosts: {local: {slots: 1, devices: " + text + "}}\n")).local->devices;
  };
  CHECK(job(fstests_spec("hosts: {local: {slots: 4}}\n")).local->devices->directory == "/var/tmp");
  CHECK(devices("{}")->test_size == 5ULL << 30);
  CHECK(devices("{}")->pool == 5);
  CHECK(devices("{pool: 0}")->pool == 0);
  CHECK_FALSE(devices("none"));
  CHECK(complaints(fstests_spec("hosts: {local: {slots: 2, devices: none}}\n")) ==
        "job.yaml:7:36: 'hosts.local.devices' is 'none'; expected devices for each slot, or one "
        "slot: 2 would use the same devices");
  CHECK(complaints(spec("hosts: {local: {slots: 2, devices: none}}\n")) == "none");
  CHECK(complaints(fstests_spec("hosts: {local: {slots: 2}}\n"),
                   {{"--local.devices", "hosts.local.devices", "none"}}) ==
        "--local.devices none: 'hosts.local.devices' is 'none'; expected devices for each slot, or "
        "one slot: 2 would use the same devices");
}

TEST_CASE("batches have a target, or are off") {
  const auto target = [](const std::string& text) {
    return job(spec("run: {batch: " + text + "}\n")).run.batch_target;
  };
  CHECK(target("{target: 1m}") == 1min);
  CHECK(target("1m") == 1min);
  CHECK(target("90") == 90s);
  CHECK_FALSE(target("off"));
  CHECK_FALSE(target("'off'"));
  CHECK_FALSE(target("false"));
  CHECK_FALSE(job(spec(), {{"--batch", "run.batch", "off"}}).run.batch_target);
  CHECK(complaints(spec(), {{"--batch", "run.batch", "of"}}) ==
        "--batch of: 'run.batch' is 'of'; expected off, a duration such as 30s, or a map with "
        "'target'");
  CHECK(complaints(spec("run: {batch: 0}\n")) ==
        "job.yaml:8:14: 'run.batch' is '0'; expected off, or a duration over 0");
}

TEST_CASE("booleans are YAML's, without quotes unless a variable brings them") {
  const auto keep_alive = [](const std::string& text) {
    return job(spec("run: {keep-alive: " + text + "}\n"), {}, {{"YES", "true"}}).run.keep_alive;
  };
  CHECK(keep_alive("true"));
  CHECK(keep_alive("True"));
  CHECK(keep_alive("TRUE"));
  CHECK(keep_alive("\"${YES}\""));
  CHECK_FALSE(keep_alive("false"));
  CHECK_FALSE(keep_alive("FALSE"));
  CHECK(job(spec(), {set("run.keep-alive", "true")}).run.keep_alive);
  CHECK(
      complaints(spec("run: {keep-alive: 'flase'}\n")) ==
      "job.yaml:8:19: 'run.keep-alive' is 'flase'; expected true or false; did you mean 'false'?");
}

TEST_CASE("the kernel's log is watched unless the spec or --no-dmesg says otherwise") {
  CHECK_FALSE(job(spec("run: {dmesg: false}\n")).run.kernel_log.watch);
  const std::string allow = "run: {dmesg: {allow: [{match: a, reason: b}]}}\n";
  CHECK(job(spec(allow)).run.kernel_log.watch);
  const KernelLogSpec off = job(spec(allow), {{"--no-dmesg", "run.dmesg", "false"}}).run.kernel_log;
  CHECK_FALSE(off.watch);
  CHECK(off.allowed.empty());
}

TEST_CASE("a bpftrace program is text or a path; the command line's wins") {
  const SpecOverride text{"--bpftrace", "run.bpftrace", "{ x", SpecOverride::Form::text};
  const SpecOverride script{"--bpftrace-script", "run.bpftrace-script", "a.bt"};
  CHECK(job(spec("run: {bpftrace-script: a.bt}\n")).run.bpftrace_script == "/specs/a.bt");
  CHECK(job(spec(), {text}).run.bpftrace == "{ x");
  CHECK(job(spec(), {script}).run.bpftrace_script == "/here/a.bt");

  const RunSpec by_text = job(spec("run: {bpftrace-script: a.bt}\n"), {text}).run;
  CHECK(by_text.bpftrace == "{ x");
  CHECK(by_text.bpftrace_script.empty());
  const RunSpec by_script = job(spec("run: {bpftrace: x}\n"), {script}).run;
  CHECK(by_script.bpftrace.empty());
  CHECK(by_script.bpftrace_script == "/here/a.bt");

  CHECK(complaints(spec("run: {bpftrace: x, bpftrace-script: a.bt}\n")) ==
        "job.yaml:8:37: 'run.bpftrace-script' and 'run.bpftrace' (at job.yaml:8:17) exclude each "
        "other; remove one");
  CHECK(complaints(spec(), {text, script}) ==
        "--bpftrace-script a.bt: 'run.bpftrace-script' and 'run.bpftrace' (at --bpftrace { x) "
        "exclude each other; remove one");
  CHECK(complaints(spec(), {{"--bpftrace", "run.bpftrace", "", SpecOverride::Form::text}}) ==
        "--bpftrace : 'run.bpftrace' is ''; expected text that is not blank");
}

TEST_CASE("a suite's directory is also kept as it was written, unless that is at home") {
  const auto in_tree = [](const std::string& directory) {
    const JobSpec spec = job(
        "version: 1\nsuites: [{name: a, commands: {discover: x, directory: " + directory + "}}]\n");
    return commands_of(spec, 0).directory_in_tree;
  };
  CHECK(in_tree("../tools/kvm/") == "../tools/kvm/");
  CHECK(in_tree("/tools/kvm") == "/tools/kvm");
  CHECK(in_tree("~/kvm") == "/home/me/kvm");
  CHECK(in_tree("~me/kvm") == "~me/kvm");
}

TEST_CASE("variables are replaced in values, not in keys") {
  const Variables variables{{"A", "1"}, {"EMPTY", ""}};
  const auto command = [&](const std::string& text) {
    return command_of(job(spec_with_command("\"" + text + "\""), {}, variables));
  };
  CHECK(command("x${A}y${A}") == "x1y1");
  CHECK(command("x${EMPTY}") == "x");
  CHECK(command("${EMPTY:-full}") == "full");
  CHECK(command("${NONE:-}x") == "x");
  CHECK(command("$(nproc) $A $$ {A} $") == "$(nproc) $A $$ {A} $");
  CHECK(command("$${A} $$${A}") == "${A} $${A}");
  CHECK(complaints(spec("${A}: 1\n"), {}, variables) == "job.yaml:8:1: unknown key '${A}'");
}

TEST_CASE("what a variable brings is not replaced again") {
  CHECK(command_of(job(spec_with_command("\"${A}\""), {}, {{"A", "${B}"}})) == "${B}");
}

TEST_CASE("a variable may bring a number, also in quotes") {
  CHECK(job(spec("hosts: {local: {slots: \"${N}\"}}\n"), {}, {{"N", "3"}}).local->slots == 3);
}

TEST_CASE("a variable that is not set is one complaint, and says what to write") {
  CHECK(complaints(spec("run: {iterate: \"${N}\"}\n")) ==
        "job.yaml:8:16: environment variable 'N' is not set; write ${N:-default} for a default, or "
        "$${N} to leave it to the shell");
}

TEST_CASE("other shell expansions must be left to the shell") {
  for (const std::string text : {"${A%.c}", "${#A}", "${", "${}", "${1}", "${A:-${B}}", "${A"}) {
    CAPTURE(text);
    CHECK(complaints(spec_with_command("\"" + text + "\"")).find("begins neither") !=
          std::string::npos);
  }
}

TEST_CASE("merge keys merge; explicit keys and earlier maps win") {
  const JobSpec merged =
      job("version: 1\n"
          "suites:\n"
          "  - name: a\n"
          "    commands:\n"
          "      tests:\n"
          "        - &one {name: one, command: first, setup: up}\n"
          "        - &two {name: two, command: second, teardown: down}\n"
          "        - {name: three, <<: [*two, *one]}\n");
  const CommandTestSpec three = commands_of(merged, 0).tests[2];
  CHECK(three.name == "three");
  CHECK(three.command == "second");
  CHECK(three.setup == "up");
  CHECK(three.teardown == "down");
}

TEST_CASE("a complaint about text that an alias repeats comes once") {
  CHECK(complaints("version: 1\n"
                   "suites:\n"
                   "  - {name: a, commands: &c {tests: [{name: t, command: \"${X}\"}]}}\n"
                   "  - {name: b, commands: *c}\n")
            .find('\n') == std::string::npos);
}

TEST_CASE("overrides win over the file, and make the maps they need") {
  const JobSpec over = job(spec("run: {iterate: 2}\n"),
                           {set("run.iterate", "3"),
                            {"--local.slots", "hosts.local.slots", "5"},
                            set("suites.kvm.commands.timeout", "7s"),
                            set("suites.0.name", "renamed"),
                            set("suites.renamed.commands.tests.hello.arch", "[x86_64, aarch64]")});
  CHECK(over.run.iterate == 3);
  CHECK(over.local->slots == 5);
  CHECK(commands_of(over, 0).timeout == 7s);
  CHECK(commands_of(over, 0).name == "renamed");
  CHECK(commands_of(over, 0).tests[0].arch == std::vector<std::string>{"x86_64", "aarch64"});
}

TEST_CASE("* in the path of an override is every item that has the next key") {
  const std::string suites =
      "version: 1\n"
      "suites:\n"
      "  - {name: a, fstests: {path: /p, file-system: xfs, groups: auto, tests: xfs/001}}\n"
      "  - {name: b, commands: {discover: x}}\n"
      "  - {name: c, fstests: {path: /p, file-system: ext4}}\n";
  const JobSpec over = job(suites, {groups("quick, xfs/auto")});
  CHECK(shown(fstests_of(over, 0).groups) ==
        Lines{"--groups quick, xfs/auto quick", "--groups quick, xfs/auto xfs/auto"});
  CHECK(shown(fstests_of(over, 2).groups) == shown(fstests_of(over, 0).groups));
  CHECK(shown(fstests_of(over, 0).tests) == Lines{"job.yaml:3:74 xfs/001"});
  CHECK(shown(fstests_of(job(suites, {set("suites.*.fstests.exclude.groups", "slow")}), 2)
                  .excluded_groups) == Lines{"--set suites.*.fstests.exclude.groups=slow slow"});

  CHECK(complaints(spec(), {groups("quick")}) == "--groups quick: the job has no suite of fstests");
  CHECK(complaints("version: 1\n", {groups("quick")}) ==
        "job.yaml:1:1: 'suites' is missing\n"
        "--groups quick: the job has no suite of fstests");
  CHECK(complaints(spec(), {set("suites.kvm.commands.tests.*.timeot", "1")}) ==
        "--set suites.kvm.commands.tests.*.timeot=1: 'suites.kvm.commands.tests' has no item with "
        "'timeot'");
  CHECK(complaints(spec(), {set("suites.*", "1")}) == "--set suites.*=1: 'suites' has no item '*'");
  CHECK(complaints(suites, {groups("a b")}) ==
        "--groups a b: 'suites.0.fstests.groups.0' is 'a b'; expected GROUP or DIR/GROUP, such as "
        "quick or btrfs/auto\n"
        "--groups a b: 'suites.2.fstests.groups.0' is 'a b'; expected GROUP or DIR/GROUP, such as "
        "quick or btrfs/auto");
}

TEST_CASE("an override can take a key away") {
  const auto without = [](std::string path) {
    return SpecOverride{"--groups", std::move(path), "quick", SpecOverride::Form::absent};
  };
  const std::string text = fstests_spec("      tests: [generic/001, '${NOT_SET}']\n");
  const JobSpec over = job(text, {groups("quick"), without("suites.*.fstests.tests")});
  CHECK(fstests_of(over, 0).tests.empty());
  CHECK(shown(fstests_of(over, 0).groups) == Lines{"--groups quick quick"});
  CHECK(job("name: x\n" + spec(), {without("name")}).name == "job");
  CHECK(complaints(spec(), {groups("quick"), without("suites.*.fstests.tests")}) ==
        "--groups quick: the job has no suite of fstests");
}

TEST_CASE("the value of an override is plain text unless it begins as YAML does") {
  const auto discover = [](const std::string& value) {
    return commands_of(job(spec(), {set("suites.kvm.commands.discover", value)}), 0).discover;
  };
  CHECK(discover("*_test") == "*_test");
  CHECK(discover("a: b #c") == "a: b #c");
  CHECK(discover("'quoted'") == "quoted");
  CHECK(job(spec(), {set("hosts", "{local: {slots: 3}}")}).local->slots == 3);
}

TEST_CASE("an item's name in a path may hold dots, and beats a number") {
  const std::string suites =
      "version: 1\n"
      "suites:\n"
      "  - {name: v5, commands: {discover: x}}\n"
      "  - {name: v5.10, commands: {discover: x}}\n"
      "  - {name: 0, commands: {discover: x}}\n";
  const JobSpec over = job(
      suites, {set("suites.v5.10.commands.parallel", "1"), set("suites.0.commands.parallel", "2")});
  CHECK(commands_of(over, 0).parallel == 0);
  CHECK(commands_of(over, 1).parallel == 1);
  CHECK(commands_of(over, 2).parallel == 2);
}

TEST_CASE("complaints about overrides name the option and come last") {
  const Loaded loaded = load(
      spec("rnu: {}\n"), {{"--test-timeout", "run.test-timeout", "abc"}, set("run.iterat", "2")});
  REQUIRE_FALSE(loaded);
  REQUIRE(loaded.error().size() == 3);
  CHECK(loaded.error()[0].origin == SpecComplaint::Origin::file);
  CHECK(loaded.error()[1].origin == SpecComplaint::Origin::command_line);
  CHECK(loaded.error()[1].text ==
        "--test-timeout abc: 'run.test-timeout' is 'abc'; expected a duration such as 30s, 20m or "
        "1h30m");
  CHECK(loaded.error()[2].text ==
        "--set run.iterat=2: unknown key 'iterat'; did you mean 'iterate'?");
}

TEST_CASE("an override whose path leads nowhere is a complaint") {
  CHECK(complaints(spec(), {set("suites.kvn.name", "x")}) ==
        "--set suites.kvn.name=x: 'suites' has no item 'kvn'; did you mean 'kvm'?");
  CHECK(complaints(spec(), {set("suites.1.name", "x")}) ==
        "--set suites.1.name=x: 'suites' has no item '1'");
  CHECK(complaints(spec(), {set("version.x", "1")}) ==
        "--set version.x=1: 'version' is '1', not a map");
  CHECK(complaints(spec(), {set("run.", "1")}) ==
        "--set run.=1: 'run.' is not a path such as run.iterate");
  CHECK(complaints(spec(), {set("", "1")}) == "--set =1: '' is not a path such as run.iterate");
  CHECK(complaints(spec(), {set("run", "[")}) ==
        "--set run=[: not valid YAML: end of sequence flow not found");
  CHECK(complaints(spec(), {set("reports.junit", "")}) ==
        "--set reports.junit=: 'reports.junit' is empty; expected text");
}

TEST_CASE("an override spares the file a missing variable") {
  CHECK(job(spec("reports: {directory: \"${OUT}\"}\n"), {set("reports.directory", "/o")})
            .reports.directory == "/o");
}

TEST_CASE("aliases that explode are refused, and quickly") {
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i)
    bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}]\n", i, i - 1);
  CHECK(complaints(bomb).find("more than 200000 values") != std::string::npos);

  std::string text = "a: &a '" + std::string(1 << 20, 'x') + "'\nb: [";
  for (int i = 0; i < 10'000; ++i)
    text += "*a, ";
  CHECK(complaints(text + "]\n").find("more than 200000 values") != std::string::npos);
}

TEST_CASE("an alias within its own value is refused") {
  CHECK(complaints("a: &a [*a]\n") == "job.yaml:1:8: an alias within the value that it stands for");
}

TEST_CASE("nesting of any depth is refused, not followed") {
  for (const std::string open : {"[", "{a: ", "- ", "? ", "- [", "a:\n "}) {
    CAPTURE(open);
    std::string deep;
    for (int i = 0; i < 20'000; ++i)
      deep += open;
    CHECK(complaints(deep) != "none");
  }
  std::string aliases;
  for (int i = 0; i < 50; ++i) {
    aliases += fmt::format("a{0}: &a{0} {1}{2}{3}\n", i, std::string(10, '['),
                           i == 0 ? "x" : fmt::format("*a{}", i - 1), std::string(10, ']'));
  }
  CHECK(complaints(aliases).find("nested deeper than 64 levels") != std::string::npos);
}

TEST_CASE("a large spec loads; an enormous one is refused") {
  std::string many = spec();
  for (int i = 0; i < 20'000; ++i)
    many += fmt::format("        - {{name: t{}, command: x}}\n", i);
  CHECK(commands_of(job(many), 0).tests.size() == 20'001);
  CHECK(complaints(spec() + "# " + std::string(17 << 20, 'x')) ==
        "job.yaml:1:1: larger than 16.0 MiB; is this a job spec?");
}

TEST_CASE("a file that is not text is refused at its first foreign byte") {
  CHECK(complaints(spec() + std::string(1, '\0')) ==
        "job.yaml:8:1: control character 0x00; is this a text file?");
  CHECK(complaints("version: 1\nname: caf\xE9\n") ==
        "job.yaml:2:10: byte 0xe9 is not UTF-8; is this a text file?");
  std::string binary;
  for (int i = 0; i < 4096; ++i)
    binary += static_cast<char>(i * 37 % 256);
  CHECK(complaints(binary) != "none");
}

TEST_CASE("a spec is one document, and not an empty one") {
  CHECK(complaints("") == "job.yaml:1:1: the job spec is empty; it begins with 'version: 1'");
  CHECK(complaints("# only a comment\n").find("is empty") != std::string::npos);
  CHECK(complaints(spec() + "---\n" + spec()) ==
        "job.yaml:8:1: a second document begins here; a job spec is one document");
}

TEST_CASE("a spec cut off anywhere is read or refused, and every complaint has its place") {
  for (size_t length = 0; length < full_spec.size(); ++length) {
    CAPTURE(length);
    const Loaded loaded = load(full_spec.substr(0, length));
    if (loaded) continue;
    for (const SpecComplaint& complaint : loaded.error()) {
      CHECK(complaint.text.starts_with("job.yaml:"));
    }
  }
}

TEST_CASE("a spec with any byte changed is read or refused") {
  for (size_t at = 0; at < full_spec.size(); at += walk_step) {
    for (const char byte : {'\0', '[', '{', '&', '*', ':', '\n', '"', '\x80', '-', '!', ' '}) {
      std::string changed = full_spec;
      changed[at] = byte;
      static_cast<void>(load(changed));
    }
  }
}

TEST_CASE("the corpus is judged as each of its files says") {
  const std::filesystem::path corpus = std::filesystem::path(FFCI_TEST_DATA) / ".." / "spec_corpus";
  int files = 0;
  for (const std::string folder : {"good", "bad"}) {
    for (const auto& entry : std::filesystem::directory_iterator(corpus / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      CAPTURE(entry.path().filename().string());
      ++files;
      const std::string text = read_file(entry.path(), 1 << 20).value();
      const std::string said = complaints(text, {}, {{"HOME", "/home/me"}});
      CHECK((said == "none") == (folder == "good"));
      for (const std::string_view line : split(text, '\n')) {
        constexpr std::string_view expect = "# expect: ";
        if (!line.starts_with(expect)) continue;
        CHECK(said.find("job.yaml:" + std::string(line.substr(expect.size()))) !=
              std::string::npos);
      }
    }
  }
  CHECK(files > 100);
}
