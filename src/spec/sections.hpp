// The sections of a job spec, each read into its part of JobSpec. A section that is absent gives
// its defaults. What they return means something only while there are no complaints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/job_spec.hpp"
#include "spec/field.hpp"

namespace ffci::spec {

struct HostsSpec {
  std::optional<LocalHostsSpec> local;
  std::optional<SshHostsSpec> ssh;
  std::optional<QemuHostsSpec> qemu;
  std::optional<MkosiHostsSpec> mkosi;
  std::optional<Field> no_devices;            // hosts.local.devices, where it is none
  std::vector<SshMachineSpec> base_machines;  // those of the gate, which run its suites too
  std::vector<VmHostsSpec> vms;               // all of them, with those of the gate
};

[[nodiscard]] HostsSpec read_hosts(const Field& hosts);  // but for the last two
// Complains also of machines that are among `others`, those of hosts.ssh.
[[nodiscard]] SshHostsSpec read_ssh_hosts(const Field& ssh,
                                          const std::vector<SshMachineSpec>& others);
[[nodiscard]] QemuHostsSpec read_qemu_hosts(const Field& qemu);
[[nodiscard]] MkosiHostsSpec read_mkosi_hosts(const Field& mkosi);
// Complains also of what suites of fstests need and the hosts do not have.
[[nodiscard]] std::vector<SuiteSpec> read_suites(const Field& suites, const HostsSpec& hosts);
// Of a suite what stands below `fstests`, so neither its name nor its place.
[[nodiscard]] FstestsSuiteSpec read_fstests(const Field& fstests, const HostsSpec& hosts);
[[nodiscard]] RunSpec read_run(const Field& run);
[[nodiscard]] GateSpec read_gate(const Field& gate, const HostsSpec& hosts);
[[nodiscard]] ReportsSpec read_reports(const Field& reports);

}  // namespace ffci::spec
