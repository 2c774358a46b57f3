// SOURCE: how a run is named everywhere. "" or "latest": the most recent run; a label: that
// recording; "-1", "-2", …: the most recent recordings; a run id; the path of a run's folder, of a
// file in it, or of a summary.json that lies anywhere else. A URL is for those who can fetch it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/run.hpp"

namespace ffci {

[[nodiscard]] bool is_url(std::string_view source);

// Where a source leads: to a run's folder, which holds its journal, or to a lone file.
struct FoundSource {
  std::filesystem::path folder;  // empty: it is a file
  std::filesystem::path file;    // empty: it is a folder
};

// Error (no_input): it leads nowhere; names what was looked for, and the nearest label or run id.
[[nodiscard]] Result<FoundSource> find_source(const std::filesystem::path& results,
                                              const std::string& source);

// Of those who need more than a Run: its folder. Error (no_input): as find_source; or SOURCE has
// none, as a lone file and a URL do.
[[nodiscard]] Result<std::filesystem::path> find_run_folder(const std::filesystem::path& results,
                                                            const std::string& source);

struct StoredRun {
  Run run;
  std::filesystem::path folder;  // empty: it is not of a folder
  std::string shown;             // what it is called: "20260131T120000Z", "main (20260131T120000Z)"
};

// What a run that `source` led to is called.
[[nodiscard]] std::string shown_run(const std::string& source, const Run& run);

// Errors: no_input; data: what is there can't be read as a run, with its place.
[[nodiscard]] Result<StoredRun> load_run(const std::filesystem::path& results,
                                         const std::string& source);

}  // namespace ffci
