#include "suites/fstests_selection.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "fstests_tree_folder.hpp"
#include "shown_lines.hpp"

namespace ffci {
namespace {

using Names = std::vector<std::string>;

// A tree as if it had been read.
FstestsTree a_tree() {
  FstestsTree tree;
  tree.directories = {"btrfs", "ext4", "generic", "overlay", "perf", "selftest", "xfs"};
  for (const char* name : {"001", "002"})
    tree.tests.push_back({fmt::format("btrfs/{}", name), {"auto", "quick"}});
  tree.tests.push_back({"btrfs/200", {"auto", "balance"}});
  tree.tests.push_back({"ext4/001", {"auto", "quick"}});
  tree.tests.push_back({"generic/001", {"auto", "quick", "rw"}});
  tree.tests.push_back({"generic/075", {"auto", "rw", "unreliable_in_parallel"}});
  tree.tests.push_back({"generic/475", {"auto", "dangerous", "shutdown"}});
  tree.tests.push_back({"generic/600", {"soak"}});
  tree.tests.push_back({"overlay/001", {"auto", "quick"}});
  tree.tests.push_back({"selftest/006", {"dangerous_selftest"}});
  tree.tests.push_back({"xfs/001", {"auto", "quick", "unreliable_in_parallel"}});
  return tree;
}

// What stands where in the spec is what it says.
std::vector<LocatedText> located(const Names& texts) {
  std::vector<LocatedText> all;
  for (const std::string& text : texts)
    all.push_back({text, fmt::format("job.yaml:{}:9", all.size() + 5)});
  return all;
}

struct Wanted {
  std::string file_system = "btrfs";
  Names tests{}, groups{}, not_tests{}, not_groups{}, not_files{}, sections{}, not_sections{};
};

FstestsSelection selection(const Wanted& wanted, const FstestsTree& tree = a_tree()) {
  FstestsSuiteSpec spec;
  spec.name = "fs";
  spec.where = "job.yaml:3:5";
  spec.file_system = wanted.file_system;
  spec.tests = located(wanted.tests);
  spec.groups = located(wanted.groups);
  spec.excluded_tests = located(wanted.not_tests);
  spec.excluded_groups = located(wanted.not_groups);
  spec.excluded_tests_files = located(wanted.not_files);
  spec.sections = located(wanted.sections);
  spec.excluded_sections = located(wanted.not_sections);
  return select_fstests(spec, tree);
}

Names selected(const Wanted& wanted, const FstestsTree& tree = a_tree()) {
  FstestsSelection found = selection(wanted, tree);
  CHECK(found.complaints == Names{});
  return found.names;
}

Names complaints(const Wanted& wanted, const FstestsTree& tree = a_tree()) {
  return selection(wanted, tree).complaints;
}

TEST_CASE("without tests and groups, it is the group auto") {
  CHECK(selected({}) ==
        Names{"btrfs/001", "btrfs/002", "btrfs/200", "generic/001", "generic/075", "generic/475"});
}

TEST_CASE("a group spans the generic tests and those of the file system") {
  CHECK(selected({.groups = {"quick"}}) == Names{"btrfs/001", "btrfs/002", "generic/001"});
  CHECK(selected({.file_system = "ext3", .groups = {"quick"}}) == Names{"ext4/001", "generic/001"});
  CHECK(selected({.file_system = "overlay", .groups = {"quick"}}) ==
        Names{"generic/001", "overlay/001"});
  CHECK(selected({.file_system = "tmpfs", .groups = {"quick"}}) == Names{"generic/001"});
  FstestsTree old = a_tree();
  old.tests.push_back({"shared/001", {"quick"}});
  old.directories = {"generic", "shared"};
  CHECK(selected({.file_system = "jfs", .groups = {"quick"}}, old) ==
        Names{"generic/001", "shared/001"});
}

TEST_CASE("a group of a directory is that of this directory only, of any file system") {
  CHECK(selected({.groups = {"btrfs/quick"}}) == Names{"btrfs/001", "btrfs/002"});
  CHECK(selected({.groups = {"selftest/dangerous_selftest", "xfs/quick"}}) ==
        Names{"selftest/006", "xfs/001"});
}

TEST_CASE("the group all is every test that belongs to the file system") {
  CHECK(selected({.groups = {"all"}}) == Names{"btrfs/001", "btrfs/002", "btrfs/200", "generic/001",
                                               "generic/075", "generic/475", "generic/600"});
  CHECK(selected({.groups = {"btrfs/all"}}) == Names{"btrfs/001", "btrfs/002", "btrfs/200"});
}

TEST_CASE("tests are named or matched, of any directory") {
  CHECK(selected({.tests = {"xfs/001", "generic/475"}}) == Names{"generic/475", "xfs/001"});
  CHECK(selected({.tests = {"btrfs/2*", "generic/[0-4]??"}}) ==
        Names{"btrfs/200", "generic/001", "generic/075", "generic/475"});
  CHECK(selected({.tests = {"*fs/001", "tests/ext4/001"}}) ==
        Names{"btrfs/001", "ext4/001", "xfs/001"});
}

TEST_CASE("tests and groups add up, each test once, in the order of the tree") {
  CHECK(selected({.tests = {"generic/600", "generic/001"}, .groups = {"rw", "balance"}}) ==
        Names{"btrfs/200", "generic/001", "generic/075", "generic/600"});
}

TEST_CASE("tests are excluded by name, by glob and by group") {
  CHECK(selected({.not_tests = {"btrfs/002", "generic/[04]*"}}) == Names{"btrfs/001", "btrfs/200"});
  CHECK(selected({.not_groups = {"dangerous", "btrfs/auto", "unreliable_in_parallel"}}) ==
        Names{"generic/001"});
  CHECK(selected({.tests = {"generic/475"}, .not_groups = {"dangerous"}}) == Names{});
}

TEST_CASE("a group excludes tests where it would select them, as with ./check") {
  CHECK(selected({.tests = {"xfs/001", "btrfs/001"}, .not_groups = {"quick"}}) == Names{"xfs/001"});
  CHECK(selected({.tests = {"xfs/001", "btrfs/001"}, .not_groups = {"xfs/quick"}}) ==
        Names{"btrfs/001"});
  CHECK(selected({.groups = {"balance"}, .not_groups = {"dangerous_selftest"}}) ==
        Names{"btrfs/200"});
}

TEST_CASE("files name tests to exclude, with comments, also those that this tree has not") {
  TreeFolder folder;
  folder.file("expunges",
              "# not with 16k pages\n\nbtrfs/002   # flaky since 6.12\ngeneric/999\r\n"
              "\tgeneric/[04]*#hangs\nnfs/*\ntests/btrfs/001");
  CHECK(selected({.not_files = {folder.path("expunges")}}) == Names{"btrfs/200"});
}

TEST_CASE("a file of tests to exclude that is missing or no such list is complained of") {
  TreeFolder folder;
  folder.file("bad",
              "generic/001\ngeneric/002 generic/003\n\n475\nbtrfs/\n/etc/*\nbtrfs/1\x1B[31m?\n");
  const std::string bad = folder.path("bad");
  CHECK(complaints({.not_files = {"/no/such/file", bad}}) ==
        Names{"job.yaml:5:9: cannot read /no/such/file: No such file or directory",
              bad + ":2:1: 'generic/002 generic/003' is no name of a test; expected "
                    "DIRECTORY/NUMBER",
              bad + ":4:1: '475' is no name of a test; expected DIRECTORY/NUMBER",
              bad + ":5:1: 'btrfs/' is no name of a test; expected DIRECTORY/NUMBER",
              bad + ":6:1: '/etc/*' is no name of a test; expected DIRECTORY/NUMBER",
              bad + ":7:1: 'btrfs/1?' is no name of a test; expected DIRECTORY/NUMBER"});
  std::string prose;
  for (int i = 0; i < 500; ++i)
    prose += "no name\n";
  folder.file("prose", prose);
  const Names all = complaints({.not_files = {folder.path("prose")}});
  REQUIRE(all.size() == 11);
  CHECK(all.back() == fmt::format("job.yaml:5:9: '{}' has 490 more lines that are no name of a "
                                  "test",
                                  folder.path("prose")));
}

TEST_CASE("a test that is not there is complained of with what may have been meant") {
  CHECK(complaints({.tests = {"genric/475", "generic/476", "btrs/2*", "btrfs/9*", "475", "*",
                              "perf/001", "quota/001"}}) ==
        Names{"job.yaml:5:9: there is no test 'genric/475'; did you mean 'generic/475'?",
              "job.yaml:6:9: there is no test 'generic/476'; the last of 'generic' is "
              "'generic/600'",
              "job.yaml:7:9: no test matches 'btrs/2*'; did you mean 'btrfs/2*'?",
              "job.yaml:8:9: no test matches 'btrfs/9*'; the last of 'btrfs' is 'btrfs/200'",
              "job.yaml:9:9: there is no test '475'; did you mean 'generic/475'?",
              "job.yaml:10:9: no test matches '*'; did you mean 'generic/*'?",
              "job.yaml:11:9: there is no test 'perf/001'; 'perf' has no tests",
              "job.yaml:12:9: there is no test 'quota/001'"});
  CHECK(complaints({.tests = {"9999"}, .not_tests = {"xfs/002"}}) ==
        Names{"job.yaml:5:9: there is no test '9999'; expected DIRECTORY/NUMBER",
              "job.yaml:5:9: there is no test 'xfs/002'; the last of 'xfs' is 'xfs/001'"});
}

TEST_CASE("a group without tests is complained of with what may have been meant") {
  CHECK(
      complaints({.groups = {"quik", "dangerous_selftest", "btrfs/quik", "btrs/auto", "a/b/c"}}) ==
      Names{"job.yaml:5:9: there is no group 'quik'; did you mean 'quick'?",
            "job.yaml:6:9: group 'dangerous_selftest' has no test for btrfs; did you mean "
            "'selftest/dangerous_selftest'?",
            "job.yaml:7:9: there is no group 'btrfs/quik'; did you mean 'btrfs/quick'?",
            "job.yaml:8:9: there is no group 'btrs/auto'; did you mean 'btrfs/auto'?",
            "job.yaml:9:9: there is no group 'a/b/c'"});
  CHECK(complaints({.not_groups = {"dangrous", "btrfs/soak"}}) ==
        Names{"job.yaml:5:9: there is no group 'dangrous'; did you mean 'dangerous'?",
              "job.yaml:6:9: there is no group 'btrfs/soak'"});
  FstestsTree empty;
  empty.directories = {"generic"};
  CHECK(complaints({}, empty) == Names{"job.yaml:3:5: there is no group 'auto'"});
}

TEST_CASE("a file system that fstests do not know is one complaint") {
  CHECK(complaints({.file_system = "btrf", .groups = {"balance"}}) ==
        Names{"job.yaml:3:5: unknown file system 'btrf'; did you mean 'btrfs'?"});
  CHECK(complaints({.file_system = "hammer", .groups = {"balance"}}) ==
        Names{"job.yaml:3:5: unknown file system 'hammer'"});
  CHECK(complaints({.file_system = "generic"}) ==
        Names{"job.yaml:3:5: unknown file system 'generic'"});
  FstestsTree mine = a_tree();
  mine.directories.push_back("hammer");
  CHECK(complaints({.file_system = "hammer"}, mine) == Names{});
}

TEST_CASE("the others are those of the file system that were neither selected nor excluded") {
  const FstestsSelection found =
      selection({.tests = {"selftest/006"}, .groups = {"soak"}, .not_groups = {"quick"}});
  CHECK(found.names == Names{"generic/600", "selftest/006"});
  CHECK(found.others == Names{"btrfs/200", "generic/075", "generic/475"});
}

TEST_CASE("tests that are unreliable in parallel are named, also among the others") {
  using Set = std::set<std::string>;
  CHECK(selection({.groups = {"soak"}}).unreliable_in_parallel == Set{"generic/075"});
  CHECK(selection({.file_system = "xfs"}).unreliable_in_parallel == Set{"generic/075", "xfs/001"});
  CHECK(selection({.not_tests = {"generic/075"}}).unreliable_in_parallel == Set{});
}

FstestsTree with_sections(const Names& sections) {
  FstestsTree tree = a_tree();
  tree.configuration = "local.config";
  tree.sections = sections;
  return tree;
}

TEST_CASE(
    "all sections of the configuration are run, or those that are named, without the "
    "excluded") {
  const FstestsTree tree = with_sections({"btrfs_4k", "btrfs_64k", "zoned"});
  const auto sections = [&](const Wanted& wanted) {
    const FstestsSelection found = selection(wanted, tree);
    CHECK(found.complaints == Names{});
    return found.sections;
  };
  CHECK(sections({}) == Names{"btrfs_4k", "btrfs_64k", "zoned"});
  CHECK(sections({.sections = {"zoned", "btrfs_4k", "zoned"}}) == Names{"zoned", "btrfs_4k"});
  CHECK(sections({.not_sections = {"btrfs_64k"}}) == Names{"btrfs_4k", "zoned"});
}

TEST_CASE("a section that is not in the configuration is complained of") {
  CHECK(complaints({.sections = {"btrfs-4k"}, .not_sections = {"zone"}},
                   with_sections({"btrfs_4k", "zoned"})) ==
        Names{"job.yaml:5:9: there is no section 'btrfs-4k' in the configuration 'local.config'; "
              "did you mean 'btrfs_4k'?",
              "job.yaml:5:9: there is no section 'zone' in the configuration 'local.config'; did "
              "you mean 'zoned'?"});
  CHECK(complaints({.sections = {"zoned"}}, with_sections({})) ==
        Names{"job.yaml:5:9: there is no section 'zoned': the configuration 'local.config' has no "
              "sections"});
  CHECK(complaints({.not_sections = {"a", "b"}}, with_sections({"a", "b"})) ==
        Names{"job.yaml:6:9: every section is excluded"});
}

TEST_CASE("sections are taken as they are given where the configuration is not known") {
  CHECK(selection({.sections = {"zoned"}}).sections == Names{"zoned"});
  FstestsTree unreadable = with_sections({});
  unreadable.problem = "the configuration 'local.config' can't be read";
  CHECK(complaints({.sections = {"zoned"}}, unreadable) == Names{});
}

}  // namespace
}  // namespace ffci
