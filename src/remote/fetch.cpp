#include "remote/fetch.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "base/text.hpp"

namespace ffci {
namespace {

struct Body {
  std::string text;
  std::uint64_t limit;
  bool too_large = false;
};

std::size_t receive(char* bytes, std::size_t size, std::size_t count, void* to) {
  Body& body = *static_cast<Body*>(to);
  const std::size_t length = size * count;
  if (body.text.size() + length > body.limit) {
    body.too_large = true;
    return 0;
  }
  body.text.append(bytes, length);
  return length;
}

bool initialize_once() {
  static const bool done = ::curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return done;
}

bool begins_with_scheme(std::string_view url, std::string_view scheme) {
  return url.size() > scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), url.begin(), [](char wanted, char is) {
           return wanted == static_cast<char>(std::tolower(static_cast<unsigned char>(is)));
         });
}

Result<void> check_status(long status, const std::string& shown) {
  if (status >= 200 && status < 300) return {};
  const bool missing = status == 404 || status == 410;
  return fail(missing ? ErrorKind::no_input : ErrorKind::unavailable,
              fmt::format("cannot get {}: the server answers with status {}{}", shown, status,
                          missing ? " (not there)" : ""));
}

}  // namespace

std::string shown_url(std::string_view url) {
  url = url.substr(0, url.find('?'));
  std::string scheme;
  if (const std::size_t colon = url.find("://"); colon != std::string_view::npos) {
    scheme = url.substr(0, colon + 3);
    url.remove_prefix(colon + 3);
  }
  // A '/' or a '#' in a password is malformed; what is before it is no less a secret.
  if (const std::size_t user = url.rfind('@'); user != std::string_view::npos)
    url.remove_prefix(user + 1);
  url = url.substr(0, url.find('#'));
  return printable_line(scheme + std::string(url));
}

Result<std::string> fetch(const std::string& url, const FetchLimits& limits) {
  const std::string shown = shown_url(url);
  const bool secure = begins_with_scheme(url, "https://");
  if (!secure && !begins_with_scheme(url, "http://"))
    return fail(ErrorKind::no_input,
                fmt::format("cannot get {}: only http and https are known", shown));
  const std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> curl(
      initialize_once() ? ::curl_easy_init() : nullptr, ::curl_easy_cleanup);
  if (!curl) return fail(ErrorKind::internal, "libcurl can't be used");

  Body body{{}, limits.bytes};
  const auto set = [&](CURLoption option, auto value) {
    ::curl_easy_setopt(curl.get(), option, value);
  };
  const auto milliseconds = [](Duration d) { return static_cast<long>(d.count()); };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_USERAGENT, "ff-ci");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  // What was asked for under TLS is not taken from elsewhere without.
  set(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, static_cast<long>(limits.redirects));
  set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(limits.connect));
  set(CURLOPT_TIMEOUT_MS, milliseconds(limits.total));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::max(1L, milliseconds(limits.silence) / 1000));
  set(CURLOPT_ACCEPT_ENCODING, "");
  set(CURLOPT_WRITEFUNCTION, &receive);
  set(CURLOPT_WRITEDATA, &body);
  const CURLcode done = ::curl_easy_perform(curl.get());

  if (body.too_large) {
    return fail(ErrorKind::data,
                fmt::format("cannot get {}: larger than {}", shown, human_size(limits.bytes)));
  }
  // curl's longer messages may hold parts of the URL.
  if (done != CURLE_OK) {
    return fail(ErrorKind::unavailable,
                fmt::format("cannot get {}: {}", shown, ::curl_easy_strerror(done)));
  }
  long status = 0;
  ::curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (const auto fine = check_status(status, shown); !fine) return tl::unexpected(fine.error());
  return std::move(body.text);
}

}  // namespace ffci
