// A SOURCE, wherever it is: here or behind a URL. What the commands read runs and durations with.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "remote/fetch.hpp"
#include "store/expected_durations.hpp"
#include "store/run_sources.hpp"

namespace ffci {

// `token`: for a URL. Errors as those of load_run; unavailable: the URL can't be read now.
[[nodiscard]] Result<StoredRun> load_source(const std::filesystem::path& results,
                                            const std::string& source,
                                            const std::optional<RequestToken>& token = {});

// From a run, or from a file that read_durations knows. "latest": see expected_durations_from.
[[nodiscard]] Result<ExpectedDurations> load_durations(const std::filesystem::path& results,
                                                       const std::string& source);

}  // namespace ffci
