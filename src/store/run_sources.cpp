#include "store/run_sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "store/journal.hpp"
#include "store/read_summary.hpp"
#include "store/recordings.hpp"
#include "store/results_tree.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

bool has_journal(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "journal.jsonl", ignored);
}

// "-1": 1. 0: it is none.
std::size_t recording_number(std::string_view source) {
  const bool is_one = source.size() > 1 && source.size() < 8 && source[0] == '-' &&
                      source.find_first_not_of("0123456789", 1) == std::string_view::npos;
  return is_one ? std::stoul(std::string(source.substr(1))) : 0;
}

Result<FoundSource> find_latest(const fs::path& results) {
  if (has_journal(results / "latest")) {
    std::error_code error;
    const fs::path folder = fs::canonical(results / "latest", error);
    return FoundSource{error ? results / "latest" : folder, {}};
  }
  // An archive may come without the link.
  if (const std::vector<std::string> ids = run_ids(results); !ids.empty())
    return FoundSource{results / "runs" / ids.front(), {}};
  return fail(ErrorKind::no_input, fmt::format("there is no run in {}", results.string()));
}

Result<FoundSource> find_recording(const fs::path& results, const std::string& label) {
  const fs::path link = results / "recordings" / label;
  std::error_code error;
  if (has_journal(link)) {
    const fs::path folder = fs::canonical(link, error);
    return FoundSource{error ? link : folder, {}};
  }
  const fs::path target = fs::read_symlink(link, error);
  return fail(ErrorKind::no_input,
              fmt::format("the recording '{}' leads to {}, and no run is there", label,
                          error ? link.string() : printable_line(target.string())));
}

std::string counted_recordings(std::size_t number) {
  return number == 1 ? "is 1 recording" : fmt::format("are {} recordings", number);
}

}  // namespace

bool is_url(std::string_view source) {
  return source.find("://") != std::string_view::npos;
}

Result<FoundSource> find_source(const fs::path& results, const std::string& source) {
  if (source.empty() || source == "latest") return find_latest(results);
  std::error_code error;
  if (const std::size_t number = recording_number(source); number > 0) {
    const std::vector<Recording> all = recordings(results);
    if (number <= all.size()) return find_recording(results, all[number - 1].label);
    return fail(ErrorKind::no_input,
                fmt::format("there is no recording '{}': there {} in {}", source,
                            counted_recordings(all.size()), results.string()));
  }
  if (source.find('/') == std::string::npos) {
    if (check_label(source) && fs::is_symlink(results / "recordings" / source, error))
      return find_recording(results, source);
    if (source != "." && source != ".." && has_journal(results / "runs" / source))
      return FoundSource{results / "runs" / source, {}};
  }

  const fs::path path(source);
  if (has_journal(path)) return FoundSource{path, {}};
  if (fs::is_directory(path, error)) {
    if (fs::exists(path / "summary.json", error)) return FoundSource{{}, path / "summary.json"};
    return fail(ErrorKind::no_input,
                fmt::format("{} holds no run: there is neither a journal.jsonl nor a summary.json",
                            path.string()));
  }
  if (fs::exists(path, error)) {
    const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
    return has_journal(parent) ? FoundSource{parent, {}} : FoundSource{{}, path};
  }

  std::vector<std::string> known{"latest"};
  for (Recording& recording : recordings(results))
    known.push_back(std::move(recording.label));
  for (std::string& run_id : run_ids(results))
    known.push_back(std::move(run_id));
  return fail(ErrorKind::no_input,
              fmt::format("there is no run '{}' in {}; expected latest, a recording's label, -1, a "
                          "run id, or the path or URL of a summary.json{}",
                          printable_line(source), results.string(), did_you_mean(source, known)));
}

Result<fs::path> find_run_folder(const fs::path& results, const std::string& source) {
  const auto refuse = [](const std::string& what) {
    return fail(ErrorKind::no_input,
                what +
                    ", and the whole folder of a run is needed: expected latest, a recording's "
                    "label, -1, a run id, or the path of that folder");
  };
  // It may hold a password.
  if (is_url(source)) return refuse("a URL leads to a summary.json");
  auto found = find_source(results, source);
  if (!found) return tl::unexpected(found.error());
  if (found->folder.empty())
    return refuse(printable_line(found->file.string()) + " is a lone file");
  return std::move(found->folder);
}

std::string shown_run(const std::string& source, const Run& run) {
  const std::string& run_id = run.header().run_id;
  const bool plain = source.empty() || source == "latest" || source == run_id ||
                     fs::path(source).filename() == run_id;
  return plain ? run_id : fmt::format("{} ({})", source, run_id);
}

Result<StoredRun> load_run(const fs::path& results, const std::string& source) {
  const auto found = find_source(results, source);
  if (!found) return tl::unexpected(found.error());
  if (!found->folder.empty()) {
    auto run = read_journal(found->folder / "journal.jsonl");
    if (!run) return tl::unexpected(run.error());
    std::string shown = shown_run(source, *run);
    return StoredRun{std::move(*run), found->folder, std::move(shown)};
  }
  const auto text = read_file(found->file, largest_summary);
  if (!text) return tl::unexpected(text.error());
  auto run = read_summary(*text, found->file.string());
  if (!run) return tl::unexpected(run.error());
  std::string shown = shown_run(source, *run);
  return StoredRun{std::move(*run), {}, std::move(shown)};
}

}  // namespace ffci
