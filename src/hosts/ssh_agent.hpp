// SshAgent asks an SSH agent for its public keys and for signatures, without ever waiting in the
// event loop for it (libssh2's own agent calls block). The protocol is that of
// draft-miller-ssh-agent, sections 3.5 and 3.6.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace ffci {

struct AgentKey {
  std::string type;  // "ssh-ed25519"
  std::string blob;
  std::string comment;
};

class SshAgent : public std::enable_shared_from_this<SshAgent> {
 public:
  using OnKeys = std::function<void(Result<std::vector<AgentKey>>)>;
  using OnSignature = std::function<void(Result<std::string>)>;

  static std::shared_ptr<SshAgent> make(boost::asio::io_context& loop, std::string socket);

  // One request at a time. Errors (unavailable): the agent is not there, or says no.
  void ask_for_keys(OnKeys on_keys);
  // The signature as it stands in the answer, without the name of its method.
  void sign(const std::string& key_blob, std::string_view data, OnSignature on_signature);
  // Nothing is called any more.
  void close();

 private:
  SshAgent(boost::asio::io_context& loop, std::string socket);
  void ask(std::string request, std::function<void(Result<std::string>)> on_answer);
  void send();
  void receive();
  void answer(Result<std::string> what);

  boost::asio::local::stream_protocol::socket connection_;
  std::string path_;
  std::string request_, answer_;
  std::string length_;
  std::function<void(Result<std::string>)> on_answer_;
};

}  // namespace ffci
