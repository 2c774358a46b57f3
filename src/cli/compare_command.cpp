// ff-ci compare: what changed from one stored run to another.
#include <fmt/format.h>

#include <algorithm>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "gate/compare.hpp"
#include "report/comparison.hpp"
#include "store/journal.hpp"
#include "store/results_tree.hpp"

namespace ffci {
namespace {

Result<Run> read_run(const std::string& results, const std::string& source) {
  const auto folder = find_run(results, source);
  if (!folder) return tl::unexpected(folder.error());
  return read_journal(*folder / "journal.jsonl");
}

}  // namespace

Result<ExitCode> compare_command(const CompareChoices& choices) {
  const auto b = read_run(choices.results, choices.b);
  if (!b) return tl::unexpected(b.error());
  std::string source = choices.a;
  if (source.empty()) {
    const auto before = run_before(choices.results, b->header().run_id);
    if (!before) return tl::unexpected(before.error());
    source = *before;
  }
  const auto a = read_run(choices.results, source);
  if (!a) return tl::unexpected(a.error());

  const RunComparison comparison = compare_runs(*a, *b);
  fmt::print("{}", comparison_text(comparison));
  const bool worse =
      std::any_of(comparison.tests.begin(), comparison.tests.end(), [](const TestChange& test) {
        return test.change == Change::regression || test.change == Change::new_failure;
      });
  return worse ? ExitCode::regression : ExitCode::ok;
}

}  // namespace ffci
