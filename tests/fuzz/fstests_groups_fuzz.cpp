// The group lists and listings of fstests trees, which come from machines that are under test.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "suites/fstests_tree.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_plain(std::string_view word) {
  return !word.empty() && word.size() <= 100 &&
         word.find_first_not_of(
             "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
             "_.+-") == std::string_view::npos;
}

void check_test(const ffci::FstestsTest& test, std::size_t read) {
  require(ffci::is_fstests_test_name(test.name));
  require(test.groups.size() <= read);
  for (const std::string& group : test.groups)
    require(is_plain(group));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const auto tests = ffci::parse_fstests_groups("generic", text);
  require(tests.size() <= size);
  for (const ffci::FstestsTest& test : tests) {
    require(test.name.starts_with("generic/"));
    check_test(test, size);
  }

  const auto tree = ffci::read_fstests_listing(text);
  if (!tree) {
    require(!tree.error().message.empty());
    return 0;
  }
  require(tree->tests.size() <= size && tree->directories.size() <= size);
  for (const std::string& directory : tree->directories)
    require(is_plain(directory));
  for (const std::string& section : tree->sections)
    require(is_plain(section));
  for (std::size_t i = 0; i < tree->tests.size(); ++i) {
    check_test(tree->tests[i], size);
    require(i == 0 || tree->tests[i - 1].name < tree->tests[i].name);
  }
  return 0;
}
