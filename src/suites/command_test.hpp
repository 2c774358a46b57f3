// CommandTest is one test of a commands suite, whichever source it came from, ready to run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace ffci {

struct CommandTest {
  std::string name;
  std::string command;
  std::string setup, teardown;
  std::string directory, directory_in_tree;  // as a Command has them
  std::vector<std::string> files;            // as a Command has them
  std::optional<Duration> timeout;           // none: the run's; zero: no limit
  std::string where;                         // of its definition, for complaints
};

// Of one source of tests. With any complaint the job must not run.
struct SourcedTests {
  std::vector<CommandTest> tests;
  std::vector<std::string> complaints;  // each "where: what"
};

}  // namespace ffci
