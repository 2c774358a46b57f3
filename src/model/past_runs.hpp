// What the history tells of earlier runs, and of one test in them: passive values, which reports
// show and the gate reckons with.
#pragma once

#include <string>
#include <vector>

#include "model/run.hpp"

namespace ffci {

struct PastRun {
  std::string run_id, job;
  WallTime started{};
  Duration duration{};
  std::string result;  // as in the summary
  int exit_code = 0;
  VerdictCounts counts;
  std::vector<std::string> recordings;  // labels that lead to it
  bool stored = true;                   // its folder is still there
};

// What became of a test in a run, in one iteration.
struct PastResult {
  std::string run_id;
  WallTime started{};  // the run
  int iteration = 1;
  Verdict verdict = Verdict::not_run;
  std::string reason;
  Duration duration{};  // of the attempt that decided
  int attempts = 0, bad_attempts = 0;
  std::string signature;
};

// A test of one suite, configuration and architecture.
struct TestHistory {
  TestId id;  // iteration is always 1
  std::string arch;
  std::vector<PastResult> results;  // the newest run first; no parts of merged runs
};

// Of a crash, of another report of the kernel or of a failure, in any attempt at the test.
struct PastSignature {
  TestId test;  // iteration is always 1
  std::string signature;
};

}  // namespace ffci
