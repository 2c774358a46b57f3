// QmpClient speaks QEMU's control protocol over a connected socket: one command at a time, in the
// order they were given, each answered once. What QEMU says of its own accord (events) is passed
// over: its exit and its console tell the same. When the connection ends, callers hear nothing
// more; whoever started QEMU learns that it is gone.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace ffci {

class QmpClient {
 public:
  // What QEMU returned, as JSON text. Error (internal): it refused, and why.
  using OnAnswer = std::function<void(const Result<std::string>& answer)>;

  QmpClient(boost::asio::io_context& loop, Fd socket);
  ~QmpClient();  // no callback is called any more

  // `arguments`: a JSON object; empty: none.
  void execute(const std::string& command, const std::string& arguments, OnAnswer on_answer);
  // A command of the human monitor; the answer is a JSON string.
  void monitor(const std::string& line, OnAnswer on_answer);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ffci
