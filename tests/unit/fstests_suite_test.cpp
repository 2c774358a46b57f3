#include "suites/fstests_suite.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "fstests_tree_folder.hpp"
#include "shown_lines.hpp"
#include "suites/fstests_command.hpp"

namespace ffci {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

FstestsSuiteSpec spec_for(const std::string& file_system = "ext4") {
  FstestsSuiteSpec spec;
  spec.name = "fs";
  spec.path = "/var/lib/xfstests";
  spec.file_system = file_system;
  spec.where = "job.yaml:3:5";
  return spec;
}

FstestsSelection selection_of(const Names& names, const Names& sections = {}) {
  FstestsSelection selection;
  selection.names = names;
  selection.sections = sections;
  return selection;
}

Names ids(const std::vector<TestCase>& tests) {
  Names all;
  for (const TestCase& test : tests)
    all.push_back(to_string(test.id));
  return all;
}

std::vector<TestId> batch_of(const Names& names, const std::string& section = "") {
  std::vector<TestId> batch;
  for (const std::string& name : names)
    batch.push_back({"fs", section, name});
  return batch;
}

// The shells of the machines that are met.
Names shells() {
  Names found;
  for (const char* shell : {"dash", "bash", "bash --posix", "busybox sh"}) {
    const std::string trial = fmt::format("{} -c : 2>/dev/null", shell);
    if (std::system(trial.c_str()) == 0) found.emplace_back(shell);
  }
  return found;
}

// A tree whose check keeps what it was given: its arguments, or its variables.
class KeepingTree {
 public:
  explicit KeepingTree(const std::string& does) {
    folder_.file("check", "#!/bin/sh\n" + does + "\n");
    std::filesystem::permissions(folder_.path("check"), std::filesystem::perms::owner_all);
    folder_.directory("tmp");
  }
  // The exit status of the command there.
  int run(const std::string& shell, const std::string& command) {
    // Nothing is mounted for a test.
    folder_.file("command", "mount() { :; }\n" + command);
    const std::string line =
        fmt::format("cd {0} && unset FFCI_TEST_DEV && TMPDIR={0}/tmp {1} command >said 2>&1",
                    shell_quote(folder_.path()), shell);
    const int status = std::system(line.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] bool has(const std::string& name) const {
    return std::filesystem::exists(folder_.path(name));
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream file(folder_.path(name), std::ios::binary);
    return (std::ostringstream() << file.rdbuf()).str();
  }
  void file(const std::string& name) { folder_.file(name, "old\n"); }

 private:
  TreeFolder folder_;
};

// As KeepingTree's check prints them.
std::string ended_by_nul(const Names& texts) {
  std::string all;
  for (const std::string& text : texts)
    all += text + '\0';
  return all;
}

TEST_CASE("without sections each selected test of fstests is there once") {
  const auto suite =
      make_fstests_suite(spec_for(), selection_of({"generic/001", "ext4/001", "generic/475"}));
  CHECK(ids(suite->tests()) == Names{"fs/generic/001", "fs/ext4/001", "fs/generic/475"});
}

TEST_CASE("with sections each test of fstests is there once for each, a section after the other") {
  const auto suite =
      make_fstests_suite(spec_for(), selection_of({"generic/001", "generic/002"}, {"4k", "1k"}));
  CHECK(ids(suite->tests()) ==
        Names{"fs@4k/generic/001", "fs@4k/generic/002", "fs@1k/generic/001", "fs@1k/generic/002"});
}

TEST_CASE("tests of fstests that the job leaves out are others, in each section") {
  FstestsSelection selection = selection_of({"generic/001"}, {"4k", "1k"});
  selection.others = {"generic/600"};
  const auto suite = make_fstests_suite(spec_for(), selection);
  CHECK(ids(suite->other_tests()) == Names{"fs@4k/generic/600", "fs@1k/generic/600"});
}

TEST_CASE("only what is unreliable in parallel is alone, also when the job leaves it out") {
  FstestsSelection selection = selection_of({"generic/001", "generic/075"});
  selection.others = {"generic/076", "generic/600"};
  selection.unreliable_in_parallel = {"generic/075", "generic/076"};
  const auto suite = make_fstests_suite(spec_for(), selection);
  Names alone;
  for (const auto& tests : {suite->tests(), suite->other_tests()})
    for (const TestCase& test : tests)
      if (test.alone) alone.push_back(test.id.name);
  CHECK(alone == Names{"generic/075", "generic/076"});
}

TEST_CASE("tests of fstests have the suite's timeout, or none of their own") {
  FstestsSuiteSpec spec = spec_for();
  CHECK(!make_fstests_suite(spec, selection_of({"generic/001"}))->tests().front().timeout);
  spec.timeout = 15min;
  CHECK(make_fstests_suite(spec, selection_of({"generic/001"}))->tests().front().timeout == 15min);
}

TEST_CASE("a file is of the test that it is named for") {
  const auto suite = make_fstests_suite(spec_for(), selection_of({"generic/100"}));
  const struct {
    const char* section;
    const char* path;
    bool belongs;
  } cases[] = {
      {"", "generic/100.full", true},
      {"", "generic/100.out.bad", true},
      {"", "generic/100.core.1234", true},
      {"", "generic/100-its-title.full", true},
      {"", "generic/1000.full", false},
      {"", "generic/10.full", false},
      {"", "generic/100", false},
      {"", "ext4/100.full", false},
      {"", "xgeneric/100.full", false},
      {"", "a/generic/100.full", false},
      {"4k", "4k/generic/100.full", true},
      {"4k", "4k/generic/100-its-title.out.bad", true},
      {"4k", "4k/generic/1000.full", false},
      {"4k", "1k/generic/100.full", false},
      {"4k", "4kk/generic/100.full", false},
  };
  for (const auto& it : cases) {
    CAPTURE(it.section);
    CAPTURE(it.path);
    CHECK(suite->is_file_of({"fs", it.section, "generic/100"}, it.path) == it.belongs);
  }
}

TEST_CASE("the log of a call of check is of all its tests") {
  const auto suite = make_fstests_suite(spec_for(), selection_of({"generic/100"}));
  for (const char* path : {"check.log", "4k/check.log"}) {
    CHECK(suite->is_file_of({"fs", "4k", "generic/001"}, path));
    CHECK(suite->is_file_of({"fs", "4k", "xfs/002"}, path));
  }
}

TEST_CASE("what tells most comes first when files are fetched") {
  const auto suite = make_fstests_suite(spec_for(), selection_of({"generic/100"}));
  const Command command = suite->command_for(batch_of({"generic/100"}));
  const auto place = [&](const char* glob) {
    return std::find(command.files.begin(), command.files.end(), glob) - command.files.begin();
  };
  CHECK(place("check.log") < place("*/[0-9]*.out.bad"));
  CHECK(place("*/[0-9]*.out.bad") < place("*/[0-9]*.full"));
  CHECK(place("*/[0-9]*.full") < place("*/[0-9]*.core*"));
  CHECK(place("*/*/[0-9]*.core*") < static_cast<std::ptrdiff_t>(command.files.size()));
}

TEST_CASE("every shell can read what runs check") {
  FstestsSuiteSpec spec = spec_for();
  spec.variables = {{"MKFS_OPTIONS", "it's \"$(x)\" `y` \\ \n#"}};
  REQUIRE(!shells().empty());
  for (const std::string& shell : shells()) {
    CAPTURE(shell);
    KeepingTree tree("exit 0");
    for (const std::string& text :
         {fstests_command(spec, batch_of({"generic/001", "generic/002"})),
          fstests_command(spec, batch_of({"generic/001"}, "4k")), fstests_probe()}) {
      CHECK(tree.run(shell + " -n", text) == 0);
      CHECK(tree.text("said").empty());
    }
  }
}

TEST_CASE("check is given the section and the names of the tests, as they are") {
  KeepingTree tree(R"(printf '%s\0' "$FSTYP" "$@" >got)");
  for (const std::string& shell : shells()) {
    CAPTURE(shell);
    REQUIRE(tree.run(shell, fstests_command(spec_for(), batch_of({"generic/001", "ext4/002-a"}))) ==
            0);
    CHECK(tree.text("got") == ended_by_nul({"ext4", "generic/001", "ext4/002-a"}));
    REQUIRE(tree.run(shell, fstests_command(spec_for(), batch_of({"generic/001"}, "$(id) '4k'"))) ==
            0);
    CHECK(tree.text("got") == ended_by_nul({"ext4", "-s", "$(id) '4k'", "generic/001"}));
  }
}

TEST_CASE("file systems that check has an option for are named by it") {
  KeepingTree tree(R"(printf '%s\0' "$FSTYP" "$@" >got)");
  REQUIRE(tree.run("sh", fstests_command(spec_for("nfs"), batch_of({"generic/001"}))) == 0);
  CHECK(tree.text("got") == ended_by_nul({"nfs", "-nfs", "generic/001"}));
}

TEST_CASE("overlay lies on the file system that its variable names, or ext4") {
  KeepingTree tree(R"(printf '%s\0' "$FSTYP" "$@" >got)");
  FstestsSuiteSpec spec = spec_for("overlay");
  REQUIRE(tree.run("env -u OVL_BASE_FSTYP sh", fstests_command(spec, batch_of({"overlay/001"}))) ==
          0);
  CHECK(tree.text("got") == ended_by_nul({"ext4", "-overlay", "overlay/001"}));
  spec.variables = {{"OVL_BASE_FSTYP", "xfs"}};
  REQUIRE(tree.run("sh", fstests_command(spec, batch_of({"overlay/001"}))) == 0);
  CHECK(tree.text("got") == ended_by_nul({"xfs", "-overlay", "overlay/001"}));
}

TEST_CASE("hostile values of variables reach check as they are, and run nothing") {
  KeepingTree tree(R"(printf '%s\0' "$MKFS_OPTIONS" >got)");
  FstestsSuiteSpec spec = spec_for();
  for (const std::string& shell : shells()) {
    for (const char* value : {"",
                              " ",
                              "-m reflink=1,rmapbt=1",
                              "it's",
                              "'",
                              "''",
                              "'; touch pwned; '",
                              "\"",
                              "$(touch pwned)",
                              "`touch pwned`",
                              "${IFS}",
                              "$$",
                              "\\",
                              "a\\'b",
                              "two\nlines",
                              "ends in a newline\n",
                              "\ttab",
                              "* ? [a-z] ~",
                              "#no comment",
                              "a=b",
                              "-n",
                              "!!",
                              "\xC3\xBC\xFF"}) {
      CAPTURE(shell);
      CAPTURE(value);
      spec.variables = {{"MKFS_OPTIONS", value}};
      REQUIRE(tree.run(shell, fstests_command(spec, batch_of({"generic/001"}))) == 0);
      CHECK(tree.text("got") == ended_by_nul({value}));
      CHECK(!tree.has("pwned"));
    }
  }
}

TEST_CASE("check has an empty folder for its results below TMPDIR, whatever a variable says") {
  KeepingTree tree(R"(printf '%s\n' "$RESULT_BASE" >got; ls -A "$RESULT_BASE" >>got)");
  tree.file("tmp/results/generic/001.full");
  REQUIRE(tree.run("RESULT_BASE=/nowhere sh",
                   fstests_command(spec_for(), batch_of({"generic/001"}))) == 0);
  CHECK(tree.text("got").ends_with("/tmp/results\n"));
}

TEST_CASE("the exit status is that of check") {
  KeepingTree tree("exit 7");
  CHECK(tree.run("sh", fstests_command(spec_for(), batch_of({"generic/001"}))) == 7);
}

TEST_CASE("the probe says what is missing of fstests") {
  KeepingTree tree("exit 0");
  CHECK(tree.run("sh", fstests_probe()) == 1);
  CHECK(tree.text("said").find("are not built: no src/feature") != std::string::npos);
}

}  // namespace
}  // namespace ffci
