// A server on 127.0.0.1 that answers the n-th request as its script's n-th line says, and each one
// after the script's end as its last: the bytes to send, and what to do then. One request per
// connection.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ffci {

enum class Then { close, reset, hold };

struct ScriptedAnswer {
  std::string bytes;
  Then then = Then::close;
  std::string repeated = {};  // after the bytes, for as long as anybody takes it
};

inline ScriptedAnswer answer(const std::string& status, const std::string& headers = "",
                             const std::string& body = "") {
  return {"HTTP/1.1 " + status + "\r\nConnection: close\r\n" + headers +
          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<ScriptedAnswer> script)
      : script_(std::move(script)), listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    ::setenv("no_proxy", "127.0.0.1", 1);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    const bool works = ::bind(listening_, any, size) == 0 && ::listen(listening_, 16) == 0 &&
                       ::getsockname(listening_, any, &size) == 0;
    port_ = works ? ntohs(address.sin_port) : 0;
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
    for (const int held : held_)
      ::close(held);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::string url(const std::string& path = "/file") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }

  // What has arrived, in its order.
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (;;) {
      const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      std::string request;
      char bytes[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t length = ::recv(client, bytes, sizeof bytes, 0);
        if (length <= 0) break;
        request.append(bytes, static_cast<std::size_t>(length));
      }
      std::size_t number = 0;
      {
        const std::lock_guard lock(mutex_);
        number = requests_.size();
        requests_.push_back(request);
      }
      play(client, script_[std::min(number, script_.size() - 1)]);
    }
  }

  void play(int client, const ScriptedAnswer& answer) {
    const auto send = [&](const std::string& bytes) {
      return ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
    };
    bool goes_on = send(answer.bytes) && !answer.repeated.empty();
    while (goes_on)
      goes_on = send(answer.repeated);
    if (answer.then == Then::hold) {
      held_.push_back(client);
      return;
    }
    if (answer.then == Then::reset) {
      const linger at_once{1, 0};
      ::setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    ::close(client);
  }

  std::vector<ScriptedAnswer> script_;
  int listening_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<int> held_;
  std::thread thread_;
};

}  // namespace ffci
