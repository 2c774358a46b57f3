#include "hosts/qemu_machine.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/text.hpp"
#include "hosts/vsock.hpp"

namespace ffci {
namespace {

using Json = nlohmann::json;
using boost::asio::ip::address_v4;
using boost::asio::ip::tcp;

constexpr int ssh_port = 22;
constexpr int first_inherited = 3;  // as child_program.hpp has it
constexpr Duration poll_interval = std::chrono::milliseconds(20);
constexpr std::uint64_t most_errors = 1 << 20;

// "TCP[HOST_FORWARD]  12       127.0.0.1 40521       10.0.2.15    22 …"
int forwarded_port(const std::string& table) {
  for (const std::string_view line : split(table, '\n')) {
    if (line.find("HOST_FORWARD") == std::string_view::npos) continue;
    std::vector<std::string_view> words;
    for (const std::string_view word : split(line, ' ')) {
      if (!trim(word).empty()) words.push_back(trim(word));
    }
    int port = 0;
    if (words.size() > 3) std::from_chars(words[3].data(), words[3].data() + words[3].size(), port);
    if (port > 0) return port;
  }
  return 0;
}

std::string status_of(const Result<std::string>& answer) {
  if (!answer) return {};
  const Json json = Json::parse(*answer, nullptr, false);
  return json.is_object() ? json.value("status", "") : std::string();
}

}  // namespace

QemuMachine::QemuMachine(boost::asio::io_context& loop, QemuMachineOptions options,
                         Callbacks callbacks)
    : loop_(loop),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      boot_(loop),
      silence_(loop),
      poll_(loop) {}

Result<std::unique_ptr<QemuMachine>> QemuMachine::start(boost::asio::io_context& loop,
                                                        QemuMachineOptions options,
                                                        Callbacks callbacks) {
  std::unique_ptr<QemuMachine> machine(
      new QemuMachine(loop, std::move(options), std::move(callbacks)));
  if (const auto launched = machine->launch(); !launched) return tl::unexpected(launched.error());
  return machine;
}

Result<void> QemuMachine::launch() {
  options_.launch.console = options_.directory + "/console";
  auto console = ConsoleTail::open(loop_, options_.launch.console, [this](std::string_view bytes) {
    callbacks_.on_console(bytes);
  });
  if (!console) return tl::unexpected(console.error());
  console_ = std::move(*console);

  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(ErrorKind::internal, fmt::format("cannot make a socket: {}", std::strerror(errno)));
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  ChildProgramOptions program;
  program.descriptors = {theirs.get()};
  options_.launch.qmp = first_inherited;
  Fd saved;
  if (!options_.saved.empty()) {
    saved.reset(::open(options_.saved.c_str(), O_RDONLY | O_CLOEXEC));
    if (!saved)
      return fail(ErrorKind::io,
                  fmt::format("cannot read {}: {}", options_.saved, std::strerror(errno)));
    options_.launch.incoming = first_inherited + 1;
    program.descriptors.push_back(saved.get());
  }
  if (options_.keep_open >= 0) {
    program.descriptors.push_back(options_.keep_open);
    program.outlives = Outlives::yes;
  }
  program.arguments = qemu_command_line(options_.spec, options_.launch);
  program.directory = options_.directory;
  program.output = options_.directory + "/errors";
  auto process =
      ChildProgram::start(loop_, program, [this](const ExitStatus& status) { end(status); });
  if (!process) return tl::unexpected(process.error());
  process_ = std::move(*process);
  qmp_ = std::make_unique<QmpClient>(loop_, std::move(ours));

  const Duration limit = options_.spec.boot_timeout;
  boot_.set(limit, [this, limit] {
    why_killed_ = fmt::format("it could not be logged in to within {}{}", human_duration(limit),
                              console_->any() ? "" : ", and its console said nothing");
    kill();
  });
  if (options_.saved.empty()) {
    watch_silence();
    find_server();
  } else {
    go_on_when_loaded();
  }
  return {};
}

void QemuMachine::watch_silence() {
  silence_.set(options_.spec.boot_timeout / 3, [this] {
    console_->read_all();
    if (!console_->any()) callbacks_.on_silent();
  });
}

void QemuMachine::find_server() {
  if (options_.launch.cid == 0) return ask_port();
  await_banner(vsock_address(options_.launch.cid, ssh_port), ssh_port);
}

void QemuMachine::await_banner(const SshBanner::Address& address, int port) {
  banner_ =
      std::make_unique<SshBanner>(loop_, address, [this, port] { callbacks_.on_reachable(port); });
}

void QemuMachine::ask_port() {
  qmp_->monitor("info usernet", [this](const Result<std::string>& answer) {
    if (answer) return take_port(*answer);
    why_killed_ = "QEMU does not tell the port of its SSH server: " + answer.error().message;
    kill();
  });
}

void QemuMachine::take_port(const std::string& answer) {
  const Json json = Json::parse(answer, nullptr, false);
  const int port = forwarded_port(json.is_string() ? json.get<std::string>() : std::string());
  if (port == 0) {
    poll_.set(poll_interval, [this] { ask_port(); });
    return;
  }
  // One that was saved was listening.
  if (!options_.saved.empty()) return callbacks_.on_reachable(port);
  await_banner(tcp::endpoint(address_v4::loopback(), static_cast<unsigned short>(port)), port);
}

// Nothing may be changed while the state is read.
void QemuMachine::go_on_when_loaded() {
  qmp_->execute("query-status", {}, [this](const Result<std::string>& answer) {
    if (status_of(answer) == "inmigrate") {
      poll_.set(poll_interval, [this] { go_on_when_loaded(); });
      return;
    }
    qmp_->execute("cont", {}, [this](const Result<std::string>& gone_on) {
      if (gone_on) return ask_port();
      why_killed_ = "QEMU does not go on from the saved state: " + gone_on.error().message;
      kill();
    });
  });
}

void QemuMachine::be_up() {
  boot_.cancel();
  silence_.cancel();
}

void QemuMachine::interrupt() {
  qmp_->execute("inject-nmi", {}, {});
}

void QemuMachine::save(const std::string& path, std::function<void(const Result<void>&)> on_saved) {
  qmp_->execute("stop", {}, {});
  qmp_->execute("migrate-set-parameters", Json{{"max-bandwidth", std::int64_t{1} << 40}}.dump(),
                {});
  qmp_->execute("migrate", Json{{"uri", "exec:cat >" + shell_quote(path)}}.dump(),
                [this, on_saved = std::move(on_saved)](const Result<std::string>& answer) {
                  if (answer) return poll_saving(on_saved);
                  qmp_->execute("cont", {}, {});
                  on_saved(tl::unexpected(answer.error()));
                });
}

void QemuMachine::poll_saving(std::function<void(const Result<void>&)> on_saved) {
  qmp_->execute("query-migrate", {}, [this, on_saved](const Result<std::string>& answer) {
    const std::string status = status_of(answer);
    if (status == "completed") return on_saved({});
    if (status == "failed" || status == "cancelled" || !answer) {
      qmp_->execute("cont", {}, {});
      return on_saved(fail(ErrorKind::internal,
                           answer ? "saving its state " + status : answer.error().message));
    }
    poll_.set(poll_interval, [this, on_saved] { poll_saving(on_saved); });
  });
}

void QemuMachine::kill() {
  process_->kill();
}

void QemuMachine::leave_alone() {
  process_->leave_alone();
}

void QemuMachine::be_silent() {
  callbacks_ = {};
  callbacks_.on_console = [](std::string_view) {};
  boot_.cancel();
  silence_.cancel();
  poll_.cancel();
  banner_.reset();
  qmp_.reset();
}

void QemuMachine::end(const ExitStatus& status) {
  boot_.cancel();
  silence_.cancel();
  poll_.cancel();
  banner_.reset();
  console_->read_all();
  const std::string error = last_error();
  std::string why = why_killed_;
  if (why.empty() && !status.success()) why = "QEMU: " + describe(status);
  if (!status.success() && !error.empty()) why += ": " + error;
  // Its owner drops this object.
  if (const auto on_gone = std::exchange(callbacks_.on_gone, {})) on_gone(why);
}

std::string QemuMachine::last_error() const {
  const auto text = read_file(options_.directory + "/errors", most_errors);
  if (!text) return {};
  const std::string_view all = trim(*text);
  return printable_line(all.substr(all.rfind('\n') + 1), 300);
}

}  // namespace ffci
