// VmPool is what the VMs of one section of a job, such as hosts.qemu, share: the key to log in to
// them, the directory of their files, their turns to boot, and the state that they start from once
// the first has booted.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "hosts/run_key.hpp"
#include "hosts/ssh_credentials.hpp"
#include "hosts/supervised_process.hpp"
#include "hosts/temporary_directories.hpp"
#include "hosts/vm_machine.hpp"
#include "model/job_spec.hpp"

namespace ffci {

// A VM has its turn for as long as somebody holds this.
using BootTurn = std::shared_ptr<void>;

class VmPool : public std::enable_shared_from_this<VmPool> {
 public:
  struct Options {
    std::variant<QemuHostsSpec, MkosiHostsSpec> spec;
    std::string arch;                              // of the VMs: uname -m
    bool keep_alive = false;                       // the VMs may outlive ff-ci
    std::function<void(const std::string&)> note;  // tells people what was not as expected
  };
  enum class Snapshot { unmade, in_making, ready, none };

  // Errors: files and directories of the spec can't be read (no_input), a program or the device for
  // vsock is not there (unavailable), the directory can't be made (io).
  [[nodiscard]] static Result<std::shared_ptr<VmPool>> open(boost::asio::io_context& loop,
                                                            Options options);

  [[nodiscard]] const VmHostsSpec& spec() const {
    return std::visit([](const auto& spec) -> const VmHostsSpec& { return spec; }, options_.spec);
  }
  // nullptr: somebody else calls QEMU.
  [[nodiscard]] const QemuHostsSpec* qemu() const {
    return std::get_if<QemuHostsSpec>(&options_.spec);
  }
  [[nodiscard]] const MkosiHostsSpec* mkosi() const {
    return std::get_if<MkosiHostsSpec>(&options_.spec);
  }
  // Whether the VMs are started so that they can outlive ff-ci; and whether they do: not those that
  // were only asked something before a run.
  [[nodiscard]] bool may_keep_alive() const { return options_.keep_alive; }
  [[nodiscard]] bool keeps_alive() const { return options_.keep_alive && has_run_; }
  void begin_run() { has_run_ = true; }
  [[nodiscard]] SshCredentials& credentials() { return credentials_; }
  [[nodiscard]] const std::string& authorized_key() const { return authorized_key_; }
  [[nodiscard]] const std::string& key_file() const { return key_file_; }
  [[nodiscard]] const std::string& image_format() const { return image_format_; }
  [[nodiscard]] int lock() const { return directories_.lock(); }
  void note(const std::string& text) const { options_.note(text); }

  // A directory that nobody else can look into. Error (io): it can't be made.
  [[nodiscard]] Result<std::string> make_directory();
  void remove_directory(const std::string& directory);
  void leave_alone() { directories_.leave_alone(); }

  // Calls back, perhaps at once, when the image is there, or can't be made. What is said meanwhile
  // goes to whoever asked first.
  void await_image(std::function<void(std::string_view)> on_output,
                   std::function<void(const Result<void>&)> decided);

  // The end of a VM that nobody needs any more, and of its directory.
  void see_out(std::unique_ptr<VmMachine> machine, const std::string& directory);
  // Calls back, perhaps at once, when all of these are gone, and nobody builds the image.
  void await_ends(std::function<void()> all_gone);

  // kvm or tcg.
  [[nodiscard]] Accelerator accelerator() const { return accelerator_; }
  // A VM has come up, with KVM if that was tried.
  void accept_kvm() { kvm_works_ = true; }
  // A VM has shown no sign of life under KVM, nor has any other: true when all are to boot with
  // TCG.
  [[nodiscard]] bool give_up_kvm(const std::string& host, const std::string& why);

  // `have` is called with the next turn of the loop that has room for one more.
  void await_turn(std::function<void(BootTurn)> have);

  [[nodiscard]] Snapshot snapshot() const { return snapshot_; }
  void begin_snapshot() { snapshot_ = Snapshot::in_making; }
  // Of the VM that was saved, with its disks and its state.
  void end_snapshot(const std::string& directory);
  void give_up_snapshot(const std::string& why);  // empty: nobody needs to know
  // Called when one is no longer in the making.
  void await_snapshot(std::function<void()> decided) { waiting_.push_back(std::move(decided)); }
  [[nodiscard]] const std::string& snapshot_directory() const { return snapshot_directory_; }

 private:
  VmPool(boost::asio::io_context& loop, Options options);
  [[nodiscard]] Result<void> look_at_files();
  [[nodiscard]] Result<void> look_at_mkosi() const;
  void end_build(const CommandEnd& ended, const std::string& trouble);
  void tell_ends();
  [[nodiscard]] Result<void> check_connection() const;
  [[nodiscard]] Result<void> make_key();
  void give_turns();
  void tell_waiting();

  boost::asio::io_context& loop_;
  Options options_;
  TemporaryDirectories directories_;
  SshCredentials credentials_;
  std::string authorized_key_, key_file_, image_format_;
  Accelerator accelerator_ = Accelerator::tcg;
  bool kvm_works_ = false, has_run_ = false;

  enum class Image { unmade, in_making, decided };
  Image image_;
  Result<void> image_made_;
  std::string build_said_;
  std::unique_ptr<SupervisedProcess> build_;
  Deadline build_patience_;
  bool build_took_too_long_ = false;
  std::vector<std::function<void(const Result<void>&)>> waiting_for_image_;

  std::vector<std::unique_ptr<VmMachine>> leaving_;
  std::vector<std::function<void()>> waiting_for_ends_;

  int turns_left_;
  std::deque<std::function<void(BootTurn)>> queue_;

  Snapshot snapshot_;
  std::string snapshot_directory_;
  std::vector<std::function<void()>> waiting_;
};

}  // namespace ffci
