// SupervisedProcess runs one Command on this machine through a supervisor (supervisor.hpp): as root
// in private pid and mount namespaces, otherwise below a subreaper. Its output arrives in pieces
// from the event loop; its end is reported once, after all its output, when nothing that it started
// is left.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/command.hpp"

namespace boost::asio {
class io_context;
}

namespace ffci {

class SupervisedProcess;

enum class Isolation { namespaces, subreaper };

struct SupervisedOptions {
  Isolation isolation = Isolation::subreaper;
  bool hold = false;  // no command: after set-up, keep what it made until told to end
  const SupervisedProcess* scope = nullptr;  // whose mounts to start from
  long first_pid = 0;
  Duration kill_after{};  // from SIGTERM to SIGKILL
  Duration teardown_limit{};
};

class SupervisedProcess {
 public:
  struct Callbacks {
    std::function<void(Stream, std::string_view)> on_output;
    std::function<void()> on_set_up;  // as soon as the set-up has succeeded
    // The last one. `unkillable`: something it started is still there. `trouble`: why the
    // supervisor could not do its work.
    std::function<void(const CommandEnd&, std::optional<std::string> unkillable,
                       std::optional<std::string> trouble)>
        on_end;
  };

  // Error (internal): the process could not be made.
  [[nodiscard]] static Result<std::unique_ptr<SupervisedProcess>> start(
      boost::asio::io_context& loop, const Command& command, const SupervisedOptions& options,
      Callbacks callbacks);
  ~SupervisedProcess();  // kills what is left; no callback is called any more

  void stop(Urgency urgency);
  [[nodiscard]] bool is_running() const;

 private:
  struct State;
  explicit SupervisedProcess(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace ffci
