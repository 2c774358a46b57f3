#include "suites/commands_suite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "model/machine_name.hpp"
#include "suites/command_test.hpp"
#include "suites/discover.hpp"
#include "suites/kselftest_list.hpp"
#include "suites/kvm_runner_json.hpp"
#include "suites/parameter_sweep.hpp"
#include "suites/protocol.hpp"

namespace ffci {
namespace {

constexpr std::uint64_t largest_import = 16ULL << 20;

class CommandsSuite final : public Suite {
 public:
  CommandsSuite(const CommandsSuiteSpec& spec, std::vector<CommandTest> tests)
      : plan_{spec.name, !spec.setup.empty() || !spec.teardown.empty(), spec.parallel},
        protocol_(spec.protocol),
        tests_(std::move(tests)) {
    scope_.setup = spec.setup;
    scope_.teardown = spec.teardown;
    scope_.directory = spec.directory;
    scope_.directory_in_tree = spec.directory_in_tree;
    for (std::size_t i = 0; i < tests_.size(); ++i)
      index_.emplace(tests_[i].name, i);
  }

  [[nodiscard]] const SuitePlan& plan() const override { return plan_; }

  [[nodiscard]] std::vector<TestCase> tests() const override {
    std::vector<TestCase> cases;
    cases.reserve(tests_.size());
    for (const CommandTest& test : tests_)
      cases.push_back({{plan_.name, "", test.name}, test.timeout, std::nullopt});
    return cases;
  }

  [[nodiscard]] Command scope() const override { return scope_; }

  // One command has one exit status, so a batch is one test.
  [[nodiscard]] Command command_for(std::span<const TestId> batch) const override {
    const CommandTest& test = tests_.at(index_.at(batch.front().name));
    Command command;
    command.setup = test.setup;
    command.command = test.command;
    command.teardown = test.teardown;
    command.directory = test.directory;
    command.directory_in_tree = test.directory_in_tree;
    command.files = test.files;
    return command;
  }

  [[nodiscard]] std::unique_ptr<OutputParser> make_parser(std::span<const TestId>) const override {
    return make_protocol_parser(protocol_);
  }

 private:
  SuitePlan plan_;
  Protocol protocol_;
  Command scope_;
  std::vector<CommandTest> tests_;
  std::map<std::string, std::size_t> index_;
};

bool runs_on(const std::vector<std::string>& archs, std::string_view arch) {
  return archs.empty() || std::any_of(archs.begin(), archs.end(), [&](const std::string& one) {
           return machine_name(one) == machine_name(arch);
         });
}

SourcedTests listed_tests(const CommandsSuiteSpec& spec, std::string_view arch) {
  SourcedTests listed;
  for (CommandTestSpec listing : spec.tests) {
    if (!runs_on(listing.arch, arch)) continue;
    if (listing.files.empty()) listing.files = spec.files;
    const std::vector<CommandTestSpec> tests = expand_parameters(listing);
    if (tests.empty()) {
      listed.complaints.push_back(
          fmt::format("{}: a parameter of test '{}' has no values", listing.where, listing.name));
    }
    for (const CommandTestSpec& test : tests) {
      CommandTest ready;
      ready.name = test.name;
      ready.command = test.command;
      ready.setup = test.setup;
      ready.teardown = test.teardown;
      ready.directory = spec.directory;
      ready.directory_in_tree = spec.directory_in_tree;
      ready.files = test.files;
      ready.timeout = test.timeout ? test.timeout : spec.timeout;
      ready.where = test.where;
      listed.tests.push_back(std::move(ready));
    }
  }
  return listed;
}

// The spec's own globs do not, but a parameter's value or a name can bring it in.
bool leaves_directory(std::string_view glob) {
  const std::vector<std::string_view> components = split(glob, '/');
  return glob.starts_with('/') ||
         std::find(components.begin(), components.end(), "..") != components.end();
}

bool looks_like_json(const std::filesystem::path& path, std::string_view text) {
  const std::string_view trimmed = trim(text);
  return path.extension() == ".json" || trimmed.starts_with('[') || trimmed.starts_with('{');
}

class Loader {
 public:
  Loader(std::string_view arch, RunsOn where) : arch_(arch), where_(where) {}

  LoadedSuites load(const CommandsSuiteSpec& spec) {
    std::error_code error;
    const bool directory_exists = std::filesystem::is_directory(spec.directory, error);
    const bool is_needed = where_ == RunsOn::this_machine || spec.discover;
    if (is_needed && !directory_exists && !spec.directory.empty()) {
      const bool exists = std::filesystem::exists(spec.directory, error);
      complain(fmt::format("{}: directory '{}' {}", spec.where, spec.directory,
                           exists ? "is not a directory" : "does not exist"));
    }
    std::vector<CommandTest> tests = accept(listed_tests(spec, arch_));
    if (spec.discover && (directory_exists || spec.directory.empty()))
      append(tests, accept(discover_tests(spec)));
    std::vector<CommandsSuiteSpec> imported;
    if (spec.import_file) imported = import(spec, tests);
    add_suite(spec, std::move(tests));
    for (const CommandsSuiteSpec& suite : imported) {
      if (runs_on(suite.arch, arch_)) add_suite(suite, accept(listed_tests(suite, arch_)));
    }
    return std::move(loaded_);
  }

 private:
  // A list adds to the tests of the suite, JSON brings suites of its own.
  std::vector<CommandsSuiteSpec> import(const CommandsSuiteSpec& spec,
                                        std::vector<CommandTest>& tests) {
    const Result<std::string> text = read_file(*spec.import_file, largest_import);
    if (!text) {
      complain(fmt::format("{}: {}", spec.where, text.error().message));
      return {};
    }
    if (!looks_like_json(*spec.import_file, *text)) {
      append(tests, accept(read_kselftest_list(*spec.import_file, *text, spec)));
      return {};
    }
    KvmRunnerSuites read = read_kvm_runner_json(*spec.import_file, *text, spec);
    for (std::string& complaint : read.complaints)
      complain(std::move(complaint));
    return std::move(read.suites);
  }

  // A suite without tests for this architecture is no suite.
  void add_suite(const CommandsSuiteSpec& spec, std::vector<CommandTest> tests) {
    if (tests.empty()) return;
    const auto [suite, is_new] = suites_.emplace(spec.name, spec.where);
    if (!is_new)
      complain(fmt::format("{}: suite '{}' is already defined at {}", spec.where, spec.name,
                           suite->second));
    check_names(tests);
    check_files(tests);
    loaded_.suites.push_back(std::make_unique<CommandsSuite>(spec, std::move(tests)));
  }

  void check_names(const std::vector<CommandTest>& tests) {
    std::map<std::string_view, std::string_view> places;
    for (const CommandTest& test : tests) {
      const auto [first, is_new] = places.emplace(test.name, test.where);
      if (!is_new) {
        complain(
            fmt::format("{}: test '{}' is already defined at {}; names must be unique in a suite",
                        test.where, test.name, first->second));
      }
      if (printable_line(test.name, test.name.size()) != test.name) {
        complain(
            fmt::format("{}: test name '{}' holds unprintable characters or surrounding blanks",
                        test.where, printable_line(test.name, 80)));
      }
    }
  }

  void check_files(const std::vector<CommandTest>& tests) {
    for (const CommandTest& test : tests) {
      for (const std::string& glob : test.files) {
        if (!leaves_directory(glob)) continue;
        complain(
            fmt::format("{}: 'files' of test '{}' become '{}', which is not below its directory",
                        test.where, printable_line(test.name, 80), printable_line(glob, 80)));
      }
    }
  }

  std::vector<CommandTest> accept(SourcedTests read) {
    for (std::string& complaint : read.complaints)
      complain(std::move(complaint));
    return std::move(read.tests);
  }
  static void append(std::vector<CommandTest>& tests, std::vector<CommandTest> more) {
    std::move(more.begin(), more.end(), std::back_inserter(tests));
  }
  void complain(std::string complaint) { loaded_.complaints.push_back(std::move(complaint)); }

  std::string_view arch_;
  RunsOn where_;
  std::map<std::string, std::string> suites_;  // where each is defined
  LoadedSuites loaded_;
};

}  // namespace

LoadedSuites load_commands_suites(const CommandsSuiteSpec& spec, std::string_view arch,
                                  RunsOn where) {
  if (!runs_on(spec.arch, arch)) return {};
  return Loader(arch, where).load(spec);
}

}  // namespace ffci
