#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "shown_lines.hpp"
#include "suites/commands_suite.hpp"
#include "suites/selection.hpp"

namespace ffci {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// A directory of its own for one test, with the files it needs.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "ffci-suites-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return (path_ / name).lexically_normal().string();
  }
  std::string file(const std::string& name, const std::string& text,
                   fs::perms perms = fs::perms::owner_read) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
    fs::permissions(path_ / name, perms);
    return path(name);
  }
  std::string program(const std::string& name) const {
    return file(name, "#!/bin/sh\n", fs::perms::owner_all);
  }

 private:
  fs::path path_;
};

CommandTestSpec test_spec(const std::string& name, const std::string& command = "true") {
  CommandTestSpec test;
  test.name = name;
  test.command = command;
  test.where = "job.yaml:" + name;
  return test;
}

CommandsSuiteSpec suite_spec(const std::string& directory = "/") {
  CommandsSuiteSpec suite;
  suite.name = "kvm";
  suite.directory = directory;
  suite.where = "job.yaml:1:1";
  return suite;
}

Command commands(const std::string& setup, const std::string& command, const std::string& teardown,
                 const std::string& directory, const std::string& directory_in_tree = "") {
  Command all;
  all.setup = setup;
  all.command = command;
  all.teardown = teardown;
  all.directory = directory;
  all.directory_in_tree = directory_in_tree;
  return all;
}

std::vector<std::string> names(const Suite& suite) {
  std::vector<std::string> all;
  for (const TestCase& test : suite.tests())
    all.push_back(test.id.name);
  return all;
}

Command command_of(const Suite& suite, const std::string& name) {
  const TestId id{suite.plan().name, "", name};
  return suite.command_for({&id, 1});
}

std::optional<Duration> timeout_of(const Suite& suite, const std::string& name) {
  for (const TestCase& test : suite.tests()) {
    if (test.id.name == name) return test.timeout;
  }
  FAIL("no test ", name);
  return std::nullopt;
}

using Names = std::vector<std::string>;

// The only suite of a job without complaints.
std::unique_ptr<Suite> load(const CommandsSuiteSpec& spec, std::string_view arch = "x86_64") {
  LoadedSuites loaded = load_commands_suites(spec, arch);
  CHECK(loaded.complaints == Names{});
  REQUIRE(loaded.suites.size() == 1);
  return std::move(loaded.suites[0]);
}

Names complaints(const CommandsSuiteSpec& spec) {
  return load_commands_suites(spec, "x86_64").complaints;
}

// The suites of a JSON file, or what is wrong with it; where it says "@" stands the file's name.
LoadedSuites import_json(const Folder& folder, const std::string& json,
                         CommandsSuiteSpec spec = suite_spec()) {
  spec.import_file = folder.file("tests.json", json);
  LoadedSuites loaded = load_commands_suites(spec, "x86_64");
  for (std::string& complaint : loaded.complaints) {
    if (complaint.starts_with(*spec.import_file))
      complaint = "@" + complaint.substr(spec.import_file->size());
  }
  return loaded;
}

std::vector<TestCase> tests(const std::vector<TestId>& ids) {
  std::vector<TestCase> all;
  for (const TestId& id : ids)
    all.push_back({id, std::nullopt, std::nullopt});
  return all;
}

Names selected(const std::vector<TestCase>& all, const std::vector<std::string>& patterns) {
  const auto wanted = select_tests(all, patterns);
  if (!wanted) return {"error: " + wanted.error().message};
  Names ids;
  for (const TestCase& test : *wanted)
    ids.push_back(to_string(test.id));
  return ids;
}

const std::vector<TestCase> two_suites = tests({{"kvm", "", "a_perf"},
                                                {"kvm", "", "dirty[slots=1]"},
                                                {"kvm", "", "dirty[slots=2]"},
                                                {"xfs", "4k", "generic/475"},
                                                {"xfs", "64k", "generic/475"}});

}  // namespace

TEST_SUITE("commands suites") {
  TEST_CASE("a listed test runs its three commands in the suite's directory") {
    CommandsSuiteSpec spec = suite_spec("/tmp");
    spec.setup = "modprobe kvm";
    spec.teardown = "rmmod kvm";
    spec.parallel = 4;
    spec.tests = {test_spec("a", "./a -v")};
    spec.tests[0].setup = "echo up";
    spec.tests[0].teardown = "echo down";
    const auto suite = load(spec);
    CHECK(suite->plan().name == "kvm");
    CHECK(suite->plan().has_setup);
    CHECK(suite->plan().parallel == 4);
    CHECK(suite->scope() == commands("modprobe kvm", "", "rmmod kvm", "/tmp"));
    CHECK(command_of(*suite, "a") == commands("echo up", "./a -v", "echo down", "/tmp"));
  }

  TEST_CASE("parameters sweep in their order, and only they are replaced") {
    CommandsSuiteSpec spec = suite_spec();
    spec.tests = {test_spec("dirty", "./dirty -s {slots} -m {mode} ${slots} {other} $(nproc) {")};
    spec.tests[0].setup = "echo {slots}";
    spec.tests[0].parameters = {{"slots", {"1", "2"}}, {"mode", {"x", "{slots}"}}};
    const auto suite = load(spec);
    CHECK(names(*suite) == Names{"dirty[slots=1,mode=x]", "dirty[slots=1,mode={slots}]",
                                 "dirty[slots=2,mode=x]", "dirty[slots=2,mode={slots}]"});
    const Command command = command_of(*suite, "dirty[slots=2,mode={slots}]");
    CHECK(command.command == "./dirty -s 2 -m {slots} ${slots} {other} $(nproc) {");
    CHECK(command.setup == "echo 2");
  }

  TEST_CASE("a sweep over very many values takes no longer for each of them") {
    CommandsSuiteSpec spec = suite_spec();
    spec.tests = {test_spec("many", "echo {n}")};
    std::vector<std::string> values;
    for (int n = 0; n < 40'000; ++n)
      values.push_back(std::to_string(n));
    spec.tests[0].parameters = {{"n", values}};
    const auto before = std::chrono::steady_clock::now();
    const auto suite = load(spec);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(5));
    CHECK(suite->tests().size() == values.size());
    CHECK(command_of(*suite, "many[n=39999]").command == "echo 39999");
  }

  TEST_CASE("a test keeps its own files, else its suite's") {
    CommandsSuiteSpec spec = suite_spec();
    spec.files = {"core*", "{test}/*.log"};
    spec.tests = {test_spec("a"), test_spec("b")};
    spec.tests[1].files = {"out.txt"};
    const auto suite = load(spec);
    CHECK(command_of(*suite, "a").files == Names{"core*", "a/*.log"});
    CHECK(command_of(*suite, "b").files == Names{"out.txt"});
    CHECK(suite->scope().files == Names{});
  }

  TEST_CASE("{test} in files is a glob of the name, in which nothing is special") {
    CommandsSuiteSpec spec = suite_spec();
    spec.files = {"{test}.log", "{Test} {}", "x{test}{test}"};
    spec.tests = {test_spec("a/b *[x]?{test}"), test_spec("é")};
    const auto suite = load(spec);
    CHECK(command_of(*suite, "a/b *[x]?{test}").files ==
          Names{"a?b???x???test?.log", "{Test} {}", "xa?b???x???test?a?b???x???test?"});
    CHECK(command_of(*suite, "é").files[0] == "??.log");
  }

  TEST_CASE("parameters are replaced in files as in commands, in the suite's too") {
    CommandsSuiteSpec spec = suite_spec();
    spec.files = {"{test}/{slots}"};
    spec.tests = {test_spec("a"), test_spec("b")};
    spec.tests[0].parameters = {{"slots", {"1", "{test}"}}};
    spec.tests[1].parameters = {{"test", {"x/y"}}};
    spec.tests[1].files = {"{test}", "${test}"};
    const auto suite = load(spec);
    CHECK(command_of(*suite, "a[slots=1]").files == Names{"a?slots?1?/1"});
    CHECK(command_of(*suite, "a[slots={test}]").files == Names{"a?slots??test?\?/{test}"});
    CHECK(command_of(*suite, "b[test=x/y]").files == Names{"x/y", "${test}"});
  }

  TEST_CASE("what a name or a parameter brings into files must not leave the directory") {
    CommandsSuiteSpec spec = suite_spec();
    spec.tests = {test_spec(".."), test_spec("a")};
    spec.tests[0].files = {"x/{test}/y"};
    spec.tests[1].files = {"{where}/x"};
    spec.tests[1].parameters = {{"where", {"b/c", "/etc", "b/.."}}};
    const std::string outside = ", which is not below its directory";
    CHECK(complaints(spec) ==
          Names{"job.yaml:..: 'files' of test '..' become 'x/../y'" + outside,
                "job.yaml:a: 'files' of test 'a[where=/etc]' become '/etc/x'" + outside,
                "job.yaml:a: 'files' of test 'a[where=b/..]' become 'b/../x'" + outside});
  }

  TEST_CASE("discovered tests keep the suite's files; all know the directory as it was written") {
    const Folder folder;
    folder.program("b_test");
    CommandsSuiteSpec spec = suite_spec(folder.path());
    spec.directory_in_tree = "selftests/kvm";
    spec.files = {"{test}.log"};
    spec.discover = "*_test";
    spec.tests = {test_spec("a")};
    const auto suite = load(spec);
    CHECK(command_of(*suite, "a").directory_in_tree == "selftests/kvm");
    CHECK(command_of(*suite, "b_test").directory_in_tree == "selftests/kvm");
    CHECK(command_of(*suite, "b_test").files == Names{"b_test.log"});
    CHECK(suite->scope().directory == spec.directory);
    CHECK(suite->scope().directory_in_tree == "selftests/kvm");
    spec.directory_in_tree = "";
    CHECK(command_of(*load(spec), "b_test").directory_in_tree.empty());
  }

  TEST_CASE("a parameter without values is complained of") {
    CommandsSuiteSpec spec = suite_spec();
    spec.tests = {test_spec("a")};
    spec.tests[0].parameters = {{"slots", {}}};
    CHECK(complaints(spec) == Names{"job.yaml:a: a parameter of test 'a' has no values"});
  }

  TEST_CASE("discovered tests are the matching executables, in natural order") {
    const Folder folder;
    folder.program("b_10_test");
    folder.program("b_2_test");
    folder.program("it's a_test");
    folder.program("other");
    folder.program(".hidden_test");
    folder.program("folder_test/x");
    folder.file("data_test", "");
    fs::create_symlink("other", folder.path("link_test"));
    fs::create_symlink("nowhere", folder.path("dangling_test"));
    CommandsSuiteSpec spec = suite_spec(folder.path());
    spec.discover = "*_test";
    const auto suite = load(spec);
    CHECK(names(*suite) == Names{"b_2_test", "b_10_test", "it's a_test", "link_test"});
    CHECK(command_of(*suite, "it's a_test").command == R"(./'it'\''s a_test')");
  }

  TEST_CASE("what cannot be found is complained of, all at once") {
    const Folder folder;
    folder.file("data_test", "");
    CommandsSuiteSpec spec = suite_spec(folder.path());
    spec.discover = "*_test";
    spec.import_file = folder.path("none.json");
    CHECK(complaints(spec) ==
          Names{fmt::format("job.yaml:1:1: discover '*_test' matches no executable in '{}'; 1 "
                            "matching file(s) are not executable",
                            folder.path()),
                fmt::format("job.yaml:1:1: cannot read {}: No such file or directory",
                            folder.path("none.json"))});
    spec = suite_spec(folder.path("none"));
    spec.discover = "*_test";
    CHECK(complaints(spec) ==
          Names{fmt::format("job.yaml:1:1: directory '{}' does not exist", folder.path("none"))});
    spec.directory = folder.path("data_test");
    CHECK(complaints(spec) ==
          Names{fmt::format("job.yaml:1:1: directory '{}' is not a directory", spec.directory)});
  }

  TEST_CASE("a name that two sources give is complained of with both places") {
    const Folder folder;
    folder.program("a");
    CommandsSuiteSpec spec = suite_spec(folder.path());
    spec.tests = {test_spec("a"), test_spec("b")};
    spec.discover = "*";
    CHECK(complaints(spec) ==
          Names{fmt::format(
              "{}: test 'a' is already defined at job.yaml:a; names must be unique in a suite",
              folder.path("a"))});
    folder.program("with\nnewline");
    CHECK(complaints(spec).size() == 2);
  }

  TEST_CASE("suites and tests for another architecture are left out, under any of its names") {
    CommandsSuiteSpec spec = suite_spec("/does/not/exist");
    spec.tests = {test_spec("any"), test_spec("arm"), test_spec("intel")};
    spec.arch = {"aarch64"};
    CHECK(load_commands_suites(spec, "x86_64").suites.empty());
    CHECK(load_commands_suites(spec, "x86_64").complaints.empty());
    spec = suite_spec();
    spec.tests = {test_spec("any"), test_spec("arm"), test_spec("intel")};
    spec.tests[1].arch = {"arm64"};
    spec.tests[2].arch = {"amd64", "i686"};
    CHECK(names(*load(spec, "x86_64")) == Names{"any", "intel"});
    CHECK(names(*load(spec, "aarch64")) == Names{"any", "arm"});
  }

  TEST_CASE("a directory that is only on other machines need not be here, unless it is searched") {
    CommandsSuiteSpec spec;
    spec.name = "s";
    spec.where = "job.yaml:4:5";
    spec.directory = "/nonexistent/tests";
    CommandTestSpec test;
    test.name = "t";
    test.command = "./t";
    spec.tests = {test};
    CHECK(load_commands_suites(spec, "x86_64").complaints.size() == 1);
    CHECK(load_commands_suites(spec, "x86_64", RunsOn::others_only).complaints.empty());
    spec.discover = "*_test";
    CHECK(load_commands_suites(spec, "x86_64", RunsOn::others_only).complaints.size() == 1);
  }

  TEST_CASE("a test's timeout wins over its suite's, and without any the run decides") {
    CommandsSuiteSpec spec = suite_spec();
    spec.tests = {test_spec("a"), test_spec("b")};
    spec.tests[0].timeout = 0s;
    CHECK(timeout_of(*load(spec), "b") == std::nullopt);
    spec.timeout = 300s;
    CHECK(timeout_of(*load(spec), "a") == 0s);
    CHECK(timeout_of(*load(spec), "b") == 300s);
  }
}

TEST_SUITE("KVM runner JSON") {
  TEST_CASE("each JSON suite is a suite; what it leaves open comes from the importing one") {
    const Folder folder;
    CommandsSuiteSpec spec = suite_spec("/tmp");
    spec.tests = {test_spec("own")};
    spec.setup = "modprobe kvm";
    spec.parallel = 3;
    spec.timeout = 60s;
    const LoadedSuites loaded = import_json(folder, R"json([
      {"suite": "dirty log/perf", "timeout_s": 300, "arch": "x86_64", "setup": "echo up", "teardown": "echo down",
       "tests": [{"name": "max_vcpu", "command": "./dirty_log_perf_test -v $(nproc)", "arch": "x86_64", "timeout_s": 0.5,
                  "setup": "echo test up", "teardown": "echo test down"},
                 {"name": "plain", "command": "./plain"},
                 {"name": "arm_only", "command": "./arm", "arch": "aarch64"}]},
      {"suite": "sanity", "tests": [{"name": "plain", "command": "./plain", "setup": null}]},
      {"suite": "arm", "arch": "aarch64", "tests": [{"name": "x", "command": "./x"}]},
      {"suite": "empty", "tests": []}
    ])json",
                                            spec);
    CHECK(loaded.complaints == Names{});
    REQUIRE(loaded.suites.size() == 3);
    CHECK(loaded.suites[0]->plan().name == "kvm");
    CHECK(names(*loaded.suites[0]) == Names{"own"});
    const Suite& perf = *loaded.suites[1];
    CHECK(perf.plan().name == "dirty_log_perf");
    CHECK(perf.plan().parallel == 3);
    CHECK(perf.scope() == commands("echo up", "", "echo down", "/tmp"));
    CHECK(names(perf) == Names{"max_vcpu", "plain"});
    CHECK(command_of(perf, "max_vcpu") ==
          commands("echo test up", "./dirty_log_perf_test -v $(nproc)", "echo test down", "/tmp"));
    CHECK(timeout_of(perf, "max_vcpu") == 500ms);
    CHECK(timeout_of(perf, "plain") == 300s);
    const Suite& sanity = *loaded.suites[2];
    CHECK(sanity.scope().setup == "modprobe kvm");
    CHECK(timeout_of(sanity, "plain") == 60s);
  }

  TEST_CASE("a JSON suite's files and directory are those of the importing one") {
    const Folder folder;
    CommandsSuiteSpec spec = suite_spec("/tmp");
    spec.directory_in_tree = "kvm";
    spec.files = {"{test}.log"};
    const LoadedSuites loaded = import_json(
        folder, R"([{"suite": "s", "tests": [{"name": "a", "command": "./a"}]}])", spec);
    REQUIRE(loaded.suites.size() == 1);
    CHECK(command_of(*loaded.suites[0], "a").files == Names{"a.log"});
    CHECK(command_of(*loaded.suites[0], "a").directory_in_tree == "kvm");
    CHECK(loaded.suites[0]->scope().directory_in_tree == "kvm");
  }

  TEST_CASE("every mistake is named with its place") {
    const Folder folder;
    CHECK(
        import_json(
            folder,
            "[{\"suite\": \"a\",\n  \"tests\": [{\"name\": 5, \"comand\": \"x\"},\n    7,\n"
            "    {\"name\": \"b\", \"command\": \"./b\", \"timeout_s\": -1, \"arch\": [\"x\"]}],\n"
            " \"timout_s\": 3},\n {\"suite\": \"\", \"tests\": {}}, []]")
            .complaints ==
        Names{"@:5:14: [0].timout_s: unknown key 'timout_s'; did you mean 'timeout_s'?",
              "@:2:35: [0].tests[0].comand: unknown key 'comand'; did you mean 'command'?",
              "@:2:22: [0].tests[0].name: expected text, found number",
              "@:2:13: [0].tests[0]: 'command' is missing",
              "@:3:5: [0].tests[1]: expected an object, found number",
              "@:4:50: [0].tests[2].timeout_s: expected a number of seconds, found -1",
              "@:4:62: [0].tests[2].arch: expected text, found array",
              "@:6:12: [1].suite: must not be empty",
              "@:6:25: [1].tests: expected a list of tests, found object",
              "@:6:30: [2]: expected an object, found array"});
    CHECK(import_json(folder, "{}").complaints ==
          Names{"@:1:1: expected a list of suites, found object"});
  }

  TEST_CASE("broken JSON is named with line and column") {
    const Folder folder;
    const Names broken = import_json(folder, "[\n  {\"suite\" \"a\"}\n]").complaints;
    REQUIRE(broken.size() == 1);
    CHECK(broken[0].starts_with("@:2:14: syntax error while parsing object separator"));
    CHECK(import_json(folder, "").complaints[0].starts_with("@:1:1: "));
    CHECK(import_json(folder, "[\"\xFF\"]").complaints[0].starts_with("@:1:3: "));
    CHECK(import_json(folder, "[1e999]").complaints.size() == 1);
    CHECK(import_json(folder, std::string(100'000, '[')).complaints.size() == 1);
  }

  TEST_CASE("a suite or test defined twice is named with both places") {
    const Folder folder;
    const std::string suite =
        R"({"suite": "a", "tests": [{"name": "t", "command": "./t"}, {"name": "t", "command": "./u"}]})";
    const Names twice = import_json(folder, fmt::format("[{},\n{}]", suite, suite)).complaints;
    REQUIRE(twice.size() == 3);
    CHECK(twice[0].starts_with("@:1:60: test 't' is already defined at " +
                               folder.path("tests.json") + ":1:27"));
    CHECK(twice[1].starts_with("@:2:1: suite 'a' is already defined at " +
                               folder.path("tests.json") + ":1:2"));
  }
}

TEST_SUITE("kselftest list") {
  TEST_CASE("tests run in their collection, as kselftest's runner runs them") {
    const Folder folder;
    folder.program("timers/posix_timers");
    folder.program("filesystems/epoll/wakeup");
    folder.program("kvm/x86_64/cpuid");
    folder.file("timers/script.py", "#! /usr/bin/env python3\nprint()\n");
    folder.file("timers/data", "no script");
    CommandsSuiteSpec spec = suite_spec(folder.path());
    spec.import_file = folder.file(
        "kselftest-list.txt",
        "# collections\r\n\r\ntimers:posix_timers\r\nfilesystems/epoll:wakeup\nkvm:x86_64/cpuid\n"
        "timers:script.py\ntimers:data\ntimers:missing");
    const auto suite = load(spec);
    CHECK(names(*suite) == Names{"timers:posix_timers", "filesystems/epoll:wakeup",
                                 "kvm:x86_64/cpuid", "timers:script.py", "timers:data",
                                 "timers:missing"});
    CHECK(command_of(*suite, "timers:posix_timers") ==
          commands("", "./posix_timers", "", folder.path("timers"), "timers"));
    CHECK(command_of(*suite, "filesystems/epoll:wakeup").directory ==
          folder.path("filesystems/epoll"));
    CHECK(command_of(*suite, "kvm:x86_64/cpuid") ==
          commands("", "./cpuid", "", folder.path("kvm/x86_64"), "kvm/x86_64"));
    CHECK(command_of(*suite, "timers:script.py").command == "/usr/bin/env python3 ./script.py");
    CHECK(command_of(*suite, "timers:data").command == "./data");
    CHECK(command_of(*suite, "timers:missing").command == "./missing");
  }

  TEST_CASE("a collection is below the suite's directory also in another tree") {
    const Folder folder;
    folder.program("kst/timers/sub/a");
    CommandsSuiteSpec spec = suite_spec(folder.path("kst"));
    spec.import_file = folder.file("kst/kselftest-list.txt", "timers:sub/a\n");
    spec.files = {"{test}.log"};
    const auto in_tree = [&](const std::string& directory, const std::string& written) {
      spec.directory = directory, spec.directory_in_tree = written;
      return command_of(*load(spec), "timers:sub/a").directory_in_tree;
    };
    CHECK(command_of(*load(spec), "timers:sub/a").files == Names{"timers?sub?a.log"});
    CHECK(in_tree(folder.path("kst"), "./kst") == "kst/timers/sub");
    CHECK(in_tree(folder.path("kst"), folder.path("kst")) == folder.path("kst/timers/sub"));
    CHECK(in_tree(folder.path(), "") == "kst/timers/sub");
    // The list is elsewhere: its folder stands for the suite's directory.
    CHECK(in_tree("/usr", "") == "timers/sub");
    CHECK(in_tree("/usr", "kst") == "kst/timers/sub");
    CHECK(in_tree("/usr", "/usr") == folder.path("kst/timers/sub"));
  }

  TEST_CASE("the time limit is the spec's, else the collection's, else kselftest's") {
    const Folder folder;
    folder.program("timers/a");
    folder.program("seccomp/b");
    folder.program("proc/c");
    folder.file("timers/settings", "# no limit\ntimeout=0\n");
    folder.file("seccomp/settings", "timeout=30\ntimeout=120\n");
    CommandsSuiteSpec spec = suite_spec();
    spec.import_file = folder.file("kselftest-list.txt", "timers:a\nseccomp:b\nproc:c\n");
    const auto suite = load(spec);
    CHECK(timeout_of(*suite, "timers:a") == 0s);
    CHECK(timeout_of(*suite, "seccomp:b") == 120s);
    CHECK(timeout_of(*suite, "proc:c") == 45s);
    spec.timeout = 7s;
    CHECK(timeout_of(*load(spec), "timers:a") == 7s);
  }

  TEST_CASE("a file that is no list is complained of once") {
    const Folder folder;
    CommandsSuiteSpec spec = suite_spec();
    spec.import_file = folder.file("a.out", std::string("\x7F"
                                                        "ELF\0\n\n:",
                                                        9));
    CHECK(complaints(spec) ==
          Names{*spec.import_file + ": is neither a kselftest-list.txt nor JSON"});
  }

  TEST_CASE("what is no test is complained of with its line") {
    const Folder folder;
    folder.program("timers/a");
    folder.file("timers/settings", "timeout=soon\n");
    CommandsSuiteSpec spec = suite_spec();
    const std::string list =
        folder.file("kselftest-list.txt",
                    "timers:a\ntimers\na:b:c\nnone:x\nnone:y\n:x\ntimers:a\ntimers:a b\n");
    spec.import_file = list;
    CHECK(
        complaints(spec) ==
        Names{
            fmt::format("{}:1: timeout 'soon' is not a number of seconds",
                        folder.path("timers/settings")),
            list + ":2: 'timers' is not 'collection:test'",
            list + ":3: 'a:b:c' is not 'collection:test'",
            fmt::format("{}:4: collection 'none' has no folder '{}'; install it, or remove its "
                        "tests from the list",
                        list, folder.path("none")),
            list + ":6: ':x' is not 'collection:test'",
            list + ":8: 'timers:a b' is not 'collection:test'",
            fmt::format(
                "{}:7: test 'timers:a' is already defined at {}:1; names must be unique in a suite",
                list, list)});
  }
}

TEST_SUITE("selection") {
  TEST_CASE("no pattern selects everything") {
    CHECK(selected(two_suites, {}).size() == 5);
  }

  TEST_CASE("a suite, a configuration, or globs in suite and test; each test once, in its order") {
    CHECK(selected(two_suites, {"xfs"}) == Names{"xfs@4k/generic/475", "xfs@64k/generic/475"});
    CHECK(selected(two_suites, {"xfs@64k/generic/*"}) == Names{"xfs@64k/generic/475"});
    CHECK(selected(two_suites, {"xfs/generic/475", "k*/*_perf", "xfs@4k"}) ==
          Names{"kvm/a_perf", "xfs@4k/generic/475", "xfs@64k/generic/475"});
  }

  TEST_CASE("one value of a sweep can be named, or all of them") {
    CHECK(selected(two_suites, {"kvm/dirty[slots=2]"}) == Names{"kvm/dirty[slots=2]"});
    CHECK(selected(two_suites, {"kvm/dirty"}) == Names{"kvm/dirty[slots=1]", "kvm/dirty[slots=2]"});
  }

  TEST_CASE("a test alone can be named where the job has one suite") {
    const auto one_suite = tests({{"xfs", "", "generic/475"}, {"xfs", "", "generic/476"}});
    CHECK(selected(one_suite, {"generic/475"}) == Names{"xfs/generic/475"});
    CHECK(selected(two_suites, {"a_perf"}) == Names{"error: no test matches 'a_perf'"});
  }

  TEST_CASE("every pattern without a match is named, with the nearest name") {
    CHECK(selected(two_suites, {"kvm", "kvn", "kvm/a_pref", "kvm/[a-"}) ==
          Names{"error: no test matches 'kvn'; did you mean 'kvm'?\n"
                "no test matches 'kvm/a_pref'; did you mean 'kvm/a_perf'?\n"
                "no test matches 'kvm/[a-'"});
    CHECK(select_tests({}, {"x"}).error().kind == ErrorKind::usage);
  }
}

}  // namespace ffci
