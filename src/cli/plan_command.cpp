// ff-ci plan: how long the job would take on how many hosts. Nothing is started, unless a machine
// must be asked for its tests.
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>

#include "cli/commands.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/job.hpp"
#include "cli/make_hosts.hpp"
#include "engine/forecast.hpp"
#include "report/plan_table.hpp"

namespace ffci {
namespace {

int slots_of_machines(const JobSpec& spec) {
  if (spec.ssh) return spec.ssh->slots;
  return spec.qemu ? spec.qemu->slots : spec.mkosi->slots;
}

int machines_of(const JobSpec& spec) {
  return (spec.ssh ? static_cast<int>(spec.ssh->machines.size()) : 0) +
         (spec.qemu ? spec.qemu->count : 0) + (spec.mkosi ? spec.mkosi->count : 0);
}

// So many slots here, when the tests run here only; else so many machines, and what runs here.
std::vector<HostPlan> hosts_of(const JobSpec& spec, int number) {
  if (machines_of(spec) == 0) return {local_host_plan(spec, number)};
  std::vector<HostPlan> hosts;
  if (spec.local) hosts.push_back(local_host_plan(spec, spec.local->slots));
  for (int machine = 1; machine <= number; ++machine)
    hosts.push_back({fmt::format("machine {}", machine), slots_of_machines(spec), 1, false});
  return hosts;
}

VirtualCosts costs_of(const Job& job) {
  const RunCosts earlier = earlier_costs(job.spec);
  VirtualCosts costs;
  const auto ready = earlier.host_ready.find(job.spec.ssh     ? "ssh"
                                             : job.spec.qemu  ? "qemu"
                                             : job.spec.mkosi ? "mkosi"
                                                              : "local");
  if (ready != earlier.host_ready.end()) costs.host_start = ready->second;
  for (const SuitePlan& suite : job.plan.suites) {
    VirtualCosts::Suite& here = costs.suites.emplace_back();
    if (const auto set_up = earlier.set_up.find(suite.name); set_up != earlier.set_up.end())
      here.set_up = set_up->second;
    const auto call = earlier.call.find(suite.name);
    if (call == earlier.call.end()) continue;
    if (suite.batches) {
      here.set_call(call->second);
    } else {
      here.per_test = call->second;
    }
  }
  return costs;
}

}  // namespace

Result<ExitCode> plan_command(const PlanChoices& choices) {
  boost::asio::io_context loop(1);
  EarlyHosts early(loop);
  const auto job = load_job(choices.job, early);
  if (!job) return tl::unexpected(job.error());
  if (job->plan.tests.empty()) {
    fmt::print(stderr, "ff-ci: no test was selected\n");
    return ExitCode::nothing_run;
  }
  const JobSpec& spec = job->spec;
  ForecastQuestion question;
  question.plan = job->plan;
  question.takes = believed_durations(job->plan);
  for (size_t test = 0; test < job->typical.size(); ++test)
    question.takes[test] = job->typical[test].value_or(question.takes[test]);
  question.costs = costs_of(*job);
  question.hosts = [&](int number) { return hosts_of(spec, number); };
  const bool machines = machines_of(spec) > 0;
  question.own = machines ? machines_of(spec) : local_slots(spec);
  question.most = choices.max_hosts;
  Forecast made = forecast(question);
  made.job = spec.name;
  made.unit = machines ? HostUnit::machine : HostUnit::slot;
  if (machines) {
    made.slots_each = slots_of_machines(spec);
    made.local_slots = local_slots(spec);
  }
  made.durations = job->durations;
  fmt::print("{}", choices.json ? plan_json(made) : plan_table(made));
  return ExitCode::ok;
}

}  // namespace ffci
