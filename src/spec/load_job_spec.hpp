// YAML in, JobSpec out, or every complaint at once. The file says what, the overrides of the
// command line win. Reads nothing but its arguments; no exception leaves.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "model/job_spec.hpp"

namespace ffci {

// `--test-timeout 5s` is {"--test-timeout", "run.test-timeout", "5s"}; `--set run.iterate=2` is
// {"--set", "run.iterate", "2"}. A path is keys joined by dots; an item of a list is named by its
// `name:` or by its number from 0 ("suites.kvm.commands.timeout", "suites.0.commands.timeout"), and
// * stands for every item that has the next key ("suites.*.fstests.groups"). A map that the path
// leads through is made when it is missing.
struct SpecOverride {
  enum class Form {
    // "[x86_64, aarch64]", "{slots: 2}" and "'quoted'" are read as YAML. Anything else is one plain
    // scalar and needs no quotes, whatever it holds: "*_test", "results/a: b", "[fe80::1]:22".
    yaml,
    text,        // one scalar, whatever it begins with
    comma_list,  // a list of what stands between the commas, each item as it is
    absent,  // the key is taken out of its map; the value only says in complaints what was typed
  };
  std::string option;
  std::string path;
  std::string value;
  Form form = Form::yaml;

  bool operator==(const SpecOverride&) const = default;
};

struct SpecComplaint {
  enum class Origin { file, command_line };
  Origin origin = Origin::file;
  // "job.yaml:12:7: unknown key 'grups'; did you mean 'groups'?", "--set run.iterat=2: unknown …".
  // One line, fit for a terminal.
  std::string text;
};

struct SpecSource {
  std::string text;        // the YAML
  std::string shown_name;  // the file as complaints name it; its stem is the default of `name`
  std::filesystem::path directory;          // absolute; relative paths in the file start here
  std::filesystem::path working_directory;  // absolute; relative paths in overrides start here
  // For ${VAR}, and HOME for ~/. nullopt: not set.
  std::function<std::optional<std::string>(const std::string&)> environment;
};

// Complaints come in the order of the file's lines, those about overrides last.
[[nodiscard]] tl::expected<JobSpec, std::vector<SpecComplaint>> load_job_spec(
    const SpecSource& source, const std::vector<SpecOverride>& overrides);

}  // namespace ffci
