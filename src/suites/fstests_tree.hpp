// What an fstests tree offers: its tests and their groups, and the sections of its configuration.
// Read from a directory of this machine, or from what the listing script says that was run on
// another one; both give the same. Nothing here runs ./check, and no test's code is executed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ffci {

struct FstestsTest {
  std::string name;  // "generic/001"
  std::vector<std::string> groups;
  bool operator==(const FstestsTest&) const = default;
};

struct FstestsTree {
  std::vector<FstestsTest> tests;  // in the order in which ./check runs them; names are unique
  std::vector<std::string> directories;      // below "tests"; sorted, also those without a test
  std::optional<std::string> configuration;  // the file, as ./check finds it; none: there is none
  std::vector<std::string> sections;         // of that file, in its order; empty: it has none
  std::string problem;  // why the sections are not known; empty: nothing is wrong
  bool operator==(const FstestsTree&) const = default;
};

// `host_options` is what HOST_OPTIONS will be when ./check runs; empty: it is as in the environment
// that the tree is read in. Errors (no_input): it is no fstests tree, or can't be read.
[[nodiscard]] Result<FstestsTree> read_fstests_tree(const std::filesystem::path& tree,
                                                    const std::string& host_options = {});

// For a POSIX shell; says on stdout what the tree there offers, and reads nothing from stdin. Its
// exit status means nothing.
[[nodiscard]] std::string fstests_listing_script(const std::string& tree,
                                                 const std::string& host_options = {});
// What it said. `text` is hostile, and whoever reads it off a connection may stop after
// largest_fstests_listing bytes. Errors: no_input, as above; data: it is cut off, too large, or no
// listing.
[[nodiscard]] Result<FstestsTree> read_fstests_listing(std::string_view text);
inline constexpr std::size_t largest_fstests_listing = 1 << 20;  // that of 2,100 tests has 90 KiB

// "generic/475": a directory and the name of a test file.
[[nodiscard]] bool is_fstests_test_name(std::string_view name);

// The tests of a group.list of tests/DIRECTORY ("NNN group group …"), or of lines that begin tests
// ("NNN:_begin_fstest group group …"), in their order. Other lines are ignored, as ./check does.
[[nodiscard]] std::vector<FstestsTest> parse_fstests_groups(std::string_view directory,
                                                            std::string_view lines);

}  // namespace ffci
