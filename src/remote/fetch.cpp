#include "remote/fetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "remote/http_client.hpp"
#include "remote/s3_object.hpp"
#include "remote/url.hpp"
#include "remote/variables.hpp"

namespace ffci {
namespace {

using Clock = std::chrono::steady_clock;

enum class Access { anonymous, user, token, s3, s3_anonymous };

// What is asked for, and what is sent along: only to the origin of `url`.
struct Target {
  Url url;
  Access access = Access::anonymous;
  std::vector<std::string> secret_headers;
  std::string user;
  std::string password;
  std::string region;   // of S3
  std::string missing;  // variables that would make an anonymous request to S3 a signed one
  std::string ca_file;
  std::string ca_folder;

  [[nodiscard]] bool is_s3() const {
    return access == Access::s3 || access == Access::s3_anonymous;
  }
};

struct Failure {
  ErrorKind kind = ErrorKind::unavailable;
  std::string reason;
  bool may_pass = false;
  Duration retry_after{};
};
template <class T>
using Try = tl::expected<T, Failure>;

tl::unexpected<Failure> give_up(ErrorKind kind, std::string reason) {
  return tl::unexpected<Failure>(Failure{kind, std::move(reason), false, {}});
}

Result<Target> s3_target(const std::string& url, const FetchOptions& options) {
  const auto object = find_s3_object(url, options.environment);
  if (!object) return tl::unexpected(object.error());
  const auto parsed = Url::parse(object->url);
  if (!parsed) return fail(ErrorKind::data, "it leads to no URL");
  if (options.token)
    return fail(ErrorKind::data,
                "S3 takes no token; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                "name who asks");
  Target target;
  target.url = *parsed;
  target.region = object->region;
  if (!object->credentials) {
    target.access = Access::s3_anonymous;
    for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
      if (first_set({name}, options.environment).value.empty())
        target.missing += (target.missing.empty() ? "" : ", ") + std::string(name);
    }
    return target;
  }
  target.access = Access::s3;
  target.user = object->credentials->access_key;
  target.password = object->credentials->secret_key;
  // curl signs each header of the request, these too (7.88 and later). S3 wants the digest, here of
  // nothing, and curl adds it from 8.1 on, where it is not there.
  target.secret_headers.emplace_back(
      "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  if (const std::string& token = object->credentials->session_token; !token.empty())
    target.secret_headers.push_back("x-amz-security-token: " + token);
  return target;
}

Result<Target> http_target(const std::string& url, const FetchOptions& options) {
  auto parsed = Url::parse(url);
  if (!parsed) return fail(ErrorKind::data, "it is no URL; expected https://host/path");
  Target target;
  target.user = std::exchange(parsed->user, {});
  target.password = std::exchange(parsed->password, {});
  target.url = std::move(*parsed);
  if (!target.user.empty() || !target.password.empty()) target.access = Access::user;
  if (const auto& token = options.token) {
    if (!is_header_name(token->header)) {
      return fail(ErrorKind::data, fmt::format("a token can't be sent in the header '{}'",
                                               printable_line(token->header)));
    }
    if (token->value.empty() || !is_header_value(token->value)) {
      return fail(ErrorKind::data,
                  fmt::format("the token for the header {} is empty, or holds a line break or a "
                              "control character",
                              token->header));
    }
    target.access = Access::token;
    target.secret_headers.push_back(token->header + ": " + token->value);
  }
  return target;
}

Result<Target> target_of(const std::string& url, const FetchOptions& options) {
  const bool is_s3 = begins_with_scheme(url, "s3://");
  if (!is_s3 && !begins_with_scheme(url, "http://") && !begins_with_scheme(url, "https://"))
    return fail(ErrorKind::data, "only http, https and s3 are known");
  auto target = is_s3 ? s3_target(url, options) : http_target(url, options);
  if (!target) return target;
  // As the curl and aws programs do; libcurl itself does not.
  const Variables& variables = options.environment;
  target->ca_file =
      is_s3 ? first_set({"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}, variables).value
            : first_set({"CURL_CA_BUNDLE", "SSL_CERT_FILE"}, variables).value;
  target->ca_folder = first_set({"SSL_CERT_DIR"}, variables).value;
  return target;
}

// "NoSuchKey", of <Error><Code>NoSuchKey</Code>…; nothing else of it is shown, as it may tell what
// was signed. Empty: there is none.
std::string s3_error_code(std::string_view body) {
  constexpr std::string_view tag = "<Code>";
  const std::size_t begin = body.find(tag);
  if (begin == std::string_view::npos) return "";
  body.remove_prefix(begin + tag.size());
  const std::string_view code = body.substr(0, body.find('<'));
  const bool is_code = code.size() <= 64 && std::all_of(code.begin(), code.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                       });
  return is_code ? std::string(code) : "";
}

std::string access_hint(const Target& target, bool is_elsewhere) {
  switch (target.access) {
    case Access::anonymous:
      return "; no token was given";
    case Access::user:
      return is_elsewhere ? "; user and password of the URL are not sent there"
                          : "; user and password of the URL do not suffice";
    case Access::token:
      return is_elsewhere ? "; the token is not sent there"
                          : "; the token is refused, or may not read this";
    case Access::s3_anonymous:
      return fmt::format("; not set: {}", target.missing);
    case Access::s3:
      return is_elsewhere ? "; the credentials are not sent there"
                          : "; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
                            "AWS_SESSION_TOKEN, and that they may read this";
  }
  return "";
}

bool is_in_other_region(const HttpAnswer& answer, const Target& target) {
  return target.is_s3() && !answer.bucket_region.empty() && answer.bucket_region != target.region;
}

Failure failure_of(const HttpAnswer& answer, const Target& target, bool is_elsewhere) {
  const std::string code = target.is_s3() && !is_elsewhere ? s3_error_code(answer.body) : "";
  Failure failure;
  failure.reason = fmt::format("the server answers with status {}{}", answer.status,
                               code.empty() ? "" : " (" + code + ")");
  failure.retry_after = answer.retry_after;
  switch (answer.status) {
    case 404:
    case 410:
      // A bucket that is not there is a mistake in the URL, not a file that is still to come.
      if (code == "NoSuchBucket") return failure;
      failure.kind = ErrorKind::no_input;
      failure.reason += target.access == Access::anonymous && answer.status == 404
                            ? " (not there, or not for those without a token)"
                            : " (not there)";
      return failure;
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      failure.may_pass = true;
      return failure;
    default:
      break;
  }
  if (code == "NoSuchKey") {
    failure.kind = ErrorKind::no_input;
  } else if (!is_elsewhere && is_in_other_region(answer, target)) {
    failure.reason += fmt::format("; the bucket is in the region {}: set AWS_REGION",
                                  printable_line(answer.bucket_region, 64));
  } else if (code == "AuthorizationHeaderMalformed") {
    failure.reason += "; AWS_REGION should be the region of the bucket";
  } else if (code == "RequestTimeTooSkewed") {
    failure.reason += "; the clock of this machine is wrong";
  } else if (answer.status == 401 || answer.status == 403) {
    failure.reason += access_hint(target, is_elsewhere);
  }
  return failure;
}

bool is_redirect(const HttpAnswer& answer) {
  constexpr long known[] = {301, 302, 303, 307, 308};
  return !answer.redirect.empty() &&
         std::find(std::begin(known), std::end(known), answer.status) != std::end(known);
}

HttpRequest request_for(const Url& url, const Target& target, const FetchLimits& limits,
                        Clock::time_point deadline) {
  HttpRequest request;
  request.url = url.without_user;
  // curl's own following would take every header but Authorization along to another server.
  if (url.origin == target.url.origin) {
    request.headers = target.secret_headers;
    request.user = target.user;
    request.password = target.password;
    if (target.access == Access::s3) request.s3_region = target.region;
  }
  request.ca_file = target.ca_file;
  request.ca_folder = target.ca_folder;
  request.largest = limits.bytes;
  request.connect = limits.connect;
  request.silence = limits.silence;
  request.deadline = deadline;
  return request;
}

Try<std::string> try_once(HttpClient& client, const Target& target, const FetchLimits& limits,
                          Clock::time_point deadline) {
  Url url = target.url;
  for (int redirects = 0;; ++redirects) {
    const bool is_elsewhere = url.origin != target.url.origin;
    HttpAnswer answer = client.get(request_for(url, target, limits, deadline));
    const std::string after =
        redirects == 0 ? "" : "redirected to " + printable_line(url.origin) + ": ";
    switch (answer.transfer) {
      case HttpAnswer::Transfer::complete:
        break;
      case HttpAnswer::Transfer::too_large:
        return give_up(ErrorKind::data, after + "larger than " + human_size(limits.bytes));
      case HttpAnswer::Transfer::refused:
        return give_up(ErrorKind::unavailable, after + answer.reason);
      case HttpAnswer::Transfer::broken:
      case HttpAnswer::Transfer::late:
        return tl::unexpected<Failure>(
            Failure{ErrorKind::unavailable, after + answer.reason, true, {}});
    }
    // Not 206, 202 and others: what comes with them is not the file, or not all of it.
    if (answer.status == 200 || answer.status == 203) return std::move(answer.body);
    // What would be followed without credentials to where the bucket is would be refused there.
    const bool is_lost = target.access == Access::s3 && is_in_other_region(answer, target);
    if (!is_redirect(answer) || is_lost) {
      Failure failure = failure_of(answer, target, is_elsewhere);
      failure.reason.insert(0, after);
      return tl::unexpected<Failure>(std::move(failure));
    }

    if (redirects == limits.redirects)
      return give_up(ErrorKind::unavailable, fmt::format("more than {} redirects", redirects));
    auto next = Url::parse(answer.redirect);
    if (!next)
      return give_up(ErrorKind::unavailable, after + "a redirect leads to no URL of http or https");
    if (url.is_secure() && !next->is_secure()) {
      return give_up(ErrorKind::unavailable,
                     fmt::format("{}a redirect leads from https to {}, and that is not followed",
                                 after, printable_line(next->origin)));
    }
    url = std::move(*next);
  }
}

class Pauses {
 public:
  explicit Pauses(const FetchLimits& limits)
      : next_(limits.first_pause), longest_(limits.longest_pause) {}

  // The jobs of a pipeline that a server turned away together do not come back together.
  [[nodiscard]] Duration next(Duration retry_after) {
    const Duration whole = std::min(next_, longest_);
    next_ = whole * 2;
    std::uniform_int_distribution<Duration::rep> part(whole.count() / 2, whole.count());
    return std::min(retry_after + Duration(part(random_)), longest_);
  }

 private:
  Duration next_;
  Duration longest_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace

std::string shown_url(std::string_view url) {
  url = url.substr(0, url.find('?'));
  std::string scheme;
  if (const std::size_t colon = url.find("://"); colon != std::string_view::npos) {
    scheme = url.substr(0, colon + 3);
    url.remove_prefix(colon + 3);
  }
  // A key of S3 may hold what ends a user's name elsewhere; its bucket holds none of it.
  const std::size_t slash = url.find('/');
  if (begins_with_scheme(scheme + "x", "s3://") && slash != std::string_view::npos &&
      url.substr(0, slash).find_first_of(":@#") == std::string_view::npos)
    return printable_line(scheme + std::string(url));
  // A '/' or a '#' in a password is malformed; what is before it is no less a secret.
  if (const std::size_t user = url.rfind('@'); user != std::string_view::npos)
    url.remove_prefix(user + 1);
  url = url.substr(0, url.find('#'));
  return printable_line(scheme + std::string(url));
}

Result<std::string> fetch(const std::string& url, const FetchOptions& options) {
  const FetchLimits& limits = options.limits;
  const std::string shown = shown_url(url);
  const auto target = target_of(url, options);
  if (!target) {
    return fail(target.error().kind,
                fmt::format("cannot get {}: {}", shown, target.error().message));
  }

  const Clock::time_point deadline = Clock::now() + limits.total;
  HttpClient client;
  Pauses pauses(limits);
  for (int tries = 1;; ++tries) {
    auto text = try_once(client, *target, limits, deadline);
    if (text) return std::move(*text);
    const Failure& failure = text.error();
    const Duration pause = pauses.next(failure.retry_after);
    const bool is_late = Clock::now() + pause >= deadline;
    if (failure.may_pass && tries < limits.tries && !is_late) {
      std::this_thread::sleep_for(pause);
      continue;
    }
    std::string message = fmt::format("cannot get {}: {}", shown, failure.reason);
    if (failure.may_pass || tries > 1)
      message += fmt::format("; gave up after {} {}", tries, tries == 1 ? "try" : "tries");
    if (failure.may_pass && tries < limits.tries)
      message +=
          fmt::format(", as another one would take it beyond {}", human_duration(limits.total));
    return fail(failure.kind, std::move(message));
  }
}

}  // namespace ffci
