#include "cli/make_hosts.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "hosts/local_host.hpp"
#include "hosts/open_files.hpp"
#include "hosts/remote_script.hpp"
#include "hosts/ssh_host.hpp"
#include "hosts/vm_host.hpp"
#include "hosts/vm_needs.hpp"
#include "model/machine_name.hpp"
#include "store/unpack_files.hpp"

namespace ffci {
namespace {

std::string user_name() {
  const passwd* user = ::getpwuid(::geteuid());
  return user != nullptr ? user->pw_name : std::to_string(::geteuid());
}

// Names are told apart by the port only where that is needed.
std::string host_name(const SshHostsSpec& spec, const SshMachineSpec& machine) {
  const auto same_host = [&](const SshMachineSpec& other) { return other.host == machine.host; };
  const bool alone = std::count_if(spec.machines.begin(), spec.machines.end(), same_host) == 1;
  return alone ? fmt::format("ssh:{}", machine.host)
               : fmt::format("ssh:{}:{}", machine.host, machine.port);
}

bool has_fstests(const JobSpec& spec) {
  return std::any_of(spec.suites.begin(), spec.suites.end(), [](const SuiteSpec& suite) {
    return std::holds_alternative<FstestsSuiteSpec>(suite);
  });
}

// What ff-ci asks of a machine that it logs in to.
SshHostOptions log_in_options(const JobSpec& spec) {
  utsname system{};
  ::uname(&system);
  SshHostOptions options;
  options.arch = system.machine;
  options.owner = fmt::format("job {}, process {} on {}", spec.name, ::getpid(), system.nodename);
  options.kill_after = spec.run.kill_after;
  options.probe_interval = spec.run.probe_interval;
  options.tracer = spec.run.bpftrace;
  options.archive_limit = archive_limit(spec.run.files_limit);
  return options;
}

// Of a VM; its boot may take longer, and needs more than one try.
constexpr Duration longest_log_in = std::chrono::seconds(60);

enum class Role { change, base };

Result<void> add_ssh_hosts(boost::asio::io_context& loop, const JobSpec& spec,
                           const SshHostsSpec& ssh, Role role, JobHosts& hosts) {
  auto loaded = load_ssh_credentials(ssh);
  if (!loaded) return tl::unexpected(loaded.error());
  SshCredentials& credentials =
      *hosts.ssh_credentials.emplace_back(std::make_unique<SshCredentials>(std::move(*loaded)));
  for (const SshMachineSpec& machine : ssh.machines) {
    SshHostOptions options = log_in_options(spec);
    options.name = (role == Role::base ? "base-" : "") + host_name(ssh, machine);
    options.machine = machine;
    if (machine.user.empty()) options.machine.user = user_name();
    options.slots = ssh.slots;
    options.connect_timeout = ssh.connect_timeout;
    options.proxy_command = ssh.proxy_command;
    options.identity = ssh.identity;
    options.isolation = ssh.isolation;
    if (!ssh.arch.empty()) options.arch = machine_name(ssh.arch);
    options.watch_log = spec.run.kernel_log.watch;
    hosts.plans.push_back({.name = options.name,
                           .slots = options.slots,
                           .base = role == Role::base,
                           .return_within = ssh.boot_timeout});
    hosts.hosts.push_back(make_ssh_host(loop, std::move(options), credentials));
  }
  return {};
}

void tell_people(const std::string& text) {
  fmt::print(stderr, "ff-ci: {}\n", text);
}

Result<void> look_for_room(const JobSpec& spec) {
  std::vector<VmNeeds> needs;
  const auto add = [&](const auto& vms) {
    if (vms) needs.push_back(needs_of(*vms));
  };
  for (const RemoteHostsSpec* remote : {&spec.remote, &spec.gate.base}) {
    add(remote->qemu);
    add(remote->mkosi);
  }
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  if (const std::string note = shared_processors(needs, processors); !note.empty())
    tell_people(note);
  return check_memory(needs, memory_available());
}

template <class Spec>
Result<void> add_vms(boost::asio::io_context& loop, const JobSpec& spec, const Spec& vms,
                     const std::string& kind, Role role, JobHosts& hosts) {
  const std::string arch(vms.arch.empty() ? log_in_options(spec).arch : machine_name(vms.arch));
  VmPool::Options shared;
  shared.spec = vms;
  shared.arch = arch;
  shared.keep_alive = spec.run.keep_alive;
  shared.note = tell_people;
  auto pool = VmPool::open(loop, std::move(shared));
  if (!pool) return tl::unexpected(pool.error());
  hosts.vm_pools.push_back(*pool);
  const std::string own = make_nonce();
  for (int number = 1; number <= vms.count; ++number) {
    VmHostOptions options;
    options.ssh = log_in_options(spec);
    // The state that they start from may hold the end of another's connection.
    options.ssh.own = own;
    options.ssh.name = fmt::format("{}{}:{}", role == Role::base ? "base-" : "", kind, number);
    options.ssh.machine.user = vms.user;
    options.ssh.machine.path = vms.path;
    options.ssh.slots = vms.slots;
    options.ssh.connect_timeout = std::min(vms.boot_timeout, longest_log_in);
    options.ssh.arch = arch;
    options.ssh.watch_log = false;  // the console tells it
    options.kind = kind;
    options.watch_log = spec.run.kernel_log.watch;
    options.allowed = spec.run.kernel_log.allowed;
    hosts.plans.push_back({.name = options.ssh.name,
                           .slots = vms.slots,
                           .base = role == Role::base,
                           .renewable = true});
    hosts.hosts.push_back(make_vm_host(loop, std::move(options), *pool));
  }
  return {};
}

// Of suites of fstests, which itself refuses to run for anybody but root.
std::optional<TestDevicesSpec> local_devices(const JobSpec& spec) {
  if (!has_fstests(spec) || ::geteuid() != 0) return std::nullopt;
  return (spec.local ? *spec.local : LocalHostsSpec{}).devices;
}

}  // namespace

int local_slots(const JobSpec& spec) {
  if (spec.local) return spec.local->slots;
  return only_on_others(spec) ? 0
                              : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

HostPlan local_host_plan(const JobSpec& spec, int slots) {
  return {.name = "local", .slots = slots, .test_devices = local_devices(spec) ? slots : 1};
}

Result<JobHosts> make_hosts(boost::asio::io_context& loop, const JobSpec& spec) {
  JobHosts hosts;
  int commands = 0;
  if (const int slots = local_slots(spec); slots > 0) {
    const LocalHostOptions options{slots,
                                   spec.run.kill_after,
                                   spec.run.kernel_log.watch,
                                   spec.run.bpftrace,
                                   archive_limit(spec.run.files_limit),
                                   local_devices(spec)};
    hosts.plans.push_back(local_host_plan(spec, slots));
    hosts.hosts.push_back(make_local_host(loop, options));
    commands += slots;
    // The devices stay open, too: each command reckons with eight files.
    if (options.devices) commands += slots * (2 + options.devices->pool / 8);
  }
  // Each VM: a socket, QEMU's own, its process, its console, and the files of what runs there.
  const auto add = [&](const auto& vms, const std::string& kind, Role role) -> Result<void> {
    if (!vms) return {};
    commands += vms->count * (1 + vms->slots);
    return add_vms(loop, spec, *vms, kind, role, hosts);
  };
  const auto add_remote = [&](const RemoteHostsSpec& remote, Role role) -> Result<void> {
    if (remote.ssh) {
      // Each machine: a socket, its log, and the files of what runs there.
      commands += static_cast<int>(remote.ssh->machines.size()) * (1 + remote.ssh->slots);
      if (auto added = add_ssh_hosts(loop, spec, *remote.ssh, role, hosts); !added) return added;
    }
    if (auto added = add(remote.qemu, "qemu", role); !added) return added;
    return add(remote.mkosi, "mkosi", role);
  };
  Result<void> added = look_for_room(spec);
  if (added) added = add_remote(spec.remote, Role::change);
  if (added) added = add_remote(spec.gate.base, Role::base);
  if (!added) return tl::unexpected(added.error());
  if (const auto allowed = allow_open_files(commands); !allowed)
    return tl::unexpected(allowed.error());
  return hosts;
}

}  // namespace ffci
