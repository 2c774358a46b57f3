// A program beside ff-ci, such as QEMU: a process group of its own that inherits nothing but what
// it is given. Unless it is to outlive ff-ci, the kernel kills it when ff-ci dies, however that
// dies.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "model/exit_status.hpp"

namespace boost::asio {
class io_context;
}

namespace ffci {

inline constexpr int first_inherited = 3;  // descriptor

// Whether it goes on when ff-ci is gone.
enum class Outlives { no, yes };

struct ChildProgramOptions {
  std::vector<std::string> arguments;  // the first is the program, which PATH leads to
  std::string output;                  // the file that its stdout and stderr are appended to
  std::string directory;               // also its $TMPDIR
  // Descriptors it inherits: the child's numbers are 3, 4, … in this order.
  std::vector<int> descriptors;
  Outlives outlives = Outlives::no;
};

// Where a name leads in PATH, and a path by itself; empty: to no program.
[[nodiscard]] std::string find_program(const std::string& name);

class ChildProgram {
 public:
  // Errors: unavailable: there is no such program; io: `output` can't be written; internal: no
  // process could be made. `on_exit` is called once; without a status for one that was killed and
  // does not die (its system call waits for a disk or a server): nobody waits for it any longer.
  using OnExit = std::function<void(const std::optional<ExitStatus>&)>;
  [[nodiscard]] static Result<std::unique_ptr<ChildProgram>> start(
      boost::asio::io_context& loop, const ChildProgramOptions& options, OnExit on_exit);
  ~ChildProgram();  // kills it, unless it was left alone; on_exit is not called any more

  // With whatever it has started in its group, which is also killed when it ends by itself.
  void kill();
  void ask_to_end();   // SIGTERM
  void leave_alone();  // it outlives this object

 private:
  struct State;
  explicit ChildProgram(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace ffci
