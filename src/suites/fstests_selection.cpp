#include "suites/fstests_selection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/file.hpp"
#include "base/text.hpp"

namespace ffci {
namespace {

constexpr std::uint64_t largest_exclusion_file = 4ULL << 20;
constexpr int most_complaints_of_file = 10;
constexpr std::string_view every_group = "all";
constexpr std::string_view default_group = "auto";
constexpr std::string_view unreliable_group = "unreliable_in_parallel";

// Those that fstests can test, some with the generic tests alone.
constexpr const char* file_systems[] = {
    "9p",    "afs",   "bcachefs", "btrfs",  "ceph",     "cifs",      "exfat", "ext2",
    "ext3",  "ext4",  "f2fs",     "fuse",   "gfs2",     "glusterfs", "hfs",   "hfsplus",
    "jfs",   "msdos", "nfs",      "nilfs2", "ocfs2",    "overlay",   "pvfs2", "reiserfs",
    "tmpfs", "ubifs", "udf",      "vfat",   "virtiofs", "xfs"};
// Directories of tests that are not those of a file system.
constexpr std::string_view no_file_systems[] = {"generic", "shared", "perf", "selftest"};

// Of globs of tests' names.
constexpr std::string_view letters_of_patterns =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.+-/*?[]!^";

template <class List, class Item>
bool contains(const List& list, const Item& item) {
  return std::find(std::begin(list), std::end(list), item) != std::end(list);
}

std::string_view directory_of(std::string_view name) {
  return name.substr(0, name.find('/'));
}

bool is_in_group(const FstestsTest& test, std::string_view group) {
  return group == every_group || contains(test.groups, group);
}

// As a user may have written it who looks at the files.
std::string without_folder(std::string_view pattern) {
  constexpr std::string_view folder = "tests/";
  if (pattern.starts_with(folder)) pattern.remove_prefix(folder.size());
  return std::string(pattern);
}

// Whether it can match a test at all: "DIR/NNN", where either may be a glob.
bool is_pattern_of_tests(const std::string& pattern) {
  if (is_fstests_test_name(pattern)) return true;
  const std::size_t slash = pattern.find('/');
  return is_glob(pattern) && slash != std::string::npos && slash != 0 &&
         slash + 1 != pattern.size() &&
         pattern.find_first_not_of(letters_of_patterns) == std::string::npos;
}

class Selector {
 public:
  Selector(const FstestsSuiteSpec& spec, const FstestsTree& tree)
      : spec_(spec),
        tree_(tree),
        file_system_(spec.file_system),
        selected_(tree.tests.size()),
        excluded_(tree.tests.size()) {
    for (std::size_t i = 0; i < tree.tests.size(); ++i)
      index_.emplace(tree.tests[i].name, i);
  }

  FstestsSelection select() {
    check_file_system();
    for (const LocatedText& test : spec_.tests)
      mark_tests(test, selected_);
    for (const LocatedText& group : spec_.groups)
      select_group(group);
    if (spec_.tests.empty() && spec_.groups.empty())
      select_group({std::string(default_group), spec_.where});
    for (const LocatedText& test : spec_.excluded_tests)
      mark_tests(test, excluded_);
    for (const LocatedText& file : spec_.excluded_tests_files)
      exclude_file(file);
    for (const LocatedText& group : spec_.excluded_groups)
      exclude_group(group);
    select_sections();
    sort_out();
    return std::move(selection_);
  }

 private:
  using Marks = std::vector<bool>;

  void check_file_system() {
    std::vector<std::string> known(std::begin(file_systems), std::end(file_systems));
    for (const std::string& directory : tree_.directories)
      if (!contains(no_file_systems, directory)) known.push_back(directory);
    if (contains(known, file_system_)) return;
    complain(spec_.where, fmt::format("unknown file system '{}'{}", file_system_,
                                      did_you_mean(file_system_, known)));
    // One complaint is enough: its groups are known if it was a slip.
    file_system_ = nearest_word(file_system_, known);
  }

  // Whether ./check looks there for groups that are named without a directory.
  [[nodiscard]] bool belongs(std::string_view directory) const {
    if (directory == "generic" || directory == "shared") return true;
    const bool is_old_ext = file_system_ == "ext2" || file_system_ == "ext3";
    return directory == (is_old_ext ? "ext4" : file_system_);
  }

  // How many tests match; `marks` gets them.
  std::size_t mark_matches(const std::string& pattern, Marks& marks) const {
    if (const auto found = index_.find(pattern); found != index_.end()) {
      marks[found->second] = true;
      return 1;
    }
    // A '*' is not for two parts of a name.
    if (!is_glob(pattern) || pattern.find('/') == std::string::npos) return 0;
    std::size_t matches = 0;
    for (std::size_t i = 0; i < tree_.tests.size(); ++i) {
      if (!glob_matches(pattern, tree_.tests[i].name)) continue;
      marks[i] = true;
      ++matches;
    }
    return matches;
  }

  void mark_tests(const LocatedText& test, Marks& marks) {
    const std::string pattern = without_folder(test.text);
    if (mark_matches(pattern, marks) != 0) return;
    complain(test.where,
             fmt::format("{} '{}'{}", is_glob(pattern) ? "no test matches" : "there is no test",
                         printable_line(test.text, 80), nearest_test(pattern)));
  }

  // The number is no slip that a near number could mend, but the directory may be one.
  [[nodiscard]] std::string nearest_test(const std::string& pattern) const {
    Marks ignored(tree_.tests.size());
    const std::size_t slash = pattern.find('/');
    if (slash == std::string::npos) {
      const std::string generic = "generic/" + pattern;
      return mark_matches(generic, ignored) == 0 ? "; expected DIRECTORY/NUMBER"
                                                 : fmt::format("; did you mean '{}'?", generic);
    }
    const std::string directory = pattern.substr(0, slash);
    if (contains(tree_.directories, directory)) {
      std::string_view last;
      for (const FstestsTest& test : tree_.tests)
        if (directory_of(test.name) == directory) last = test.name;
      return last.empty() ? fmt::format("; '{}' has no tests", directory)
                          : fmt::format("; the last of '{}' is '{}'", directory, last);
    }
    const std::string nearest = nearest_word(directory, tree_.directories) + pattern.substr(slash);
    return mark_matches(nearest, ignored) == 0 ? "" : fmt::format("; did you mean '{}'?", nearest);
  }

  // Tests of GROUP or DIR/GROUP. Only a directory that exists is one, as in ./check.
  [[nodiscard]] std::vector<std::size_t> tests_of_group(const std::string& text) const {
    const std::size_t slash = text.find('/');
    const std::string directory = text.substr(0, slash);
    const std::string group = slash == std::string::npos ? text : text.substr(slash + 1);
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < tree_.tests.size(); ++i) {
      const std::string_view here = directory_of(tree_.tests[i].name);
      const bool is_looked_at = slash == std::string::npos ? belongs(here) : here == directory;
      if (is_looked_at && is_in_group(tree_.tests[i], group)) found.push_back(i);
    }
    return found;
  }

  // The first directory with a test of the group, whatever the file system; empty: none has one.
  [[nodiscard]] std::string directory_with(const std::string& group) const {
    for (const FstestsTest& test : tree_.tests)
      if (is_in_group(test, group)) return std::string(directory_of(test.name));
    return {};
  }

  [[nodiscard]] std::vector<std::string> known_groups(bool with_directory) const {
    std::set<std::string> known;
    for (const FstestsTest& test : tree_.tests) {
      const std::string_view directory = directory_of(test.name);
      for (const std::string& group : test.groups) {
        if (with_directory) {
          known.insert(fmt::format("{}/{}", directory, group));
        } else if (belongs(directory)) {
          known.insert(group);
        }
      }
    }
    return {known.begin(), known.end()};
  }

  void complain_of_group(const LocatedText& group, const std::string& elsewhere) {
    const bool with_directory = group.text.find('/') != std::string::npos;
    if (elsewhere.empty() || with_directory) {
      complain(group.where, fmt::format("there is no group '{}'{}", printable_line(group.text, 80),
                                        did_you_mean(group.text, known_groups(with_directory))));
      return;
    }
    if (file_system_.empty()) return;  // it was complained of
    complain(group.where, fmt::format("group '{}' has no test for {}; did you mean '{}/{}'?",
                                      group.text, file_system_, elsewhere, group.text));
  }

  void select_group(const LocatedText& group) {
    const std::vector<std::size_t> tests = tests_of_group(group.text);
    for (const std::size_t test : tests)
      selected_[test] = true;
    if (tests.empty()) complain_of_group(group, directory_with(group.text));
  }

  // A group that has tests for other file systems only excludes nothing here, and is right there.
  void exclude_group(const LocatedText& group) {
    const std::vector<std::size_t> tests = tests_of_group(group.text);
    for (const std::size_t test : tests)
      excluded_[test] = true;
    if (tests.empty() && directory_with(group.text).empty()) complain_of_group(group, {});
  }

  // Such lists are shared between versions of fstests: a name that is not in the tree is none of
  // our business, but what is no name would never exclude anything.
  void exclude_file(const LocatedText& file) {
    const Result<std::string> text = read_file(file.text, largest_exclusion_file);
    if (!text) return complain(file.where, text.error().message);
    int number = 0;
    int wrong = 0;
    for (std::string_view line : split(*text, '\n')) {
      ++number;
      line = trim(line.substr(0, line.find('#')));
      if (line.empty()) continue;
      const std::string pattern = without_folder(line);
      if (is_pattern_of_tests(pattern)) {
        mark_matches(pattern, excluded_);
      } else if (++wrong <= most_complaints_of_file) {
        complain(fmt::format("{}:{}:1", file.text, number),
                 fmt::format("'{}' is no name of a test; expected DIRECTORY/NUMBER",
                             printable_line(line, 80)));
      }
    }
    if (wrong > most_complaints_of_file) {
      complain(file.where, fmt::format("'{}' has {} more lines that are no name of a test",
                                       file.text, wrong - most_complaints_of_file));
    }
  }

  // Without a configuration here, the hosts may still have the sections.
  void check_section(const LocatedText& section) {
    if (!tree_.configuration || !tree_.problem.empty() || contains(tree_.sections, section.text))
      return;
    const std::string name = printable_line(section.text, 80);
    if (tree_.sections.empty()) {
      complain(section.where, fmt::format("there is no section '{}': the configuration '{}' has no "
                                          "sections",
                                          name, *tree_.configuration));
      return;
    }
    complain(section.where,
             fmt::format("there is no section '{}' in the configuration '{}'{}", name,
                         *tree_.configuration, did_you_mean(section.text, tree_.sections)));
  }

  void select_sections() {
    std::vector<std::string> wanted = tree_.sections;
    if (!spec_.sections.empty()) wanted.clear();
    for (const LocatedText& section : spec_.sections) {
      check_section(section);
      if (!contains(wanted, section.text)) wanted.push_back(section.text);
    }
    const bool had_any = !wanted.empty();
    for (const LocatedText& section : spec_.excluded_sections) {
      check_section(section);
      wanted.erase(std::remove(wanted.begin(), wanted.end(), section.text), wanted.end());
    }
    if (had_any && wanted.empty())
      complain(spec_.excluded_sections.back().where, "every section is excluded");
    selection_.sections = std::move(wanted);
  }

  void sort_out() {
    for (std::size_t i = 0; i < tree_.tests.size(); ++i) {
      const FstestsTest& test = tree_.tests[i];
      if (excluded_[i] || !(selected_[i] || belongs(directory_of(test.name)))) continue;
      (selected_[i] ? selection_.names : selection_.others).push_back(test.name);
      if (contains(test.groups, unreliable_group))
        selection_.unreliable_in_parallel.insert(test.name);
    }
  }

  void complain(const std::string& where, const std::string& what) {
    selection_.complaints.push_back(fmt::format("{}: {}", where, what));
  }

  const FstestsSuiteSpec& spec_;
  const FstestsTree& tree_;
  std::string file_system_;
  std::unordered_map<std::string, std::size_t> index_;
  Marks selected_, excluded_;
  FstestsSelection selection_;
};

}  // namespace

FstestsSelection select_fstests(const FstestsSuiteSpec& spec, const FstestsTree& tree) {
  return Selector(spec, tree).select();
}

}  // namespace ffci
