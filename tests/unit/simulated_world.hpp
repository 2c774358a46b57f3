// A world for the engine in virtual time, drawn from a seed: hosts that come, go and come back,
// tests that pass, fail, hang or take their host with them, alone or in batches, set-ups that fail,
// signals, deadlines, gates that order reruns.
// It does what the engine asks, answers when it likes, and checks after each step what must hold
// whatever happens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ffci::test {

struct SimulationResult {
  std::vector<std::string> broken;  // claims that did not hold; empty: all is well
  std::string log;                  // of everything, for the one who has to find out why
  std::uint64_t tests = 0, hosts = 0, attempts = 0, inputs = 0, hosts_lost = 0;
  std::uint64_t in_company = 0;  // attempts in batches of several
  std::uint64_t reruns = 0;      // attempts that the gate ordered
  // Whether the run was one of those of which more is claimed.
  bool healthy_tests_must_pass = false, no_host_may_be_retired = false;
};

enum class KeepLog { no, yes };

[[nodiscard]] SimulationResult simulate(std::uint64_t seed, KeepLog keep_log);

}  // namespace ffci::test
