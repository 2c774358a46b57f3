#include "suites/kvm_runner_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "suites/located_json.hpp"

namespace ffci {
namespace {

using nlohmann::json;
using Pointer = json::json_pointer;

constexpr double longest_timeout_s = 10.0 * 365 * 24 * 3600;

const std::vector<std::string> suite_keys = {"suite", "timeout_s", "arch",
                                             "setup", "teardown",  "tests"};
const std::vector<std::string> test_keys = {"name", "command", "timeout_s",
                                            "arch", "setup",   "teardown"};

// TestId's suite is a folder name in the results.
std::string to_suite_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) {
        return c >= 0x80 || (std::isalnum(c) == 0 && c != '.' && c != '_' && c != '-');
      },
      '_');
  if (name.starts_with('.')) name.front() = '_';
  return name;
}

class Reader {
 public:
  Reader(const LocatedJson& document, const CommandsSuiteSpec& defaults)
      : document_(document), defaults_(defaults) {}

  KvmRunnerSuites read() {
    const json& root = document_.root();
    if (!root.is_array()) {
      complain(Pointer(), fmt::format("expected a list of suites, found {}", root.type_name()));
    } else {
      for (std::size_t i = 0; i < root.size(); ++i)
        read_suite(Pointer() / i);
    }
    return std::move(read_);
  }

 private:
  void read_suite(const Pointer& at) {
    if (!check_object(at, suite_keys)) return;
    CommandsSuiteSpec suite = defaults_;
    suite.tests.clear();
    suite.discover.reset();
    suite.import_file.reset();
    suite.where = document_.where(at);
    suite.name = to_suite_name(needed_text(at, "suite"));
    read_timeout(at, suite.timeout);
    read_arch(at, suite.arch);
    read_text(at, "setup", suite.setup);
    read_text(at, "teardown", suite.teardown);
    if (const json* tests = needed(at, "tests"); tests != nullptr && tests->is_array()) {
      for (std::size_t i = 0; i < tests->size(); ++i)
        read_test(at / "tests" / i, suite);
    } else if (tests != nullptr) {
      complain(at / "tests", fmt::format("expected a list of tests, found {}", tests->type_name()));
    }
    if (!suite.name.empty()) read_.suites.push_back(std::move(suite));
  }

  void read_test(const Pointer& at, CommandsSuiteSpec& suite) {
    if (!check_object(at, test_keys)) return;
    CommandTestSpec test;
    test.where = document_.where(at);
    test.name = needed_text(at, "name");
    test.command = needed_text(at, "command");
    read_timeout(at, test.timeout);
    read_arch(at, test.arch);
    read_text(at, "setup", test.setup);
    read_text(at, "teardown", test.teardown);
    if (!test.name.empty()) suite.tests.push_back(std::move(test));
  }

  bool check_object(const Pointer& at, const std::vector<std::string>& known) {
    const json& value = document_.root().at(at);
    if (!value.is_object()) {
      complain(at, fmt::format("expected an object, found {}", value.type_name()));
      return false;
    }
    for (const auto& [key, ignored] : value.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      complain(at / key, fmt::format("unknown key '{}'{}", printable_line(key, 80),
                                     did_you_mean(key, known)));
    }
    return true;
  }

  // nullptr: it is not there, or null.
  const json* find(const Pointer& at, const char* key) const {
    const json& object = document_.root().at(at);
    const auto value = object.find(key);
    return value == object.end() || value->is_null() ? nullptr : &*value;
  }
  const json* needed(const Pointer& at, const char* key) {
    const json* value = find(at, key);
    if (value == nullptr) complain(at, fmt::format("'{}' is missing", key));
    return value;
  }

  std::string needed_text(const Pointer& at, const char* key) {
    std::string text;
    if (needed(at, key) == nullptr || !read_text(at, key, text)) return text;
    if (trim(text).empty()) complain(at / key, "must not be empty");
    return text;
  }

  bool read_text(const Pointer& at, const char* key, std::string& text) {
    const json* value = find(at, key);
    if (value == nullptr) return false;
    if (!value->is_string()) {
      complain(at / key, fmt::format("expected text, found {}", value->type_name()));
      return false;
    }
    text = value->get<std::string>();
    if (text.find('\0') != std::string::npos) complain(at / key, "must not hold a NUL character");
    return true;
  }

  void read_timeout(const Pointer& at, std::optional<Duration>& timeout) {
    const json* value = find(at, "timeout_s");
    if (value == nullptr) return;
    const double seconds = value->is_number() ? value->get<double>() : -1;
    if (seconds < 0 || seconds > longest_timeout_s) {
      return complain(at / "timeout_s", fmt::format("expected a number of seconds, found {}",
                                                    printable_line(value->dump(), 40)));
    }
    timeout = from_seconds(seconds);
  }

  void read_arch(const Pointer& at, std::vector<std::string>& arch) {
    std::string name;
    if (!read_text(at, "arch", name)) return;
    if (name.empty()) complain(at / "arch", "must not be empty");
    arch = {std::move(name)};
  }

  void complain(const Pointer& at, const std::string& what) {
    const std::string path = document_.path(at);
    read_.complaints.push_back(
        fmt::format("{}: {}{}{}", document_.where(at), path, path.empty() ? "" : ": ", what));
  }

  const LocatedJson& document_;
  const CommandsSuiteSpec& defaults_;
  KvmRunnerSuites read_;
};

}  // namespace

KvmRunnerSuites read_kvm_runner_json(const std::string& file, std::string_view text,
                                     const CommandsSuiteSpec& defaults) {
  const Result<LocatedJson> document = LocatedJson::parse(file, text);
  if (!document) return {{}, {document.error().message}};
  return Reader(*document, defaults).read();
}

}  // namespace ffci
