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
  RemoteHostsSpec remote;
  RemoteHostsSpec base;             // those of the gate, which run the suites too
  std::optional<Field> no_devices;  // hosts.local.devices, where it is none
};

[[nodiscard]] HostsSpec read_hosts(const Field& hosts);  // but for those of the gate
// Takes `ssh`, `qemu` and `mkosi`. Complains also of machines that are among `others`.
[[nodiscard]] RemoteHostsSpec read_remote_hosts(Fields& hosts,
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
