// ControlShell: the shell on a machine that takes ff-ci's orders beside the tests, over a channel
// of its own. It holds the machine's lock, shows that the machine lives, and signals what a run has
// started. An order that is not answered in time means that the machine is lost.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "hosts/deadline.hpp"
#include "hosts/remote_script.hpp"
#include "hosts/ssh_session.hpp"

namespace ffci {

// What the shell has found out about its machine.
struct MachineFacts {
  std::string kernel, arch, boot_id;
  std::string temporary;         // a directory of this connection's own; empty: there is none
  bool namespaces = false;       // private pid and mount namespaces can be made
  std::string no_namespaces;     // why not
  bool log = false;              // the kernel's log can be read
  std::string prologue_failure;  // what RemoteHello::prologue could not do
};

class ControlShell {
 public:
  struct Callbacks {
    std::function<void(const MachineFacts&)> on_ready;
    std::function<void(const SshFailure&)> on_failed;  // the last one
  };

  // How long it may take to say hello, and to answer each order.
  ControlShell(boost::asio::io_context& loop, SshSession& session, const RemoteHello& hello,
               Duration hello_within, Duration answer_within, Callbacks callbacks);
  ~ControlShell();

  using OnAnswer = std::function<void(const std::string& words)>;
  void probe(OnAnswer on_answer);
  void signal(const std::string& mark, std::string_view signal, AlsoFirst first,
              OnAnswer on_answer);
  void say_goodbye(OnAnswer on_answer);

 private:
  void order(const std::string& script, std::uint64_t number, OnAnswer on_answer);
  void take(const RemoteAnswer& answer);
  void take_fact(const RemoteAnswer& answer);
  void await_answer();
  void fail_with(const std::string& why, bool for_good = false);

  struct Pending {
    OnAnswer on_answer;
    std::chrono::steady_clock::time_point until;
  };

  SshSession& session_;
  Duration answer_within_;
  Callbacks callbacks_;
  RemoteAnswers answers_;
  MachineFacts facts_;
  SshFailure refused_;
  std::map<std::uint64_t, Pending> pending_;  // by number, which is the order they were given in
  std::uint64_t last_number_ = 0;
  std::string complaint_;  // the end of its standard error
  Deadline deadline_;
  SshChannelId channel_ = 0;
};

}  // namespace ffci
