#include <fmt/format.h>

#include <filesystem>
#include <unordered_map>
#include <utility>

#include "spec/sections.hpp"
#include "spec/ssh_machine.hpp"

namespace ffci::spec {
namespace {

std::vector<SshMachineSpec> read_machines(const Field& field,
                                          const std::vector<SshMachineSpec>& others) {
  std::unordered_map<std::string, std::string> elsewhere;  // of each server, "job.yaml:…"
  for (const SshMachineSpec& other : others)
    elsewhere.emplace(server_of(other), other.where);
  std::vector<SshMachineSpec> machines;
  std::unordered_map<std::string, std::string> first;  // of each server, "'root@vm1' at job.yaml:…"
  for (const Field& item : field.item_or_items()) {
    if (!item.is(Value::Kind::scalar)) {
      item.expected("[user@]host[:port][:/path], in quotes");
      continue;
    }
    const std::optional<std::string> text = item.line();
    if (!text) continue;
    auto machine = parse_ssh_machine(*text);
    if (!machine) {
      item.expected(machine.error());
      continue;
    }
    machine->where = to_string(item.where());
    const auto [known, fresh] =
        first.emplace(server_of(*machine), fmt::format("'{}' at {}", *text, machine->where));
    if (!fresh) {
      item.complain(
          fmt::format("machine '{}' is the same host and port as {}; 'slots' says how "
                      "many tests run there at once",
                      *text, known->second));
    } else if (const auto taken = elsewhere.find(known->first); taken != elsewhere.end()) {
      item.complain(
          fmt::format("machine '{}' is also in 'hosts.ssh.machines' (at {}), where it has the "
                      "kernel under test; remove it from one of them",
                      *text, taken->second));
    }
    machines.push_back(std::move(*machine));
  }
  return machines;
}

std::string default_known_hosts(const Field& ssh) {
  const std::optional<std::string>& home = ssh.where().origin->home;
  if (home) return (std::filesystem::path(*home) / ".ssh/known_hosts").lexically_normal().string();
  ssh.complain(fmt::format(
      "'{}.known-hosts' is missing; it defaults to ~/.ssh/known_hosts, but HOME is not set",
      ssh.name()));
  return {};
}

TestDevicesSpec read_devices(const Field& field) {
  TestDevicesSpec devices;
  Fields fields(field);
  devices.directory = fields.optional("directory").path().value_or(devices.directory);
  devices.test_size = fields.optional("test").size_over_zero().value_or(devices.test_size);
  devices.scratch_size = fields.optional("scratch").size_over_zero().value_or(devices.scratch_size);
  devices.pool = fields.optional("pool").whole_int(0, 64).value_or(devices.pool);
  fields.finish();
  return devices;
}

bool is_none(const Field& field) {
  return field.is(Value::Kind::scalar) && field.text() == "none";
}

LocalHostsSpec read_local(const Field& field, std::optional<Field>& no_devices) {
  LocalHostsSpec local;
  Fields fields(field);
  local.slots = fields.required("slots").whole_int(1, 1024).value_or(local.slots);
  const Field devices = fields.optional("devices");
  if (devices.is(Value::Kind::map)) {
    local.devices = read_devices(devices);
  } else if (is_none(devices)) {
    local.devices.reset();
    no_devices = devices;
  } else if (devices.present()) {
    devices.expected("none, or a map such as {test: 10G, scratch: 10G}");
  }
  fields.finish();
  return local;
}

SshHostsSpec read_ssh_hosts(const Field& field, const std::vector<SshMachineSpec>& others) {
  SshHostsSpec ssh;
  Fields fields(field);
  ssh.machines = read_machines(fields.required("machines"), others);
  ssh.slots = fields.optional("slots").whole_int(1, 64).value_or(ssh.slots);
  ssh.identity = fields.optional("identity").path();
  const Field known_hosts = fields.optional("known-hosts");
  if (known_hosts.present()) {
    ssh.known_hosts = known_hosts.path().value_or("");
  } else if (fields.is_map()) {
    ssh.known_hosts = default_known_hosts(field);
  }
  ssh.host_key = fields.optional("host-key")
                     .choice<HostKeyPolicy>({{"strict", HostKeyPolicy::strict},
                                             {"accept-new", HostKeyPolicy::accept_new}})
                     .value_or(ssh.host_key);
  ssh.connect_timeout =
      fields.optional("connect-timeout").duration_over_zero().value_or(ssh.connect_timeout);
  ssh.boot_timeout = fields.optional("boot-timeout").duration().value_or(ssh.boot_timeout);
  ssh.proxy_command = fields.optional("proxy-command").filled_text();
  ssh.isolation = fields.optional("isolation")
                      .choice<RemoteIsolation>({{"auto", RemoteIsolation::automatic},
                                                {"namespaces", RemoteIsolation::namespaces},
                                                {"session", RemoteIsolation::session}})
                      .value_or(ssh.isolation);
  ssh.arch = fields.optional("arch").word().value_or(ssh.arch);
  fields.finish();
  return ssh;
}

}  // namespace

RemoteHostsSpec read_remote_hosts(Fields& fields, const std::vector<SshMachineSpec>& others) {
  RemoteHostsSpec hosts;
  const Field ssh = fields.optional("ssh");
  const Field qemu = fields.optional("qemu");
  const Field mkosi = fields.optional("mkosi");
  if (ssh.present()) hosts.ssh = read_ssh_hosts(ssh, others);
  if (qemu.present()) hosts.qemu = read_qemu_hosts(qemu);
  if (mkosi.present()) hosts.mkosi = read_mkosi_hosts(mkosi);
  return hosts;
}

HostsSpec read_hosts(const Field& field) {
  HostsSpec hosts;
  Fields fields(field);
  const Field local = fields.optional("local");
  if (local.present()) hosts.local = read_local(local, hosts.no_devices);
  hosts.remote = read_remote_hosts(fields, {});
  if (fields.is_map() && !hosts.local && !hosts.remote.any())
    field.complain("'hosts' needs 'local', 'ssh', 'qemu' or 'mkosi'");
  fields.finish();
  return hosts;
}

}  // namespace ffci::spec
