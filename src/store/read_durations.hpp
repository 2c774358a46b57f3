// How long tests took, from a file of one of the kinds that are about: a summary.json, fstests'
// check.time ("generic/001 12" lines), or a JUnit XML file of ours or of any other tool. Where the
// file does not tell the suite, a test is known by its name alone.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "store/expected_durations.hpp"

namespace ffci {

// Which kind it is, its content tells. `shown` names the file in errors and as the source. Error
// (data): none of them, with the place where it is wrong.
[[nodiscard]] Result<ExpectedDurations> read_durations(std::string_view text,
                                                       const std::string& shown);

}  // namespace ffci
