#include "hosts/qmp_client.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <nlohmann/json.hpp>

namespace ffci {

namespace asio = boost::asio;
using Json = nlohmann::json;

namespace {

constexpr size_t longest_line = 4 << 20;  // an answer; QEMU's own are far shorter

}  // namespace

struct QmpClient::State : std::enable_shared_from_this<State> {
  struct Command {
    std::string line;
    OnAnswer on_answer;
  };

  explicit State(asio::io_context& loop) : socket(loop) {}

  void read() {
    socket.async_read_some(
        asio::buffer(buffer),
        [self = shared_from_this()](const boost::system::error_code& error, size_t got) {
          if (error || self->closed) return self->close();
          self->text.append(self->buffer.data(), got);
          self->take_lines();
          if (self->text.size() > longest_line) self->close();
          if (!self->closed) self->read();
        });
  }

  void take_lines() {
    for (size_t end = text.find('\n'); end != std::string::npos && !closed; end = text.find('\n')) {
      const std::string line = text.substr(0, end);
      text.erase(0, end + 1);
      take(Json::parse(line, nullptr, false));
    }
  }

  void take(const Json& said) {
    if (!said.is_object()) return;
    if (said.contains("QMP")) {
      greeted = true;
      return send_next();
    }
    const auto returned = said.find("return");
    const auto refused = said.find("error");
    if ((returned == said.end() && refused == said.end()) || waiting.empty()) return;
    const OnAnswer on_answer = std::move(waiting.front().on_answer);
    waiting.pop_front();
    under_way = false;
    send_next();
    if (!on_answer) return;
    if (returned != said.end()) return on_answer(returned->dump());
    const auto why = refused->is_object() ? refused->find("desc") : refused->end();
    on_answer(
        fail(ErrorKind::internal, refused->is_object() && why != refused->end() && why->is_string()
                                      ? why->get<std::string>()
                                      : "QEMU refused without saying why"));
  }

  void send_next() {
    if (!greeted || under_way || waiting.empty() || closed) return;
    under_way = true;
    asio::async_write(socket, asio::buffer(waiting.front().line),
                      [self = shared_from_this()](const boost::system::error_code& error, size_t) {
                        if (error) self->close();
                      });
  }

  void close() {
    closed = true;
    boost::system::error_code ignored;
    socket.close(ignored);
  }

  asio::posix::stream_descriptor socket;
  std::array<char, 4096> buffer{};
  std::string text;
  std::deque<Command> waiting;  // the first may be under way
  bool greeted = false, under_way = false, closed = false;
};

QmpClient::QmpClient(asio::io_context& loop, Fd socket) : state_(std::make_shared<State>(loop)) {
  ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  state_->socket.assign(socket.release());
  execute("qmp_capabilities", {}, {});
  state_->read();
}

QmpClient::~QmpClient() {
  state_->close();
  for (State::Command& command : state_->waiting)
    command.on_answer = {};
}

void QmpClient::execute(const std::string& command, const std::string& arguments,
                        OnAnswer on_answer) {
  Json line{{"execute", command}};
  if (!arguments.empty()) line["arguments"] = Json::parse(arguments);
  state_->waiting.push_back({line.dump() + "\n", std::move(on_answer)});
  state_->send_next();
}

void QmpClient::monitor(const std::string& line, OnAnswer on_answer) {
  execute("human-monitor-command", Json{{"command-line", line}}.dump(), std::move(on_answer));
}

}  // namespace ffci
