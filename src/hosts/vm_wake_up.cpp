#include "hosts/vm_wake_up.hpp"

#include <fmt/format.h>

#include <chrono>

#include "hosts/remote_script.hpp"

namespace ffci {
namespace {

constexpr const char* script = R"sh(trouble=
date -s "@$now" >/dev/null || trouble="$trouble set the time,"
# A kernel that has the device vmgenid has seeded itself anew; others take this up within a minute.
echo "$entropy" >/dev/urandom || trouble="$trouble add entropy,"
[ ! -s /etc/machine-id ] || echo "$machine_id" >/etc/machine-id || trouble="$trouble write /etc/machine-id,"
echo "$name" >/proc/sys/kernel/hostname || trouble="$trouble set the host name,"
[ -z "$trouble" ] || { echo "cannot${trouble%,}"; exit 1; }
)sh";

}  // namespace

std::string guest_name(const std::string& host) {
  std::string name;
  for (const char c : host)
    name += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
  return name;
}

std::string wake_up_script(const std::string& host) {
  using namespace std::chrono;
  const auto now = duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
  return fmt::format("now={} entropy={} machine_id={} name={}\n{}", now,
                     make_nonce() + make_nonce(), make_nonce(), guest_name(host), script);
}

}  // namespace ffci
