// Host: a place where commands run. Brought up, given commands, asked to stop them, taken down;
// everything is asynchronous, everything has a deadline, and every answer comes from the event
// loop, never from within the call that asked. Made by cli, driven by the engine's actions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "model/command.hpp"
#include "model/run_event.hpp"

namespace ffci {

// Who asked for a command; outlives it.
class CommandObserver {
 public:
  virtual ~CommandObserver() = default;
  virtual void on_output(Stream stream, std::string_view bytes) = 0;
  // The command itself is over, and told all it had to say; what goes with it may still come, or be
  // lost with the host.
  virtual void on_over(const CommandEnd& end) = 0;
  // The last call. `slot_unusable`: something it started could not be killed.
  virtual void on_end(const CommandEnd& end, const std::optional<std::string>& slot_unusable) = 0;
};

// Who asked for a suite's set-up on a host; outlives the host.
class ScopeObserver {
 public:
  virtual ~ScopeObserver() = default;
  virtual void on_scope_output(std::size_t suite, Stream stream, std::string_view bytes) = 0;
  virtual void on_set_up(std::size_t suite, const std::optional<std::string>& failure) = 0;
  virtual void on_torn_down(std::size_t suite, const std::optional<std::string>& failure) = 0;
};

class HostObserver {
 public:
  virtual ~HostObserver() = default;
  virtual void on_up(const HostReady& facts) = 0;
  // Also: it could not be brought up. What ran there is gone; its observers hear nothing more.
  // `for_good`: starting it again can't help.
  virtual void on_lost(const std::string& why, bool for_good) = 0;
  // A line of its kernel's log, with its newline.
  virtual void on_log(std::string_view line) = 0;
  // Bytes of its console, which only a VM has.
  virtual void on_console(std::string_view bytes) = 0;
  // Its kernel is not fit for another test: the host wants to be started again when what runs there
  // has ended, which nobody is to blame for.
  virtual void on_worn(const std::string& why) = 0;
  virtual void on_down() = 0;  // stop() is done
};

class Host {
 public:
  virtual ~Host() = default;
  // Also of one that is up: it begins anew.
  virtual void start(HostObserver& observer) = 0;
  // A suite's set-up. What it leaves (mounts, processes) stays for the suite's commands until
  // tear_down, and no longer.
  virtual void set_up(std::size_t suite, const Command& scope, ScopeObserver& observer) = 0;
  virtual void tear_down(std::size_t suite) = 0;
  virtual void stop_scope(std::size_t suite, Urgency urgency) = 0;
  // One command per slot at a time. `number` is the caller's.
  virtual void run(std::uint64_t number, int slot, std::size_t suite, const Command& command,
                   CommandObserver& observer) = 0;
  virtual void stop_command(std::uint64_t number, Urgency urgency) = 0;
  // Of a host that was started. Nothing runs any more when on_down comes; a second call makes it
  // more urgent.
  virtual void stop(Urgency urgency) = 0;
};

}  // namespace ffci
