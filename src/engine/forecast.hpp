// How many hosts a job should have: plays it on several numbers of them. Pure; no host is needed.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/virtual_run.hpp"
#include "model/forecast.hpp"

namespace ffci {

struct ForecastQuestion {
  EnginePlan plan;  // has tests; its hosts are not looked at
  VirtualCosts costs;
  std::vector<Duration> takes;  // by place in plan.tests: what each test is taken to take
  std::function<std::vector<HostPlan>(int)> hosts;  // so many of them, from 1
  int own = 1;                                      // as many as the job has
  std::optional<int> most;                          // the last row; none: a bit beyond the knee
};

// By place in plan.tests: what the test is believed to take, known or not.
[[nodiscard]] std::vector<Duration> believed_durations(const EnginePlan& plan);

// Fills in what comes of playing; job, unit, slots and durations' source are the caller's to say.
[[nodiscard]] Forecast forecast(const ForecastQuestion& question);

}  // namespace ffci
