#include "suites/discover.hpp"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "suites/parameter_sweep.hpp"

namespace ffci {

namespace fs = std::filesystem;

SourcedTests discover_tests(const CommandsSuiteSpec& suite) {
  const std::string& glob = *suite.discover;
  SourcedTests found;
  std::size_t not_executable = 0;
  std::error_code error;
  for (fs::directory_iterator entry(suite.directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code unreadable;
    if (!glob_matches(glob, name) || (name.starts_with('.') && !glob.starts_with('.'))) continue;
    if (!entry->is_regular_file(unreadable)) continue;
    if (::access(entry->path().c_str(), X_OK) != 0) {
      ++not_executable;
      continue;
    }
    CommandTest test;
    test.name = name;
    test.command = "./" + shell_quote(name);
    test.directory = suite.directory;
    test.directory_in_tree = suite.directory_in_tree;
    test.files = files_of_test(suite.files, name);
    test.timeout = suite.timeout;
    test.where = entry->path().string();
    found.tests.push_back(std::move(test));
  }
  std::sort(found.tests.begin(), found.tests.end(), [](const CommandTest& a, const CommandTest& b) {
    return ::strverscmp(a.name.c_str(), b.name.c_str()) < 0;
  });
  if (error) {
    found.complaints.push_back(fmt::format("{}: cannot read directory '{}': {}", suite.where,
                                           suite.directory, error.message()));
  } else if (found.tests.empty()) {
    found.complaints.push_back(fmt::format(
        "{}: discover '{}' matches no executable in '{}'{}", suite.where, glob, suite.directory,
        not_executable == 0
            ? ""
            : fmt::format("; {} matching file(s) are not executable", not_executable)));
  }
  return found;
}

}  // namespace ffci
