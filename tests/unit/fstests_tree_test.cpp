#include "suites/fstests_tree.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.hpp"
#include "fstests_tree_folder.hpp"
#include "shown_lines.hpp"

namespace ffci {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return std::string(split(name, '.').front());
}

// As `make` leaves it, and in each of the older ways.
void fill(TreeFolder& folder) {
  folder
      .file("tests/generic/group.list",
            "# QA groups control file, automatically generated.\n"
            "# See _begin_fstest in each test for details.\n\n"
            "001 auto quick\n"
            "002 auto metadata # slow\n"
            "017 auto quick unreliable_in_parallel\n"
            "100-the-long-one\n"
            "12 auto\n"
            "auto 003\n"
            "003.out auto\n"
            "004 auto ../quick /etc -x\n"
            "1000 auto quick\r\n"
            " 005 auto\n"
            "001 rw")
      .file("tests/generic/001", "_begin_fstest ignored\n")
      .file("tests/xfs/group", "001 auto quick\n# 002 auto\n003 auto\n")
      .file("tests/btrfs/001", "#!/bin/bash\n#\n. ./common/preamble\n_begin_fstest auto quick\n")
      .file("tests/btrfs/002",
            "  _begin_fstest auto\n_begin_fstest_not auto\n"
            "_begin_fstest auto raid-stripe-tree # quick\necho _begin_fstest no\n")
      .file("tests/btrfs/002.out", "_begin_fstest auto\n")
      .file("tests/btrfs/003", "no group at all\n")
      .file("tests/btrfs/200-with-a-name", "_begin_fstest")
      .file("tests/btrfs/group.list", "")
      .file("tests/btrfs/Makefile", "_begin_fstest auto\n")
      .directory("tests/btrfs/004")
      .file("tests/ext4/Makefile", "")
      .directory("tests/.git")
      .directory("tests/with space")
      .directory("tests/" + std::string(101, 'd'))
      .file("tests/Makefile", "");
}

FstestsTree read_locally(const TreeFolder& folder, const std::string& host_options = {}) {
  const Result<FstestsTree> tree = read_fstests_tree(folder.path(), host_options);
  REQUIRE_MESSAGE(tree, tree.error().message);
  return *tree;
}

std::string error_of(const Result<FstestsTree>& tree) {
  return tree ? "no error" : tree.error().message;
}

std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  while (const size_t n = ::fread(buffer, 1, sizeof buffer, pipe))
    output.append(buffer, n);
  ::pclose(pipe);
  return output;
}

// What the listing script says when `shell` runs it.
std::string listing(const TreeFolder& folder, const std::string& shell = "/bin/sh",
                    const std::string& host_options = {}) {
  const std::string script = folder.path("script");
  std::ofstream(script) << fstests_listing_script(folder.path(), host_options);
  return output_of(fmt::format("{} {} 2>&1", shell, shell_quote(script)));
}

FstestsTree tree_of(const std::string& listing) {
  const Result<FstestsTree> tree = read_fstests_listing(listing);
  REQUIRE_MESSAGE(tree, tree.error().message, " in ", listing);
  return *tree;
}

Names shells() {
  Names found;
  for (const char* shell : {"/bin/sh", "/bin/dash", "/bin/bash", "/bin/bash --posix",
                            "/bin/busybox sh", "/bin/mksh", "/bin/ksh", "/bin/yash"}) {
    if (::access(std::string(split(shell, ' ').front()).c_str(), X_OK) == 0) found.push_back(shell);
  }
  return found;
}

std::string described(const FstestsTree& tree) {
  std::string text =
      fmt::format("directories {}\nconfiguration {}\nsections {}\nproblem {}\n",
                  fmt::join(tree.directories, " "), tree.configuration.value_or("(none)"),
                  fmt::join(tree.sections, " "), tree.problem);
  for (const FstestsTest& test : tree.tests)
    text += fmt::format("{}: {}\n", test.name, fmt::join(test.groups, " "));
  return text;
}

TEST_CASE("a tree's tests and groups come from group lists, or from the tests themselves") {
  TreeFolder folder;
  fill(folder);
  CHECK(described(read_locally(folder)) ==
        "directories btrfs ext4 generic xfs\n"
        "configuration (none)\n"
        "sections \n"
        "problem \n"
        "btrfs/001: auto quick\n"
        "btrfs/002: auto raid-stripe-tree\n"
        "btrfs/200-with-a-name: \n"
        "generic/001: auto quick rw\n"
        "generic/002: auto metadata\n"
        "generic/004: auto\n"
        "generic/017: auto quick unreliable_in_parallel\n"
        "generic/100-the-long-one: \n"
        "generic/1000: auto quick\n"
        "xfs/001: auto quick\n"
        "xfs/003: auto\n");
}

TEST_CASE("the configuration is the file that ./check would find") {
  TreeFolder folder;
  const std::string by_host = "configs/" + host_name();
  const auto configuration = [&](const std::string& host_options = {}) {
    const FstestsTree here = read_locally(folder, host_options);
    CHECK(described(tree_of(listing(folder, "/bin/sh", host_options))) == described(here));
    return fmt::format("{}: {}", here.configuration.value_or("none"),
                       fmt::join(here.sections, " "));
  };
  if (!fs::exists("/etc/xfsqa.config")) CHECK(configuration() == "none: ");
  folder.file(by_host, "[by-host]\n");
  CHECK(configuration() == by_host + ": by-host");
  folder.file(by_host + ".config", "TEST_DEV=/dev/vdb\n");
  CHECK(configuration() == by_host + ".config: ");
  folder.file("local.config",
              "[default]\nFSTYP=xfs\n[xfs_4k] # the usual\n [indented]\n[]\n[not a name]\n[open\n"
              "[quota-1]\r\n[xfs_4k]\nMKFS_OPTIONS='-b [odd]'\n[last]");
  CHECK(configuration() == "local.config: default xfs_4k quota-1 last");
  folder.file("mine", "[mine]\n");
  CHECK(configuration("mine") == "mine: mine");
  CHECK(configuration(folder.path("mine")) == folder.path("mine") + ": mine");
  CHECK(configuration("missing") == by_host + ".config: ");
  ::setenv("HOST_OPTIONS", "mine", 1);
  CHECK(read_locally(folder).sections == Names{"mine"});
  folder.file("elsewhere/" + host_name(), "[elsewhere]\n");
  ::setenv("HOST_OPTIONS", "missing", 1);
  ::setenv("HOST_CONFIG_DIR", "elsewhere", 1);
  CHECK(configuration() == "elsewhere/" + host_name() + ": elsewhere");
  forget_environment();
}

TEST_CASE("what is no fstests tree is refused with what was expected") {
  const TreeFolder empty;
  const auto refusal = [](const std::string& path) {
    const std::string here = error_of(read_fstests_tree(path));
    const TreeFolder place;
    std::ofstream(place.path("script")) << fstests_listing_script(path);
    const std::string there = output_of("/bin/sh " + shell_quote(place.path("script")));
    CHECK(error_of(read_fstests_listing(there)) == here);
    return here;
  };
  const std::string expected =
      "; expected a directory with fstests' 'check' and its folder 'tests'";
  CHECK(refusal("/no/such/tree") ==
        "'/no/such/tree' is no fstests tree: it does not exist" + expected);
  CHECK(refusal("/dev/null") == "'/dev/null' is no fstests tree: it is no directory" + expected);
  CHECK(refusal(empty.path("tests")) ==
        fmt::format("'{}' is no fstests tree: it has no 'check'", empty.path("tests")) + expected);
  fs::remove(empty.path("tests"));
  CHECK(refusal(empty.path()) ==
        fmt::format("'{}' is no fstests tree: it has no folder 'tests'", empty.path()) + expected);
  CHECK(read_fstests_tree("/no/such/tree").error().kind == ErrorKind::no_input);
}

TEST_CASE("every shell lists a tree as it is read here") {
  TreeFolder folder;
  fill(folder);
  folder.file("local.config", "[one]\n[two]\n");
  const FstestsTree here = read_locally(folder);
  for (const std::string& shell : shells()) {
    CAPTURE(shell);
    CHECK(described(tree_of(listing(folder, shell))) == described(here));
  }
}

TEST_CASE("a tree whose path is odd is listed all the same") {
  TreeFolder folder;
  const std::string path = folder.path("it's $(a) \"tree\"");
  folder.file("it's $(a) \"tree\"/check", "").file("it's $(a) \"tree\"/tests/xfs/001", "");
  const TreeFolder place;
  std::ofstream(place.path("script")) << fstests_listing_script(path);
  for (const std::string& shell : shells()) {
    CAPTURE(shell);
    const std::string said = output_of(shell + " " + shell_quote(place.path("script")));
    CHECK(tree_of(said).directories == Names{"xfs"});
  }
}

TEST_CASE("a listing is found between what a login shell says, with any line ends") {
  TreeFolder folder;
  fill(folder);
  const std::string said = listing(folder);
  const FstestsTree here = read_locally(folder);
  CHECK(tree_of("Welcome!\n001 auto\n[section]\nLast login: today" + said + "logout\n") == here);
  std::string on_terminal;
  for (const char c : said)
    on_terminal += c == '\n' ? "\r\n" : std::string(1, c);
  CHECK(tree_of(on_terminal) == here);
}

TEST_CASE("a listing that is cut off anywhere is refused") {
  TreeFolder folder;
  fill(folder);
  folder.file("local.config", "[one]\n");
  for (int i = 0; i < 8; ++i)
    folder.file(fmt::format("tests/fs{}/001", i), "_begin_fstest auto\n");
  const std::string said = listing(folder);
  const FstestsTree here = read_locally(folder);
  REQUIRE(here.directories.size() == 12);
  for (std::size_t length = 0; length < said.size(); ++length) {
    CAPTURE(length);
    const Result<FstestsTree> tree = read_fstests_listing(said.substr(0, length));
    if (tree) {
      CHECK(*tree == here);
    } else {
      CHECK(tree.error().kind == ErrorKind::data);
    }
  }
  CHECK(error_of(read_fstests_listing(said.substr(0, said.size() - 3))) ==
        "the list of the tests of fstests breaks off after 12 directories and 20 tests");
}

TEST_CASE("what is no listing is refused with how it begins") {
  CHECK(error_of(read_fstests_listing("sh: \x1B[31mnot\x1B[0m found\n")) ==
        "no list of the tests of fstests, but 'sh: not found'");
  CHECK(error_of(read_fstests_listing("")) == "no list of the tests of fstests, but ''");
  CHECK(error_of(read_fstests_listing(std::string(largest_fstests_listing + 1, '\n'))) ==
        "the list of the tests of fstests is larger than 1.0 MiB");
}

TEST_CASE("a listing of hostile bytes gives well-formed names or an error") {
  TreeFolder folder;
  fill(folder);
  folder.file("local.config", "[one]\n");
  const std::string said = listing(folder);
  const auto check = [](const std::string& bytes) {
    const Result<FstestsTree> tree = read_fstests_listing(bytes);
    if (!tree) return;
    for (const FstestsTest& test : tree->tests)
      CHECK(is_fstests_test_name(test.name));
  };
  for (std::size_t at = 0; at < said.size(); ++at) {
    for (const char byte : {'\0', '\n', ' ', '/', '\x1B', '\xFF', '0', '-'}) {
      std::string bytes = said;
      bytes[at] = byte;
      check(bytes);
      bytes.insert(at, 3, byte);
      check(bytes);
      bytes.erase(at, 5);
      check(bytes);
    }
  }
  check(
      "\nff-ci lists fstests: begin\nff-ci lists fstests: directory ../../etc\n001 auto\n"
      "ff-ci lists fstests: end 1\n");
}

}  // namespace
}  // namespace ffci
