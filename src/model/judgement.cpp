#include "model/judgement.hpp"

#include <utility>

#include "model/name_table.hpp"

namespace ffci {
namespace {

constexpr std::pair<Decision, std::string_view> decisions[] = {
    {Decision::regression, "regression"},
    {Decision::failure, "failure"},
    {Decision::flaky, "flaky"},
    {Decision::known, "known"},
    {Decision::inconclusive, "inconclusive"},
    {Decision::noted, "noted"}};

constexpr std::pair<KnownIssueNote::Kind, std::string_view> note_kinds[] = {
    {KnownIssueNote::Kind::expired, "expired"},
    {KnownIssueNote::Kind::unmatched, "unmatched"},
    {KnownIssueNote::Kind::unexpected_pass, "unexpected_pass"}};

constexpr std::pair<GateResult, std::string_view> results[] = {
    {GateResult::regression, "regression"},
    {GateResult::failed, "failed"},
    {GateResult::inconclusive, "inconclusive"},
    {GateResult::incomparable, "incomparable"},
    {GateResult::flaky, "flaky"},
    {GateResult::drift, "drift"},
    {GateResult::passed, "passed"}};

}  // namespace

std::string_view decision_name(Decision decision) {
  return name_in(decisions, decision);
}
std::optional<Decision> decision_from_name(std::string_view name) {
  return value_in(decisions, name);
}

std::string_view known_issue_note_name(KnownIssueNote::Kind kind) {
  return name_in(note_kinds, kind);
}
std::optional<KnownIssueNote::Kind> known_issue_note_from_name(std::string_view name) {
  return value_in(note_kinds, name);
}

std::string_view gate_result_name(GateResult result) {
  return name_in(results, result);
}
std::optional<GateResult> gate_result_from_name(std::string_view name) {
  return value_in(results, name);
}

}  // namespace ffci
