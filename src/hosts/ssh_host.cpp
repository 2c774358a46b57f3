#include "hosts/ssh_host.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <map>

#include "base/text.hpp"
#include "hosts/control_shell.hpp"
#include "hosts/deadline.hpp"
#include "hosts/remote_shell.hpp"
#include "hosts/ssh_kernel_log.hpp"
#include "hosts/ssh_run.hpp"
#include "hosts/ssh_session.hpp"

namespace ffci {
namespace {

namespace asio = boost::asio;

constexpr Duration goodbye_limit = std::chrono::seconds(5);
constexpr Duration at_once_limit = std::chrono::seconds(3);
constexpr Duration log_start_limit = std::chrono::seconds(5);

class SshHost final : public Host {
 public:
  SshHost(asio::io_context& loop, SshHostOptions options, SshCredentials& credentials)
      : loop_(loop),
        options_(std::move(options)),
        credentials_(credentials),
        next_probe_(loop),
        patience_(loop) {}
  ~SshHost() override { drop_connection(); }

  void start(HostObserver& observer) override {
    observer_ = &observer;
    token_ = make_nonce();
    runs_started_ = 0;
    SshSession::Callbacks callbacks;
    callbacks.on_up = [this] { take_control(); };
    callbacks.on_failed = [this](const SshFailure& failure) { lose(failure); };
    session_ = std::make_unique<SshSession>(
        loop_, SshTarget{options_.machine, options_.connect_timeout, options_.proxy_command},
        credentials_, std::move(callbacks));
  }

  void set_up(size_t suite, const Command& command, ScopeObserver& observer) override {
    if (!session_) return;
    Scope& scope = scopes_[suite];
    scope = Scope{};
    scope.observer = &observer;
    scope.teardown.setup = command.teardown;
    scope.teardown.directory = command.directory;
    scope.teardown.directory_in_tree = command.directory_in_tree;
    scope.mark = next_mark();
    Command only_setup = command;
    only_setup.teardown.clear();
    run_in_scope(suite, only_setup, scope.mark,
                 [this, suite](const CommandEnd& end) { on_set_up_end(suite, end); });
  }

  void tear_down(size_t suite) override {
    if (!session_) return;
    Scope& scope = scopes_[suite];
    run_in_scope(suite, scope.teardown, next_mark(),
                 [this, suite](const CommandEnd& end) { on_teardown_end(suite, end); });
  }

  void stop_scope(size_t suite, Urgency urgency) override {
    const auto found = scopes_.find(suite);
    if (found == scopes_.end() || !found->second.run || found->second.ended) return;
    found->second.run->stop(urgency);
    if (urgency == Urgency::at_once) lose_if_silent();
  }

  void run(std::uint64_t number, int slot, size_t /*suite*/, const Command& command,
           CommandObserver& observer) override {
    if (!session_) return;  // lost, and the engine is about to be told
    Running& running = running_[number];
    running.observer = &observer;
    running.mark = next_mark();
    SshRunOptions options = run_options(command, running.mark);
    options.remote.title = command.title;
    options.remote.privacy = privacy_;
    options.remote.write_log = options.await_log = log_ != nullptr;
    // Names made of pids (/tmp/$$) must not be the same in two slots.
    if (options_.slots > 1 && privacy_ == RemotePrivacy::namespaces)
      options.remote.first_pid = 300 + slot * 2000 + static_cast<int>(runs_started_ * 64 % 1900);
    if (!facts_.temporary.empty())
      options.remote.temporary = fmt::format("{}/{}", facts_.temporary, slot);
    options.tracer = options_.tracer;
    options.archive_limit = options_.archive_limit;
    SshRun::Callbacks callbacks;
    callbacks.on_output = [&observer](Stream stream, std::string_view bytes) {
      observer.on_output(stream, bytes);
    };
    callbacks.on_over = [&observer](const CommandEnd& end) { observer.on_over(end); };
    callbacks.on_end = [this, number](const CommandEnd& end,
                                      const std::optional<std::string>& unusable) {
      on_command_end(number, end, unusable);
    };
    running.slot = slot;
    running.run = std::make_unique<SshRun>(link(), std::move(idle_shells_[slot]), command,
                                           std::move(options), std::move(callbacks));
  }

  void stop_command(std::uint64_t number, Urgency urgency) override {
    const auto found = running_.find(number);
    if (found == running_.end()) return;
    if (urgency == Urgency::at_once) lose_if_silent();
    found->second.run->stop(urgency);
  }

  void stop(Urgency urgency) override {
    stopping_ = true;
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, running] : running_)
      numbers.push_back(number);
    for (const std::uint64_t number : numbers)
      stop_command(number, urgency);
    for (auto& [suite, scope] : scopes_)
      stop_scope(suite, urgency);
    asio::post(loop_, [this] { go_down_when_idle(); });
  }

 private:
  struct Running {
    CommandObserver* observer = nullptr;
    int slot = 0;
    std::string mark;
    std::unique_ptr<SshRun> run;
  };
  struct Scope {
    ScopeObserver* observer = nullptr;
    std::unique_ptr<SshRun> run;   // its set-up, or its teardown
    std::unique_ptr<SshRun> kept;  // the set-up, whose output may go on
    Command teardown;              // as a set-up of its own
    std::string mark;              // of what the set-up has started
    bool ended = false;            // `run` has told its end
  };

  [[nodiscard]] SshLink link() const { return {loop_, *session_, *control_}; }
  [[nodiscard]] std::string next_mark() { return fmt::format("{}.{}", token_, ++runs_started_); }

  // Coming up.

  void take_control() {
    RemoteHello hello{make_nonce(),
                      own_,
                      options_.owner,
                      token_,
                      options_.look_at_path ? options_.machine.path : "",
                      options_.prologue};
    ControlShell::Callbacks callbacks;
    callbacks.on_ready = [this](const MachineFacts& facts) { consider(facts); };
    callbacks.on_failed = [this](const SshFailure& failure) { lose(failure); };
    control_ = std::make_unique<ControlShell>(
        loop_, *session_, hello, std::max(options_.probe_interval, options_.connect_timeout),
        options_.probe_interval, std::move(callbacks));
  }

  void consider(const MachineFacts& facts) {
    if (stopping_) return;
    facts_ = facts;
    if (!facts.prologue_failure.empty()) options_.on_prologue_failed(facts.prologue_failure);
    if (facts.arch != options_.arch) {
      return lose({fmt::format("architecture: it is {}, and the tests are for {} (hosts.ssh.arch)",
                               facts.arch, options_.arch),
                   true});
    }
    if (options_.isolation == RemoteIsolation::namespaces && !facts.namespaces) {
      return lose({"isolation: private namespaces can't be made: " + facts.no_namespaces, true});
    }
    privacy_ = facts.namespaces && options_.isolation != RemoteIsolation::session
                   ? RemotePrivacy::namespaces
                   : RemotePrivacy::session;
    if (!options_.watch_log || !facts.log) return be_up();
    SshKernelLog::Callbacks callbacks;
    callbacks.on_started = [this] {
      patience_.cancel();
      be_up();
    };
    using Writer = SshKernelLog::Callbacks::Writer;
    callbacks.on_line = [this](Writer writer, const std::string& line) {
      observer_->on_log(line);
      if (writer == Writer::ff_ci) return;
      const Stream stream = writer == Writer::kernel ? Stream::kernel_log : Stream::user_log;
      std::vector<CommandObserver*> observers;
      for (const auto& [number, running] : running_)
        observers.push_back(running.observer);
      for (CommandObserver* observer : observers)
        observer->on_output(stream, line);
    };
    callbacks.on_end_of_run = [this](const std::string& mark) {
      for (auto& [number, running] : running_) {
        // It may be over with that, and no longer be one of them.
        if (running.mark == mark) return running.run->on_end_of_log();
      }
    };
    // A test whose kernel can't be watched may not pass.
    callbacks.on_gone = [this] { lose({"its kernel log can't be followed any more"}); };
    log_ = std::make_unique<SshKernelLog>(*session_, token_, std::move(callbacks));
    patience_.set(log_start_limit, [this] {
      log_.reset();  // its log does not take our lines, or does not show them
      be_up();
    });
  }

  void be_up() {
    if (stopping_) return;
    HostReady ready{options_.name, "ssh", options_.slots, facts_.kernel, facts_.arch, isolation()};
    ready.boot_id = facts_.boot_id;
    ready.log_in = log_in_command(options_);
    probe_later();
    observer_->on_up(ready);
  }

  [[nodiscard]] std::string isolation() const {
    std::string text =
        privacy_ == RemotePrivacy::namespaces ? "private pid and mount namespaces" : "sessions";
    if (privacy_ == RemotePrivacy::session && !facts_.no_namespaces.empty())
      text += fmt::format(" (no private namespaces: {})", facts_.no_namespaces);
    if (options_.watch_log && !log_) text += "; kernel log not readable";
    return text;
  }

  void probe_later() {
    next_probe_.set(options_.probe_interval, [this] {
      control_->probe({});
      probe_later();
    });
  }

  // Commands.

  [[nodiscard]] SshRunOptions run_options(const Command& command, const std::string& mark) const {
    SshRunOptions options;
    options.remote.nonce = make_nonce();
    options.remote.mark = mark;
    options.remote.directory = directory_of(command);
    options.kill_after = options_.kill_after;
    return options;
  }

  [[nodiscard]] std::string directory_of(const Command& command) const {
    const std::string& path = options_.machine.path;
    if (path.empty()) return command.directory;
    if (command.directory_in_tree.starts_with('/')) return command.directory_in_tree;
    return command.directory_in_tree.empty()
               ? path
               : fmt::format("{}/{}", path, command.directory_in_tree);
  }

  void on_command_end(std::uint64_t number, const CommandEnd& end,
                      const std::optional<std::string>& unusable) {
    auto running = running_.extract(number);
    if (running.empty()) return;
    idle_shells_[running.mapped().slot] = running.mapped().run->take_shell();
    // The run is on the stack: it goes with the next turn of the loop.
    asio::post(loop_, [gone = std::shared_ptr<SshRun>(std::move(running.mapped().run))] {});
    running.mapped().observer->on_end(end, unusable);
    // Something has broken there: is the machine still with us?
    if (control_ && !end.command && !end.stopped) control_->probe({});
    if (stopping_) go_down_when_idle();
  }

  void run_in_scope(size_t suite, const Command& command, const std::string& mark,
                    std::function<void(const CommandEnd&)> on_end) {
    Scope& scope = scopes_[suite];
    scope.kept = std::move(scope.run);
    scope.ended = false;
    if (command.setup.empty()) {
      CommandEnd nothing;
      nothing.setup = ExitStatus{};
      asio::post(loop_, [this, token = token_, nothing, on_end = std::move(on_end)] {
        if (token == token_ && session_) on_end(nothing);
      });
      return;
    }
    SshRunOptions options = run_options(command, mark);
    options.remote.keep = true;
    SshRun::Callbacks callbacks;
    callbacks.on_output = [this, suite](Stream stream, std::string_view bytes) {
      scopes_[suite].observer->on_scope_output(suite, stream, bytes);
    };
    callbacks.on_end = [this, suite, on_end = std::move(on_end)](
                           const CommandEnd& end, const std::optional<std::string>&) {
      scopes_[suite].ended = true;
      on_end(end);
    };
    scope.run = std::make_unique<SshRun>(link(), nullptr, command, std::move(options),
                                         std::move(callbacks));
  }

  static std::optional<std::string> failure_of(const CommandEnd& end) {
    if (end.stopped) return "it was stopped";
    if (!end.setup) return "its end was not reported";
    if (!end.setup->success()) return describe(*end.setup);
    return std::nullopt;
  }

  void on_set_up_end(size_t suite, const CommandEnd& end) {
    const std::optional<std::string> failure = failure_of(end);
    if (!failure) {
      scopes_[suite].observer->on_set_up(suite, {});
      return;
    }
    // Whatever it had come to is taken down again.
    run_in_scope(
        suite, scopes_[suite].teardown, next_mark(), [this, suite, failure](const CommandEnd&) {
          end_scope(suite, [this, suite, failure](const std::optional<std::string>&) {
            tell_scope(suite, [&](ScopeObserver& observer) { observer.on_set_up(suite, failure); });
          });
        });
  }

  void on_teardown_end(size_t suite, const CommandEnd& end) {
    end_scope(suite,
              [this, suite, failure = failure_of(end)](const std::optional<std::string>& left) {
                tell_scope(suite, [&](ScopeObserver& observer) {
                  observer.on_torn_down(suite, failure ? failure : left);
                });
              });
  }

  // Kills what the suite's set-up has left running.
  void end_scope(size_t suite, std::function<void(const std::optional<std::string>&)> done) {
    Scope& scope = scopes_[suite];
    Command nothing;
    SshRunOptions options = run_options(nothing, scope.mark);
    options.remote.sweep_only = true;
    SshRun::Callbacks callbacks;
    callbacks.on_output = [](Stream, std::string_view) {};
    callbacks.on_end = [done = std::move(done)](const CommandEnd&,
                                                const std::optional<std::string>& unusable) {
      done(unusable);
    };
    asio::post(loop_, [kept = std::shared_ptr<SshRun>(std::move(scope.kept)),
                       run = std::shared_ptr<SshRun>(std::move(scope.run))] {});
    scope.ended = false;
    scope.run = std::make_unique<SshRun>(link(), nullptr, nothing, std::move(options),
                                         std::move(callbacks));
  }

  template <class Tell>
  void tell_scope(size_t suite, const Tell& tell) {
    auto scope = scopes_.extract(suite);
    asio::post(loop_, [run = std::shared_ptr<SshRun>(std::move(scope.mapped().run))] {});
    tell(*scope.mapped().observer);
    if (stopping_) go_down_when_idle();
  }

  // Going down, and being lost.

  // What has to end at once does not wait for a machine that may be gone. One that lives clears
  // away by itself what ran there.
  void lose_if_silent() {
    patience_.set(at_once_limit,
                  [this] { lose({"it did not end in time what was to end at once"}); });
  }

  void go_down_when_idle() {
    if (down_ || !running_.empty()) return;
    for (const auto& [suite, scope] : scopes_) {
      if (scope.run && !scope.ended) return;
    }
    down_ = true;
    next_probe_.cancel();
    if (!session_ || !control_) {
      drop_connection();
      asio::post(loop_, [this] { observer_->on_down(); });
      return;
    }
    const auto go = [this] {
      patience_.cancel();
      drop_connection();
      observer_->on_down();
    };
    patience_.set(goodbye_limit, go);
    control_->say_goodbye([go](const std::string&) { go(); });
  }

  void lose(const SshFailure& failure) {
    if (!session_) return;
    drop_connection();
    if (down_) return observer_->on_down();  // its goodbye is not answered any more
    down_ = stopping_;
    observer_->on_lost(failure.why, failure.for_good);
  }

  // What belongs to the connection may be on the stack: it goes with the loop's next turn, and is
  // silent until then.
  void drop_connection() {
    next_probe_.cancel();
    patience_.cancel();
    running_.clear();
    idle_shells_.clear();
    scopes_.clear();
    asio::post(loop_, [log = std::shared_ptr<SshKernelLog>(std::move(log_)),
                       control = std::shared_ptr<ControlShell>(std::move(control_)),
                       session = std::shared_ptr<SshSession>(std::move(session_))]() mutable {
      log.reset();
      control.reset();
      session.reset();
    });
  }

  asio::io_context& loop_;
  SshHostOptions options_;
  SshCredentials& credentials_;
  HostObserver* observer_ = nullptr;
  // What an earlier connection has locked is ours to take.
  const std::string own_ = options_.own.empty() ? make_nonce() : options_.own;

  // Of the connection.
  std::string token_;
  std::unique_ptr<SshSession> session_;
  std::unique_ptr<ControlShell> control_;
  std::unique_ptr<SshKernelLog> log_;
  MachineFacts facts_;
  RemotePrivacy privacy_ = RemotePrivacy::session;
  std::uint64_t runs_started_ = 0;
  std::map<std::uint64_t, Running> running_;
  std::map<int, std::unique_ptr<RemoteShell>> idle_shells_;  // by slot
  std::map<size_t, Scope> scopes_;

  Deadline next_probe_, patience_;
  bool stopping_ = false;
  bool down_ = false;
};

}  // namespace

std::unique_ptr<Host> make_ssh_host(asio::io_context& loop, SshHostOptions options,
                                    SshCredentials& credentials) {
  return std::make_unique<SshHost>(loop, std::move(options), credentials);
}

std::string log_in_command(const SshHostOptions& options) {
  const SshMachineSpec& machine = options.machine;
  std::string command = "ssh";
  if (options.identity) command += fmt::format(" -i {}", shell_quote(*options.identity));
  if (options.proxy_command)
    command += fmt::format(" -o {}", shell_quote("ProxyCommand=" + *options.proxy_command));
  if (machine.port != 22) command += fmt::format(" -p {}", machine.port);
  return fmt::format("{} {}@{}", command, machine.user, machine.host);
}

}  // namespace ffci
