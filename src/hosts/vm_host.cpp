#include "hosts/vm_host.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <map>
#include <optional>

#include "base/text.hpp"
#include "hosts/mkosi_machine.hpp"
#include "hosts/qemu_machine.hpp"
#include "hosts/vm_command.hpp"
#include "hosts/vm_console.hpp"
#include "hosts/vm_disks.hpp"
#include "hosts/vm_log_in.hpp"
#include "hosts/vm_mounts.hpp"
#include "hosts/vm_wake_up.hpp"
#include "hosts/vsock.hpp"

namespace ffci {
namespace {

namespace asio = boost::asio;

constexpr Duration log_in_pause = std::chrono::milliseconds(500);
// While a system boots it may refuse whoever is not root (pam_nologin).
constexpr Duration refusals = std::chrono::seconds(20);
constexpr Duration hang_up_time = std::chrono::milliseconds(500);
constexpr Duration last_answer = std::chrono::seconds(5);
constexpr Duration last_words = std::chrono::seconds(10);    // of a kernel that was interrupted
constexpr Duration end_of_report = std::chrono::seconds(1);  // nothing more came

// For ssh; one that has systemd's proxy would do with the name.
std::string vsock_way(std::uint32_t cid, const std::string& user) {
  return fmt::format("-o ProxyCommand='socat - VSOCK-CONNECT:{0}:22' {1}@vsock/{0}", cid, user);
}

class VmHost final : public Host {
 public:
  VmHost(asio::io_context& loop, VmHostOptions options, std::shared_ptr<VmPool> pool)
      : loop_(loop),
        options_(std::move(options)),
        pool_(std::move(pool)),
        console_(options_.allowed, [this](const std::string& line) { tell_kernel_line(line); }),
        end_of_report_(loop),
        patience_(loop) {}
  ~VmHost() override { drop_life(); }

  void start(HostObserver& observer) override {
    observer_ = &observer;
    drop_life();
    stopping_ = false;
    asio::post(loop_, [this, life = life_] {
      if (life == life_) begin();
    });
  }

  void set_up(size_t suite, const Command& scope, ScopeObserver& observer) override {
    has_run_ = true;
    if (log_in_) log_in_->host().set_up(suite, scope, observer);
  }
  void tear_down(size_t suite) override {
    if (log_in_) log_in_->host().tear_down(suite);
  }
  void stop_scope(size_t suite, Urgency urgency) override {
    if (log_in_) log_in_->host().stop_scope(suite, urgency);
  }

  void run(std::uint64_t number, int slot, size_t suite, const Command& command,
           CommandObserver& observer) override {
    if (!log_in_ || phase_ != Phase::up) return;  // it was lost with this turn of the loop
    has_run_ = true;
    auto command_in_vm = std::make_shared<VmCommand>(
        loop_, observer, [this] { read_console(); }, [this, number] { end_command(number); });
    running_[number] = command_in_vm;
    log_in_->host().run(number, slot, suite, with_vm_devices(command, *pool_), *command_in_vm);
  }
  void stop_command(std::uint64_t number, Urgency urgency) override {
    if (log_in_) log_in_->host().stop_command(number, urgency);
  }

  void stop(Urgency urgency) override {
    stopping_ = true;
    if (phase_ == Phase::up && log_in_) return log_in_->host().stop(urgency);
    if (phase_ != Phase::ending) return go_down();
    // Its end is told soon, or at once.
    if (urgency == Urgency::at_once && machine_) machine_->kill();
  }

 private:
  enum class Phase {
    down,     // not started yet, lost, or taken down
    waiting,  // for its turn, or for the snapshot
    booting,  // until somebody can log in
    logging_in,
    mounting,  // what it shares
    saving,
    up,
    ending,  // what was up is no more, QEMU's end is awaited
    going_down,
  };

  // Coming up.

  void begin() {
    phase_ = Phase::waiting;
    switch (pool_->snapshot()) {
      case VmPool::Snapshot::unmade:
        pool_->begin_snapshot();
        kind_ = VmStart::boot_to_be_saved;
        break;
      case VmPool::Snapshot::in_making:
        return pool_->await_snapshot([this, life = life_] {
          if (life == life_ && phase_ == Phase::waiting) begin();
        });
      case VmPool::Snapshot::ready:
        kind_ = VmStart::from_snapshot;
        break;
      case VmPool::Snapshot::none:
        kind_ = VmStart::boot;
        break;
    }
    pool_->await_image([this](std::string_view said) { observer_->on_console(said); },
                       [this, life = life_](const Result<void>& made) {
                         asio::post(loop_, [this, life, made] {
                           if (life == life_ && phase_ == Phase::waiting) await_turn(made);
                         });
                       });
  }

  void await_turn(const Result<void>& image) {
    if (!image) {
      drop_life();
      return observer_->on_lost(image.error().message, true);
    }
    pool_->await_turn([this, life = life_](BootTurn turn) {
      if (life != life_ || phase_ != Phase::waiting) return;
      turn_ = std::move(turn);
      make_disks();
    });
  }

  void make_disks() {
    phase_ = Phase::booting;
    patience_.set(pool_->spec().boot_timeout, [this] {
      if (disk_maker_) disk_maker_->kill();
    });
    auto directory = pool_->make_directory();
    if (!directory) return fail_to_start(directory.error().message);
    directory_ = std::move(*directory);
    if (pool_->mkosi() != nullptr) return boot({});
    disk_maker_ = make_vm_disks(loop_, *pool_, kind_, directory_,
                                [this, life = life_](const Result<std::vector<QemuDrive>>& drives) {
                                  // From within make_vm_disks, perhaps.
                                  asio::post(loop_, [this, life, drives] {
                                    if (life != life_) return;
                                    if (drives) return boot(*drives);
                                    fail_to_start(drives.error().message);
                                  });
                                });
  }

  void boot(const std::vector<QemuDrive>& drives) {
    patience_.cancel();
    console_.begin();
    cid_ = pool_->spec().connection == VmConnection::vsock ? random_cid() : 0;
    auto started = pool_->mkosi() != nullptr ? start_mkosi() : start_qemu(drives);
    if (!started) return fail_to_start(started.error().message);
    machine_ = std::move(*started);
  }

  Result<std::unique_ptr<VmMachine>> start_qemu(const std::vector<QemuDrive>& drives) {
    QemuMachineOptions machine;
    machine.spec = *pool_->qemu();
    machine.launch.name = options_.ssh.name;
    machine.launch.arch = options_.ssh.arch;
    machine.launch.accelerator = accelerator_ = pool_->accelerator();
    machine.launch.cid = cid_;
    machine.launch.drives = drives;
    machine.launch.authorized_key = pool_->authorized_key();
    machine.directory = directory_;
    if (kind_ == VmStart::from_snapshot) machine.saved = pool_->snapshot_directory() + "/state";
    if (pool_->may_keep_alive()) machine.keep_open = pool_->lock();
    return QemuMachine::start(loop_, std::move(machine), machine_callbacks());
  }

  Result<std::unique_ptr<VmMachine>> start_mkosi() {
    MkosiMachineOptions machine;
    machine.spec = *pool_->mkosi();
    // The VM before may not be gone yet.
    machine.launch.name =
        fmt::format("ff-ci-{}-{}-{}", ::getpid(), guest_name(options_.ssh.name), life_);
    machine.launch.cid = cid_;
    machine.launch.authorized_key = pool_->authorized_key();
    machine.directory = directory_;
    if (pool_->may_keep_alive()) machine.keep_open = pool_->lock();
    return MkosiMachine::start(loop_, std::move(machine), machine_callbacks());
  }

  VmMachine::Callbacks machine_callbacks() {
    VmMachine::Callbacks callbacks;
    callbacks.on_console = [this](std::string_view bytes) { take_console(bytes); };
    callbacks.on_reachable = [this](int port) {
      port_ = port;
      log_in();
    };
    callbacks.on_silent = [this] {
      if (phase_ == Phase::booting) fall_back_from_kvm("it says nothing");
    };
    callbacks.on_gone = [this](const std::string& why) { end_life(why); };
    return callbacks;
  }

  // True: the VM boots again, with TCG.
  bool fall_back_from_kvm(const std::string& why) {
    if (accelerator_ != Accelerator::kvm || !pool_->give_up_kvm(options_.ssh.name, why))
      return false;
    drop_machine();
    make_disks();
    return true;
  }

  void log_in() {
    if (phase_ == Phase::going_down) return;
    phase_ = Phase::logging_in;
    SshHostOptions ssh = options_.ssh;
    ssh.machine.host = "127.0.0.1";
    ssh.machine.port = port_;
    ssh.machine.cid = cid_;
    if (kind_ == VmStart::from_snapshot) {
      ssh.prologue = wake_up_script(options_.ssh.name);
      ssh.on_prologue_failed = [pool = pool_,
                                name = options_.ssh.name](const std::string& trouble) {
        pool->note(fmt::format("{}: it was started from a snapshot, and {}", name, trouble));
      };
    }
    ssh.look_at_path = !has_mounts(pool_->spec());  // else the mounts come first
    VmLogIn::Callbacks callbacks;
    callbacks.on_up = [this](const HostReady& facts) { consider(facts); };
    callbacks.on_lost = [this](const std::string& why, bool for_good) {
      lose_log_in(why, for_good);
    };
    callbacks.on_down = [this] { on_log_in_down(); };
    log_in_ = std::make_shared<VmLogIn>(loop_, std::move(ssh), pool_->credentials(),
                                        std::move(callbacks));
    log_in_->start();
  }

  void consider(const HostReady& facts) {
    facts_ = facts;
    pool_->accept_kvm();
    if (kind_ == VmStart::boot_to_be_saved) {
      phase_ = Phase::saving;
      return log_in_->host().stop(Urgency::in_order);
    }
    phase_ = Phase::mounting;
    mount_shares();
  }

  void mount_shares() {
    if (!has_mounts(pool_->spec())) return be_up();
    mounts_ = std::make_shared<VmMounts>([this](const std::string& trouble, bool for_good) {
      if (phase_ != Phase::mounting) return;
      if (trouble.empty()) return be_up();
      for_good_ = for_good;
      drop_log_in();
      why_lost_ = trouble;
      phase_ = Phase::ending;
      end_it();
    });
    log_in_->host().set_up(VmMounts::scope, mount_command(pool_->spec()), *mounts_);
  }

  void be_up() {
    phase_ = Phase::up;
    turn_.reset();
    machine_->be_up();
    console_.accept();  // the next one would say the same while it boots
    HostReady ready = facts_;
    ready.kind = options_.kind;
    // VMs that start from one state believe that they are in the same boot.
    ready.boot_id = fmt::format("{}.{}", facts_.boot_id, life_);
    const std::string way = cid_ == 0 ? fmt::format("-p {} {}@127.0.0.1", port_, pool_->spec().user)
                                      : vsock_way(cid_, pool_->spec().user);
    ready.log_in = fmt::format(
        "ssh -i {} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o "
        "UserKnownHostsFile=/dev/null {}",
        shell_quote(pool_->key_file()), way);
    observer_->on_up(ready);
  }

  // The first VM has come up: what it is now, all begin with, itself too.
  void save() {
    drop_log_in();
    // The state shall not hold a connection whose other end is gone.
    patience_.set(hang_up_time, [this] { write_state(); });
  }

  void write_state() {
    machine_->save(directory_ + "/state", [this](const Result<void>& saved) {
      saved_ = saved.has_value();
      if (saved_) return machine_->kill();
      kind_ = VmStart::boot;
      pool_->give_up_snapshot(saved.error().message);
      log_in();
    });
  }

  // The VM and its kernel.

  void end_command(std::uint64_t number) {
    look_for_taint(VmConsole::Unfinished::included);
    asio::post(loop_, [gone = std::move(running_[number])] {});
    running_.erase(number);
  }

  void read_console() {
    if (machine_) machine_->read_console();
  }

  void take_console(std::string_view bytes) {
    observer_->on_console(bytes);
    console_.feed(bytes);
    look_for_taint(VmConsole::Unfinished::left_out);
    end_of_report_.set(end_of_report, [this] { look_for_taint(VmConsole::Unfinished::included); });
  }

  void look_for_taint(VmConsole::Unfinished unfinished) {
    if (phase_ != Phase::up || !pool_->spec().replace_tainted) return;
    const std::optional<FoundSplat> taint = console_.taint(unfinished);
    if (!taint) return;
    console_.accept();
    observer_->on_worn(fmt::format("its kernel is tainted ({})", taint->title));
  }

  void tell_kernel_line(const std::string& line) {
    if (!options_.watch_log) return;
    observer_->on_log(line);
    std::vector<std::shared_ptr<VmCommand>> commands;
    for (const auto& [number, command_in_vm] : running_)
      commands.push_back(command_in_vm);
    for (const auto& command_in_vm : commands)
      command_in_vm->tell_log(line);
  }

  // Being lost, and going down.

  void lose_log_in(const std::string& why, bool for_good) {
    drop_log_in_but_what_runs();
    if (phase_ == Phase::going_down) return;
    if (phase_ == Phase::up) {
      phase_ = Phase::ending;
      why_lost_ = why;
      if (stopping_) return end_it();
      if (!has_run_) return lose_idle();
      patience_.set(VmCommand::vm_end_grace, [this] { look_whether_it_hangs(); });
      return observer_->on_worn("it does not answer");  // so that it gets nothing more to do
    }
    if (phase_ == Phase::saving) return save();  // its goodbye was not answered
    why_lost_ = why;
    const auto now = std::chrono::steady_clock::now();
    if (for_good && !refused_since_) refused_since_ = now;
    if (for_good && (pool_->spec().user == "root" || now - *refused_since_ > refusals)) {
      for_good_ = true;
      return end_it();
    }
    // Until the timeout of the boot.
    patience_.set(log_in_pause, [this] { log_in(); });
  }

  // Nothing that it ran wants to know what its kernel has to say, and it shall get nothing to run.
  void lose_idle() {
    read_console();
    given_up_ = true;
    const std::string why = reason({});
    drop_life();
    observer_->on_lost(why, false);
  }

  // For `why_lost_`.
  void end_it() {
    given_up_ = true;
    patience_.cancel();
    machine_->kill();
  }

  // QEMU lives. Where an SSH server still answers only the connection was lost, and the kernel has
  // nothing to say.
  void look_whether_it_hangs() {
    machine_->look_for_server([this] { end_it(); });
    patience_.set(last_answer, [this] { interrupt(); });
  }

  void interrupt() {
    hung_ = true;
    machine_->interrupt([this](const std::string& why) {
      hung_ = false;
      why_lost_ = why;
      end_it();
    });
    patience_.set(last_words, [this] { machine_->kill(); });
  }

  // QEMU is gone, and its console has been read.
  void end_life(const std::string& why) {
    if (phase_ == Phase::going_down) return be_down();
    if (phase_ == Phase::saving && saved_) return end_saving();
    if (phase_ == Phase::booting && kind_ != VmStart::from_snapshot && machine_->is_silent() &&
        fall_back_from_kvm(why))
      return;
    if (phase_ == Phase::saving || (kind_ == VmStart::boot_to_be_saved && phase_ != Phase::up))
      pool_->give_up_snapshot("the first one was lost: " + reason(why));
    if (kind_ == VmStart::from_snapshot && phase_ != Phase::up && phase_ != Phase::ending)
      pool_->give_up_snapshot(reason(why));
    const std::string text = reason(why);
    const bool for_good = for_good_;
    drop_life();
    observer_->on_lost(text, for_good);
  }

  // Its state is complete, and nobody writes to its disks any more.
  void end_saving() {
    pool_->end_snapshot(std::exchange(directory_, {}));
    drop_life();
    begin();
  }

  [[nodiscard]] std::string reason(const std::string& qemu) const {
    const std::optional<FoundSplat> splat = console_.taint();
    if (hung_) return fmt::format("it hung: {}", why_lost_);
    if (splat && splat->fatal()) return "its kernel died: " + splat->title;
    if (given_up_) return why_lost_;
    if (!qemu.empty() && !why_lost_.empty() && phase_ == Phase::logging_in)
      return fmt::format("{}; at last: {}", qemu, why_lost_);
    if (!qemu.empty()) return qemu;
    return phase_ == Phase::up || phase_ == Phase::ending ? "the VM powered off or was reset"
                                                          : "the VM ended while it booted";
  }

  void fail_to_start(const std::string& why) {
    if (kind_ != VmStart::boot) pool_->give_up_snapshot(why);
    drop_life();
    observer_->on_lost(why, false);
  }

  void on_log_in_down() {
    if (phase_ == Phase::saving && !stopping_) return save();
    go_down();
  }

  void go_down() {
    if (phase_ == Phase::going_down) return;
    if (pool_->keeps_alive() && phase_ == Phase::up) {
      machine_->leave_alone();
      asio::post(loop_, [gone = std::shared_ptr<VmMachine>(std::move(machine_))] {});
      pool_->leave_alone();
      directory_.clear();
    } else if (machine_) {
      phase_ = Phase::going_down;
      return machine_->kill();
    }
    be_down();
  }

  void be_down() {
    if (kind_ == VmStart::boot_to_be_saved) pool_->give_up_snapshot({});
    drop_life();
    asio::post(loop_, [this, life = life_] {
      pool_->await_ends([this, life] {
        if (life == life_) observer_->on_down();
      });
    });
  }

  // What is dropped may be on the stack: it goes with the loop's next turn, and is silent.

  void drop_log_in_but_what_runs() {
    if (!log_in_) return;
    log_in_->silence();
    asio::post(loop_, [gone = std::move(log_in_), mounts = std::move(mounts_)]() mutable {
      gone.reset();
      mounts.reset();
    });
    log_in_.reset();
  }

  void drop_log_in() {
    drop_log_in_but_what_runs();
    for (const auto& [number, command_in_vm] : running_)
      command_in_vm->silence();
    asio::post(loop_, [running = std::move(running_)] {});
    running_.clear();
  }

  void drop_machine() {
    patience_.cancel();
    end_of_report_.cancel();
    asio::post(loop_, [maker = std::shared_ptr<ChildProgram>(std::move(disk_maker_))] {});
    const std::string directory = std::exchange(directory_, {});
    if (machine_) return pool_->see_out(std::move(machine_), directory);
    pool_->remove_directory(directory);
  }

  void drop_life() {
    ++life_;
    drop_log_in();
    drop_machine();
    turn_.reset();
    why_lost_.clear();
    refused_since_.reset();
    hung_ = given_up_ = for_good_ = saved_ = has_run_ = false;
    phase_ = Phase::down;
  }

  asio::io_context& loop_;
  VmHostOptions options_;
  std::shared_ptr<VmPool> pool_;
  HostObserver* observer_ = nullptr;
  VmConsole console_;
  bool stopping_ = false;

  // Of this life.
  std::uint64_t life_ = 0;
  Phase phase_ = Phase::down;
  VmStart kind_ = VmStart::boot;
  Accelerator accelerator_ = Accelerator::tcg;
  BootTurn turn_;
  std::string directory_;
  std::unique_ptr<ChildProgram> disk_maker_;
  std::unique_ptr<VmMachine> machine_;
  int port_ = 0;
  std::uint32_t cid_ = 0;  // 0: the port is one of this machine
  std::shared_ptr<VmLogIn> log_in_;
  std::shared_ptr<VmMounts> mounts_;
  std::optional<std::chrono::steady_clock::time_point> refused_since_;
  HostReady facts_;
  std::map<std::uint64_t, std::shared_ptr<VmCommand>> running_;
  std::string why_lost_;
  bool hung_ = false, given_up_ = false, for_good_ = false, saved_ = false;
  bool has_run_ = false;  // something of a job
  Deadline end_of_report_;
  Deadline patience_;
};

}  // namespace

std::unique_ptr<Host> make_vm_host(asio::io_context& loop, VmHostOptions options,
                                   std::shared_ptr<VmPool> pool) {
  return std::make_unique<VmHost>(loop, std::move(options), std::move(pool));
}

}  // namespace ffci
