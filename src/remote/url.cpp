#include "remote/url.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <algorithm>
#include <memory>

namespace ffci {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::optional<std::string> part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(url, part, &text, flags) != CURLUE_OK) return std::nullopt;
  std::string copy(text);
  ::curl_free(text);
  return copy;
}

}  // namespace

std::optional<Url> Url::parse(const std::string& text) {
  const std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)> url(::curl_url(), ::curl_url_cleanup);
  if (!url || text.find('\0') != std::string::npos) return std::nullopt;
  // A key of S3 may have "/../" in it.
  constexpr unsigned flags = CURLU_PATH_AS_IS | CURLU_URLENCODE;
  if (::curl_url_set(url.get(), CURLUPART_URL, text.c_str(), flags) != CURLUE_OK)
    return std::nullopt;

  Url parsed;
  for (const auto& [part, to] :
       {std::pair{CURLUPART_USER, &parsed.user}, std::pair{CURLUPART_PASSWORD, &parsed.password}}) {
    if (!part_of(url.get(), part)) continue;
    const auto decoded = part_of(url.get(), part, CURLU_URLDECODE);
    if (!decoded) return std::nullopt;
    *to = *decoded;
    ::curl_url_set(url.get(), part, nullptr, 0);
  }
  const auto whole = part_of(url.get(), CURLUPART_URL);
  const auto scheme = part_of(url.get(), CURLUPART_SCHEME);
  const auto host = part_of(url.get(), CURLUPART_HOST);
  const auto port = part_of(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (!whole || !scheme || !host || !port || (*scheme != "http" && *scheme != "https"))
    return std::nullopt;
  parsed.without_user = *whole;
  parsed.host = *host;
  std::transform(parsed.host.begin(), parsed.host.end(), parsed.host.begin(), lower);
  parsed.origin = *scheme + "://" + parsed.host + ":" + *port;
  return parsed;
}

bool Url::is_of_this_machine() const {
  in_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) == 1)
    return ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
  return host == "localhost" || host == "[::1]";
}

bool begins_with_scheme(std::string_view url, std::string_view scheme) {
  return url.size() > scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), url.begin(),
                    [](char wanted, char is) { return wanted == lower(is); });
}

bool is_header_value(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
  });
}

}  // namespace ffci
