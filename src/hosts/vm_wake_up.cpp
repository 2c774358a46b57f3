#include "hosts/vm_wake_up.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>
#include <chrono>

#include "base/text.hpp"

namespace ffci {
namespace {

std::string random_hex(size_t bytes) {
  std::string text;
  std::array<unsigned char, 64> random{};
  if (::RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return {};
  for (size_t i = 0; i < bytes; ++i)
    text += fmt::format("{:02x}", random[i]);
  return text;
}

constexpr const char* script = R"sh(trouble=
date -s "@$FFCI_NOW" >/dev/null || trouble="$trouble set the time,"
# A kernel that has the device vmgenid has seeded itself anew; others take this up within a minute.
echo "$FFCI_ENTROPY" >/dev/urandom || trouble="$trouble add entropy,"
[ ! -s /etc/machine-id ] || echo "$FFCI_MACHINE_ID" >/etc/machine-id || trouble="$trouble write /etc/machine-id,"
echo "$FFCI_NAME" >/proc/sys/kernel/hostname || trouble="$trouble set the host name,"
[ -z "$trouble" ] || { echo "cannot${trouble%,}" >&2; exit 1; }
)sh";

}  // namespace

std::string guest_name(const std::string& host) {
  std::string name;
  for (const char c : host)
    name += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
  return name;
}

Command wake_up_command(const std::string& host) {
  using namespace std::chrono;
  Command command;
  command.title = "ff-ci: after the start from a snapshot";
  command.command = script;
  command.directory = command.directory_in_tree = "/";
  command.environment = {
      {"FFCI_NOW",
       fmt::format("{}", duration_cast<seconds>(system_clock::now().time_since_epoch()).count())},
      {"FFCI_ENTROPY", random_hex(64)},
      {"FFCI_MACHINE_ID", random_hex(16)},
      {"FFCI_NAME", guest_name(host)}};
  return command;
}

void VmWakeUp::on_output(Stream stream, std::string_view bytes) {
  if (stream == Stream::standard_error && said_.size() < 1000) said_ += bytes;
}

void VmWakeUp::on_end(const CommandEnd& end, const std::optional<std::string>&) {
  std::string trouble;
  if (!end.command || !end.command->success()) {
    trouble = "it was started from a snapshot, and ";
    trouble += !said_.empty() ? printable_line(said_, 300)
               : end.command  ? describe(*end.command)
                              : end.trouble;
  }
  if (const auto done = std::exchange(on_done_, {})) done(trouble);
}

}  // namespace ffci
