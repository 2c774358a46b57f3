#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "spec/sections.hpp"

namespace ffci::spec {
namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
constexpr size_t longest_name = 255;

bool consists_of(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return letters.find(c) != std::string_view::npos || digits.find(c) != std::string_view::npos ||
           more.find(c) != std::string_view::npos;
  });
}

// GROUP, or a directory of tests; one that begins with '-' would be an option to ./check.
bool is_name(std::string_view text) {
  return !text.empty() && text[0] != '-' && text[0] != '.' && consists_of(text, ".-");
}

bool is_test_glob(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.size() > longest_name) return false;
  const std::string_view directory = text.substr(0, slash), name = text.substr(slash + 1);
  constexpr std::string_view more = ".-*?[]!^";
  return !directory.empty() && directory[0] != '-' && directory[0] != '.' && !name.empty() &&
         consists_of(directory, more) && consists_of(name, more);
}

std::optional<std::string> test_glob(const Field& field) {
  const std::optional<std::string> text = field.text();
  if (text && !is_test_glob(*text))
    return field.expected("DIR/NAME such as generic/475, or a pattern such as btrfs/2*");
  return text;
}

std::optional<std::string> group(const Field& field) {
  const std::optional<std::string> text = field.text();
  if (!text) return std::nullopt;
  const size_t slash = text->find('/');
  const bool fits = slash == std::string::npos
                        ? is_name(*text)
                        : is_name(text->substr(0, slash)) && is_name(text->substr(slash + 1));
  if (!fits || text->size() > longest_name)
    return field.expected("GROUP or DIR/GROUP, such as quick or btrfs/auto");
  return text;
}

std::optional<std::string> word(const Field& field) {
  return field.word();
}

std::optional<std::string> path(const Field& field) {
  return field.path();
}

// One text or a list of them, each read by `read`.
template <auto read>
std::vector<LocatedText> texts(const Field& field) {
  std::vector<LocatedText> texts;
  for (const Field& item : field.item_or_items()) {
    if (auto text = read(item)) texts.push_back({std::move(*text), to_string(item.where())});
  }
  return texts;
}

// nullptr: a suite may set it. Otherwise what ff-ci has it for.
const char* purpose_of(std::string_view variable) {
  struct Known {
    std::string_view name;
    const char* purpose;
  };
  constexpr Known known[] = {
      {"RESULT_BASE", "to keep the results of each call of ./check apart"},
      {"HOST_OPTIONS", "to tell ./check the devices of its slot"},
      {"TMPDIR", "so that no two tests share temporary files"},
      {"FSTYP", "to what 'file-system' says"},
  };
  for (const Known& one : known)
    if (one.name == variable) return one.purpose;
  return nullptr;
}

decltype(FstestsSuiteSpec::variables) read_variables(const Field& field) {
  decltype(FstestsSuiteSpec::variables) variables;
  for (const auto& [name, value] : Fields(field).all()) {
    const bool fits = !name.empty() && digits.find(name[0]) == std::string_view::npos;
    if (!fits || !consists_of(name, "")) {
      value.complain(
          fmt::format("variable name '{}' is not letters, digits and '_', beginning with a letter "
                      "or '_'",
                      name));
    } else if (const char* const purpose = purpose_of(name)) {
      value.complain(fmt::format("variable '{}' is set by ff-ci, {}; remove it", name, purpose));
    }
    if (auto text = value.text()) variables.emplace_back(name, std::move(*text));
  }
  return variables;
}

void read_exclusions(const Field& field, FstestsSuiteSpec& suite) {
  Fields fields(field);
  suite.excluded_tests = texts<test_glob>(fields.optional("tests"));
  suite.excluded_tests_files = texts<path>(fields.optional("tests-file"));
  suite.excluded_groups = texts<group>(fields.optional("groups"));
  fields.finish();
}

template <class Spec>
const VmHostsSpec* vms_of(const std::optional<Spec>& spec) {
  return spec ? &*spec : nullptr;
}

// A host that does not say where its fstests are. nullopt: each one does.
std::optional<std::string> host_without_path(const HostsSpec& hosts) {
  if (hosts.local || !hosts.remote.any()) return "this machine";
  for (const RemoteHostsSpec* remote : {&hosts.remote, &hosts.base}) {
    const auto machines = remote->ssh ? remote->ssh->machines : std::vector<SshMachineSpec>{};
    for (const SshMachineSpec& machine : machines) {
      if (machine.path.empty())
        return fmt::format("machine '{}' (at {})", machine.host, machine.where);
    }
    for (const VmHostsSpec* vms : {vms_of(remote->qemu), vms_of(remote->mkosi)}) {
      if (vms != nullptr && vms->path.empty()) return fmt::format("the VMs at {}", vms->where);
    }
  }
  return std::nullopt;
}

// An absolute one stays as it is: it may be meant for a machine with other symbolic links.
void read_path(const Field& field, FstestsSuiteSpec& suite) {
  const std::optional<std::string> written = field.filled_text();
  if (!written) return;
  suite.path = written->starts_with('/') ? *written : field.path().value_or("");
}

}  // namespace

FstestsSuiteSpec read_fstests(const Field& field, const HostsSpec& hosts) {
  FstestsSuiteSpec suite;
  Fields fields(field);
  const Field path = fields.optional("path");
  read_path(path, suite);
  const std::optional<std::string> pathless = host_without_path(hosts);
  if (fields.is_map() && !path.present() && pathless) {
    field.complain(
        fmt::format("a suite of fstests needs 'path' for {}, which names none", *pathless));
  }
  suite.tree = fields.optional("tree").path();
  suite.file_system = fields.required("file-system").word().value_or("");
  suite.tests = texts<test_glob>(fields.optional("tests"));
  suite.groups = texts<group>(fields.optional("groups"));
  read_exclusions(fields.optional("exclude"), suite);
  suite.sections = texts<word>(fields.optional("section"));
  suite.excluded_sections = texts<word>(fields.optional("exclude-section"));
  suite.variables = read_variables(fields.optional("variables"));
  suite.timeout = fields.optional("timeout").duration();
  fields.finish();
  return suite;
}

}  // namespace ffci::spec
