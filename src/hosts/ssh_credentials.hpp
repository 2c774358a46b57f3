// What ff-ci shows to SSH servers and what it expects of them, loaded once for all machines of a
// job: the private key, and the host keys of known_hosts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/job_spec.hpp"

namespace ffci {

struct PrivateKey {
  std::string path;
  std::string text;  // the file, in PEM or OpenSSH's own format
  bool is_rsa = false;
};

// Error (no_input): it can't be read. Error (unavailable): it is encrypted, or no private key.
[[nodiscard]] Result<PrivateKey> load_private_key(const std::string& path);

// One line of known_hosts(5).
struct KnownHostLine {
  std::string hosts;  // comma-separated patterns, or hashed
  std::string key;    // "ssh-ed25519 AAAA…"
  bool revoked = false;
};

class KnownHosts {
 public:
  // A file that does not exist is an empty one. Error (no_input): it can't be read.
  [[nodiscard]] static Result<KnownHosts> load(const std::string& path);

  // The lines that may be about the host: its own, those with a pattern that matches, and the
  // hashed ones, which only libssh2 can tell; patterns are replaced by the name. `name` is as
  // known_hosts has it: "host", or "[host]:port".
  [[nodiscard]] std::vector<KnownHostLine> candidates(const std::string& host, int port) const;
  [[nodiscard]] bool is_revoked(std::string_view key) const;
  // Error (io): the file could not be appended to.
  [[nodiscard]] Result<void> add(const std::string& host, int port, const std::string& key);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<KnownHostLine> lines_;
};

struct SshCredentials {
  std::vector<PrivateKey> keys;
  std::string agent_socket;  // SSH_AUTH_SOCK; empty: none, or a key was named
  KnownHosts known_hosts;
  HostKeyPolicy policy = HostKeyPolicy::strict;
};

// Error: as above. The agent, and ~/.ssh/id_ed25519 and ~/.ssh/id_ecdsa, stand in for an identity
// that the spec does not name.
[[nodiscard]] Result<SshCredentials> load_ssh_credentials(const SshHostsSpec& spec);

}  // namespace ffci
