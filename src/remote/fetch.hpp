// Gets a file over http or https, before or after a run, never inside it: it blocks until the file
// is there or the time is up. TLS is verified, proxies are those of the environment
// (https_proxy, …), and no redirect leads to anything but http and https. Never shows a URL's user,
// password or query.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace ffci {

struct FetchLimits {
  std::uint64_t bytes = 128ULL << 20;  // of the answer, unpacked
  Duration connect = std::chrono::seconds(20);
  Duration total = std::chrono::minutes(5);
  Duration silence = std::chrono::seconds(30);  // without a byte
  int redirects = 5;
};

// Errors: no_input: it is no http or https URL, or nothing is there (404, 410); unavailable: the
// server can't be reached, refuses or breaks off; data: larger than the limit.
[[nodiscard]] Result<std::string> fetch(const std::string& url, const FetchLimits& limits = {});

// The URL without user, password, query and fragment.
[[nodiscard]] std::string shown_url(std::string_view url);

}  // namespace ffci
