// Which tests of an fstests tree a suite runs: those that ./check would run with the same tests,
// groups and exclusions. What ./check ignores silently is complained of here: a test, a group or a
// section that is not there.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/job_spec.hpp"
#include "suites/fstests_tree.hpp"

namespace ffci {

struct FstestsSelection {
  std::vector<std::string> names;   // in the tree's order; empty: everything is excluded
  std::vector<std::string> others;  // of the file system, neither selected nor excluded
  std::set<std::string> unreliable_in_parallel;  // of the selected and the others
  std::vector<std::string> sections;    // to run, one after the other; empty: there are none
  std::vector<std::string> complaints;  // each "file:line:col: …". With any of these the job must
                                        // not run.
};

// Reads the files of excluded tests.
[[nodiscard]] FstestsSelection select_fstests(const FstestsSuiteSpec& spec,
                                              const FstestsTree& tree);

}  // namespace ffci
