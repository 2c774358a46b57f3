// Gets a file over http, https or from S3-compatible storage, before or after a run, never inside
// it: it blocks until the file is there or the time is up. What can pass is tried again. TLS is
// verified, proxies are those of the process's environment (https_proxy, …), and no redirect leads
// to anything but http and https, or from https to http. Prints nothing, and never shows a token,
// a credential, or a URL's user, password or query.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace ffci {

struct FetchLimits {
  std::uint64_t bytes = 128ULL << 20;        // of the answer, unpacked
  Duration total = std::chrono::minutes(5);  // all tries, with the pauses between them
  Duration connect = std::chrono::seconds(20);
  Duration silence = std::chrono::seconds(30);  // without a byte, once connected
  int redirects = 5;
  int tries = 5;
  Duration first_pause = std::chrono::milliseconds(500);  // doubles; half of each is random
  Duration longest_pause = std::chrono::minutes(1);       // whatever Retry-After says
};

// Goes to the scheme, host and port of the URL, and nowhere else a redirect leads.
struct RequestToken {
  std::string header;  // "Authorization", "PRIVATE-TOKEN"
  std::string value;   // "Bearer …"
};

struct FetchOptions {
  FetchLimits limits = {};
  std::optional<RequestToken> token = {};
  // Of CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR, and for s3:// of AWS_ACCESS_KEY_ID,
  // AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3,
  // AWS_ENDPOINT_URL and AWS_CA_BUNDLE. None: nothing is set.
  std::function<std::optional<std::string>(const std::string&)> environment = {};
};

// `url`: http://, https:// or s3://bucket/key, whose key is taken as it is, without %-escapes.
// Errors: no_input: nothing is there (404, 410); unavailable: the server can't be reached, breaks
// off or refuses, or there is no such bucket; data: larger than the limit, or the URL, the token or
// a variable is malformed. How many tries there were is in the message. An answer of which the
// server says no length ends where the connection does: its reader has to notice that it is cut.
[[nodiscard]] Result<std::string> fetch(const std::string& url, const FetchOptions& options = {});

// The URL without user, password, query and fragment.
[[nodiscard]] std::string shown_url(std::string_view url);

}  // namespace ffci
