#include "cli/load_source.hpp"

#include "base/file.hpp"
#include "cli/environment.hpp"
#include "remote/fetch.hpp"
#include "store/read_durations.hpp"
#include "store/read_summary.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

Result<std::string> fetch_as_here(const std::string& url,
                                  const std::optional<RequestToken>& token = {}) {
  FetchOptions options;
  options.token = token;
  options.environment = environment;
  return fetch(url, options);
}

}  // namespace

Result<StoredRun> load_source(const fs::path& results, const std::string& source,
                              const std::optional<RequestToken>& token) {
  if (!is_url(source)) return load_run(results, source);
  const auto text = fetch_as_here(source, token);
  if (!text) return tl::unexpected(text.error());
  auto run = read_summary(*text, shown_url(source));
  if (!run) return tl::unexpected(run.error());
  std::string shown = shown_run(shown_url(source), *run);
  return StoredRun{std::move(*run), {}, std::move(shown)};
}

Result<ExpectedDurations> load_durations(const fs::path& results, const std::string& source) {
  if (source == "latest") return expected_durations_from(results, source);
  if (is_url(source)) {
    const auto text = fetch_as_here(source);
    if (!text) return tl::unexpected(text.error());
    return read_durations(*text, shown_url(source));
  }
  const auto found = find_source(results, source);
  if (!found) return tl::unexpected(found.error());
  if (!found->folder.empty()) return expected_durations_from(results, source);
  const auto text = read_file(found->file, largest_summary);
  if (!text) return tl::unexpected(text.error());
  return read_durations(*text, found->file.string());
}

}  // namespace ffci
