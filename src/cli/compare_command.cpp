// ff-ci compare: what changed from one run to another, wherever they are.
#include <fmt/format.h>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/load_source.hpp"
#include "gate/compare.hpp"
#include "report/comparison.hpp"
#include "store/results_tree.hpp"

namespace ffci {
namespace {

// Without -a: the run before b.
Result<std::string> earlier_source(const CompareChoices& choices, const StoredRun& b) {
  if (!choices.a.empty()) return choices.a;
  if (b.folder.empty()) {
    return fail(ErrorKind::usage,
                fmt::format("{} is not in {}, so no run is before it; -a SOURCE names one", b.shown,
                            choices.results));
  }
  return run_before(choices.results, b.run.header().run_id);
}

std::string formatted(const RunComparison& comparison, CompareChoices::Format format) {
  switch (format) {
    case CompareChoices::Format::text:
      return comparison_text(comparison);
    case CompareChoices::Format::json:
      return comparison_json(comparison);
    case CompareChoices::Format::markdown:
      return comparison_markdown(comparison);
  }
  return {};
}

ExitCode exit_code_of(ComparisonResult result, bool strict_baseline) {
  switch (result) {
    case ComparisonResult::regression:
      return ExitCode::regression;
    case ComparisonResult::incomplete:
      return ExitCode::incomplete;
    case ComparisonResult::drift:
      return strict_baseline ? ExitCode::drift : ExitCode::ok;
    case ComparisonResult::no_change:
      return ExitCode::ok;
  }
  return ExitCode::internal;
}

}  // namespace

Result<ExitCode> compare_command(const CompareChoices& choices) {
  const auto b = load_source(choices.results, choices.b);
  if (!b) return tl::unexpected(b.error());
  const auto source = earlier_source(choices, *b);
  if (!source) return tl::unexpected(source.error());
  const auto a = load_source(choices.results, *source);
  if (!a) return tl::unexpected(a.error());

  RunComparison comparison = compare_runs(a->run, b->run);
  comparison.a.shown = a->shown;
  comparison.b.shown = b->shown;
  fmt::print("{}", formatted(comparison, choices.format));
  return exit_code_of(verdict_of(comparison).result, choices.strict_baseline);
}

}  // namespace ffci
