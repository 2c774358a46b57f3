#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "spec/sections.hpp"

namespace ffci::spec {
namespace {

// A sweep is meant to be run to its end.
constexpr size_t most_combinations = 10'000;

// The names of one list, and where each was given first.
class Names {
 public:
  explicit Names(std::string_view what) : what_(what) {}

  void add(const std::string& name, const Field& field) {
    const auto [first, fresh] = where_.emplace(name, field.where());
    if (fresh) return;
    field.complain(fmt::format("duplicate {} '{}'; the first is at {}", what_, name,
                               to_string(first->second)));
  }

 private:
  std::string_view what_;
  std::unordered_map<std::string, Location> where_;
};

std::vector<std::string> read_arch(const Field& field) {
  std::vector<std::string> arch;
  for (const Field& item : field.item_or_items()) {
    if (const auto name = item.word()) arch.push_back(*name);
  }
  return arch;
}

std::vector<std::string> read_files(const Field& field) {
  std::vector<std::string> globs;
  for (const Field& item : field.item_or_items()) {
    if (const auto glob = item.glob_below()) globs.push_back(*glob);
  }
  return globs;
}

void read_directory(const Field& field, CommandsSuiteSpec& suite) {
  const std::optional<std::string> written = field.filled_text();
  if (!written) return;
  suite.directory = field.path().value_or("");
  const bool in_home = *written == "~" || written->starts_with("~/");
  suite.directory_in_tree = in_home ? suite.directory : *written;
}

bool is_parameter_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !is_letter(name[0])) return false;
  for (const char c : name) {
    if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '-') return false;
  }
  return true;
}

std::vector<std::string> read_parameter_values(const Field& field) {
  std::vector<std::string> values;
  Names names("value");
  for (const Field& item : field.items()) {
    const auto value = item.line();
    if (!value) continue;
    names.add(*value, item);
    values.push_back(*value);
  }
  return values;
}

decltype(CommandTestSpec::parameters) read_parameters(const Field& field) {
  decltype(CommandTestSpec::parameters) parameters;
  size_t combinations = 1;
  for (const auto& [name, values] : Fields(field).all()) {
    if (!is_parameter_name(name)) {
      values.complain(
          fmt::format("parameter name '{}' is not letters, digits, '_' and '-', "
                      "beginning with a letter or '_'",
                      name));
    }
    parameters.emplace_back(name, read_parameter_values(values));
    combinations *= std::max<size_t>(1, parameters.back().second.size());
    if (combinations > most_combinations) {
      field.complain(
          fmt::format("the parameters make more than {} tests of this one", most_combinations));
      break;
    }
  }
  return parameters;
}

CommandTestSpec read_test(const Field& field, Names& names) {
  CommandTestSpec test;
  test.where = to_string(field.where());
  Fields fields(field);
  if (const auto title = fields.required("name").title()) {
    test.name = *title;
    names.add(test.name, field);
  }
  test.command = fields.required("command").filled_text().value_or("");
  test.setup = fields.optional("setup").text().value_or("");
  test.teardown = fields.optional("teardown").text().value_or("");
  test.timeout = fields.optional("timeout").duration();
  test.arch = read_arch(fields.optional("arch"));
  test.files = read_files(fields.optional("files"));
  test.parameters = read_parameters(fields.optional("parameters"));
  fields.finish();
  return test;
}

void read_commands(const Field& field, CommandsSuiteSpec& suite) {
  Fields fields(field);
  read_directory(fields.optional("directory"), suite);
  suite.setup = fields.optional("setup").text().value_or("");
  suite.teardown = fields.optional("teardown").text().value_or("");
  suite.timeout = fields.optional("timeout").duration();
  suite.arch = read_arch(fields.optional("arch"));
  suite.files = read_files(fields.optional("files"));
  suite.parallel = fields.optional("parallel").whole_int(0, 1024).value_or(suite.parallel);
  suite.protocol =
      fields.optional("protocol")
          .choice<Protocol>({{"exit-code", Protocol::exit_code}, {"ktap", Protocol::ktap}})
          .value_or(suite.protocol);
  const Field tests = fields.optional("tests");
  Names names("test");
  for (const Field& test : tests.items())
    suite.tests.push_back(read_test(test, names));
  const Field discover = fields.optional("discover");
  suite.discover = discover.file_name_glob();
  const Field import = fields.optional("import");
  suite.import_file = import.path();
  if (fields.is_map() && !tests.present() && !discover.present() && !import.present()) {
    field.complain("a commands suite needs 'tests', 'discover' or 'import'");
  }
  fields.finish();
}

SuiteSpec read_suite(const Field& field, const HostsSpec& hosts, Names& names) {
  CommandsSuiteSpec suite;
  suite.where = to_string(field.where());
  suite.directory = field.where().origin->directory.string();
  Fields fields(field);
  if (const auto word = fields.required("name").word()) {
    suite.name = *word;
    names.add(suite.name, field);
  }
  const Field commands = fields.optional("commands");
  const Field fstests = fields.optional("fstests");
  if (fields.is_map() && !commands.present() && !fstests.present())
    field.complain("a suite needs 'commands' or 'fstests'");
  if (commands.present() && fstests.present()) {
    fstests.complain(
        fmt::format("'fstests' and 'commands' (at {}) exclude each other; a suite is one of them",
                    to_string(commands.where())));
  }
  fields.finish();
  read_commands(commands, suite);
  if (!fstests.present()) return suite;
  FstestsSuiteSpec of_fstests = read_fstests(fstests, hosts);
  of_fstests.name = suite.name;
  of_fstests.where = suite.where;
  return of_fstests;
}

// Of suites that use the devices of a configuration: those are the same for every slot.
void refuse_shared_devices(const HostsSpec& hosts) {
  if (!hosts.no_devices || !hosts.local || hosts.local->slots < 2) return;
  hosts.no_devices->expected(fmt::format(
      "devices for each slot, or one slot: {} would use the same devices", hosts.local->slots));
}

}  // namespace

std::vector<SuiteSpec> read_suites(const Field& field, const HostsSpec& hosts) {
  std::vector<SuiteSpec> suites;
  Names names("suite");
  bool any_fstests = false;
  for (const Field& suite : field.items()) {
    suites.push_back(read_suite(suite, hosts, names));
    any_fstests |= std::holds_alternative<FstestsSuiteSpec>(suites.back());
  }
  if (any_fstests) refuse_shared_devices(hosts);
  return suites;
}

}  // namespace ffci::spec
