// ff-ci record: a label for a stored run, to compare with later.
#include <fmt/format.h>

#include <filesystem>

#include "cli/commands.hpp"
#include "cli/record_run.hpp"
#include "store/run_sources.hpp"

namespace ffci {
namespace {

namespace fs = std::filesystem;

// A recording is a link to RESULTS/runs/<run-id>.
bool lies_in(const fs::path& results, const StoredRun& stored) {
  if (stored.folder.empty()) return false;
  std::error_code error;
  return fs::equivalent(results / "runs" / stored.run.header().run_id, stored.folder, error);
}

}  // namespace

Result<ExitCode> record_command(const RecordChoices& choices) {
  if (is_url(choices.source))
    return fail(ErrorKind::usage,
                "a URL can't be recorded; save it, and name the file where it counts");
  const auto stored = load_run(choices.results, choices.source);
  if (!stored) return tl::unexpected(stored.error());
  if (!lies_in(choices.results, *stored)) {
    return fail(ErrorKind::usage,
                fmt::format("'{}' is not one of the runs in {}/runs, so it can't be recorded there",
                            choices.source, choices.results));
  }
  const auto said = record_run(choices.results, stored->run, choices.label,
                               choices.force ? MoveLabel::yes : MoveLabel::no);
  if (!said) return tl::unexpected(said.error());
  fmt::print("{}", *said);
  return ExitCode::ok;
}

}  // namespace ffci
