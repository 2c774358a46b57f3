// A machine reached over SSH: one connection, with a control shell that holds the machine's lock
// and shows that it lives, and a channel for each command. The connection may break at any time;
// then the machine is lost, and start() looks for it again. What an earlier connection left there
// is killed before anything runs.
#pragma once

#include <memory>
#include <string>

#include "hosts/host.hpp"
#include "hosts/ssh_credentials.hpp"
#include "model/job_spec.hpp"

namespace boost::asio {
class io_context;
}

namespace ffci {

struct SshHostOptions {
  std::string name;  // of the host in events and reports
  SshMachineSpec machine;
  int slots = 1;
  Duration connect_timeout{};
  std::optional<std::string> proxy_command;
  std::optional<std::string> identity;  // for people who log in
  RemoteIsolation isolation = RemoteIsolation::automatic;
  bool look_at_path = true;  // that of the machine must be there at the log-in
  // For the machine's shell at the log-in, before anything else; and who is told what it said that
  // it could not do.
  std::string prologue;
  std::function<void(const std::string&)> on_prologue_failed;
  std::string arch;   // that it must have
  std::string owner;  // of its lock, in words for others
  std::string own;    // who may take the lock from an earlier connection; empty: this host alone
  Duration kill_after{};
  Duration probe_interval{};  // also how long it may take to answer
  bool watch_log = true;
  std::string tracer;               // a program for bpftrace; empty: none
  std::uint64_t archive_limit = 0;  // bytes of the tar of a command's files
};

// `credentials` outlive it.
[[nodiscard]] std::unique_ptr<Host> make_ssh_host(boost::asio::io_context& loop,
                                                  SshHostOptions options,
                                                  SshCredentials& credentials);

// "ssh -p 2222 root@vm1": for people.
[[nodiscard]] std::string log_in_command(const SshHostOptions& options);

}  // namespace ffci
