#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "spec/load_job_spec.hpp"

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

std::string spec_with_command(const std::string& command) {
  return "version: 1\nsuites: [{name: a, commands: {tests: [{name: t, command: " + command +
         "}]}}]\n";
}

std::string command_of(const JobSpec& job) {
  return job.suites.empty() || job.suites[0].tests.empty() ? "" : job.suites[0].tests[0].command;
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
      tests:
        - &dirty
          name: dirty_log
          command: ./dirty_log -v $(nproc)
          setup: echo up
          teardown: echo down
          timeout: 5s
          arch: [x86_64, aarch64]
          parameters: {slots: [1, 2], mode: [a, "b c"]}
        - {<<: *dirty, name: merged}
      discover: "*_test"
      import: tests.json
      protocol: ktap
hosts: {local: {slots: 2}}
run:
  order: random
  durations: -1
  seed: 18446744073709551615
  iterate: 2
  test-timeout: 0
  deadline: 2h
  retry-failures: 1
  max-host-restarts: 4
  stop-after-failures: 5
  kill-after: 0
  heartbeat: 1m
  output-limit: 1MiB
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
  REQUIRE(spec.suites.size() == 1);
  const CommandsSuiteSpec& suite = spec.suites[0];
  CHECK(suite.name == "kvm");
  CHECK(suite.directory == "/specs/selftests/kvm");
  CHECK(suite.setup == "modprobe kvm");
  CHECK(suite.teardown == "rmmod kvm");
  CHECK(suite.timeout == 300s);
  CHECK(suite.arch == std::vector<std::string>{"x86_64"});
  CHECK(suite.parallel == 4);
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
  CHECK(test.parameters ==
        decltype(test.parameters){{"slots", {"1", "2"}}, {"mode", {"a", "b c"}}});
  CHECK(test.where == "job.yaml:13:11");
  REQUIRE(spec.local);
  CHECK(spec.local->slots == 2);
  CHECK(spec.run.order == Order::random);
  CHECK(spec.run.durations == "-1");
  CHECK(spec.run.seed == 18446744073709551615ULL);
  CHECK(spec.run.iterate == 2);
  CHECK(spec.run.test_timeout == 0s);
  CHECK(spec.run.deadline == 2h);
  CHECK(spec.run.retry_failures == 1);
  CHECK(spec.run.max_host_restarts == 4);
  CHECK(spec.run.stop_after_failures == 5);
  CHECK(spec.run.kill_after == 0s);
  CHECK(spec.run.heartbeat == 1min);
  CHECK(spec.run.output_limit == 1 << 20);
  CHECK(spec.reports.directory == "/specs/out");
  CHECK(spec.reports.junit == "/specs/junit/j.xml");
  CHECK(spec.reports.summary == "/home/me/s.json");
}

TEST_CASE("a minimal spec gets every default") {
  const JobSpec minimal = job(spec());
  CHECK(minimal.name == "job");
  REQUIRE(minimal.suites.size() == 1);
  CHECK(minimal.suites[0].directory == "/specs");
  CHECK(minimal.suites[0].parallel == 0);
  CHECK_FALSE(minimal.suites[0].timeout);
  CHECK_FALSE(minimal.suites[0].discover);
  CHECK_FALSE(minimal.local);
  CHECK(minimal.run.order == Order::slowest_first);
  CHECK(minimal.run.durations == "latest");
  CHECK(minimal.run.test_timeout == 20min);
  CHECK_FALSE(minimal.run.deadline);
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
      "job.yaml:3:5: 'suites.0.commands' is missing\n"
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
  CHECK(complaints(spec("gate: {}\n")) ==
        "job.yaml:8:1: 'gate' is not supported by this version of ff-ci");
}

TEST_CASE("a number is taken as text where text is expected") {
  const JobSpec numbers =
      job("version: 1\nname: 001\nsuites: [{name: 5.10, commands: {discover: 1}}]\n");
  CHECK(numbers.name == "001");
  CHECK(numbers.suites[0].name == "5.10");
  CHECK(numbers.suites[0].discover == "1");
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
  const CommandTestSpec& three = merged.suites[0].tests[2];
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
  CHECK(over.suites[0].timeout == 7s);
  CHECK(over.suites[0].name == "renamed");
  CHECK(over.suites[0].tests[0].arch == std::vector<std::string>{"x86_64", "aarch64"});
}

TEST_CASE("the value of an override is plain text unless it begins as YAML does") {
  const auto discover = [](const std::string& value) {
    return job(spec(), {set("suites.kvm.commands.discover", value)}).suites[0].discover;
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
  CHECK(over.suites[0].parallel == 0);
  CHECK(over.suites[1].parallel == 1);
  CHECK(over.suites[2].parallel == 2);
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
  CHECK(job(many).suites[0].tests.size() == 20'001);
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
  for (size_t at = 0; at < full_spec.size(); ++at) {
    for (const char byte : {'\0', '[', '{', '&', '*', ':', '\n', '"', '\x80', '-', '!', ' '}) {
      std::string changed = full_spec;
      changed[at] = byte;
      static_cast<void>(load(changed));
    }
  }
}

TEST_CASE("the corpus is judged as each of its files says") {
  const std::filesystem::path corpus =
      std::filesystem::path(__FILE__).parent_path() / ".." / "spec_corpus";
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
