// Gate: says whether a change regressed. Asked when every test of a run has had its turns, it
// answers with the further runs that it needs of suspects, or with its judgement. It knows nothing
// of what it answered before, only the run so far: asked again after a break, it goes on.
//
// 1. A kernel report or a broken file system that the baseline does not have is a regression at
//    once, unless a known issue names its signature; no rerun excuses it.
// 2. A failure that a known issue names is known, and so is one that the baseline has so often that
//    no rerun can tell (failed_too_often_before).
// 3. A test that fails otherwise and has a result in the baseline is a suspect, and run again; so
//    is one that the baseline does not know, or that got slower, where these make the build red.
//    What the reruns say is ruled on by rule_on (see rerun_ruling.hpp).
// 4. Without a baseline each failure that no known issue names makes the build red.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gate/baseline.hpp"
#include "model/job_spec.hpp"
#include "model/known_issue.hpp"
#include "model/run.hpp"

namespace ffci {

using GateAnswer = std::variant<std::vector<RerunOrder>, Judgement>;

class Gate {
 public:
  // Without `baseline` any failure counts.
  Gate(GateSpec spec, std::optional<Baseline> baseline, std::vector<KnownIssue> issues);

  // `why_final`: why there can be no further run; then the answer is a judgement. Empty: there can.
  [[nodiscard]] GateAnswer ask(const Run& run, const std::string& why_final) const;

 private:
  GateSpec spec_;
  std::optional<Baseline> baseline_;
  std::vector<KnownIssue> issues_;
};

}  // namespace ffci
