// This machine as a host. Each command gets a supervisor (supervisor.hpp) and a temporary directory
// of its own ($TMPDIR), both gone with it. As root, where the system lets us, commands have private
// pid and mount namespaces; a suite's set-up has such namespaces too, and its commands see the
// mounts it made.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "hosts/host.hpp"
#include "model/job_spec.hpp"

namespace boost::asio {
class io_context;
}

namespace ffci {

struct LocalHostOptions {
  int slots = 1;
  Duration kill_after{};
  bool watch_log = true;
  std::string tracer;                      // a program for bpftrace; empty: none
  std::uint64_t archive_limit = 0;         // bytes of the tar of a command's files
  std::optional<TestDevicesSpec> devices;  // of each slot; none: commands get none
};

// How long a teardown may take before it is killed.
inline constexpr Duration teardown_limit = std::chrono::seconds(60);

[[nodiscard]] std::unique_ptr<Host> make_local_host(boost::asio::io_context& loop,
                                                    const LocalHostOptions& options);

}  // namespace ffci
