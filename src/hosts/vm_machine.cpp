#include "hosts/vm_machine.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <charconv>
#include <filesystem>
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
constexpr Duration poll_interval = std::chrono::milliseconds(20);
constexpr std::uint64_t most_errors = 1 << 20;
constexpr std::uint64_t little_room = 16 << 20;  // bytes: what could not be written found no more

// "TCP[HOST_FORWARD]  12       127.0.0.1 40521       10.0.2.15    22 …"
int forwarded_port(const std::string& table) {
  for (const std::string_view line : split(table, '\n')) {
    if (line.find("HOST_FORWARD") == std::string_view::npos) continue;
    std::vector<std::string_view> words;
    for (const std::string_view word : split(line, ' ')) {
      if (!trim(word).empty()) words.push_back(trim(word));
    }
    int port = 0;
    // Others may be somebody's own.
    if (words.size() > 5 && words[5] == "22")
      std::from_chars(words[3].data(), words[3].data() + words[3].size(), port);
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

VmMachine::VmMachine(boost::asio::io_context& loop, std::string directory, Duration boot_timeout,
                     std::uint32_t cid, Callbacks callbacks)
    : loop_(loop),
      directory_(std::move(directory)),
      boot_timeout_(boot_timeout),
      cid_(cid),
      callbacks_(std::move(callbacks)),
      boot_(loop),
      silence_(loop),
      poll_(loop) {}

Result<void> VmMachine::open_console() {
  auto console = ConsoleTail::open(
      loop_, file("console"), [this](std::string_view bytes) { callbacks_.on_console(bytes); });
  if (!console) return tl::unexpected(console.error());
  console_ = std::move(*console);
  return {};
}

void VmMachine::begin_boot(Server server) {
  boot_.set(boot_timeout_, [this] {
    give_up(fmt::format("it could not be used within {}{}", human_duration(boot_timeout_),
                        console_->any() ? "" : ", and its console said nothing"));
  });
  if (server == Server::was_saved) return;
  silence_.set(boot_timeout_ / 3, [this] {
    console_->read_all();
    if (!console_->any()) callbacks_.on_silent();
  });
}

void VmMachine::give_up(const std::string& why) {
  why_killed_ = why;
  kill();
}

void VmMachine::find_server(Server server) {
  if (cid_ == 0) return ask_port(server);
  await_banner(vsock_address(cid_, ssh_port), ssh_port);
}

void VmMachine::await_banner(const SshBanner::Address& address, int port) {
  server_ = address;
  look_for_server([this, port] {
    silence_.cancel();
    callbacks_.on_reachable(port);
  });
}

void VmMachine::look_for_server(std::function<void()> on_answer) {
  banner_ = std::make_unique<SshBanner>(loop_, server_, std::move(on_answer));
}

void VmMachine::ask_port(Server server) {
  qmp_->monitor("info usernet", [this, server](const Result<std::string>& answer) {
    if (answer) return take_port(*answer, server);
    give_up("QEMU does not tell the port of its SSH server: " + answer.error().message);
  });
}

void VmMachine::take_port(const std::string& answer, Server server) {
  const Json json = Json::parse(answer, nullptr, false);
  const int port = forwarded_port(json.is_string() ? json.get<std::string>() : std::string());
  if (port == 0) {
    poll_.set(poll_interval, [this, server] { ask_port(server); });
    return;
  }
  server_ = tcp::endpoint(address_v4::loopback(), static_cast<unsigned short>(port));
  if (server == Server::was_saved) return callbacks_.on_reachable(port);
  await_banner(server_, port);
}

void VmMachine::go_on_when_loaded() {
  execute("query-status", [this](const Result<std::string>& answer) {
    if (status_of(answer) == "inmigrate") {
      poll_.set(poll_interval, [this] { go_on_when_loaded(); });
      return;
    }
    execute("cont", [this](const Result<std::string>& gone_on) {
      if (gone_on) return find_server(Server::was_saved);
      give_up("QEMU does not go on from the saved state: " + gone_on.error().message);
    });
  });
}

void VmMachine::be_up() {
  boot_.cancel();
  silence_.cancel();
}

void VmMachine::interrupt(std::function<void(const std::string& why)> on_stopped) {
  if (!qmp_) return;
  execute("query-status",
          [this, on_stopped = std::move(on_stopped)](const Result<std::string>& answer) {
            if (status_of(answer) == "io-error")
              return on_stopped(fmt::format(
                  "QEMU can't write to its disks in {}: is that file system full?", directory_));
            execute("inject-nmi");
          });
}

void VmMachine::save(const std::string& path, std::function<void(const Result<void>&)> on_saved) {
  execute("stop");
  qmp_->execute("migrate-set-parameters", Json{{"max-bandwidth", std::int64_t{1} << 40}}.dump(),
                {});
  // QEMU says that it has completed before the last bytes are written.
  const std::string part = path + ".part";
  const std::string command =
      fmt::format("exec:cat >{0} && mv {0} {1}", shell_quote(part), shell_quote(path));
  qmp_->execute("migrate", Json{{"uri", command}}.dump(),
                [this, path, on_saved = std::move(on_saved)](const Result<std::string>& answer) {
                  if (answer) return poll_saving(path, on_saved);
                  go_on_unsaved(path, answer.error().message, on_saved);
                });
}

void VmMachine::go_on_unsaved(const std::string& path, const std::string& why,
                              const std::function<void(const Result<void>&)>& on_saved) {
  std::error_code error;
  const std::filesystem::space_info room = std::filesystem::space(directory_, error);
  const bool full = !error && room.available < little_room;
  std::filesystem::remove(path + ".part", error);
  execute("cont");
  on_saved(fail(ErrorKind::io, full ? fmt::format("{}: only {} were left in {}", why,
                                                  human_size(room.available), directory_)
                                    : why));
}

void VmMachine::poll_saving(const std::string& path,
                            std::function<void(const Result<void>&)> on_saved) {
  execute("query-migrate", [this, path, on_saved](const Result<std::string>& answer) {
    const std::string status = status_of(answer);
    std::error_code unknown;
    if (status == "completed" && std::filesystem::exists(path, unknown)) return on_saved({});
    if (status == "failed" || status == "cancelled" || !answer)
      return go_on_unsaved(path, answer ? "saving its state " + status : answer.error().message,
                           on_saved);
    poll_.set(poll_interval, [this, path, on_saved] { poll_saving(path, on_saved); });
  });
}

void VmMachine::dismiss(std::function<void()> on_gone) {
  if (ended_) return on_gone();
  callbacks_.on_console = [](std::string_view) {};
  callbacks_.on_reachable = [](int) {};
  callbacks_.on_silent = [] {};
  callbacks_.on_gone = [on_gone = std::move(on_gone)](const std::string&) { on_gone(); };
  be_up();
  poll_.cancel();
  banner_.reset();
  kill();
}

void VmMachine::end(const std::string& how) {
  boot_.cancel();
  silence_.cancel();
  poll_.cancel();
  banner_.reset();
  console_->read_all();
  ended_ = true;
  const std::string errors = this->errors();
  callbacks_.on_console(errors);
  const std::string error = printable_last_line(errors);
  std::string why = why_killed_;
  if (why.empty()) why = how;
  if (!how.empty() && !error.empty()) why += ": " + error;
  // Its owner drops this object.
  if (const auto on_gone = std::exchange(callbacks_.on_gone, {})) on_gone(why);
}

std::string VmMachine::errors() const {
  return read_file(file("errors"), most_errors).value_or("");
}

}  // namespace ffci
