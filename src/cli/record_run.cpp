#include "cli/record_run.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/reports.hpp"

namespace ffci {
namespace {

// Why it makes a bad baseline; empty: it does not.
std::string what_is_missing(const Run& run) {
  if (!run.finish()) return "did not finish: it is still going, or its ff-ci died";
  const VerdictCounts counts = run.counts();
  const int without = counts.at(Verdict::error) + counts.at(Verdict::not_run);
  if (without > 0)
    return fmt::format("is incomplete: {} of {} tests have no result", without, run.tests().size());
  return {};
}

}  // namespace

Result<std::string> record_run(const std::filesystem::path& results, const Run& run,
                               const std::string& label, MoveLabel move) {
  const std::string& run_id = run.header().run_id;
  const std::string& name = label.empty() ? run_id : label;
  const auto before = record(results, run_id, name, move);
  if (!before) return tl::unexpected(before.error());
  if (const std::string missing = what_is_missing(run); !missing.empty())
    fmt::print(stderr, "ff-ci: warning: run {} {}; it was recorded all the same\n", run_id,
               missing);
  return fmt::format("recorded: '{}' leads to run {}{}\n", name, run_id,
                     *before ? fmt::format(", no longer to run {}", printable_line(**before)) : "");
}

Result<void> record_ended_run(const std::filesystem::path& results, const Run& run,
                              const std::optional<std::string>& label, int log) {
  if (!label) return {};
  // The failures of a red run would be known ones from then on.
  const auto gate = run.judgement() ? std::optional(run.judgement()->result) : std::nullopt;
  if (gate.has_value() && (*gate == GateResult::regression || *gate == GateResult::inconclusive)) {
    const std::string name = label->empty() ? run.header().run_id : *label;
    fmt::print(stderr,
               "ff-ci: not recorded as '{}', since the gate says {}; where it should be, "
               "`ff-ci record {} --force` does it\n",
               name, gate_result_name(*gate), name);
    return {};
  }
  const auto said = record_run(results, run, *label, MoveLabel::yes);
  if (!said) return tl::unexpected(said.error());
  LogWriter writer(log);
  writer(*said);
  return {};
}

}  // namespace ffci
