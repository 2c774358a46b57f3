#include "hosts/qemu_machine.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace ffci {

QemuMachine::QemuMachine(boost::asio::io_context& loop, QemuMachineOptions options,
                         Callbacks callbacks)
    : VmMachine(loop, options.directory, options.spec.boot_timeout, options.launch.cid,
                std::move(callbacks)),
      options_(std::move(options)) {}

Result<std::unique_ptr<VmMachine>> QemuMachine::start(boost::asio::io_context& loop,
                                                      QemuMachineOptions options,
                                                      Callbacks callbacks) {
  std::unique_ptr<QemuMachine> machine(
      new QemuMachine(loop, std::move(options), std::move(callbacks)));
  if (const auto launched = machine->launch(); !launched) return tl::unexpected(launched.error());
  return machine;
}

Result<void> QemuMachine::launch() {
  if (const auto opened = open_console(); !opened) return opened;
  options_.launch.console = file("console");
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
  program.output = file("errors");
  auto process =
      ChildProgram::start(loop_, program, [this](const std::optional<ExitStatus>& status) {
        end(!status             ? "QEMU can't be killed"
            : status->success() ? ""
                                : "QEMU: " + describe(*status));
      });
  if (!process) return tl::unexpected(process.error());
  process_ = std::move(*process);
  control(std::move(ours));
  if (options_.saved.empty()) {
    begin_boot(Server::boots);
    find_server(Server::boots);
  } else {
    begin_boot(Server::was_saved);
    go_on_when_loaded();
  }
  return {};
}

void QemuMachine::kill() {
  process_->kill();
}

void QemuMachine::leave_alone() {
  process_->leave_alone();
}

}  // namespace ffci
