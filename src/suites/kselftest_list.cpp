#include "suites/kselftest_list.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>

#include "base/file.hpp"
#include "base/text.hpp"
#include "suites/parameter_sweep.hpp"

namespace ffci {

namespace fs = std::filesystem;

namespace {

constexpr Duration default_timeout =
    std::chrono::seconds(45);  // kselftest_default_timeout of runner.sh
constexpr std::uint64_t largest_settings_file = 64 * 1024;
constexpr std::string_view blanks = " \t";

// "timeout=N" of a collection's settings file, in seconds; 0: no limit. The last one counts, as in
// runner.sh.
Duration timeout_of_collection(const fs::path& folder, std::vector<std::string>& complaints) {
  const fs::path path = folder / "settings";
  const Result<std::string> settings = read_file(path, largest_settings_file);
  if (!settings) return default_timeout;  // most collections have none
  Duration timeout = default_timeout;
  int number = 0;
  for (std::string_view line : split(*settings, '\n')) {
    ++number;
    line = trim(line);
    if (!line.starts_with("timeout=")) continue;
    const std::string_view value = line.substr(line.find('=') + 1);
    if (const std::optional<Duration> parsed = parse_duration(value)) {
      timeout = *parsed;
    } else {
      complaints.push_back(fmt::format("{}:{}: timeout '{}' is not a number of seconds",
                                       path.string(), number, printable_line(value, 40)));
    }
  }
  return timeout;
}

// The words behind "#!", quoted for the shell; empty: there are none.
std::string interpreter_of(const fs::path& program) {
  if (std::error_code error; !fs::is_regular_file(program, error)) return {};
  std::string line(256, '\0');  // as much of it as the kernel reads (BINPRM_BUF_SIZE)
  std::ifstream file(program, std::ios::binary);
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<std::size_t>(file.gcount()));
  if (!line.starts_with("#!")) return {};
  std::string words;
  for (const std::string_view word : split(trim(split(line, '\n').front().substr(2)), ' ')) {
    if (!word.empty()) words += shell_quote(word) + " ";
  }
  return words;
}

std::string command_for(const fs::path& program) {
  const std::string call = "./" + shell_quote(program.filename().string());
  if (::access(program.c_str(), X_OK) == 0) return call;
  return interpreter_of(program) + call;
}

// Of a test's directory, which may not be below the suite's: the list then stands for the suite's
// directory there.
std::string directory_in_tree(const fs::path& directory, const fs::path& list_folder,
                              const CommandsSuiteSpec& suite) {
  fs::path below = directory.lexically_relative(suite.directory);
  if (below.empty() || *below.begin() == "..") {
    if (suite.directory_in_tree.starts_with('/')) return directory.string();
    below = directory.lexically_relative(list_folder);
  }
  return below == "." ? suite.directory_in_tree
                      : (fs::path(suite.directory_in_tree) / below).lexically_normal().string();
}

}  // namespace

SourcedTests read_kselftest_list(const fs::path& path, std::string_view list,
                                 const CommandsSuiteSpec& suite) {
  SourcedTests read;
  if (list.find('\0') != std::string_view::npos) {
    read.complaints.push_back(
        fmt::format("{}: is neither a kselftest-list.txt nor JSON", path.string()));
    return read;
  }
  std::map<std::string, std::optional<Duration>, std::less<>>
      collections;  // no value: its folder is missing
  int number = 0;
  for (std::string_view line : split(list, '\n')) {
    ++number;
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    const auto parts = split(line, ':');
    if (parts.size() != 2 || parts[0].empty() || parts[1].empty() ||
        line.find_first_of(blanks) != std::string_view::npos) {
      read.complaints.push_back(
          fmt::format("{}: '{}' is not 'collection:test'", where, printable_line(line, 80)));
      continue;
    }
    const fs::path folder = path.parent_path() / parts[0];
    auto collection = collections.find(parts[0]);
    if (collection == collections.end()) {
      collection = collections.emplace(parts[0], std::nullopt).first;
      if (std::error_code error; fs::is_directory(folder, error)) {
        collection->second = timeout_of_collection(folder, read.complaints);
      } else {
        read.complaints.push_back(fmt::format(
            "{}: collection '{}' has no folder '{}'; install it, or remove its tests from the list",
            where, parts[0], folder.string()));
      }
    }
    if (!collection->second) continue;
    const fs::path program = folder / parts[1];
    CommandTest test;
    test.name = line;
    test.command = command_for(program);
    test.directory = program.parent_path().string();
    test.directory_in_tree = directory_in_tree(program.parent_path().lexically_normal(),
                                               path.parent_path().lexically_normal(), suite);
    test.files = files_of_test(suite.files, test.name);
    test.timeout = suite.timeout ? suite.timeout : collection->second;
    test.where = where;
    read.tests.push_back(std::move(test));
  }
  return read;
}

}  // namespace ffci
