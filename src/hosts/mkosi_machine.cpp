#include "hosts/mkosi_machine.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>

#include "base/text.hpp"

namespace ffci {
namespace {

using boost::asio::local::stream_protocol;

// After QEMU was told to quit, until all is killed: mkosi removes the copy of the image meanwhile.
constexpr Duration time_to_end = std::chrono::seconds(10);

std::string how_it_ended(const std::optional<ExitStatus>& status) {
  if (!status) return "mkosi can't be killed";
  return status->success() ? "" : "mkosi: " + describe(*status);
}

}  // namespace

MkosiMachine::MkosiMachine(boost::asio::io_context& loop, MkosiMachineOptions options,
                           Callbacks callbacks)
    : VmMachine(loop, options.directory, options.spec.boot_timeout, options.launch.cid,
                std::move(callbacks)),
      options_(std::move(options)),
      qmp_listener_(loop),
      patience_(loop) {}

Result<std::unique_ptr<VmMachine>> MkosiMachine::start(boost::asio::io_context& loop,
                                                       MkosiMachineOptions options,
                                                       Callbacks callbacks) {
  std::unique_ptr<MkosiMachine> machine(
      new MkosiMachine(loop, std::move(options), std::move(callbacks)));
  if (const auto launched = machine->launch(); !launched) return tl::unexpected(launched.error());
  return machine;
}

Result<void> MkosiMachine::launch() {
  if (const auto opened = open_console(); !opened) return opened;
  if (const auto listening = listen(); !listening) return listening;
  const std::string command =
      fmt::format("exec </dev/null >>{} 2>>{}\n{}", shell_quote(file("console")),
                  shell_quote(file("errors")), mkosi_vm_command(options_.spec, options_.launch));
  const auto started = options_.keep_open < 0 ? start_together(command) : start_apart(command);
  if (!started) return started;
  begin_boot(Server::boots);
  return {};
}

Result<void> MkosiMachine::listen() {
  options_.launch.qmp = file("qmp");
  if (options_.launch.qmp.size() >= sizeof(sockaddr_un{}.sun_path))
    return fail(ErrorKind::io, fmt::format("{} is too long for a socket: TMPDIR must be shorter",
                                           options_.launch.qmp));
  boost::system::error_code error;
  qmp_listener_.open({}, error);
  if (!error) qmp_listener_.bind(options_.launch.qmp, error);
  if (!error) qmp_listener_.listen(1, error);
  if (error)
    return fail(ErrorKind::io,
                fmt::format("cannot listen at {}: {}", options_.launch.qmp, error.message()));
  qmp_listener_.async_accept(
      [this](const boost::system::error_code& failed, stream_protocol::socket qemu) {
        if (failed) return;  // it is about to end
        boost::system::error_code ignored;
        qmp_listener_.close(ignored);
        control(Fd(qemu.release()));
        find_server(Server::boots);
      });
  return {};
}

Result<void> MkosiMachine::start_together(const std::string& command) {
  Command mkosi;
  mkosi.command = command;
  mkosi.directory = options_.directory;
  mkosi.environment = {{"TMPDIR", options_.directory}};
  SupervisedOptions supervised;
  // Without namespaces: mkosi tells systemd of its processes, by their numbers.
  supervised.isolation = Isolation::subreaper;
  supervised.kill_after = time_to_end;
  SupervisedProcess::Callbacks callbacks;
  callbacks.on_output = [](Stream, std::string_view) {};
  callbacks.on_set_up = [] {};
  callbacks.on_end = [this](const CommandEnd& ended, const std::optional<std::string>& unkillable,
                            const std::optional<std::string>& trouble) {
    if (ended.command) return end(how_it_ended(ended.command));
    end("mkosi: " + trouble.value_or(unkillable.value_or(ended.trouble)));
  };
  auto process = SupervisedProcess::start(loop_, mkosi, supervised, std::move(callbacks));
  if (!process) return tl::unexpected(process.error());
  together_ = std::move(*process);
  return {};
}

Result<void> MkosiMachine::start_apart(const std::string& command) {
  ChildProgramOptions program;
  program.arguments = {"/bin/sh", "-c", command};
  program.descriptors = {options_.keep_open};
  program.outlives = Outlives::yes;
  program.directory = options_.directory;
  program.output = file("errors");
  auto process = ChildProgram::start(
      loop_, program,
      [this](const std::optional<ExitStatus>& status) { end(how_it_ended(status)); });
  if (!process) return tl::unexpected(process.error());
  apart_ = std::move(*process);
  return {};
}

void MkosiMachine::kill() {
  if (!is_controlled()) return kill_all();
  execute("quit");
  patience_.set(time_to_end, [this] { kill_all(); });
}

void MkosiMachine::kill_all() {
  if (together_) together_->stop(Urgency::in_order);
  if (!apart_) return;
  apart_->ask_to_end();
  patience_.set(time_to_end, [this] { apart_->kill(); });
}

void MkosiMachine::leave_alone() {
  if (apart_) apart_->leave_alone();
}

}  // namespace ffci
