#include "suites/fstests_suite.hpp"

#include <algorithm>

#include "suites/fstests_command.hpp"
#include "suites/fstests_output.hpp"

namespace ffci {
namespace {

// What is worth most comes first: the archive of a batch may reach its limit.
const std::vector<std::string> result_files = [] {
  std::vector<std::string> globs{"check.log", "*/check.log"};
  for (const char* ending : {"out.bad", "dmesg", "notrun", "hints", "full", "core*"}) {
    for (const char* depth : {"*/[0-9]*.", "*/*/[0-9]*."})
      globs.push_back(std::string(depth) + ending);
  }
  return globs;
}();

class FstestsSuite final : public Suite {
 public:
  FstestsSuite(FstestsSuiteSpec spec, FstestsSelection selection)
      : spec_(std::move(spec)), selection_(std::move(selection)) {
    plan_.name = spec_.name;
    plan_.has_setup = true;
    plan_.batches = true;
    plan_.test_devices = true;
  }

  [[nodiscard]] const SuitePlan& plan() const override { return plan_; }
  [[nodiscard]] std::vector<TestCase> tests() const override { return cases(selection_.names); }
  [[nodiscard]] std::vector<TestCase> other_tests() const override {
    return cases(selection_.others);
  }

  [[nodiscard]] Command scope() const override {
    Command command = in_tree();
    command.setup = fstests_probe();
    return command;
  }

  [[nodiscard]] Command command_for(std::span<const TestId> batch) const override {
    Command command = in_tree();
    command.command = fstests_command(spec_, batch);
    command.teardown = fstests_release();
    command.files = result_files;
    command.files_in_temporary = fstests_results;
    command.test_devices = true;
    return command;
  }

  [[nodiscard]] std::unique_ptr<OutputParser> make_parser(
      std::span<const TestId> batch) const override {
    return make_fstests_parser(batch, spec_.file_system);
  }

  // "[section/]generic/001.out.bad", "[section/]generic/001-its-title.full"; a check.log is of the
  // whole batch.
  [[nodiscard]] bool is_file_of(const TestId& test, std::string_view path) const override {
    const size_t name = path.rfind('/');
    if (path.substr(name + 1) == "check.log") return true;
    if (!test.configuration.empty() && path.starts_with(test.configuration + "/"))
      path.remove_prefix(test.configuration.size() + 1);
    if (!path.starts_with(test.name) || path.size() == test.name.size()) return false;
    return path[test.name.size()] == '.' || path[test.name.size()] == '-';
  }

  [[nodiscard]] bool judges_kernel_log() const override { return true; }

 private:
  [[nodiscard]] Command in_tree() const {
    Command command;
    command.directory = spec_.path;
    command.directory_in_tree = ".";
    return command;
  }

  [[nodiscard]] std::vector<TestCase> cases(const std::vector<std::string>& names) const {
    std::vector<std::string> sections = selection_.sections;
    if (sections.empty()) sections.emplace_back();
    std::vector<TestCase> all;
    all.reserve(sections.size() * names.size());
    for (const std::string& section : sections) {
      for (const std::string& name : names) {
        TestCase& test = all.emplace_back();
        test.id = {spec_.name, section, name};
        test.timeout = spec_.timeout;
        test.alone = selection_.unreliable_in_parallel.contains(name);
      }
    }
    return all;
  }

  FstestsSuiteSpec spec_;
  FstestsSelection selection_;
  SuitePlan plan_;
};

}  // namespace

std::unique_ptr<Suite> make_fstests_suite(const FstestsSuiteSpec& spec,
                                          const FstestsSelection& selection) {
  return std::make_unique<FstestsSuite>(spec, selection);
}

}  // namespace ffci
