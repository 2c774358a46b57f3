#include "remote/fetch.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <map>

#include "remote/s3_object.hpp"
#include "remote/url.hpp"
#include "scripted_server.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

FetchOptions impatient() {
  FetchOptions options;
  options.limits.total = 10s;
  options.limits.connect = 2s;
  options.limits.silence = 200ms;
  options.limits.tries = 3;
  options.limits.first_pause = 2ms;
  return options;
}

FetchOptions with_token(const std::string& header, const std::string& value) {
  FetchOptions options = impatient();
  options.token = RequestToken{header, value};
  return options;
}

auto variables(std::map<std::string, std::string> set) {
  return [set = std::move(set)](const std::string& name) {
    const auto found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// As the kernel gives them out: nobody listens there.
std::string url_of_nobody() {
  return ScriptedServer({answer("200 OK")}).url();
}

Error error_of(const Result<std::string>& result) {
  REQUIRE_FALSE(result);
  return result.error();
}

std::string s3_url(const std::string& url, std::map<std::string, std::string> set = {}) {
  const auto object = find_s3_object(url, variables(std::move(set)));
  return object ? object->url : object.error().message;
}

}  // namespace

TEST_CASE("a URL is shown without user, password and query, also where it is malformed") {
  CHECK(shown_url("https://host/a/b.json") == "https://host/a/b.json");
  CHECK(shown_url("https://me:secret@host:8/a?token=secret#part") == "https://host:8/a");
  CHECK(shown_url("https://host/a?mail=secret@x") == "https://host/a");
  for (const char* url :
       {"https://user:se/cret@host/a", "https://user:se@cret@host/a", "https://user:se#cret@host/a",
        "https://us/er:se/cret@host/a?b", "https://u:se/cr@et@host/a#b"})
    CHECK(shown_url(url) == "https://host/a");
  CHECK(shown_url("s3://bucket/a@b/c#d") == "s3://bucket/a@b/c#d");
  CHECK(shown_url("s3://key:se/cret@bucket/a") == "s3://bucket/a");
}

TEST_CASE("two URLs are of the same origin when they lead to the same scheme, host and port") {
  const auto origin = [](const char* url) { return Url::parse(url)->origin; };
  CHECK(origin("http://host/a") == origin("HTTP://u:p@HOST:80/b?c"));
  CHECK(origin("https://host") == origin("https://host:443/"));
  CHECK(origin("https://host") != origin("http://host:443"));
  CHECK(origin("https://host") != origin("https://host:444"));
  CHECK(origin("https://host") != origin("https://host@other"));
  CHECK_FALSE(Url::parse("file:///etc/passwd"));
  CHECK_FALSE(Url::parse("http://host/\r\nX: y"));
  CHECK_FALSE(Url::parse(std::string("http://host/\0x", 14)));
}

TEST_CASE("only a loopback address, or localhost, is of this machine") {
  for (const char* here : {"http://127.1.2.3/", "HTTP://localhost:8000/x", "http://[::1]/"})
    CHECK(Url::parse(here)->is_of_this_machine());
  for (const char* elsewhere : {"http://127.evil.com/", "http://localhost.evil.com/",
                                "http://localhost@evil.com/", "http://[::2]/", "http://128.0.0.1"})
    CHECK_FALSE(Url::parse(elsewhere)->is_of_this_machine());
}

TEST_CASE("what can pass is tried again") {
  const ScriptedAnswer good = answer("200 OK", "", "it");
  for (const ScriptedAnswer& bad : {
           answer("408 Request Timeout"),
           answer("429 Too Many Requests"),
           answer("500 Internal Server Error"),
           answer("502 Bad Gateway"),
           answer("503 Service Unavailable"),
           answer("504 Gateway Timeout"),
           ScriptedAnswer{""},
           ScriptedAnswer{"", Then::reset},
           ScriptedAnswer{"", Then::hold},
           ScriptedAnswer{"HTTP/1.1 200 OK\r\nContent-"},
           ScriptedAnswer{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
           ScriptedAnswer{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Then::reset},
           ScriptedAnswer{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Then::hold},
           ScriptedAnswer{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"},
       }) {
    CAPTURE(bad.bytes);
    ScriptedServer server({bad, bad, good});
    const auto text = fetch(server.url(), impatient());
    CHECK_MESSAGE(text, (text ? "" : text.error().message));
    CHECK(text.value_or("") == "it");
    CHECK(server.requests().size() == 3);
  }
}

TEST_CASE("what stays is not tried again") {
  const auto location = [](const char* to) { return std::string("Location: ") + to + "\r\n"; };
  const std::tuple<ScriptedAnswer, ErrorKind, const char*> cases[] = {
      {answer("400 Bad Request"), ErrorKind::unavailable, "status 400"},
      {answer("401 Unauthorized"), ErrorKind::unavailable, "401; no token was given"},
      {answer("403 Forbidden"), ErrorKind::unavailable, "403; no token was given"},
      {answer("404 Not Found"), ErrorKind::no_input, "status 404 (not there, or"},
      {answer("410 Gone"), ErrorKind::no_input, "status 410 (not there)"},
      {answer("501 Not Implemented"), ErrorKind::unavailable, "status 501"},
      {answer("206 Partial Content", "", "half"), ErrorKind::unavailable, "status 206"},
      {answer("302 Found"), ErrorKind::unavailable, "status 302"},
      {answer("302 Found", location("file:///etc/passwd")), ErrorKind::unavailable, "no URL of"},
      {{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nbody"}, ErrorKind::unavailable, "cannot get"},
      {{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nbody"},
       ErrorKind::data,
       "larger than 128.0 MiB"},
      {{"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nbody", Then::hold},
       ErrorKind::data,
       "larger than 128.0 MiB"},
      {{"surely no HTTP\n"}, ErrorKind::unavailable, "cannot get"},
  };
  for (const auto& [bad, kind, said] : cases) {
    const std::string& sent = bad.bytes;
    CAPTURE(sent);
    ScriptedServer server({bad});
    const Error error = error_of(fetch(server.url(), impatient()));
    CHECK(error.kind == kind);
    CHECK_MESSAGE(holds(error.message, said), error.message);
    CHECK(server.requests().size() == 1);
    CHECK_FALSE(holds(error.message, "gave up"));
  }
}

TEST_CASE("what does not end is broken off") {
  FetchOptions options = impatient();
  options.limits.bytes = 1 << 20;
  const std::string much(50000, 'x');
  ScriptedServer body({{"HTTP/1.1 200 OK\r\n\r\n", Then::close, much}});
  CHECK(error_of(fetch(body.url(), options)).kind == ErrorKind::data);
  ScriptedServer unwanted({{"HTTP/1.1 404 None\r\n\r\n", Then::close, much}});
  CHECK(error_of(fetch(unwanted.url(), options)).kind == ErrorKind::no_input);
  ScriptedServer headers({{"HTTP/1.1 200 OK\r\n", Then::close, "X: " + much + "\r\n"}});
  const Error endless = error_of(fetch(headers.url(), options));
  CHECK_MESSAGE(holds(endless.message, "headers do not end"), endless.message);
}

TEST_CASE("an answer is read to its end, with trailers, however it is packed") {
  ScriptedServer chunked(
      {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\nit\r\n0\r\nX: y\r\n\r\n"}});
  CHECK(fetch(chunked.url(), impatient()).value_or("") == "it");
  ScriptedServer longer({{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nit, and more"}});
  CHECK(fetch(longer.url(), impatient()).value_or("") == "it");
  ScriptedServer early(
      {{"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + answer("200 OK", "", "it").bytes}});
  CHECK(fetch(early.url(), impatient()).value_or("") == "it");
  ScriptedServer bare({{"HTTP/1.0 200 OK\n\nit"}});
  CHECK(fetch(bare.url(), impatient()).value_or("") == "it");
}

TEST_CASE("the error says how many tries there were, and why the last one failed") {
  ScriptedServer server({{""}, answer("503 Service Unavailable")});
  const Error error = error_of(fetch(server.url("/a?token=secret"), impatient()));
  CHECK(error.kind == ErrorKind::unavailable);
  CHECK(error.message == "cannot get " + server.url("/a") +
                             ": the server answers with status 503; gave up after 3 tries");
  ScriptedServer gone({{""}, answer("404 Not Found")});
  CHECK(holds(error_of(fetch(gone.url(), impatient())).message, "; gave up after 2 tries"));
  const Error nobody = error_of(fetch(url_of_nobody(), impatient()));
  CHECK(nobody.kind == ErrorKind::unavailable);
  CHECK(holds(nobody.message, "; gave up after 3 tries"));
}

TEST_CASE("a server that falls silent is left after the time of silence") {
  FetchOptions options = impatient();
  options.limits.tries = 1;
  for (const char* bytes : {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\nhalf"}) {
    ScriptedServer server({{bytes, Then::hold}});
    CHECK(holds(error_of(fetch(server.url(), options)).message, "sent nothing for 0.20s"));
  }
}

TEST_CASE("a connection, with what TLS needs for it, is made in its time or not at all") {
  ScriptedServer no_tls({answer("200 OK")});
  FetchOptions options = impatient();
  options.limits.connect = 100ms;
  const Error error = error_of(fetch("https://" + no_tls.url().substr(7), options));
  CHECK_MESSAGE(holds(error.message, "no connection within 0.10s; gave up after 3 tries"),
                error.message);
}

TEST_CASE("all tries and pauses are within one time") {
  FetchOptions options = impatient();
  options.limits.total = 300ms;
  options.limits.silence = 10s;
  const auto begin = std::chrono::steady_clock::now();
  ScriptedServer silent({{"", Then::hold}});
  CHECK(holds(error_of(fetch(silent.url(), options)).message,
              "the answer takes too long; gave up after 1 try, as another one would take it "
              "beyond 0.30s"));
  ScriptedServer busy({answer("503 Busy", "Retry-After: 1000\r\n")});
  CHECK(holds(error_of(fetch(busy.url(), options)).message, "gave up after 1 try"));
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("Retry-After is waited for, as seconds and as a date, up to the longest pause") {
  const ScriptedAnswer good = answer("200 OK", "", "it");
  const auto taken = [&](const std::string& retry_after, Duration longest) {
    ScriptedServer server({answer("503 Busy", "Retry-After: " + retry_after + "\r\n"), good});
    FetchOptions options = impatient();
    options.limits.longest_pause = longest;
    const auto begin = std::chrono::steady_clock::now();
    CHECK(fetch(server.url(), options).value_or("") == "it");
    return std::chrono::steady_clock::now() - begin;
  };
  CHECK(taken("1", 5s) >= 1s);
  CHECK(taken("1000", 300ms) >= 300ms);
  CHECK(taken("Fri, 31 Dec 2100 23:59:59 GMT", 300ms) >= 300ms);
  CHECK(taken("Sat, 01 Jan 2000 00:00:00 GMT", 5s) < 2s);
  CHECK(taken("soon", 5s) < 2s);
}

TEST_CASE("a token stays with the scheme, host and port that it is for") {
  for (const char* header : {"Authorization", "PRIVATE-TOKEN", "Job-Token"}) {
    const std::string sent = std::string(header) + ": Bearer s3cret\r\n";
    const auto to = [](const std::string& url) {
      return answer("302 Found", "Location: " + url + "\r\n");
    };
    ScriptedServer other({answer("200 OK", "", "it")});
    ScriptedServer own({to("/again"), to(other.url())});
    CHECK(fetch(own.url(), with_token(header, "Bearer s3cret")).value_or("") == "it");
    REQUIRE(own.requests().size() == 2);
    CHECK(holds(own.requests()[0], sent));
    CHECK(holds(own.requests()[1], sent));
    REQUIRE(other.requests().size() == 1);
    CHECK_FALSE(holds(other.requests()[0], "s3cret"));
  }
}

TEST_CASE("user and password of a URL stay with its scheme, host and port") {
  ScriptedServer other({answer("200 OK", "", "it")});
  ScriptedServer own({answer("302 Found", "Location: /again\r\n"),
                      answer("302 Found", "Location: " + other.url() + "\r\n")});
  CHECK(fetch("http://me:s%3Acret@" + own.url().substr(7), impatient()).value_or("") == "it");
  REQUIRE(own.requests().size() == 2);
  CHECK(holds(own.requests()[0], "Authorization: Basic bWU6czpjcmV0\r\n"));
  CHECK(holds(own.requests()[1], "Authorization: Basic bWU6czpjcmV0\r\n"));
  CHECK_FALSE(holds(other.requests()[0], "Authorization"));
}

TEST_CASE("a token is not sent to any server along a chain of redirects") {
  ScriptedServer own(
      {answer("307 Temporary Redirect", "Location: /out\r\n"), answer("200 OK", "", "it")});
  ScriptedServer other({answer("302 Found", "Location: " + own.url("/back") + "\r\n")});
  ScriptedServer first({answer("302 Found", "Location: //" + other.url().substr(7) + "\r\n")});
  CHECK(fetch(first.url(), with_token("Job-Token", "s3cret")).value_or("") == "it");
  CHECK(holds(first.requests()[0], "s3cret"));
  CHECK_FALSE(holds(other.requests()[0], "s3cret"));
  CHECK_FALSE(holds(own.requests()[0], "s3cret"));
  CHECK_FALSE(holds(own.requests()[1], "s3cret"));
}

TEST_CASE("a token is never shown, and why it does not suffice is told") {
  const FetchOptions options = with_token("PRIVATE-TOKEN", "s3cret");
  ScriptedServer refusing({answer("401 Unauthorized", "", "no such token: s3cret")});
  const std::string refused = error_of(fetch(refusing.url(), options)).message;
  CHECK(holds(refused, "status 401; the token is refused"));
  CHECK_FALSE(holds(refused, "s3cret"));
  ScriptedServer leading(
      {answer("302 Found", "Location: " + refusing.url("/s3cret?x=s3cret") + "\r\n")});
  const std::string elsewhere = error_of(fetch(leading.url(), options)).message;
  CHECK(holds(elsewhere, "redirected to http://127.0.0.1:"));
  CHECK(holds(elsewhere, "the token is not sent there"));
  CHECK_FALSE(holds(elsewhere, "s3cret"));
}

TEST_CASE("a token or a header that would be more than one line is refused, and nothing is sent") {
  using namespace std::string_literals;
  ScriptedServer server({answer("200 OK")});
  for (const auto& [header, value] : {std::pair{"A"s, "s3cret\r\nX: y"s},
                                      {"A"s, "s3cret\n"s},
                                      {"A"s, "s3\0cret"s},
                                      {"A"s, ""s},
                                      {"A\r\nX"s, "s3cret"s},
                                      {"A:"s, "s3cret"s},
                                      {"A\0"s, "s3cret"s},
                                      {""s, "s3cret"s}}) {
    const Error error = error_of(fetch(server.url(), with_token(header, value)));
    CHECK(error.kind == ErrorKind::data);
    CHECK_FALSE(holds(error.message, "s3cret"));
  }
  CHECK(server.requests().empty());
}

TEST_CASE("redirects end at their limit") {
  ScriptedServer server({answer("301 Moved", "Location: /file\r\n")});
  CHECK(holds(error_of(fetch(server.url(), impatient())).message, "more than 5 redirects"));
  CHECK(server.requests().size() == 6);
}

TEST_CASE("a URL that is malformed, or of another scheme, is an error of the data") {
  for (const char* url : {"ftp://host/a", "http://", "http://ho st/a", "https://host:port/", "x",
                          "https://u:%0As3cret@host/", "s3://bucket", "s3://", "s3:///key",
                          "s3://key:s3cret@bucket/a", "s3://../a"}) {
    CAPTURE(url);
    const Error error = error_of(fetch(url, impatient()));
    CHECK(error.kind == ErrorKind::data);
    CHECK_FALSE(holds(error.message, "s3cret"));
  }
}

TEST_CASE("an object of S3 is in its bucket's host, or below the endpoint that is set") {
  CHECK(s3_url("s3://b/k") == "https://b.s3.us-east-1.amazonaws.com/k");
  CHECK(s3_url("s3://b/k", {{"AWS_DEFAULT_REGION", "eu-west-1"}}) ==
        "https://b.s3.eu-west-1.amazonaws.com/k");
  CHECK(s3_url("s3://b/k", {{"AWS_REGION", "cn-north-1"}, {"AWS_DEFAULT_REGION", "x"}}) ==
        "https://b.s3.cn-north-1.amazonaws.com.cn/k");
  CHECK(s3_url("s3://a.b/k") == "https://s3.us-east-1.amazonaws.com/a.b/k");
  CHECK(s3_url("s3://a_B/k") == "https://s3.us-east-1.amazonaws.com/a_B/k");
  CHECK(s3_url("s3://b/k", {{"AWS_ENDPOINT_URL", "http://minio:9000/"}}) ==
        "http://minio:9000/b/k");
  CHECK(s3_url("s3://b/k", {{"AWS_ENDPOINT_URL", "http://x"},
                            {"AWS_ENDPOINT_URL_S3", "https://ceph/s3"}}) == "https://ceph/s3/b/k");
  CHECK(s3_url("s3://b/k", {{"AWS_ENDPOINT_URL_S3", ""}}) ==
        "https://b.s3.us-east-1.amazonaws.com/k");
}

TEST_CASE("each byte of a key that is not plain is encoded, once") {
  const auto key = [](const std::string& text) {
    return s3_url("s3://b/" + text, {{"AWS_ENDPOINT_URL", "http://h"}}).substr(11);
  };
  CHECK(key("a b+c=d&e?f#g%20") == "a%20b%2Bc%3Dd%26e%3Ff%23g%2520");
  CHECK(key("/a//b/../c/./~-_.") == "/a//b/../c/./~-_.");
  CHECK(key("ä*'(),\n") == "%C3%A4%2A%27%28%29%2C%0A");
}

TEST_CASE("variables of S3 that are malformed are named, and not shown") {
  const std::pair<const char*, const char*> cases[] = {
      {"AWS_REGION", "evil.s3cret/"},
      {"AWS_ENDPOINT_URL", "ftp://s3cret"},
      {"AWS_ENDPOINT_URL_S3", "http://me:s3cret@host"},
      {"AWS_ENDPOINT_URL_S3", "http://host?s3cret"},
      {"AWS_ACCESS_KEY_ID", "s3cret\n"},
      {"AWS_SECRET_ACCESS_KEY", "s3cret\n"},
      {"AWS_SESSION_TOKEN", "s3cret\r\nX: y"},
  };
  for (const auto& [name, value] : cases) {
    const auto object = find_s3_object("s3://b/k", variables({{name, value}}));
    REQUIRE_FALSE(object);
    CHECK(object.error().kind == ErrorKind::data);
    CHECK(holds(object.error().message, name));
    CHECK_FALSE(holds(object.error().message, "s3cret"));
  }
}

TEST_CASE("without both keys a request to S3 is anonymous, and a refusal says which is not set") {
  ScriptedServer server({answer("403 Forbidden", "", "<Error><Code>AccessDenied</Code></Error>")});
  FetchOptions options = impatient();
  options.environment =
      variables({{"AWS_ENDPOINT_URL", server.url("")}, {"AWS_ACCESS_KEY_ID", "id"}});
  CHECK(holds(error_of(fetch("s3://b/k", options)).message,
              "status 403 (AccessDenied); not set: AWS_SECRET_ACCESS_KEY"));
  CHECK_FALSE(holds(server.requests()[0], "Authorization"));
  CHECK_FALSE(holds(server.requests()[0], "x-amz-"));
}

TEST_CASE("credentials of S3 do not follow a redirect to another server") {
  ScriptedServer other({answer("403 Forbidden")});
  ScriptedServer own({answer("307 Temporary Redirect", "Location: " + other.url() + "\r\n")});
  FetchOptions options = impatient();
  options.environment = variables({{"AWS_ENDPOINT_URL", own.url("")},
                                   {"AWS_ACCESS_KEY_ID", "id"},
                                   {"AWS_SECRET_ACCESS_KEY", "s3cret"},
                                   {"AWS_SESSION_TOKEN", "session"}});
  const std::string said = error_of(fetch("s3://b/k", options)).message;
  CHECK(holds(said, "the credentials are not sent there"));
  CHECK_FALSE(holds(said, "s3cret"));
  CHECK(holds(own.requests()[0], "Authorization: AWS4-HMAC-SHA256 Credential=id/"));
  CHECK(holds(own.requests()[0], "x-amz-security-token: session\r\n"));
  CHECK_FALSE(holds(other.requests()[0], "Authorization"));
  CHECK_FALSE(holds(other.requests()[0], "session"));
}

TEST_CASE("what S3 complains of is told by its code") {
  const auto said = [](const ScriptedAnswer& given) {
    ScriptedServer server({given});
    FetchOptions options = impatient();
    options.environment = variables({{"AWS_ENDPOINT_URL", server.url("")},
                                     {"AWS_ACCESS_KEY_ID", "id"},
                                     {"AWS_SECRET_ACCESS_KEY", "s3cret"}});
    return error_of(fetch("s3://b/k", options));
  };
  const auto body = [](const std::string& code) { return "<Error><Code>" + code + "</Code>"; };
  CHECK(said(answer("404 Not Found", "", body("NoSuchKey"))).kind == ErrorKind::no_input);
  CHECK(said(answer("400 Bad Request", "", body("NoSuchKey"))).kind == ErrorKind::no_input);
  const Error bucket = said(answer("404 Not Found", "", body("NoSuchBucket")));
  CHECK(bucket.kind == ErrorKind::unavailable);
  CHECK(holds(bucket.message, "404 (NoSuchBucket)"));
  CHECK(holds(said(answer("301 Moved", "x-amz-bucket-region: eu-west-1\r\nLocation: http://x/\r\n"))
                  .message,
              "the bucket is in the region eu-west-1: set AWS_REGION"));
  CHECK(holds(said(answer("403 Forbidden", "", body("SignatureDoesNotMatch"))).message,
              "(SignatureDoesNotMatch); check AWS_ACCESS_KEY_ID"));
  CHECK_FALSE(holds(said(answer("403 Forbidden", "", body("\x1b[31m"))).message, "31m"));
  FetchOptions with = with_token("A", "b");
  CHECK(holds(error_of(fetch("s3://b/k", with)).message, "S3 takes no token"));
}
