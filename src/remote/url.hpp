// A URL of http or https in its parts, as libcurl reads it, so that what is compared is what will
// be connected to. For fetch.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ffci {

struct Url {
  std::string without_user;
  std::string origin;  // "https://host:443"; of two URLs that lead to the same server: the same
  std::string host;    // an IPv6 address in brackets
  std::string user;    // both decoded
  std::string password;

  [[nodiscard]] bool is_secure() const { return origin.starts_with("https:"); }
  // localhost, or a loopback address.
  [[nodiscard]] bool is_of_this_machine() const;

  // nullopt: it is malformed, or not of http or https.
  [[nodiscard]] static std::optional<Url> parse(const std::string& text);
};

// In any case: "HTTP://". `scheme` is in lower case, with "://".
[[nodiscard]] bool begins_with_scheme(std::string_view url, std::string_view scheme);

// Fit for a header of a request: on one line, without control characters.
[[nodiscard]] bool is_header_value(std::string_view value);

}  // namespace ffci
