#include "hosts/vm_pool.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <thread>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "hosts/vsock.hpp"

namespace ffci {
namespace {

constexpr std::string_view qcow2_magic = "QFI\xFB";

// A clone would have to take up a CID of its own while it runs, which nobody has tried yet.
bool has_snapshot(const QemuHostsSpec& spec) {
  return spec.snapshot == SnapshotStart::automatic && spec.connection == VmConnection::port;
}

bool can_use_kvm() {
  return static_cast<bool>(Fd(::open("/dev/kvm", O_RDWR | O_CLOEXEC)));
}

// Bytes that can be taken without swapping; 0: not known.
std::uint64_t memory_available() {
  const auto text = read_file("/proc/meminfo", 1 << 20);
  if (!text) return 0;
  constexpr std::string_view name = "MemAvailable:";
  const size_t at = text->find(name);
  if (at == std::string::npos) return 0;
  const std::string_view number = trim(std::string_view(*text).substr(at + name.size(), 20));
  std::uint64_t kibibytes = 0;
  std::from_chars(number.data(), number.data() + number.size(), kibibytes);
  return kibibytes << 10;
}

}  // namespace

VmPool::VmPool(boost::asio::io_context& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      directories_(loop),
      turns_left_(std::max(1, static_cast<int>(std::thread::hardware_concurrency()))),
      snapshot_(has_snapshot(options_.spec) ? Snapshot::unmade : Snapshot::none) {
  const Accelerator asked = options_.spec.accelerator;
  accelerator_ = asked != Accelerator::automatic ? asked
                 : can_use_kvm()                 ? Accelerator::kvm
                                                 : Accelerator::tcg;
}

Result<std::shared_ptr<VmPool>> VmPool::open(boost::asio::io_context& loop, Options options) {
  std::shared_ptr<VmPool> pool(new VmPool(loop, std::move(options)));
  for (const auto& done : {pool->look_at_files(), pool->check_memory(), pool->check_connection()}) {
    if (!done) return tl::unexpected(done.error());
  }
  if (const auto opened = pool->directories_.open(); !opened) return tl::unexpected(opened.error());
  if (const auto made = pool->make_key(); !made) return tl::unexpected(made.error());
  return pool;
}

Result<void> VmPool::look_at_files() {
  const QemuHostsSpec& spec = options_.spec;
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
  for (const VmShareSpec& share : spec.share) {
    const Fd directory(::open(share.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory && (!share.writable || ::access(share.path.c_str(), W_OK) == 0)) continue;
    return fail(ErrorKind::no_input,
                fmt::format("{}: cannot share {}{}: {}", spec.where, share.path,
                            directory ? " for writing" : "", std::strerror(errno)));
  }
  return {};
}

Result<void> VmPool::check_memory() const {
  const QemuHostsSpec& spec = options_.spec;
  const std::uint64_t available = memory_available();
  const std::uint64_t needed = spec.memory * static_cast<std::uint64_t>(spec.count);
  if (available == 0 || needed <= available) return {};
  return fail(ErrorKind::unavailable,
              fmt::format("{}: {} VMs of {} need {}, and {} are available here: lower 'count' or "
                          "'memory'",
                          spec.where, spec.count, human_size(spec.memory), human_size(needed),
                          human_size(available)));
}

Result<void> VmPool::check_connection() const {
  if (options_.spec.connection == VmConnection::port) return {};
  const auto usable = check_vsock();
  if (usable) return {};
  return fail(usable.error().kind,
              fmt::format("{}: {}", options_.spec.where, usable.error().message));
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
  if (options_.spec.accelerator != Accelerator::automatic) return false;
  if (std::exchange(accelerator_, Accelerator::tcg) == Accelerator::kvm)
    note(fmt::format("{} shows no sign of life under KVM ({}): VMs run with TCG, in software", host,
                     why));
  return true;
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
