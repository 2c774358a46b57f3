// The hosts of a job, which come up before the run begins when one of them must be asked what the
// job needs to know: the tests of an fstests tree. The run finds them up.
#pragma once

#include <boost/asio/signal_set.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/make_hosts.hpp"

namespace ffci {

class EarlyHost;

class EarlyHosts {
 public:
  explicit EarlyHosts(boost::asio::io_context& loop);
  // Those that no run took are stopped: runs the loop until nothing of them is left.
  ~EarlyHosts();

  // What the command says on stdout, at most `limit` bytes of it, on the first host that is up.
  // Runs the loop until then, and takes the signals that mean stop until take(). Errors:
  // unavailable: none came up, it was lost or said nothing, and what their consoles said is in the
  // folder `no-run` of the results; interrupted, terminated; or those of make_hosts.
  [[nodiscard]] Result<std::string> ask(const JobSpec& spec, const Command& command,
                                        std::size_t limit);

  // Errors: those of make_hosts, unless one was asked before.
  [[nodiscard]] Result<void> make(const JobSpec& spec);
  // For the run.
  [[nodiscard]] JobHosts take();

 private:
  class Answer;

  void watch_signals();
  void leave_signals();
  // Runs the loop for one handler. False: there is none, or ff-ci was told to stop.
  [[nodiscard]] bool wait();
  // Waits for it; none: all were lost, or ff-ci was told to stop.
  [[nodiscard]] std::optional<std::size_t> first_up();
  // Keeps their consoles.
  [[nodiscard]] Error none_came_up(const JobSpec& spec) const;
  [[nodiscard]] Result<std::string> ask_host(std::size_t host, const Command& command,
                                             std::size_t limit);

  boost::asio::io_context& loop_;
  boost::asio::signal_set signals_;
  bool watches_signals_ = false;
  int stopped_by_ = 0;  // 0: not
  JobHosts made_;
  std::vector<std::unique_ptr<Answer>> answers_;  // hosts may tell of commands as long as they live
  std::vector<std::unique_ptr<EarlyHost>> hosts_;
};

}  // namespace ffci
