#include "hosts/ssh_agent.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <optional>

namespace ffci {
namespace {

namespace asio = boost::asio;

enum Message : unsigned char {
  request_identities = 11,
  identities_answer = 12,
  sign_request = 13,
  sign_response = 14,
};

constexpr std::uint32_t longest_answer = 256 << 10;
constexpr std::uint32_t most_keys = 1000;

void put_number(std::string& to, std::uint32_t number) {
  for (const int shift : {24, 16, 8, 0})
    to += static_cast<char>(number >> shift & 0xFF);
}

void put_text(std::string& to, std::string_view text) {
  put_number(to, static_cast<std::uint32_t>(text.size()));
  to += text;
}

// Takes fields from the front of a message; nullopt when it is too short.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  std::optional<std::uint32_t> number() {
    if (rest_.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i)
      value = value << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(4);
    return value;
  }
  std::optional<std::string_view> text() {
    const auto length = number();
    if (!length || *length > rest_.size()) return std::nullopt;
    const std::string_view value = rest_.substr(0, *length);
    rest_.remove_prefix(*length);
    return value;
  }

 private:
  std::string_view rest_;
};

tl::unexpected<Error> nonsense() {
  return fail(ErrorKind::unavailable, "the SSH agent's answer makes no sense");
}

Result<std::vector<AgentKey>> keys_in(std::string_view answer) {
  if (answer.empty() || answer[0] != identities_answer) return nonsense();
  Fields fields(answer.substr(1));
  const auto count = fields.number();
  if (!count || *count > most_keys) return nonsense();
  std::vector<AgentKey> keys;
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto blob = fields.text(), comment = fields.text();
    if (!blob || !comment) return nonsense();
    const auto type = Fields(*blob).text();
    if (!type) return nonsense();
    keys.push_back({std::string(*type), std::string(*blob), std::string(*comment)});
  }
  return keys;
}

Result<std::string> signature_in(std::string_view answer) {
  if (answer.empty() || answer[0] != sign_response)
    return fail(ErrorKind::unavailable, "the SSH agent refused to sign");
  const auto whole = Fields(answer.substr(1)).text();
  if (!whole) return nonsense();
  Fields fields(*whole);
  const auto method = fields.text(), signature = fields.text();
  if (!method || !signature) return nonsense();
  return std::string(*signature);
}

}  // namespace

std::shared_ptr<SshAgent> SshAgent::make(asio::io_context& loop, std::string socket) {
  return std::shared_ptr<SshAgent>(new SshAgent(loop, std::move(socket)));
}

SshAgent::SshAgent(asio::io_context& loop, std::string socket)
    : connection_(loop), path_(std::move(socket)) {}

void SshAgent::ask_for_keys(OnKeys on_keys) {
  ask(std::string(1, request_identities),
      [on_keys = std::move(on_keys)](const Result<std::string>& answer) {
        on_keys(answer ? keys_in(*answer) : tl::unexpected(answer.error()));
      });
}

void SshAgent::sign(const std::string& key_blob, std::string_view data, OnSignature on_signature) {
  std::string request(1, sign_request);
  put_text(request, key_blob);
  put_text(request, data);
  put_number(request, 0);
  ask(std::move(request),
      [on_signature = std::move(on_signature)](const Result<std::string>& answer) {
        on_signature(answer ? signature_in(*answer) : tl::unexpected(answer.error()));
      });
}

void SshAgent::close() {
  on_answer_ = {};
  boost::system::error_code ignored;
  connection_.close(ignored);
}

void SshAgent::ask(std::string request, std::function<void(Result<std::string>)> on_answer) {
  request_.clear();
  put_text(request_, request);
  on_answer_ = std::move(on_answer);
  if (connection_.is_open()) return send();
  if (path_.size() >= sizeof(sockaddr_un::sun_path)) {
    asio::post(connection_.get_executor(), [self = shared_from_this()] {
      self->answer(fail(ErrorKind::unavailable, "SSH_AUTH_SOCK is too long a path"));
    });
    return;
  }
  connection_.async_connect(asio::local::stream_protocol::endpoint(path_),
                            [self = shared_from_this()](const boost::system::error_code& error) {
                              if (!error) return self->send();
                              self->answer(fail(ErrorKind::unavailable,
                                                fmt::format("cannot reach the SSH agent at {}: {}",
                                                            self->path_, error.message())));
                            });
}

void SshAgent::send() {
  asio::async_write(
      connection_, asio::buffer(request_),
      [self = shared_from_this()](const boost::system::error_code& error, size_t) {
        if (!error) return self->receive();
        self->answer(fail(ErrorKind::unavailable, "the SSH agent went away: " + error.message()));
      });
}

void SshAgent::receive() {
  length_.resize(4);
  asio::async_read(connection_, asio::buffer(length_),
                   [self = shared_from_this()](const boost::system::error_code& error, size_t) {
                     const auto length = Fields(self->length_).number();
                     if (error || !length || *length > longest_answer)
                       return self->answer(nonsense());
                     self->answer_.resize(*length);
                     asio::async_read(self->connection_, asio::buffer(self->answer_),
                                      [self](const boost::system::error_code& cut, size_t) {
                                        if (cut) return self->answer(nonsense());
                                        self->answer(std::move(self->answer_));
                                      });
                   });
}

void SshAgent::answer(Result<std::string> what) {
  if (const auto tell = std::exchange(on_answer_, {})) tell(std::move(what));
}

}  // namespace ffci
