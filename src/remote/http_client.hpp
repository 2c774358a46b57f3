// One GET at a time over libcurl: one request, one answer, whatever its status. Follows no redirect
// and tries nothing again: that is fetch's, its only caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace ffci {

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  // "name: value"
  std::string user;                  // of the URL, or the access key
  std::string password;
  std::string s3_region;  // not empty: signed as a request to S3 of this region, with `user`
  std::string ca_file;    // empty: those of the system
  std::string ca_folder;
  std::uint64_t largest = 0;
  Duration connect{};
  Duration silence{};
  std::chrono::steady_clock::time_point deadline;
};

struct HttpAnswer {
  enum class Transfer {
    complete,
    broken,     // may go well another time
    late,       // at the deadline
    refused,    // will not go well another time: TLS, mostly
    too_large,  // than `largest`
  };
  Transfer transfer = Transfer::broken;
  std::string reason;  // of a transfer that is not complete
  long status = 0;
  std::string body;      // of an error: at most its beginning
  std::string redirect;  // the whole URL; empty: it is none
  std::string bucket_region;
  Duration retry_after{};
};

class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  [[nodiscard]] HttpAnswer get(const HttpRequest& request);

 private:
  struct Connections;
  std::unique_ptr<Connections> connections_;
};

}  // namespace ffci
