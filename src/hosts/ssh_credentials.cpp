#include "hosts/ssh_credentials.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace ffci {
namespace {

constexpr std::uint64_t largest_key = 1 << 20;
constexpr std::uint64_t largest_known_hosts = 64 << 20;

std::string known_hosts_name(const std::string& host, int port) {
  return port == 22 ? host : fmt::format("[{}]:{}", host, port);
}

// The first bytes of the base64 body of an OpenSSH key, enough to see its cipher and its type.
std::string decoded_start(std::string_view text) {
  const size_t from = text.find('\n', text.find("-----BEGIN"));
  if (from == std::string_view::npos) return {};
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned buffer = 0;
  int bits = 0;
  for (const char c : text.substr(from)) {
    const size_t value = alphabet.find(c);
    if (c == '\n' || c == '\r') continue;
    if (value == std::string_view::npos || bytes.size() > 400) break;
    buffer = buffer << 6 | static_cast<unsigned>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(buffer >> bits & 0xFF);
  }
  return bytes;
}

// Names and patterns are the same in capitals.
std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// Brackets stand for themselves here: "[host]:port".
bool pattern_matches(std::string_view pattern, const std::string& name) {
  std::string glob;
  for (const char c : lower_case(std::string(pattern)))
    glob += c == '[' ? std::string("[[]") : std::string(1, c);
  return glob_matches(glob, lower_case(name));
}

bool is_about(const std::string& patterns, const std::string& name) {
  bool matched = false;
  for (const std::string_view pattern : split(patterns, ',')) {
    if (!pattern.starts_with('!')) {
      matched |= pattern_matches(pattern, name);
    } else if (pattern_matches(pattern.substr(1), name)) {
      return false;
    }
  }
  return matched;
}

}  // namespace

Result<PrivateKey> load_private_key(const std::string& path) {
  auto text = read_file(path, largest_key);
  if (!text) return tl::unexpected(text.error());
  PrivateKey key{path, std::move(*text), false};
  const std::string start = decoded_start(key.text);
  const bool openssh = start.starts_with("openssh-key-v1");
  if (key.text.find("PRIVATE KEY-----") == std::string::npos)
    return fail(ErrorKind::unavailable, fmt::format("{} is not a private key", path));
  // PEM names its cipher in a header. openssh-key-v1: 15 bytes of magic; name of the cipher; name
  // and options of the key's derivation; number of keys; type of the first. Texts have a length of
  // 4 bytes before them.
  if (key.text.find("ENCRYPTED") != std::string::npos ||
      (openssh && start.find("none", 15) != 19)) {
    return fail(ErrorKind::unavailable,
                fmt::format("{} is encrypted: add it to the agent (ssh-add {}) and leave "
                            "`identity` out, or use a key without a passphrase",
                            path, path));
  }
  constexpr std::string_view rsa_oid = "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01";
  key.is_rsa = key.text.find("BEGIN RSA PRIVATE KEY") != std::string::npos ||
               (openssh ? start.find("ssh-rsa", 47) == 47 : start.find(rsa_oid) < 40);
  return key;
}

Result<KnownHosts> KnownHosts::load(const std::string& path) {
  KnownHosts known;
  known.path_ = path;
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return known;
  const auto text = read_file(path, largest_known_hosts);
  if (!text) return tl::unexpected(text.error());
  for (std::string_view line : split(*text, '\n')) {
    line = trim(line);
    if (line.empty() || line.starts_with('#') || line.starts_with("@cert-authority")) continue;
    KnownHostLine entry;
    if (line.starts_with('@')) {
      entry.revoked = line.starts_with("@revoked");
      if (!entry.revoked) continue;
      line = trim(line.substr(std::min(line.size(), line.find_first_of(" \t"))));
    }
    const size_t blank = line.find_first_of(" \t");
    if (blank == std::string_view::npos) continue;
    entry.hosts = line.substr(0, blank);
    const std::string_view rest = trim(line.substr(blank));
    const size_t type_end = rest.find_first_of(" \t");
    if (type_end == std::string_view::npos) continue;
    const std::string_view key = trim(rest.substr(type_end));
    entry.key = fmt::format("{} {}", rest.substr(0, type_end),
                            key.substr(0, std::min(key.size(), key.find_first_of(" \t"))));
    known.lines_.push_back(std::move(entry));
  }
  return known;
}

std::vector<KnownHostLine> KnownHosts::candidates(const std::string& host, int port) const {
  std::vector<KnownHostLine> found;
  const std::string name = known_hosts_name(host, port);
  for (const KnownHostLine& line : lines_) {
    if (line.revoked) continue;
    if (line.hosts.starts_with('|')) {
      found.push_back(line);
    } else if (is_about(line.hosts, name)) {
      found.push_back({name, line.key, false});
    }
  }
  return found;
}

bool KnownHosts::is_revoked(std::string_view key) const {
  return std::any_of(lines_.begin(), lines_.end(),
                     [&](const KnownHostLine& line) { return line.revoked && line.key == key; });
}

Result<void> KnownHosts::add(const std::string& host, int port, const std::string& key) {
  const std::string name = known_hosts_name(host, port);
  lines_.push_back({name, key, false});
  std::error_code ignored;
  const auto folder = std::filesystem::path(path_).parent_path();
  // sshd trusts no ~/.ssh that others may write to.
  if (std::filesystem::create_directories(folder, ignored))
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
  const Fd fd(::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  int error = fd ? 0 : errno;
  // The last line of what is there may have no end.
  char last = '\n';
  if (fd && ::lseek(fd.get(), -1, SEEK_END) >= 0 && ::read(fd.get(), &last, 1) < 0) error = errno;
  if (error == 0)
    error = write_all(fd.get(), fmt::format("{}{} {}\n", last == '\n' ? "" : "\n", name, key));
  if (error == 0) return {};
  return fail(ErrorKind::io, fmt::format("cannot write {}: {}", path_, std::strerror(error)));
}

Result<SshCredentials> load_ssh_credentials(const SshHostsSpec& spec) {
  SshCredentials credentials;
  credentials.policy = spec.host_key;
  auto known = KnownHosts::load(spec.known_hosts);
  if (!known) return tl::unexpected(known.error());
  credentials.known_hosts = std::move(*known);
  if (spec.identity) {
    auto key = load_private_key(*spec.identity);
    if (!key) return tl::unexpected(key.error());
    credentials.keys.push_back(std::move(*key));
    return credentials;
  }
  if (const char* agent = std::getenv("SSH_AUTH_SOCK"); agent != nullptr)
    credentials.agent_socket = agent;
  const char* home = std::getenv("HOME");
  for (const char* name : {"id_ed25519", "id_ecdsa"}) {
    if (home == nullptr) break;
    const std::string path = fmt::format("{}/.ssh/{}", home, name);
    std::error_code error;
    if (!std::filesystem::exists(path, error)) continue;
    // One that is encrypted is probably in the agent.
    if (auto key = load_private_key(path)) credentials.keys.push_back(std::move(*key));
  }
  return credentials;
}

}  // namespace ffci
