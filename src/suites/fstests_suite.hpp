// A suite of fstests: tests of a tree that was read before, each batch one call of its ./check.
// With sections of a configuration each test is there once per section.
#pragma once

#include <memory>

#include "model/job_spec.hpp"
#include "suites/fstests_selection.hpp"
#include "suites/suite.hpp"

namespace ffci {

[[nodiscard]] std::unique_ptr<Suite> make_fstests_suite(const FstestsSuiteSpec& spec,
                                                        const FstestsSelection& selection);

}  // namespace ffci
