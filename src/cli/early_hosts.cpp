#include "cli/early_hosts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <filesystem>
#include <functional>

#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/stop_signals.hpp"
#include "store/results_tree.hpp"

namespace ffci {
namespace {

constexpr auto answer_limit = std::chrono::minutes(2);
constexpr std::size_t most_kept = 16 << 20;   // bytes of what a host says before the run
constexpr std::size_t last_lines_shown = 20;  // of a console

// Of the results, for the consoles of hosts that none of a run's folders has.
constexpr const char* folder_without_run = "no-run";

// The last lines of a console, for people.
std::string last_lines(std::string_view console) {
  std::vector<std::string_view> lines;
  for (const std::string_view line : split(console, '\n')) {
    if (!trim(line).empty()) lines.push_back(trim(line));
  }
  std::string text;
  for (std::size_t at = lines.size() - std::min(lines.size(), last_lines_shown); at < lines.size();
       ++at)
    text += "\n  " + printable_line(lines[at], 200);
  return text;
}

tl::unexpected<Error> stopped(int signal) {
  return fail(signal == SIGINT ? ErrorKind::interrupted : ErrorKind::terminated,
              "it was told to stop before the run began");
}

}  // namespace

class EarlyHosts::Answer final : public CommandObserver {
 public:
  explicit Answer(std::size_t limit) : limit_(limit) {}
  void on_output(Stream stream, std::string_view bytes) override {
    if (stream == Stream::standard_output)
      text += bytes.substr(0, limit_ - std::min(limit_, text.size()));
    if (stream == Stream::standard_error)
      said += bytes.substr(0, 200 - std::min<std::size_t>(200, said.size()));
  }
  void on_over(const CommandEnd&) override {}
  void on_end(const CommandEnd& command_end, const std::optional<std::string>&) override {
    end = command_end;
  }

  std::string text, said;
  std::optional<CommandEnd> end;

 private:
  std::size_t limit_;
};

// What the host tells before the run listens is kept for it.
class EarlyHost final : public Host, private HostObserver {
 public:
  EarlyHost(boost::asio::io_context& loop, std::unique_ptr<Host> host)
      : loop_(loop), host_(std::move(host)) {}

  void start_early() {
    if (state_ != State::unstarted) return;
    state_ = State::starting;
    host_->start(*this);
  }
  [[nodiscard]] bool is_unstarted() const { return state_ == State::unstarted; }
  [[nodiscard]] bool is_up() const { return state_ == State::up; }
  [[nodiscard]] bool is_lost() const { return state_ == State::lost; }
  [[nodiscard]] const std::string& why_lost() const { return why_; }
  [[nodiscard]] const std::string& console() const { return console_; }

  // `on_start` is called when the run starts it.
  void hand_over(std::function<void()> on_start) { on_start_ = std::move(on_start); }

  void start(HostObserver& observer) override {
    observer_ = &observer;
    if (on_start_) on_start_();
    if (const std::string console = std::exchange(console_, {}); !console.empty())
      observer.on_console(console);
    for (const std::string& line : std::exchange(log_, {}))
      observer.on_log(line);
    switch (std::exchange(state_, State::handed_over)) {
      case State::up:
        return boost::asio::post(loop_, [this] { observer_->on_up(facts_); });
      case State::lost:
        return boost::asio::post(loop_, [this] { observer_->on_lost(why_, for_good_); });
      case State::starting:
        return;
      default:
        return host_->start(*this);
    }
  }
  void set_up(size_t suite, const Command& scope, ScopeObserver& observer) override {
    host_->set_up(suite, scope, observer);
  }
  void tear_down(size_t suite) override { host_->tear_down(suite); }
  void stop_scope(size_t suite, Urgency urgency) override { host_->stop_scope(suite, urgency); }
  void run(std::uint64_t number, int slot, size_t suite, const Command& command,
           CommandObserver& observer) override {
    host_->run(number, slot, suite, command, observer);
  }
  void stop_command(std::uint64_t number, Urgency urgency) override {
    host_->stop_command(number, urgency);
  }
  // Also of one that was never started, unlike others.
  void stop(Urgency urgency) override {
    if (state_ != State::unstarted && state_ != State::lost) host_->stop(urgency);
  }

 private:
  enum class State { unstarted, starting, up, lost, handed_over };

  void on_up(const HostReady& facts) override {
    if (observer_ != nullptr) return observer_->on_up(facts);
    facts_ = facts;
    state_ = State::up;
  }
  void on_lost(const std::string& why, bool for_good) override {
    if (observer_ != nullptr) return observer_->on_lost(why, for_good);
    why_ = why;
    for_good_ = for_good;
    state_ = State::lost;
  }
  void on_log(std::string_view line) override {
    if (observer_ != nullptr) return observer_->on_log(line);
    if (log_bytes_ + line.size() > most_kept) return;
    log_bytes_ += line.size();
    log_.emplace_back(line);
  }
  void on_console(std::string_view bytes) override {
    if (observer_ != nullptr) return observer_->on_console(bytes);
    console_ += bytes.substr(0, most_kept - std::min(most_kept, console_.size()));
  }
  void on_worn(const std::string& why) override {
    // One that has run no test yet is used all the same.
    if (observer_ != nullptr) observer_->on_worn(why);
  }
  void on_down() override {
    if (observer_ != nullptr) observer_->on_down();
  }

  boost::asio::io_context& loop_;
  std::unique_ptr<Host> host_;
  std::function<void()> on_start_;
  HostObserver* observer_ = nullptr;
  State state_ = State::unstarted;
  HostReady facts_;
  std::vector<std::string> log_;  // that nobody has heard of yet
  std::size_t log_bytes_ = 0;
  std::string console_;
  std::string why_;
  bool for_good_ = false;
};

EarlyHosts::EarlyHosts(boost::asio::io_context& loop) : loop_(loop), signals_(loop) {}

Result<void> EarlyHosts::make(const JobSpec& spec) {
  if (!hosts_.empty()) return {};
  auto made = make_hosts(loop_, spec);
  if (!made) return tl::unexpected(made.error());
  made_ = std::move(*made);
  for (std::unique_ptr<Host>& host : made_.hosts)
    hosts_.push_back(std::make_unique<EarlyHost>(loop_, std::move(host)));
  return {};
}

Result<std::string> EarlyHosts::ask(const JobSpec& spec, const Command& command,
                                    std::size_t limit) {
  if (const auto made = make(spec); !made) return tl::unexpected(made.error());
  watch_signals();
  for (std::size_t host = 0; host < hosts_.size(); ++host) {
    if (!made_.plans[host].base) hosts_[host]->start_early();
  }
  for (;;) {
    const auto host = first_up();
    if (stopped_by_ != 0) return stopped(stopped_by_);
    if (!host) return tl::unexpected(none_came_up(spec));
    auto answer = ask_host(*host, command, limit);
    if (answer || !hosts_[*host]->is_lost()) return answer;
  }
}

Result<std::string> EarlyHosts::ask_host(std::size_t host, const Command& command,
                                         std::size_t limit) {
  Answer& answer = *answers_.emplace_back(std::make_unique<Answer>(limit));
  hosts_[host]->run(0, 1, hosts_.size(), command, answer);
  const auto late = std::make_shared<bool>(false);  // the handler may outlive this call
  boost::asio::steady_timer timer(loop_, answer_limit);
  timer.async_wait([late, asked = hosts_[host].get()](const boost::system::error_code& error) {
    if (error) return;
    *late = true;
    asked->stop_command(0, Urgency::at_once);
  });
  while (!answer.end && !hosts_[host]->is_lost() && wait()) {
  }
  timer.cancel();
  loop_.restart();
  if (stopped_by_ != 0) return stopped(stopped_by_);
  const auto error = [&](const std::string& why) {
    return fail(ErrorKind::unavailable,
                fmt::format("{} was asked for its tests: {}", made_.plans[host].name, why));
  };
  if (!answer.end) return error("it was lost: " + hosts_[host]->why_lost());
  if (*late) return error("it took too long to answer");
  if (!answer.end->trouble.empty()) return error(answer.end->trouble);
  if (answer.text.empty()) return error(printable_line(answer.said, 200));
  return answer.text;
}

void EarlyHosts::watch_signals() {
  if (std::exchange(watches_signals_, true)) return;
  add_stop_signals(signals_);
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (!error) stopped_by_ = meaning_of_stop_signal(signal);
  });
}

void EarlyHosts::leave_signals() {
  boost::system::error_code ignored;
  signals_.cancel(ignored);
  signals_.clear(ignored);
}

bool EarlyHosts::wait() {
  return stopped_by_ == 0 && loop_.run_one() > 0 && stopped_by_ == 0;
}

std::optional<std::size_t> EarlyHosts::first_up() {
  for (;;) {
    const auto up =
        std::find_if(hosts_.begin(), hosts_.end(), [](const auto& host) { return host->is_up(); });
    if (up != hosts_.end()) return static_cast<std::size_t>(up - hosts_.begin());
    const bool all_lost = std::all_of(hosts_.begin(), hosts_.end(), [](const auto& host) {
      return host->is_lost() || host->is_unstarted();
    });
    if (all_lost || !wait()) return std::nullopt;
  }
}

Error EarlyHosts::none_came_up(const JobSpec& spec) const {
  std::string text = "no host came up to be asked for its tests";
  const std::filesystem::path folder =
      std::filesystem::path(spec.reports.directory) / folder_without_run;
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  bool any_console = false;
  for (std::size_t host = 0; host < hosts_.size(); ++host) {
    if (!hosts_[host]->is_lost()) continue;
    const std::string& name = made_.plans[host].name;
    text += fmt::format("\n{}: {}", name, hosts_[host]->why_lost());
    const std::string& console = hosts_[host]->console();
    if (console.empty()) continue;
    const std::filesystem::path file = folder / host_folder(name) / "console";
    const auto kept = write_file(file, console);
    text += fmt::format("\n{}: its console is in {}", name,
                        kept ? file.string() : kept.error().message);
    if (!std::exchange(any_console, true)) text += ", and ended so:" + last_lines(console);
  }
  return {ErrorKind::unavailable, text};
}

JobHosts EarlyHosts::take() {
  // A signal that came by now ends the run, which listens to them itself.
  loop_.poll();
  loop_.restart();
  leave_signals();
  if (stopped_by_ != 0) boost::asio::post(loop_, [signal = stopped_by_] { ::raise(signal); });
  for (const auto& host : hosts_) {
    host->hand_over([pools = made_.vm_pools] {
      for (const auto& pool : pools)
        pool->begin_run();
    });
  }
  made_.hosts.assign(std::make_move_iterator(hosts_.begin()),
                     std::make_move_iterator(hosts_.end()));
  hosts_.clear();
  return std::move(made_);
}

EarlyHosts::~EarlyHosts() {
  if (hosts_.empty()) return;
  leave_signals();
  for (const auto& host : hosts_)
    host->stop(Urgency::in_order);
  loop_.restart();
  loop_.run();
}

}  // namespace ffci
