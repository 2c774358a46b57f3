#include "hosts/control_shell.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>

#include "base/text.hpp"

namespace ffci {

ControlShell::ControlShell(boost::asio::io_context& loop, SshSession& session,
                           const RemoteHello& hello, Duration hello_within, Duration answer_within,
                           Callbacks callbacks)
    : session_(session),
      answer_within_(answer_within),
      callbacks_(std::move(callbacks)),
      answers_(hello.nonce),
      deadline_(loop) {
  SshSession::ChannelCallbacks channel;
  channel.on_output = [this](Stream stream, std::string_view bytes) {
    if (stream == Stream::standard_error) {
      complaint_ += bytes;
      if (complaint_.size() > 4096) complaint_.erase(0, complaint_.size() - 1024);
      return;
    }
    for (const RemoteAnswer& answer : answers_.feed(bytes)) {
      if (!callbacks_.on_failed) return;
      take(answer);
    }
  };
  channel.on_end = [this](const std::optional<std::string>& refused) {
    const std::string last = printable_last_line(complaint_, 200);
    fail_with(refused.value_or(facts_.kernel.empty() ? "shell: it ended at once"
                                                     : "its control shell was killed") +
              (last.empty() ? "" : ": " + last));
  };
  channel_ = session.open(std::string(remote_shell), std::move(channel));
  session.write(channel_, hello_script(hello));
  pending_[0] = {{}, std::chrono::steady_clock::now() + hello_within};
  await_answer();
}

ControlShell::~ControlShell() {
  session_.close(channel_);
}

void ControlShell::probe(OnAnswer on_answer) {
  const std::uint64_t number = ++last_number_;
  order(probe_order(number), number, std::move(on_answer));
}

void ControlShell::signal(const std::string& mark, std::string_view signal, AlsoFirst first,
                          OnAnswer on_answer) {
  const std::uint64_t number = ++last_number_;
  order(signal_order(number, mark, signal, first), number, std::move(on_answer));
}

void ControlShell::say_goodbye(OnAnswer on_answer) {
  const std::uint64_t number = ++last_number_;
  order(goodbye_order(number), number, std::move(on_answer));
}

void ControlShell::order(const std::string& script, std::uint64_t number, OnAnswer on_answer) {
  session_.write(channel_, script);
  pending_[number] = {std::move(on_answer), std::chrono::steady_clock::now() + answer_within_};
  if (pending_.size() == 1) await_answer();
}

void ControlShell::take(const RemoteAnswer& answer) {
  if (answer.number == 0) return take_fact(answer);
  const auto found = pending_.find(answer.number);
  if (found == pending_.end()) return;
  const OnAnswer on_answer = std::move(found->second.on_answer);
  pending_.erase(found);
  await_answer();
  if (on_answer) on_answer(answer.rest);
}

void ControlShell::take_fact(const RemoteAnswer& answer) {
  if (!pending_.contains(0)) return;  // it has said that it is ready, and once is enough
  const std::string text = printable_line(answer.rest, 300);
  if (answer.word == "kernel") facts_.kernel = text;
  if (answer.word == "arch") facts_.arch = text;
  if (answer.word == "boot") facts_.boot_id = text;
  if (answer.word == "temporary") facts_.temporary = answer.rest;
  if (answer.word == "namespaces") facts_.namespaces = true;
  if (answer.word == "session") facts_.no_namespaces = text;
  if (answer.word == "log") facts_.log = true;
  if (answer.word == "prologue") facts_.prologue_failure = text;
  if (answer.word == "trouble") return fail_with("shell: " + text);
  if (answer.word == "path") return fail_with("path: " + text, true);
  if (answer.word == "busy") return fail_with("lock: another ff-ci uses this machine: " + text);
  if (answer.word == "left")
    return fail_with("processes of an earlier test there can't be killed: " + text);
  if (answer.word != "ready") return;
  pending_.erase(0);
  await_answer();
  callbacks_.on_ready(facts_);
}

// The shell takes one order after the other: the oldest one's time counts.
void ControlShell::await_answer() {
  deadline_.cancel();
  if (pending_.empty()) return;
  deadline_.set_at(pending_.begin()->second.until, [this] {
    fail_with(pending_.contains(0)
                  ? "shell: no answer to the first words"
                  : fmt::format("no answer within {}", human_duration(answer_within_)));
  });
}

void ControlShell::fail_with(const std::string& why, bool for_good) {
  deadline_.cancel();
  session_.close(channel_);
  if (const auto on_failed = std::exchange(callbacks_, {}).on_failed) on_failed({why, for_good});
}

}  // namespace ffci
