// ff-ci plan: how long the job would take on how many hosts. Nothing is started, unless a machine
// must be asked for its tests.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>

#include "cli/commands.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/job.hpp"
#include "cli/make_hosts.hpp"
#include "engine/forecast.hpp"
#include "report/plan_table.hpp"

namespace ffci {
namespace {

// Of each of the job's machines.
std::vector<int> slots_of_machines(const JobSpec& spec) {
  const auto& [ssh, qemu, mkosi] = spec.remote;
  std::vector<int> slots;
  if (ssh) slots.assign(ssh->machines.size(), ssh->slots);
  if (qemu) slots.insert(slots.end(), static_cast<size_t>(qemu->count), qemu->slots);
  if (mkosi) slots.insert(slots.end(), static_cast<size_t>(mkosi->count), mkosi->slots);
  return slots;
}

// So many slots here, when the tests run here only; else so many machines, and what runs here.
std::vector<HostPlan> hosts_of(const JobSpec& spec, int number) {
  const std::vector<int> own = slots_of_machines(spec);
  if (own.empty()) return {local_host_plan(spec, number)};
  std::vector<HostPlan> hosts;
  if (spec.local) hosts.push_back(local_host_plan(spec, spec.local->slots));
  for (size_t machine = 0; machine < static_cast<size_t>(number); ++machine) {
    hosts.push_back({.name = fmt::format("machine {}", machine + 1),
                     .slots = machine < own.size() ? own[machine] : own.back()});
  }
  return hosts;
}

VirtualCosts costs_of(const Job& job) {
  const RunCosts earlier = earlier_costs(job.spec);
  VirtualCosts costs;
  // They come up side by side; the table knows one time for all.
  const RemoteHostsSpec& remote = job.spec.remote;
  for (const auto& [kind, ready] : earlier.host_ready) {
    const bool has_it = kind == "ssh"     ? remote.ssh.has_value()
                        : kind == "qemu"  ? remote.qemu.has_value()
                        : kind == "mkosi" ? remote.mkosi.has_value()
                                          : !remote.any();
    if (has_it) costs.host_start = std::max(costs.host_start, ready);
  }
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
  const std::vector<int> machines = slots_of_machines(spec);
  question.own = machines.empty() ? local_slots(spec) : static_cast<int>(machines.size());
  question.most = choices.max_hosts;
  Forecast made = forecast(question);
  made.job = spec.name;
  made.unit = machines.empty() ? HostUnit::slot : HostUnit::machine;
  if (!machines.empty()) {
    made.slots_each = machines.back();
    if (std::ranges::count(machines, machines.back()) < std::ssize(machines))
      made.own_slots = machines;
    made.local_slots = local_slots(spec);
  }
  made.durations = job->durations;
  fmt::print("{}", choices.json ? plan_json(made) : plan_table(made));
  return ExitCode::ok;
}

}  // namespace ffci
