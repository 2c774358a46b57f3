#include "spec/ssh_machine.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace ffci::spec {
namespace {

constexpr std::string_view name_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
constexpr std::string_view allowed = "letters, digits, '.', '_' and '-', not beginning with '-'";

tl::unexpected<std::string> expected(std::string_view what) {
  return tl::unexpected<std::string>(fmt::format("[user@]host[:port][:/path], with {}", what));
}

// One that begins with '-' would be an option to ssh and its like.
bool is_name(std::string_view text) {
  return !text.empty() && text[0] != '-' &&
         text.find_first_not_of(name_characters) == std::string_view::npos;
}

bool is_ipv6(std::string_view text) {
  const size_t percent = text.find('%');
  if (percent != std::string_view::npos && !is_name(text.substr(percent + 1))) return false;
  in6_addr address{};
  return ::inet_pton(AF_INET6, std::string(text.substr(0, percent)).c_str(), &address) == 1;
}

// "fe80::1", also with a port or a path behind it.
bool is_bare_ipv6(std::string_view text) {
  const size_t slash = text.find('/');
  text = text.substr(0, slash);
  if (slash != std::string_view::npos && text.ends_with(':')) text.remove_suffix(1);
  const size_t colon = text.rfind(':');
  return is_ipv6(text) || (colon != std::string_view::npos && is_ipv6(text.substr(0, colon)));
}

std::optional<int> parse_port(std::string_view text) {
  int port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || stop != end || port < 1 || port > 65535) return std::nullopt;
  return port;
}

// "//" begins what follows "ssh:" in a URL, and never a path that anyone means.
bool is_absolute_path(std::string_view text) {
  return text.starts_with('/') && !text.starts_with("//");
}

}  // namespace

tl::expected<SshMachineSpec, std::string> parse_ssh_machine(std::string_view text) {
  if (text.find(',') != std::string_view::npos)
    return tl::unexpected<std::string>("one machine; several are a list, such as [vm1, vm2]");
  SshMachineSpec machine;
  if (const size_t at = text.substr(0, text.find('/')).find('@'); at != std::string_view::npos) {
    machine.user = text.substr(0, at);
    if (!is_name(machine.user)) return expected(fmt::format("a user of {}", allowed));
    text.remove_prefix(at + 1);
  }

  std::string_view rest;  // from the colon behind the host
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    machine.host = text.substr(1, std::max<size_t>(close, 1) - 1);
    if (close == std::string_view::npos || !(is_ipv6(machine.host) || is_name(machine.host)))
      return expected("an IPv6 address between the brackets, such as [fe80::1%eth0]:22:/path");
    rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') return expected("':' behind the brackets");
  } else {
    if (is_bare_ipv6(text))
      return expected("an IPv6 address in brackets, such as [fe80::1%eth0]:22:/path");
    machine.host = text.substr(0, text.find(':'));
    if (!is_name(machine.host)) return expected(fmt::format("a host of {}", allowed));
    rest = text.substr(machine.host.size());
  }
  if (rest.empty()) return machine;

  rest.remove_prefix(1);
  if (!rest.starts_with('/')) {
    const size_t colon = rest.find(':');
    const std::optional<int> port = parse_port(rest.substr(0, colon));
    if (!port)
      return expected("a port from 1 to 65535, or a path that begins with one '/', after the host");
    machine.port = *port;
    if (colon == std::string_view::npos) return machine;
    rest.remove_prefix(colon + 1);
  }
  if (!is_absolute_path(rest)) return expected("a path that begins with one '/'");
  machine.path = rest;
  return machine;
}

std::string server_of(const SshMachineSpec& machine) {
  std::string server = fmt::format("{}:{}", machine.host, machine.port);
  for (char& c : server)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return server;
}

}  // namespace ffci::spec
