// How the programs of a suite say what became of them. Each parser is for a batch of one test.
#pragma once

#include <memory>

#include "model/job_spec.hpp"
#include "suites/suite.hpp"

namespace ffci {

// kselftest's KSFT_SKIP, in every protocol.
inline constexpr int skip_exit_code = 4;

// The exit status alone: 0 passed, 4 skipped, anything else failed.
[[nodiscard]] std::unique_ptr<OutputParser> make_exit_code_parser();

// The exit status and the (K)TAP on stdout, which can turn exit status 0 into a failure or a skip,
// and never into a pass.
[[nodiscard]] std::unique_ptr<OutputParser> make_ktap_parser();

[[nodiscard]] std::unique_ptr<OutputParser> make_protocol_parser(Protocol protocol);

}  // namespace ffci
