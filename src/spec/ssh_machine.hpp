// One machine of hosts.ssh.machines: "[user@]host[:port][:/path]", with an IPv6 address in
// brackets. Host and user come out safe to stand as words of a command line.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "model/job_spec.hpp"

namespace ffci::spec {

// Everything but `where`. The error says what was expected, as Field::expected wants it.
[[nodiscard]] tl::expected<SshMachineSpec, std::string> parse_ssh_machine(std::string_view text);

// "vm1:22", the same for all who log in there: two users on one machine are still one kernel.
[[nodiscard]] std::string server_of(const SshMachineSpec& machine);

}  // namespace ffci::spec
