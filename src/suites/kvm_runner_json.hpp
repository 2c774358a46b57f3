// The test configuration of the KVM selftests runner, as its RFC has it (Vipin Sharma, "KVM
// selftests runner for running more than just default",
// <20240821223012.3757828-1-vipinsh@google.com>): a JSON array of suites
//
//   [{"suite": "dirty_log_perf_tests", "timeout_s": 300, "arch": "x86_64",
//     "setup": "…", "teardown": "…",
//     "tests": [{"name": "max_vcpu", "command": "./dirty_log_perf_test -v $(nproc) -g",
//                "timeout_s": 5, "arch": "x86_64", "setup": "…", "teardown": "…"}]}]
//
// of which only suite, tests, name and command must be there. Commands are shell text and exit with
// 0 (passed), 4 (skipped) or else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/job_spec.hpp"

namespace ffci {

struct KvmRunnerSuites {
  std::vector<CommandsSuiteSpec> suites;  // each as if the job had spelt it out
  std::vector<std::string> complaints;    // each "file:line:column: …"
};

// What a JSON suite leaves open is taken from `defaults`, the suite that imports it; its own tests
// are not.
[[nodiscard]] KvmRunnerSuites read_kvm_runner_json(const std::string& file, std::string_view text,
                                                   const CommandsSuiteSpec& defaults);

}  // namespace ffci
