#include "remote/http_client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tl/expected.hpp>

namespace ffci {
namespace {

using Clock = std::chrono::steady_clock;

// Of an answer that is no file, its beginning tells what is wrong.
constexpr std::size_t most_of_an_error = 64U << 10;
// Below the limit of newer libcurls, which say no more than that receiving failed.
constexpr std::size_t most_of_headers = 256U << 10;

struct Transfer {
  CURL* curl = nullptr;
  std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)> headers{nullptr,
                                                                        ::curl_slist_free_all};
  std::uint64_t largest = 0;
  std::string body;
  std::size_t header_bytes = 0;
  Clock::time_point last_byte;
  bool connected = false;
  bool headers_ended = false;
  bool too_large = false;
  bool has_enough = false;
};

long status_of(CURL* curl) {
  long status = 0;
  ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::size_t receive_body(char* bytes, std::size_t size, std::size_t count, void* to) {
  Transfer& transfer = *static_cast<Transfer*>(to);
  const std::size_t length = size * count;
  transfer.last_byte = Clock::now();
  const bool is_file = status_of(transfer.curl) < 300;
  const std::uint64_t most = is_file ? transfer.largest : most_of_an_error;
  if (length > most - transfer.body.size()) {
    (is_file ? transfer.too_large : transfer.has_enough) = true;
    return 0;
  }
  transfer.body.append(bytes, length);
  return length;
}

std::size_t receive_header(char* line, std::size_t size, std::size_t count, void* to) {
  Transfer& transfer = *static_cast<Transfer*>(to);
  transfer.last_byte = Clock::now();
  transfer.header_bytes += size * count;
  const std::string_view text(line, size * count);
  if (text.starts_with("HTTP/")) transfer.headers_ended = false;
  if (text == "\r\n" || text == "\n") transfer.headers_ended = true;
  return transfer.header_bytes > most_of_headers ? 0 : size * count;
}

int begin_request(void* to, char*, char*, int, int) {
  Transfer& transfer = *static_cast<Transfer*>(to);
  transfer.last_byte = Clock::now();
  transfer.connected = true;
  return CURL_PREREQFUNC_OK;
}

bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:  // the handshake broke off; what is not trusted is another code
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP3:
    case CURLE_QUIC_CONNECT_ERROR:
      return true;
    default:
      return false;
  }
}

// curl's own, longer messages may hold parts of the URL.
std::string reason_of(CURLcode code, const HttpRequest& request, const Transfer& transfer) {
  if (code == CURLE_OPERATION_TIMEDOUT)
    return "no connection within " + human_duration(request.connect);
  if (code == CURLE_PARTIAL_FILE) return "the answer is shorter than the server said it is";
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    return "the server's certificate is not of a known authority, has expired, or is of another "
           "host; SSL_CERT_FILE names a file with further authorities";
  }
  if (code == CURLE_SSL_CACERT_BADFILE)
    return "the file of authorities that the environment names can't be read: " + request.ca_file;
  if (code == CURLE_WRITE_ERROR && transfer.header_bytes > most_of_headers)
    return "the answer's headers do not end";
  return ::curl_easy_strerror(code);
}

std::string header_of(CURL* curl, const char* name) {
  struct curl_header* header = nullptr;
  const bool is_there = ::curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
  return is_there ? header->value : "";
}

// curl copies strings, and refers to `transfer` and its headers.
void set_up(CURL* curl, const HttpRequest& request, Transfer& transfer) {
  const auto set = [&](CURLoption option, auto value) { ::curl_easy_setopt(curl, option, value); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_USERAGENT, "ff-ci");
  set(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
  // Else a name that does not resolve is waited for, whatever the time.
  set(CURLOPT_QUICK_EXIT, 1L);
#endif
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect.count()));
  set(CURLOPT_ACCEPT_ENCODING, "");
  // Without it curl takes a length that no number can hold for none, and what comes for all.
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request.largest));
  set(CURLOPT_WRITEFUNCTION, &receive_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_HEADERFUNCTION, &receive_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_PREREQFUNCTION, &begin_request);
  set(CURLOPT_PREREQDATA, &transfer);
  if (!request.ca_file.empty()) set(CURLOPT_CAINFO, request.ca_file.c_str());
  if (!request.ca_folder.empty()) set(CURLOPT_CAPATH, request.ca_folder.c_str());
  if (!request.user.empty() || !request.password.empty()) {
    set(CURLOPT_USERNAME, request.user.c_str());
    set(CURLOPT_PASSWORD, request.password.c_str());
  }
  if (!request.s3_region.empty()) {
    const std::string signing = "aws:amz:" + request.s3_region + ":s3";
    set(CURLOPT_AWS_SIGV4, signing.c_str());
  }
  for (const std::string& header : request.headers) {
    curl_slist* longer = ::curl_slist_append(transfer.headers.get(), header.c_str());
    static_cast<void>(transfer.headers.release());
    transfer.headers.reset(longer);
  }
  set(CURLOPT_HTTPHEADER, transfer.headers.get());
}

// Why it did not come to an end of its own.
struct BrokenOff {
  HttpAnswer::Transfer as = HttpAnswer::Transfer::broken;
  std::string reason;
};

// Not the doing of the server, so that another try is no use.
tl::unexpected<BrokenOff> libcurl_fails(CURLMcode code) {
  return tl::unexpected(BrokenOff{HttpAnswer::Transfer::refused,
                                  fmt::format("libcurl fails: {}", ::curl_multi_strerror(code))});
}

// Not curl_easy_perform: CURLOPT_LOW_SPEED_TIME looks at a mean of some seconds, so that what was
// fast before it fell silent is noticed late.
tl::expected<CURLcode, BrokenOff> drive(CURLM* multi, const HttpRequest& request,
                                        const Transfer& transfer) {
  using enum HttpAnswer::Transfer;
  for (;;) {
    int running = 0;
    if (const CURLMcode code = ::curl_multi_perform(multi, &running); code != CURLM_OK)
      return libcurl_fails(code);
    int queued = 0;
    while (const CURLMsg* message = ::curl_multi_info_read(multi, &queued)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    const Clock::time_point now = Clock::now();
    const Clock::time_point silent_at =
        transfer.connected ? transfer.last_byte + request.silence : Clock::time_point::max();
    if (now >= request.deadline)
      return tl::unexpected(BrokenOff{late, "the answer takes too long"});
    if (now >= silent_at) {
      return tl::unexpected(
          BrokenOff{broken, "the server sent nothing for " + human_duration(request.silence)});
    }
    const auto left = std::chrono::ceil<Duration>(std::min(request.deadline, silent_at) - now);
    const int most = static_cast<int>(std::min<Duration::rep>(left.count(), 1000));
    if (const CURLMcode code = ::curl_multi_poll(multi, nullptr, 0, most, nullptr);
        code != CURLM_OK)
      return libcurl_fails(code);
  }
}

// Of a transfer that curl has done with.
HttpAnswer answer_of(CURLcode done, const HttpRequest& request, Transfer& transfer) {
  using enum HttpAnswer::Transfer;
  CURL* curl = transfer.curl;
  HttpAnswer answer;
  answer.status = status_of(curl);
  if (transfer.too_large || (done == CURLE_FILESIZE_EXCEEDED && answer.status < 300)) {
    answer.transfer = too_large;
  } else if (done == CURLE_OK && !transfer.headers_ended) {
    // curl takes it for an answer without a body.
    answer.reason = "the answer breaks off in its headers";
  } else if (done == CURLE_OK || transfer.has_enough || done == CURLE_FILESIZE_EXCEEDED) {
    answer.transfer = complete;
  } else {
    answer.transfer = may_pass(done) ? broken : refused;
    answer.reason = reason_of(done, request, transfer);
  }
  const char* redirect = nullptr;
  ::curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &redirect);
  if (redirect != nullptr) answer.redirect = redirect;
  answer.bucket_region = header_of(curl, "x-amz-bucket-region");
  curl_off_t seconds = 0;
  ::curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
  constexpr curl_off_t day = 86400;
  answer.retry_after = std::chrono::seconds(std::clamp<curl_off_t>(seconds, 0, day));
  answer.body = std::move(transfer.body);
  return answer;
}

}  // namespace

struct HttpClient::Connections {
  CURLM* multi = nullptr;
};

HttpClient::HttpClient() : connections_(std::make_unique<Connections>()) {
  static const bool is_initialized = ::curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (is_initialized) connections_->multi = ::curl_multi_init();
}

HttpClient::~HttpClient() {
  if (connections_->multi != nullptr) ::curl_multi_cleanup(connections_->multi);
}

HttpAnswer HttpClient::get(const HttpRequest& request) {
  CURLM* multi = connections_->multi;
  Transfer transfer;  // outlives the handle, which refers to it
  const std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> handle(
      multi != nullptr ? ::curl_easy_init() : nullptr, ::curl_easy_cleanup);
  HttpAnswer answer;
  if (!handle) {
    answer.transfer = HttpAnswer::Transfer::refused;
    answer.reason = "libcurl can't be used";
    return answer;
  }
  transfer.curl = handle.get();
  transfer.largest = request.largest;
  transfer.last_byte = Clock::now();
  set_up(handle.get(), request, transfer);

  const CURLMcode added = ::curl_multi_add_handle(multi, handle.get());
  const auto done = added == CURLM_OK ? drive(multi, request, transfer) : libcurl_fails(added);
  if (done) {
    answer = answer_of(*done, request, transfer);
  } else {
    answer.transfer = done.error().as;
    answer.reason = done.error().reason;
    answer.status = status_of(handle.get());
  }
  if (added == CURLM_OK) ::curl_multi_remove_handle(multi, handle.get());
  return answer;
}

}  // namespace ffci
