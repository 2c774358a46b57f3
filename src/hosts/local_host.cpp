#include "hosts/local_host.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fstream>
#include <functional>
#include <map>

#include "base/file.hpp"
#include "base/text.hpp"
#include "hosts/local_companions.hpp"
#include "hosts/local_kernel_log.hpp"
#include "hosts/orphans.hpp"
#include "hosts/supervised_process.hpp"
#include "hosts/temporary_directories.hpp"
#include "hosts/test_devices.hpp"

namespace ffci {
namespace {

namespace asio = boost::asio;

constexpr int most_start_attempts = 20;
constexpr auto between_start_attempts = std::chrono::milliseconds(500);

// The supervisor's pid 1 and what the kernel starts with; pids below this are not given out again
// (RESERVED_PIDS in kernel/pid.c).
constexpr long first_free_pid = 301;

long greatest_pid() {
  long most = 32768;
  std::ifstream("/proc/sys/kernel/pid_max") >> most;
  return most;
}

class LocalHost final : public Host {
 public:
  LocalHost(asio::io_context& loop, const LocalHostOptions& options)
      : loop_(loop), options_(options), temporary_(loop) {}

  void start(HostObserver& observer) override {
    observer_ = &observer;
    if (const auto opened = temporary_.open(); !opened) {
      asio::post(loop_, [this, why = opened.error().message] { observer_->on_lost(why, false); });
      return;
    }
    if (const auto made = make_devices(); !made) {
      asio::post(loop_, [this, why = made.error().message] { observer_->on_lost(why, true); });
      return;
    }
    if (::geteuid() != 0) {
      be_ready(Isolation::subreaper, "process groups (not root: no private namespaces)");
    } else {
      try_namespaces();
    }
  }

  void set_up(size_t suite, const Command& command, ScopeObserver& observer) override {
    Scope& scope = scopes_[suite];
    scope = Scope{};
    scope.observer = &observer;
    scope.has_teardown = !command.teardown.empty();
    SupervisedOptions options = supervised_options(0);
    options.hold = true;
    SupervisedProcess::Callbacks callbacks;
    callbacks.on_output = [this, suite](Stream stream, std::string_view bytes) {
      scopes_[suite].observer->on_scope_output(suite, stream, bytes);
    };
    callbacks.on_set_up = [this, suite] {
      scopes_[suite].told_set_up = true;
      scopes_[suite].observer->on_set_up(suite, {});
    };
    callbacks.on_end = [this, suite](const CommandEnd& end,
                                     const std::optional<std::string>& unkillable,
                                     const std::optional<std::string>& trouble) {
      with_orphans_killed(unkillable, [this, suite, end, trouble](const auto& left) {
        on_scope_end(suite, end, left ? left : trouble);
      });
    };
    Command held = command;
    if (held.setup.empty()) held.setup = ":";  // so that its end is told
    auto started = start_process(held, options, std::move(callbacks), scope.directory);
    if (started) {
      scope.process = std::move(*started);
      return;
    }
    asio::post(loop_,
               [this, suite, why = started.error().message] { on_scope_end(suite, {}, why); });
  }

  void tear_down(size_t suite) override {
    Scope& scope = scopes_[suite];
    scope.tearing_down = true;
    if (scope.process) {
      scope.process->stop(Urgency::in_order);
    } else {
      // Its supervisor died on its own, and took what the set-up had started with it.
      asio::post(loop_, [this, suite] {
        scopes_[suite].observer->on_torn_down(suite, "what the set-up left was gone before it");
      });
    }
  }

  void stop_scope(size_t suite, Urgency urgency) override {
    const auto found = scopes_.find(suite);
    if (found != scopes_.end() && found->second.process) found->second.process->stop(urgency);
  }

  void run(std::uint64_t number, int slot, size_t suite, const Command& command,
           CommandObserver& observer) override {
    LocalCompanions::Options options{options_.tracer, options_.archive_limit,
                                     supervised_options(slot)};
    auto& with = companions_[number] = std::make_unique<LocalCompanions>(
        loop_, command, std::move(options), observer, [this, number] {
          // It is on the stack: it goes with the next turn of the loop.
          asio::post(loop_, [gone = std::make_shared<decltype(companions_)::node_type>(
                                 companions_.extract(number))] {});
          if (stopping_) be_down_when_idle();
        });
    Assignment order{number, slot, suite, command, with.get()};
    if (command.test_devices && !devices_.empty()) {
      if (const std::string why = no_room_for_test_devices(options_.devices->directory);
          !why.empty())
        return with->begin([this, order, why] { post_failed_start(order, why); });
      order.command.environment = devices_[static_cast<size_t>(slot - 1)].environment(
          device_directories_[static_cast<size_t>(slot - 1)]);
      order.command.environment.insert(order.command.environment.end(), command.environment.begin(),
                                       command.environment.end());
    }
    with->begin([this, order] {
      running_.emplace(order.number, Running(loop_));
      start_command(order, most_start_attempts);
    });
  }

  void stop_command(std::uint64_t number, Urgency urgency) override {
    if (const auto with = companions_.find(number); with != companions_.end())
      with->second->stop(urgency);
    const auto found = running_.find(number);
    if (found == running_.end()) return;
    found->second.told_to_stop = true;
    found->second.start_again.cancel();
    if (found->second.process) found->second.process->stop(urgency);
  }

  void stop(Urgency urgency) override {
    stopping_ = true;
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, with] : companions_)
      numbers.push_back(number);
    for (const std::uint64_t number : numbers)
      stop_command(number, urgency);
    for (auto& [suite, scope] : scopes_) {
      if (scope.process) scope.process->stop(urgency);
    }
    asio::post(loop_, [this] { be_down_when_idle(); });
  }

 private:
  struct Running {
    explicit Running(asio::io_context& loop) : start_again(loop) {}
    std::unique_ptr<SupervisedProcess> process;
    std::string directory;
    asio::steady_timer start_again;
    bool told_to_stop = false;
  };
  struct Assignment {
    std::uint64_t number;
    int slot;
    size_t suite;
    Command command;
    CommandObserver* observer;
  };
  struct Scope {
    ScopeObserver* observer = nullptr;
    std::unique_ptr<SupervisedProcess> process;
    std::string directory;
    bool has_teardown = false;
    bool told_set_up = false;
    bool tearing_down = false;
  };

  Result<void> make_devices() {
    for (int slot = 1; options_.devices && slot <= options_.slots; ++slot) {
      auto made = TestDevices::make(*options_.devices);
      if (!made) return tl::unexpected(made.error());
      devices_.push_back(std::move(*made));
      auto directory = temporary_.make();
      if (!directory) return tl::unexpected(directory.error());
      device_directories_.push_back(std::move(*directory));
    }
    return {};
  }

  // A machine that has no process or descriptor to spare at this moment is asked again before that
  // counts.
  void start_command(const Assignment& order, int attempts_left) {
    Running& running = running_.at(order.number);
    SupervisedOptions options = supervised_options(order.slot);
    if (const auto scope = scopes_.find(order.suite); scope != scopes_.end()) {
      if (!scope->second.process) {
        return post_failed_start(order,
                                 "what the suite's set-up had made is gone: its supervisor died");
      }
      if (isolation_ == Isolation::namespaces) options.scope = scope->second.process.get();
    }
    SupervisedProcess::Callbacks callbacks;
    callbacks.on_output = [this, observer = order.observer](Stream stream, std::string_view bytes) {
      // What the kernel has said before comes before it.
      if (log_) log_->catch_up();
      observer->on_output(stream, bytes);
    };
    callbacks.on_end = [this, order](const CommandEnd& end,
                                     const std::optional<std::string>& unkillable,
                                     const std::optional<std::string>& trouble) {
      CommandEnd told = end;
      told.trouble = trouble.value_or("");
      with_orphans_killed(unkillable, [this, order, told](const std::optional<std::string>& left) {
        on_command_end(order, told, left);
      });
    };
    auto started = start_process(order.command, options, std::move(callbacks), running.directory);
    if (started) {
      running.process = std::move(*started);
      return;
    }
    if (attempts_left <= 1) return post_failed_start(order, started.error().message);
    running.start_again.expires_after(between_start_attempts);
    running.start_again.async_wait([this, order, attempts_left](const boost::system::error_code&) {
      const auto found = running_.find(order.number);
      if (found == running_.end()) return;
      if (!found->second.told_to_stop) return start_command(order, attempts_left - 1);
      CommandEnd end;
      end.stopped = true;
      on_command_end(order, end, {});
    });
  }

  void post_failed_start(const Assignment& order, const std::string& why) {
    asio::post(loop_, [this, order, why] {
      CommandEnd end;
      end.trouble = why;
      on_command_end(order, end, {});
    });
  }

  // Goes on with what is left of `unkillable`. In a pid namespace nothing can be done about it;
  // otherwise what a killed supervisor watched has become our child.
  void with_orphans_killed(const std::optional<std::string>& unkillable,
                           std::function<void(const std::optional<std::string>&)> go_on) {
    if (!unkillable || isolation_ == Isolation::namespaces) return go_on(unkillable);
    kill_orphans(loop_, [unkillable, go_on = std::move(go_on)](bool gone) {
      go_on(gone ? std::nullopt : unkillable);
    });
  }

  // Whether this system lets us make the namespaces is found out by making them.
  void try_namespaces() {
    SupervisedProcess::Callbacks callbacks;
    callbacks.on_end = [this](const CommandEnd& end, const std::optional<std::string>&,
                              const std::optional<std::string>& trouble) {
      if (end.command && end.command->success()) {
        be_ready(Isolation::namespaces, "private pid and mount namespaces");
      } else {
        be_ready(Isolation::subreaper,
                 fmt::format("process groups (no private namespaces: {})",
                             trouble.value_or("the system does not allow them")));
      }
      asio::post(loop_, [this] { probe_.reset(); });
    };
    Command probe;
    probe.command = "exit 0";
    SupervisedOptions options;
    options.isolation = Isolation::namespaces;
    auto started = SupervisedProcess::start(loop_, probe, options, std::move(callbacks));
    if (started) {
      probe_ = std::move(*started);
    } else {
      be_ready(Isolation::subreaper,
               fmt::format("process groups (no private namespaces: {})", started.error().message));
    }
  }

  void be_ready(Isolation isolation, std::string description) {
    if (stopping_) return;  // before it was up: nothing may begin that nobody ends
    isolation_ = isolation;
    if (isolation == Isolation::subreaper) adopt_orphans();
    watch_log(description);
    HostReady facts{"local", "local", options_.slots, {}, {}, std::move(description)};
    if (const auto boot = read_file("/proc/sys/kernel/random/boot_id", 100))
      facts.boot_id = trim(*boot);
    utsname system{};
    if (::uname(&system) == 0) facts.kernel = system.release, facts.arch = system.machine;
    asio::post(loop_, [this, facts] {
      if (!stopping_) observer_->on_up(facts);
    });
  }

  void watch_log(std::string& description) {
    if (!options_.watch_log) return;
    auto opened = LocalKernelLog::open(loop_, [this](Stream stream, const std::string& line) {
      observer_->on_log(line);
      std::vector<CommandObserver*> observers;
      for (const auto& [number, with] : companions_)
        observers.push_back(with.get());
      for (CommandObserver* observer : observers)
        observer->on_output(stream, line);
    });
    if (opened) {
      log_ = std::move(*opened);
    } else {
      description += fmt::format("; kernel log not readable ({})", opened.error().message);
    }
  }

  SupervisedOptions supervised_options(int slot) {
    SupervisedOptions options;
    options.isolation = isolation_;
    options.kill_after = options_.kill_after;
    options.teardown_limit = teardown_limit;
    // Each slot has a range of pids of its own, and goes through it, so that /tmp/$$ of two
    // commands is not the same file.
    static const long most = greatest_pid();
    const long range = (most - first_free_pid) / (options_.slots + 1);
    options.first_pid =
        first_free_pid + slot * range +
        static_cast<long>(++started_ * 64 % static_cast<unsigned long>(range / 2 + 1));
    return options;
  }

  Result<std::unique_ptr<SupervisedProcess>> start_process(Command command,
                                                           const SupervisedOptions& options,
                                                           SupervisedProcess::Callbacks callbacks,
                                                           std::string& directory) {
    if (directory.empty()) {
      auto made = temporary_.make();
      if (!made) return tl::unexpected(made.error());
      directory = *made;
    }
    command.environment.emplace_back("TMPDIR", directory);
    if (command.test_devices) {
      const bool isolated = options.isolation == Isolation::namespaces;
      command.environment.emplace_back("FFCI_ISOLATION", isolated ? "namespaces" : "session");
    }
    return SupervisedProcess::start(loop_, command, options, std::move(callbacks));
  }

  void on_command_end(const Assignment& order, const CommandEnd& end,
                      const std::optional<std::string>& unkillable) {
    // The process may be on the stack: it goes with the next turn of the loop.
    const auto running = running_.extract(order.number);
    if (!running.empty()) {
      asio::post(
          loop_,
          [process = std::shared_ptr<SupervisedProcess>(std::move(running.mapped().process))] {});
      const std::string directory = running.mapped().directory;
      if (!unkillable && !directory.empty() && order.command.files_in_temporary) {
        companions_.at(order.number)->take_files_from(directory, [this, directory] {
          temporary_.remove(directory);
        });
      } else if (!unkillable && !directory.empty()) {
        temporary_.remove(directory);
      }
    }
    if (log_) log_->catch_up();
    order.observer->on_end(end, unkillable);
  }

  void on_scope_end(size_t suite, const CommandEnd& end,
                    const std::optional<std::string>& trouble) {
    Scope& scope = scopes_[suite];
    ScopeObserver& observer = *scope.observer;
    if (scope.process)
      asio::post(loop_,
                 [process = std::shared_ptr<SupervisedProcess>(std::move(scope.process))] {});
    if (!scope.directory.empty()) temporary_.remove(scope.directory);

    std::optional<std::string> failure = trouble;
    if (!scope.told_set_up) {
      if (!failure && end.setup && !end.setup->success()) failure = describe(*end.setup);
      if (end.stopped) failure = "it was stopped" + (failure ? ": " + *failure : std::string());
      observer.on_set_up(suite, failure.value_or("its end was not reported"));
    } else {
      if (!failure && end.teardown && !end.teardown->success()) failure = describe(*end.teardown);
      if (!failure && scope.has_teardown && !end.teardown) failure = "it did not run to its end";
      if (scope.tearing_down) observer.on_torn_down(suite, failure);
    }
    if (stopping_) be_down_when_idle();
  }

  void be_down_when_idle() {
    for (const auto& [suite, scope] : scopes_) {
      if (scope.process) return;
    }
    if (!companions_.empty() || std::exchange(down_, true)) return;
    log_.reset();
    observer_->on_down();
  }

  asio::io_context& loop_;
  LocalHostOptions options_;
  TemporaryDirectories temporary_;
  std::vector<TestDevices> devices_;             // by slot
  std::vector<std::string> device_directories_;  // by slot
  HostObserver* observer_ = nullptr;
  Isolation isolation_ = Isolation::subreaper;
  std::unique_ptr<SupervisedProcess> probe_;
  std::unique_ptr<LocalKernelLog> log_;
  std::map<std::uint64_t, std::unique_ptr<LocalCompanions>> companions_;
  std::map<std::uint64_t, Running> running_;
  std::map<size_t, Scope> scopes_;
  unsigned long started_ = 0;
  bool stopping_ = false;
  bool down_ = false;
};

}  // namespace

std::unique_ptr<Host> make_local_host(asio::io_context& loop, const LocalHostOptions& options) {
  return std::make_unique<LocalHost>(loop, options);
}

}  // namespace ffci
