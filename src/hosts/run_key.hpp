// An ed25519 key of a run's own, to log in to the VMs that it boots. It is made in memory, with
// OpenSSL: no program is needed for it, and no file unless a person is to use it.
#pragma once

#include <string>

#include "base/result.hpp"
#include "hosts/ssh_credentials.hpp"

namespace ffci {

struct RunKey {
  PrivateKey key;          // its text is an OpenSSH private key
  std::string authorized;  // the line of authorized_keys, without a newline
};

// Error (internal): OpenSSL refused.
[[nodiscard]] Result<RunKey> make_run_key();

}  // namespace ffci
