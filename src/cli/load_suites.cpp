#include "cli/load_suites.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "suites/commands_suite.hpp"
#include "suites/fstests_suite.hpp"
#include "suites/fstests_tree.hpp"

namespace ffci {
namespace {

// Where tests are selected from: this machine's tree, or that of the first host that is up.
Result<FstestsTree> fstests_tree(const JobSpec& spec, const FstestsSuiteSpec& suite,
                                 EarlyHosts& hosts) {
  if (suite.tree || !only_on_others(spec))
    return read_fstests_tree(suite.tree.value_or(suite.path));
  Command command;
  command.title = "the tests of " + suite.name;
  command.command = fstests_listing_script(".");
  command.directory = suite.path;
  command.directory_in_tree = std::string(".");
  const auto listing = hosts.ask(spec, command, largest_fstests_listing + 1);
  if (!listing) return tl::unexpected(listing.error());
  return read_fstests_listing(*listing);
}

class SuiteLoader {
 public:
  SuiteLoader(const JobSpec& spec, const std::string& arch, EarlyHosts& hosts)
      : spec_(spec), arch_(arch), hosts_(hosts) {}

  Result<std::vector<std::unique_ptr<Suite>>> load() {
    for (const SuiteSpec& suite : spec_.suites) {
      const auto loaded = std::visit([this](const auto& one) { return load(one); }, suite);
      if (!loaded) return tl::unexpected(loaded.error());
    }
    if (!complaints_.empty())
      return fail(ErrorKind::bad_spec, fmt::format("{}", fmt::join(complaints_, "\n")));
    return std::move(suites_);
  }

 private:
  Result<void> load(const CommandsSuiteSpec& spec) {
    const RunsOn where = only_on_others(spec_) ? RunsOn::others_only : RunsOn::this_machine;
    LoadedSuites loaded = load_commands_suites(spec, arch_, where);
    complain(loaded.complaints);
    for (std::unique_ptr<Suite>& suite : loaded.suites)
      add(std::move(suite), spec.where);
    return {};
  }

  Result<void> load(const FstestsSuiteSpec& spec) {
    auto tree = fstests_tree(spec_, spec, hosts_);
    if (!tree && tree.error().kind != ErrorKind::no_input) return tl::unexpected(tree.error());
    if (!tree) {
      complain({fmt::format("{}: {}", spec.where, tree.error().message)});
      return {};
    }
    if (!tree->problem.empty())
      fmt::print(stderr, "ff-ci: suite {}: {}\n", spec.name, tree->problem);
    const FstestsSelection selection = select_fstests(spec, *tree);
    complain(selection.complaints);
    add(make_fstests_suite(spec, selection), spec.where);
    return {};
  }

  void add(std::unique_ptr<Suite> suite, const std::string& where) {
    const auto [first, added] = where_.try_emplace(suite->plan().name, where);
    if (!added) {
      complaints_.push_back(fmt::format("{}: there are two suites '{}'; the first is of {}", where,
                                        suite->plan().name, first->second));
    }
    suites_.push_back(std::move(suite));
  }
  void complain(const std::vector<std::string>& complaints) {
    complaints_.insert(complaints_.end(), complaints.begin(), complaints.end());
  }

  const JobSpec& spec_;
  const std::string& arch_;
  EarlyHosts& hosts_;
  std::vector<std::unique_ptr<Suite>> suites_;
  std::vector<std::string> complaints_;
  std::map<std::string, std::string> where_;  // each suite's name was given
};

}  // namespace

Result<std::vector<std::unique_ptr<Suite>>> load_suites(const JobSpec& spec,
                                                        const std::string& arch,
                                                        EarlyHosts& hosts) {
  return SuiteLoader(spec, arch, hosts).load();
}

}  // namespace ffci
