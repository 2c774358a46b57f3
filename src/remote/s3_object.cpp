#include "remote/s3_object.hpp"

#include <fmt/format.h>

#include <string_view>

#include "remote/url.hpp"

namespace ffci {
namespace {

constexpr std::string_view lowercase_digits_hyphen = "abcdefghijklmnopqrstuvwxyz0123456789-";

bool consists_of(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

bool is_bucket(std::string_view name) {
  return consists_of(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") &&
         name.size() <= 255 && name.find_first_not_of('.') != std::string_view::npos;
}

// A '.' within a bucket's name is beyond the wildcard of the certificate.
bool can_be_host(std::string_view bucket) {
  return consists_of(bucket, lowercase_digits_hyphen) && bucket.size() <= 63 &&
         bucket.front() != '-' && bucket.back() != '-';
}

std::string encoded(std::string_view key) {
  constexpr std::string_view kept =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string text;
  for (const char c : key) {
    if (kept.find(c) != std::string_view::npos) {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

Result<std::string> endpoint_of(const Variable& set) {
  const auto refuse = [&] {
    return fail(ErrorKind::data,
                set.name + " is malformed: expected http://host:port or https://host");
  };
  const auto url = Url::parse(set.value);
  if (!url || !url->user.empty() || !url->password.empty()) return refuse();
  std::string base = url->without_user;
  if (base.find_first_of("?#") != std::string::npos) return refuse();
  while (base.back() == '/')
    base.pop_back();
  return base;
}

}  // namespace

Result<S3Object> find_s3_object(const std::string& url, const Variables& variables) {
  const std::string_view path = std::string_view(url).substr(std::string_view("s3://").size());
  const std::size_t slash = path.find('/');
  const std::string bucket(path.substr(0, slash));
  const std::string_view key =
      slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  if (!is_bucket(bucket) || key.empty() || key.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::data, "expected s3://bucket/key");
  }

  S3Object object;
  const Variable region = first_set({"AWS_REGION", "AWS_DEFAULT_REGION"}, variables);
  object.region = region.value.empty() ? "us-east-1" : region.value;
  // It becomes a part of the host's name.
  if (!consists_of(object.region, lowercase_digits_hyphen) || object.region.size() > 63)
    return fail(ErrorKind::data, region.name + " is malformed: expected a region as us-east-1");

  const Variable endpoint = first_set({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}, variables);
  if (!endpoint.value.empty()) {
    const auto base = endpoint_of(endpoint);
    if (!base) return tl::unexpected(base.error());
    object.url = fmt::format("{}/{}/{}", *base, bucket, encoded(key));
  } else {
    const char* domain = object.region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
    object.url =
        can_be_host(bucket)
            ? fmt::format("https://{}.s3.{}.{}/{}", bucket, object.region, domain, encoded(key))
            : fmt::format("https://s3.{}.{}/{}/{}", object.region, domain, bucket, encoded(key));
  }

  const Variable access_key = first_set({"AWS_ACCESS_KEY_ID"}, variables);
  const Variable secret_key = first_set({"AWS_SECRET_ACCESS_KEY"}, variables);
  const Variable session_token = first_set({"AWS_SESSION_TOKEN"}, variables);
  for (const Variable* variable : {&access_key, &secret_key, &session_token}) {
    if (!is_header_value(variable->value))
      return fail(ErrorKind::data, variable->name + " holds a line break or a control character");
  }
  if (!access_key.value.empty() && !secret_key.value.empty())
    object.credentials = {access_key.value, secret_key.value, session_token.value};
  return object;
}

}  // namespace ffci
