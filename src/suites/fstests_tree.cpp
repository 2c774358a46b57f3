#include "suites/fstests_tree.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/file.hpp"
#include "base/text.hpp"

namespace ffci {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view digits = "0123456789";
// Those of test files (common/test_names), beyond the three digits that they begin with; check runs
// in the C locale.
constexpr std::string_view letters_of_names =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
// Those of directories, groups and sections.
constexpr std::string_view letters_of_words =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.+-";
constexpr std::size_t longest_word = 100;
constexpr std::string_view blanks = " \t\r\v\f";
constexpr std::string_view begins_test = "_begin_fstest";
constexpr std::string_view expected =
    "expected a directory with fstests' 'check' and its folder 'tests'";
constexpr std::string_view mark = "ff-ci lists fstests:";

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= longest_word && text[0] != '-' && text[0] != '.' &&
         text.find_first_not_of(letters_of_words) == std::string_view::npos;
}

bool is_file_name_of_test(std::string_view name) {
  return name.size() >= 3 && name.size() <= longest_word &&
         name.substr(0, 3).find_first_not_of(digits) == std::string_view::npos &&
         name.find_first_not_of(letters_of_names) == std::string_view::npos;
}

std::string_view next_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(blanks)));
  const std::string_view word = rest.substr(0, rest.find_first_of(blanks));
  rest.remove_prefix(word.size());
  return word;
}

// The name of "[name]", which may have more behind it.
std::optional<std::string_view> section_of(std::string_view line) {
  const std::size_t end = line.find(']');
  if (!line.starts_with('[') || end == std::string_view::npos) return std::nullopt;
  const std::string_view name = line.substr(1, end - 1);
  if (!is_word(name) || name.find_first_of(".+") != std::string_view::npos) return std::nullopt;
  return name;
}

void add_section(FstestsTree& tree, std::string_view line) {
  if (const std::optional<std::string_view> name = section_of(line))
    tree.sections.emplace_back(*name);
}

// Into the order of ./check, which sorts the names as text; what is there twice is one.
void put_in_order(FstestsTree& tree) {
  std::set<std::string> sections;
  std::erase_if(tree.sections,
                [&](const std::string& section) { return !sections.insert(section).second; });
  std::sort(tree.directories.begin(), tree.directories.end());
  tree.directories.erase(std::unique(tree.directories.begin(), tree.directories.end()),
                         tree.directories.end());
  std::stable_sort(tree.tests.begin(), tree.tests.end(),
                   [](const FstestsTest& a, const FstestsTest& b) { return a.name < b.name; });
  std::vector<FstestsTest> unique;
  for (FstestsTest& test : tree.tests) {
    if (unique.empty() || unique.back().name != test.name) {
      unique.push_back(std::move(test));
    } else {
      std::move(test.groups.begin(), test.groups.end(), std::back_inserter(unique.back().groups));
    }
  }
  tree.tests = std::move(unique);
}

void append(std::vector<FstestsTest>& tests, std::vector<FstestsTest> more) {
  std::move(more.begin(), more.end(), std::back_inserter(tests));
}

tl::unexpected<Error> no_tree(std::string_view path, std::string_view why) {
  return fail(ErrorKind::no_input, fmt::format("'{}' is no fstests tree: it {}; {}",
                                               printable_line(path), why, expected));
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// As known_hosts() of common/config: the last that exists.
std::optional<fs::path> configuration_of(const fs::path& tree, std::string options) {
  if (options.empty()) options = variable("HOST_OPTIONS");
  if (options.empty()) options = "local.config";
  if (is_file(tree / options)) return options;
  char host_name[256] = {};
  ::gethostname(host_name, sizeof host_name - 1);
  const std::string host(split(host_name, '.').front());
  const std::string folder = variable("HOST_CONFIG_DIR");
  const fs::path configurations = folder.empty() ? "configs" : folder;
  std::optional<fs::path> found;
  for (const fs::path& path :
       {fs::path("/etc/xfsqa.config"), configurations / host, configurations / (host + ".config")})
    if (is_file(tree / path)) found = path;
  return found;
}

void read_configuration(const fs::path& tree, const std::string& host_options, FstestsTree& read) {
  const std::optional<fs::path> path = configuration_of(tree, host_options);
  if (!path) return;
  read.configuration = path->string();
  const Result<std::string> text = read_file(tree / *path, largest_fstests_listing);
  if (!text) {
    read.problem = fmt::format("the configuration '{}' can't be read", *read.configuration);
    return;
  }
  for (const std::string_view line : split(*text, '\n'))
    add_section(read, line);
}

// Of the names of `folder`, those that `wanted` is true of.
template <class Wanted>
Result<std::vector<std::string>> names_in(const fs::path& folder, Wanted wanted) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (wanted(name)) names.push_back(std::move(name));
  }
  if (error) {
    return fail(ErrorKind::no_input,
                fmt::format("cannot read directory '{}': {}", folder.string(), error.message()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The lines of the test files that say their groups, as grep would show them.
Result<std::string> begin_lines(const fs::path& folder) {
  const Result<std::vector<std::string>> names = names_in(folder, is_file_name_of_test);
  if (!names) return tl::unexpected(names.error());
  std::string lines;
  for (const std::string& name : *names) {
    if (!is_file(folder / name)) continue;
    const Result<std::string> text = read_file(folder / name, largest_fstests_listing);
    if (!text) return tl::unexpected(text.error());
    for (const std::string_view line : split(*text, '\n'))
      if (line.starts_with(begins_test)) lines += fmt::format("{}:{}\n", name, line);
  }
  return lines;
}

Result<std::string> groups_of_directory(const fs::path& folder) {
  for (const char* list : {"group.list", "group"}) {
    std::error_code error;
    const bool has_list = is_file(folder / list) && fs::file_size(folder / list, error) != 0;
    if (has_list && !error) return read_file(folder / list, largest_fstests_listing);
  }
  return begin_lines(folder);
}

// The configuration and its sections, then each directory with its groups: all between a line that
// says so and one that says how many directories there were. Only lines of this script begin with
// the mark, and none of them stands behind a line that a file has not ended.
constexpr std::string_view listing_body = R"sh(LC_ALL=C
export LC_ALL
CDPATH=
say() { printf '\n%s %s\n' "$mark" "$*"; }
give_up() {
  say "$@"
  exit
}
no_tree() { give_up trouble "'$tree' is no fstests tree: it $1; $expected"; }
say begin
[ -e "$tree" ] || no_tree "does not exist"
[ -d "$tree" ] || no_tree "is no directory"
cd "$tree" 2>/dev/null || no_tree "can't be entered"
top=$PWD
case $tree in /*) ;; *) tree=$top ;; esac
[ -f check ] || no_tree "has no 'check'"
[ -d tests ] || no_tree "has no folder 'tests'"
[ -r tests ] && [ -x tests ] || give_up trouble "cannot read directory '$tree/tests'"
options=${options:-${HOST_OPTIONS:-local.config}}
if [ ! -f "$options" ]; then
  options=
  host=$(uname -n)
  host=${host%%.*}
  configurations=${HOST_CONFIG_DIR:-configs}
  for file in /etc/xfsqa.config "$configurations/$host" "$configurations/$host.config"; do
    [ ! -f "$file" ] || options=$file
  done
fi
if [ -n "$options" ]; then
  say configuration "$options"
  sed -n 's/^\(\[[A-Za-z0-9_-]*\]\).*/\1/p' <"$options" || say unreadable
fi 2>/dev/null
count=0
for folder in tests/*/; do
  folder=${folder%/}
  directory=${folder#tests/}
  case $directory in *[!0-9A-Za-z_.+-]* | -*) continue ;; esac
  [ ${#directory} -le 100 ] || continue
  count=$((count + 1))
  say directory "$directory"
  list=
  for file in "$folder/group" "$folder/group.list"; do
    [ -f "$file" ] && [ -s "$file" ] && list=$file
  done
  if [ -n "$list" ]; then
    sed -n '/^[0-9]/p' <"$list" || give_up trouble "cannot read '$tree/$list'"
    continue
  fi
  [ -r "$folder" ] && cd "$folder" || give_up trouble "cannot read directory '$tree/$folder'"
  files=
  for file in [0-9][0-9][0-9]*; do
    case $file in *[!0-9A-Za-z-]*) continue ;; esac
    [ ! -f "$file" ] || files="$files $file"
  done
  [ -z "$files" ] || grep '^_begin_fstest' /dev/null $files
  [ $? -le 1 ] || give_up trouble "cannot read the tests in '$tree/$folder'"
  cd "$top"
done 2>/dev/null
say end $count
)sh";

}  // namespace

bool is_fstests_test_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  return slash != std::string_view::npos && is_word(name.substr(0, slash)) &&
         is_file_name_of_test(name.substr(slash + 1));
}

std::vector<FstestsTest> parse_fstests_groups(std::string_view directory, std::string_view lines) {
  std::vector<FstestsTest> tests;
  for (std::string_view line : split(lines, '\n')) {
    if (line.find_first_of(digits) != 0) continue;
    line = line.substr(0, line.find('#'));
    std::string_view name = next_word(line);
    if (name.ends_with(begins_test) && name.size() > begins_test.size()) {
      name.remove_suffix(begins_test.size());
      if (name.back() != ':') continue;
      name.remove_suffix(1);
    }
    if (!is_file_name_of_test(name)) continue;
    FstestsTest test{fmt::format("{}/{}", directory, name), {}};
    for (std::string_view group = next_word(line); !group.empty(); group = next_word(line))
      if (is_word(group)) test.groups.emplace_back(group);
    tests.push_back(std::move(test));
  }
  return tests;
}

Result<FstestsTree> read_fstests_tree(const fs::path& tree, const std::string& host_options) {
  std::error_code error;
  if (!fs::exists(tree, error)) return no_tree(tree.string(), "does not exist");
  if (!fs::is_directory(tree, error)) return no_tree(tree.string(), "is no directory");
  if (::access(tree.c_str(), X_OK) != 0) return no_tree(tree.string(), "can't be entered");
  if (!is_file(tree / "check")) return no_tree(tree.string(), "has no 'check'");
  if (!fs::is_directory(tree / "tests", error))
    return no_tree(tree.string(), "has no folder 'tests'");

  FstestsTree read;
  read_configuration(tree, host_options, read);
  Result<std::vector<std::string>> directories =
      names_in(tree / "tests", [&](const std::string& name) {
        return is_word(name) && fs::is_directory(tree / "tests" / name, error);
      });
  if (!directories) return tl::unexpected(directories.error());
  for (const std::string& directory : *directories) {
    const Result<std::string> groups = groups_of_directory(tree / "tests" / directory);
    if (!groups) return tl::unexpected(groups.error());
    append(read.tests, parse_fstests_groups(directory, *groups));
  }
  read.directories = std::move(*directories);
  put_in_order(read);
  return read;
}

std::string fstests_listing_script(const std::string& tree, const std::string& host_options) {
  const auto assignment = [](std::string_view name, std::string_view value) {
    return fmt::format("{}={}\n", name, shell_quote(value));
  };
  // A relative path could look like an option of cd.
  const std::string path = tree.starts_with('/') ? tree : "./" + tree;
  return "(\n" + assignment("tree", path) + assignment("options", host_options) +
         assignment("mark", mark) + assignment("expected", expected) + std::string(listing_body) +
         ") </dev/null\n";
}

Result<FstestsTree> read_fstests_listing(std::string_view text) {
  if (text.size() > largest_fstests_listing) {
    return fail(ErrorKind::data, fmt::format("the list of the tests of fstests is larger than {}",
                                             human_size(largest_fstests_listing)));
  }
  FstestsTree read;
  std::string_view directory;
  std::size_t directories = 0;
  bool begun = false;
  for (std::string_view line : split(text, '\n')) {
    line = trim(line);
    if (!line.starts_with(mark)) {
      if (!begun || line.empty()) continue;
      if (!directory.empty()) {
        append(read.tests, parse_fstests_groups(directory, line));
      } else if (read.configuration) {
        add_section(read, line);
      }
      continue;
    }
    line.remove_prefix(mark.size());
    const std::string_view kind = next_word(line);
    const std::string_view value = trim(line);
    if (kind == "begin") {
      begun = true;
    } else if (!begun) {
      break;
    } else if (kind == "trouble") {
      const std::string what = printable_line(value);
      return fail(ErrorKind::no_input, what.empty() ? "its tests can't be listed" : what);
    } else if (kind == "configuration") {
      read.configuration = printable_line(value);
    } else if (kind == "unreadable" && read.configuration) {
      read.problem = fmt::format("the configuration '{}' can't be read", *read.configuration);
    } else if (kind == "directory" && is_word(value)) {
      directory = value;
      ++directories;
      read.directories.emplace_back(value);
    } else if (kind == "end" && value == std::to_string(directories)) {
      put_in_order(read);
      return read;
    } else {
      break;
    }
  }
  if (!begun) {
    return fail(ErrorKind::data, fmt::format("no list of the tests of fstests, but '{}'",
                                             printable_line(trim(text), 200)));
  }
  return fail(ErrorKind::data,
              fmt::format("the list of the tests of fstests breaks off after {} directories and "
                          "{} tests",
                          directories, read.tests.size()));
}

}  // namespace ffci
