#include "gate/join_judgements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "gate/baseline.hpp"
#include "gate/gate_words.hpp"
#include "gate/signature_list.hpp"

namespace ffci {

Judgement join_judgements(const std::vector<Judgement>& parts, const Run& run) {
  Judgement whole;
  std::unordered_map<TestId, std::size_t> places;
  for (const TestResult& test : run.tests())
    places.try_emplace(without_iteration(test.id), places.size());
  std::unordered_set<TestId> told;
  std::unordered_set<std::string> baselines;
  SignatureList new_signatures;
  std::string open;
  whole.result = parts.empty() ? GateResult::inconclusive : GateResult::passed;
  for (const Judgement& part : parts) {
    if (!part.baseline.empty() && baselines.insert(part.baseline).second)
      whole.baseline += (whole.baseline.empty() ? "" : ", ") + part.baseline;
    if (part.result == GateResult::inconclusive && part.baseline.empty())  // as of not_judged
      open += (open.empty() ? "" : ", ") + part.why;
    // A part may have nothing that it could be compared by.
    if (part.result != GateResult::incomparable) whole.result = std::min(whole.result, part.result);
    whole.compared += part.compared;
    for (const TestJudgement& test : part.tests) {
      if (test.change != Change::vanished || told.insert(test.id).second)
        whole.tests.push_back(test);
    }
    for (const NewSignature& signature : part.new_signatures)
      new_signatures.add(signature);
    for (const KnownIssueNote& note : part.known_issues) {
      if (std::ranges::find(whole.known_issues, note) == whole.known_issues.end())
        whole.known_issues.push_back(note);
    }
  }
  whole.new_signatures = new_signatures.take();
  const auto place = [&](const TestJudgement& test) {
    const auto known = places.find(test.id);
    return known == places.end() ? places.size() : known->second;
  };
  std::ranges::stable_sort(whole.tests, std::less(), place);
  // Parts without a test have nothing to compare either, and do not make up for it.
  const bool incomparable = whole.compared == 0 && std::ranges::any_of(parts, [](const auto& part) {
                              return part.result == GateResult::incomparable;
                            });
  if (incomparable) whole.result = std::min(whole.result, GateResult::incomparable);
  whole.why = whole.result == GateResult::incomparable ? nothing_compared : words_of(whole);
  if (!open.empty()) whole.why = whole.tests.empty() ? open : whole.why + "; " + open;
  return whole;
}

Judgement not_judged(const Run& part) {
  Judgement judgement;
  judgement.result = GateResult::inconclusive;
  judgement.why = fmt::format("run {} was not judged", part.header().run_id);
  std::unordered_set<TestId> told;
  for (const TestResult& test : part.tests()) {
    TestJudgement judged;
    judged.id = without_iteration(test.id);
    if (!is_bad(test.verdict()) || !told.insert(judged.id).second) continue;
    judged.decision = Decision::inconclusive;
    judged.why = fmt::format("{}; {}", test.reason(), judgement.why);
    judgement.tests.push_back(std::move(judged));
  }
  return judgement;
}

}  // namespace ffci
