#include "hosts/run_key.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <memory>

#include "hosts/base64.hpp"

namespace ffci {
namespace {

constexpr std::string_view key_type = "ssh-ed25519", comment = "ff-ci";
constexpr size_t raw_size = 32, cipher_block = 8, line_length = 70;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { ::EVP_PKEY_free(key); }
};

std::string number(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

// As SSH writes texts: their length before them.
std::string counted(std::string_view text) {
  return number(static_cast<std::uint32_t>(text.size())) + std::string(text);
}

// OpenSSH's PROTOCOL.key, without a passphrase. libssh2 reads ed25519 keys in this form only.
std::string openssh_private_key(const std::string& secret, const std::string& open,
                                const std::string& check) {
  const std::string public_part = counted(key_type) + counted(open);
  std::string private_part =
      check + check + public_part + counted(secret + open) + counted(comment);
  for (char pad = 1; private_part.size() % cipher_block != 0; ++pad)
    private_part += pad;
  std::string bytes("openssh-key-v1\0", 15);
  bytes += counted("none") + counted("none") + counted("") + number(1) + counted(public_part) +
           counted(private_part);
  const std::string body = to_base64(bytes);
  std::string text = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  for (size_t at = 0; at < body.size(); at += line_length)
    text += body.substr(at, line_length) + "\n";
  return text + "-----END OPENSSH PRIVATE KEY-----\n";
}

}  // namespace

Result<RunKey> make_run_key() {
  const std::unique_ptr<EVP_PKEY, FreeKey> pair(::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  std::array<unsigned char, raw_size> secret{}, open{};
  std::array<unsigned char, 4> check{};
  size_t secret_size = secret.size(), open_size = open.size();
  if (!pair || ::EVP_PKEY_get_raw_private_key(pair.get(), secret.data(), &secret_size) != 1 ||
      ::EVP_PKEY_get_raw_public_key(pair.get(), open.data(), &open_size) != 1 ||
      ::RAND_bytes(check.data(), check.size()) != 1)
    return fail(ErrorKind::internal, "cannot make an ed25519 key for the VMs");
  const std::string open_text(open.begin(), open.end());
  RunKey made;
  made.key.path = "the run's own key";
  made.key.text =
      openssh_private_key({secret.begin(), secret.end()}, open_text, {check.begin(), check.end()});
  made.authorized =
      fmt::format("{} {} {}", key_type, to_base64(counted(key_type) + counted(open_text)), comment);
  return made;
}

}  // namespace ffci
