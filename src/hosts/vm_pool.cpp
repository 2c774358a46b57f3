#include "hosts/vm_pool.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "hosts/child_program.hpp"
#include "hosts/mkosi_command.hpp"
#include "hosts/qemu_command_line.hpp"
#include "hosts/vsock.hpp"

namespace ffci {
namespace {

constexpr size_t most_said = 4096;
constexpr Duration time_to_end_build = std::chrono::seconds(5);
constexpr std::string_view qcow2_magic = "QFI\xFB";

// A clone would have to take up a CID of its own while it runs, which nobody has tried yet.
bool has_snapshot(const QemuHostsSpec* spec) {
  return spec != nullptr && spec->snapshot == SnapshotStart::automatic &&
         spec->connection == VmConnection::port;
}

// Of VMs of this architecture.
bool can_use_kvm(const std::string& arch) {
  utsname here{};
  ::uname(&here);
  const std::string_view machine = here.machine;
  const bool fits = arch == machine || (machine == "x86_64" && (arch == "i386" || arch == "i686"));
  return fits && Fd(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
}

}  // namespace

VmPool::VmPool(boost::asio::io_context& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      directories_(loop),
      image_(mkosi() != nullptr && mkosi()->build > 0 ? Image::unmade : Image::decided),
      build_patience_(loop),
      turns_left_(std::max(1, static_cast<int>(std::thread::hardware_concurrency()))),
      snapshot_(has_snapshot(qemu()) ? Snapshot::unmade : Snapshot::none) {
  // mkosi has a setting of its own.
  const Accelerator asked = qemu() != nullptr ? qemu()->accelerator : Accelerator::tcg;
  accelerator_ = asked != Accelerator::automatic ? asked
                 : can_use_kvm(options_.arch)    ? Accelerator::kvm
                                                 : Accelerator::tcg;
}

Result<std::shared_ptr<VmPool>> VmPool::open(boost::asio::io_context& loop, Options options) {
  std::shared_ptr<VmPool> pool(new VmPool(loop, std::move(options)));
  for (const auto& done : {pool->look_at_files(), pool->check_connection()}) {
    if (!done) return tl::unexpected(done.error());
  }
  // The disks may be large, and /tmp may be in memory.
  if (const auto opened = pool->directories_.open("/var/tmp"); !opened)
    return tl::unexpected(opened.error());
  if (const auto made = pool->make_key(); !made) return tl::unexpected(made.error());
  return pool;
}

Result<void> VmPool::look_at_files() {
  if (mkosi() != nullptr) {
    if (const auto usable = look_at_mkosi(); !usable) return usable;
  }
  for (const VmShareSpec& share : spec().share) {
    const Fd directory(::open(share.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory && (!share.writable || ::access(share.path.c_str(), W_OK) == 0)) continue;
    return fail(ErrorKind::no_input,
                fmt::format("{}: cannot share {}{}: {}", spec().where, share.path,
                            directory ? " for writing" : "", std::strerror(errno)));
  }
  if (qemu() == nullptr) return {};
  const QemuHostsSpec& spec = *qemu();
  std::vector<std::string> programs{qemu_program(spec, options_.arch)};
  if (!spec.image.empty() && snapshot_ == Snapshot::unmade) programs.emplace_back("qemu-img");
  for (const std::string& program : programs) {
    if (find_program(program).empty())
      return fail(ErrorKind::unavailable,
                  fmt::format("{}: there is no program {}", spec.where, program));
  }
  for (const std::string* path : {&spec.kernel, &spec.initrd, &spec.image}) {
    if (path->empty()) continue;
    const Fd file(::open(path->c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
      return fail(ErrorKind::no_input,
                  fmt::format("{}: cannot read {}: {}", spec.where, *path, std::strerror(errno)));
    }
    if (path != &spec.image) continue;
    std::string start(qcow2_magic.size(), '\0');
    const ssize_t got = ::read(file.get(), start.data(), start.size());
    image_format_ = got > 0 && start == qcow2_magic ? "qcow2" : "raw";
  }
  return {};
}

Result<void> VmPool::look_at_mkosi() const {
  const MkosiHostsSpec& spec = *mkosi();
  if (find_program(spec.program).empty())
    return fail(ErrorKind::unavailable,
                fmt::format("{}: there is no program {}", spec.where, spec.program));
  const Fd config(::open(spec.config.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (config) return {};
  return fail(ErrorKind::no_input,
              fmt::format("{}: cannot read {}: {}", spec.where, spec.config, std::strerror(errno)));
}

Result<void> VmPool::check_connection() const {
  if (spec().connection == VmConnection::port) return {};
  const auto usable = check_vsock();
  if (usable) return {};
  return fail(usable.error().kind, fmt::format("{}: {}", spec().where, usable.error().message));
}

Result<void> VmPool::make_key() {
  auto made = make_run_key();
  if (!made) return tl::unexpected(made.error());
  auto directory = make_directory();
  if (!directory) return tl::unexpected(directory.error());
  // For people: ff-ci has it in memory.
  key_file_ = *directory + "/key";
  const Fd file(::open(key_file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (const int error = file ? write_all(file.get(), made->key.text) : errno; error != 0)
    return fail(ErrorKind::io, fmt::format("cannot write {}: {}", key_file_, std::strerror(error)));
  authorized_key_ = std::move(made->authorized);
  credentials_.keys.push_back(std::move(made->key));
  credentials_.policy = HostKeyPolicy::any;
  return {};
}

Result<std::string> VmPool::make_directory() {
  auto directory = directories_.make();
  if (directory) ::chmod(directory->c_str(), 0700);
  return directory;
}

void VmPool::remove_directory(const std::string& directory) {
  if (!directory.empty() && directory != snapshot_directory_) directories_.remove(directory);
}

bool VmPool::give_up_kvm(const std::string& host, const std::string& why) {
  if (qemu() == nullptr || qemu()->accelerator != Accelerator::automatic || kvm_works_)
    return false;
  if (std::exchange(accelerator_, Accelerator::tcg) == Accelerator::kvm)
    note(fmt::format("{} shows no sign of life under KVM ({}): VMs run with TCG, in software", host,
                     why));
  return true;
}

void VmPool::await_image(std::function<void(std::string_view)> on_output,
                         std::function<void(const Result<void>&)> decided) {
  if (image_ == Image::decided) return decided(image_made_);
  waiting_for_image_.push_back(std::move(decided));
  if (std::exchange(image_, Image::in_making) == Image::in_making) return;
  Command command;
  command.command = "exec </dev/null\n" + mkosi_build_command(*mkosi());
  command.directory = mkosi()->config;
  SupervisedOptions supervised;
  supervised.kill_after = time_to_end_build;
  SupervisedProcess::Callbacks callbacks;
  callbacks.on_output = [this, on_output = std::move(on_output)](Stream, std::string_view bytes) {
    on_output(bytes);
    build_said_ += bytes;
    if (build_said_.size() > most_said) build_said_.erase(0, build_said_.size() - most_said);
  };
  callbacks.on_set_up = [] {};
  callbacks.on_end = [this](const CommandEnd& ended, const std::optional<std::string>&,
                            const std::optional<std::string>& trouble) {
    end_build(ended, trouble.value_or(ended.trouble));
  };
  auto build = SupervisedProcess::start(loop_, command, supervised, std::move(callbacks));
  if (!build) return end_build({}, build.error().message);
  build_ = std::move(*build);
  note("mkosi builds the image");
  build_patience_.set(mkosi()->build_timeout, [this] {
    build_took_too_long_ = true;
    build_->stop(Urgency::in_order);
  });
}

void VmPool::end_build(const CommandEnd& ended, const std::string& trouble) {
  image_ = Image::decided;
  build_patience_.cancel();
  if (build_took_too_long_ || !ended.command || !ended.command->success()) {
    const std::string last = printable_last_line(build_said_);
    image_made_ = fail(ErrorKind::unavailable,
                       fmt::format("mkosi build: {}{}{}",
                                   build_took_too_long_ ? "it took longer than " +
                                                              human_duration(mkosi()->build_timeout)
                                   : ended.command ? describe(*ended.command)
                                                   : trouble,
                                   last.empty() ? "" : ": ", last));
  }
  // The process is on the stack.
  boost::asio::post(loop_, [build = std::shared_ptr<SupervisedProcess>(std::move(build_))] {});
  for (const auto& decided : std::exchange(waiting_for_image_, {}))
    decided(image_made_);
  tell_ends();
}

void VmPool::see_out(std::unique_ptr<VmMachine> machine, const std::string& directory) {
  VmMachine* leaving = leaving_.emplace_back(std::move(machine)).get();
  leaving->dismiss([weak = weak_from_this(), leaving, directory] {
    const auto self = weak.lock();
    if (!self) return;
    const auto gone =
        std::ranges::find(self->leaving_, leaving, [](const auto& one) { return one.get(); });
    // It is on the stack.
    boost::asio::post(self->loop_, [gone = std::shared_ptr<VmMachine>(std::move(*gone))] {});
    self->leaving_.erase(gone);
    self->remove_directory(directory);
    self->tell_ends();
  });
}

void VmPool::await_ends(std::function<void()> all_gone) {
  waiting_for_ends_.push_back(std::move(all_gone));
  if (build_) build_->stop(Urgency::in_order);
  tell_ends();
}

void VmPool::tell_ends() {
  if (!leaving_.empty() || build_) return;
  for (const auto& all_gone : std::exchange(waiting_for_ends_, {}))
    all_gone();
}

void VmPool::await_turn(std::function<void(BootTurn)> have) {
  queue_.push_back(std::move(have));
  boost::asio::post(loop_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->give_turns();
  });
}

void VmPool::give_turns() {
  while (turns_left_ > 0 && !queue_.empty()) {
    const auto have = std::move(queue_.front());
    queue_.pop_front();
    --turns_left_;
    have(BootTurn(this, [weak = weak_from_this()](void*) {
      const auto self = weak.lock();
      if (!self) return;
      ++self->turns_left_;
      boost::asio::post(self->loop_, [weak] {
        if (const auto pool = weak.lock()) pool->give_turns();
      });
    }));
  }
}

void VmPool::end_snapshot(const std::string& directory) {
  snapshot_directory_ = directory;
  snapshot_ = Snapshot::ready;
  tell_waiting();
}

void VmPool::give_up_snapshot(const std::string& why) {
  if (snapshot_ == Snapshot::none) return;
  if (!why.empty()) note(fmt::format("VMs boot instead of starting from a snapshot: {}", why));
  snapshot_ = Snapshot::none;
  tell_waiting();
}

void VmPool::tell_waiting() {
  for (const auto& decided : std::exchange(waiting_, {}))
    boost::asio::post(loop_, decided);
}

}  // namespace ffci
