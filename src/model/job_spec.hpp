// JobSpec is what a user asked for, with every default filled in: the YAML file with the command
// line's overrides on top. Written by spec, read by everything that needs its part; paths are
// absolute.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "model/shard.hpp"

namespace ffci {

struct CommandTestSpec {
  std::string name;
  std::string command;
  std::string setup, teardown;      // around this one test, in its own namespaces
  std::optional<Duration> timeout;  // zero: no limit
  std::vector<std::string> arch;    // uname -m; empty: all
  std::vector<std::string> files;   // globs of the files to keep of it, relative to the directory
  // One test per combination of values: "name[key=value,…]", with {key} replaced in command, setup,
  // teardown and files.
  std::vector<std::pair<std::string, std::vector<std::string>>> parameters;
  std::string where;  // file:line:col, for complaints
};

enum class Protocol { exit_code, ktap };

struct CommandsSuiteSpec {
  std::string name;
  std::string directory;            // on this machine
  std::string directory_in_tree;    // as it was written, for hosts that have a path of their own
  std::string setup, teardown;      // once per host
  std::optional<Duration> timeout;  // of its tests, where they name none; zero: no limit
  std::vector<std::string> arch;
  std::vector<std::string> files;  // globs of the files to keep of each test that names none;
                                   // {test} is its name
  int parallel = 0;  // how many at once on one host; 0: as many as it has slots; 1: alone
  std::vector<CommandTestSpec> tests;
  std::optional<std::string> discover;     // glob over the names of executables in `directory`
  std::optional<std::string> import_file;  // KVM selftests runner JSON, or kselftest-list.txt
  Protocol protocol = Protocol::exit_code;
  std::string where;  // file:line:col
};

// A text of the spec, and where it stands.
struct LocatedText {
  std::string text;
  std::string where;  // file:line:col
};

// Tests of fstests, run through its ./check.
struct FstestsSuiteSpec {
  std::string name;
  std::string path;  // of the built fstests on this machine, and on hosts that name none of their
                     // own; empty: all hosts do
  std::optional<std::string>
      tree;                 // where to select from, on this machine; none: `path` when tests
                            // run on this machine, else the first host that is up is asked
  std::string file_system;  // FSTYP: which directories of tests belong
  // With neither tests nor groups: the group auto, as ./check has it.
  std::vector<LocatedText> tests;   // names or globs: "generic/475", "btrfs/2*"
  std::vector<LocatedText> groups;  // GROUP or DIR/GROUP
  std::vector<LocatedText> excluded_tests, excluded_groups;
  std::vector<LocatedText> excluded_tests_files;  // absolute paths; one name a line, # comments
  std::vector<LocatedText> sections;              // of the host's configuration; none: all it has
  std::vector<LocatedText> excluded_sections;
  std::vector<std::pair<std::string, std::string>> variables;  // exported before ./check
  std::optional<Duration> timeout;                             // of its tests; zero: no limit
  std::string where;                                           // file:line:col
};

using SuiteSpec = std::variant<CommandsSuiteSpec, FstestsSuiteSpec>;

// The block devices that each local slot gets for file-system tests: loop devices over sparse files
// that have no name, so that nothing is left of them when ff-ci is gone.
struct TestDevicesSpec {
  std::string directory = "/var/tmp";  // the file system that holds the files
  std::uint64_t test_size = 5ULL << 30, scratch_size = 5ULL << 30;  // bytes
  int pool = 5;  // devices of scratch_size in SCRATCH_DEV_POOL, where the file system uses one
};

struct LocalHostsSpec {
  int slots = 1;
  // Of suites of fstests; none: they use the devices of their own configuration (local.config).
  std::optional<TestDevicesSpec> devices = TestDevicesSpec{};
};

// [user@]host[:port][:path]
struct SshMachineSpec {
  std::string user;  // empty: that of ff-ci
  std::string host;  // a name or an address, without brackets
  int port = 22;
  std::string path;   // where the relative directories of suites start there; empty: as here
  std::string where;  // file:line:col
  // Of a VM that ff-ci has booted, and reaches over vsock whatever `host` is; 0: over the network.
  std::uint32_t cid = 0;
};

enum class HostKeyPolicy {
  strict,      // the machine's key must be in known-hosts
  accept_new,  // a machine that is not there yet is added; a changed key is refused all the same
  any,         // of a VM that ff-ci has just booted on this machine; no job can ask for it
};

// How a test's processes are kept together on a machine, so that all of them can be killed.
enum class RemoteIsolation {
  automatic,   // namespaces where they can be made, else session
  namespaces,  // private pid and mount namespaces; needs root there
  session,     // a session of its own, and a mark in the environment
};

struct SshHostsSpec {
  std::vector<SshMachineSpec> machines;
  int slots = 1;                        // tests at once on one machine
  std::optional<std::string> identity;  // private key; none: the agent's, then ~/.ssh/id_ed25519
                                        // and ~/.ssh/id_ecdsa
  std::string known_hosts;
  HostKeyPolicy host_key = HostKeyPolicy::strict;
  Duration connect_timeout = std::chrono::seconds(30);
  Duration boot_timeout = std::chrono::minutes(5);  // for a machine that was lost to come back
  std::optional<std::string> proxy_command;  // for /bin/sh -c, with %h %p %r %%; its stdin and
                                             // stdout are the connection
  RemoteIsolation isolation = RemoteIsolation::automatic;
  std::string arch;  // uname -m of the machines; empty: as here
};

enum class Accelerator {
  automatic,  // KVM where it can be opened and shows signs of life, else TCG
  kvm,
  tcg,  // in software
};

// How a VM comes up that is not the first one.
enum class SnapshotStart {
  automatic,  // from the state of the first, saved as soon as it had booted
  off,        // it boots
};

// How the SSH server in a VM is reached, which listens at port 22.
enum class VmConnection {
  port,   // of this machine's loopback, which QEMU forwards
  vsock,  // the VM's own address among sockets of VMs
};

// A directory of this machine that VMs can mount, with 9p.
struct VmShareSpec {
  std::string path;
  std::string tag;        // its name in a VM
  std::string mount;      // where ff-ci mounts it there; empty: it does not
  bool writable = false;  // for VMs, as whoever runs ff-ci
};

// VMs that ff-ci boots, and boots again when their kernel is not fit for another test.
struct VmHostsSpec {
  int count = 1;
  std::string arch;                    // uname -m in the VM; empty: as here
  std::vector<VmShareSpec> share;      // with each of them
  std::vector<std::string> arguments;  // for QEMU, behind ff-ci's own
  VmConnection connection = VmConnection::port;
  Duration boot_timeout = std::chrono::minutes(5);
  int slots = 1;                // tests at once in one VM
  std::string path;             // where the relative directories of suites start there
  std::string user = "root";    // to log in as
  bool replace_tainted = true;  // also after a warning or an oops that the kernel survived
  std::string where;            // file:line:col
};

// With a QEMU that ff-ci calls itself.
struct QemuHostsSpec : VmHostsSpec {
  std::string program;                // empty: qemu-system-ARCH
  std::string kernel;                 // empty: the image boots by itself
  std::string initrd;                 // empty: none
  std::string append;                 // to the kernel's command line
  std::string image;                  // of the first disk, never written to; empty: none
  std::uint64_t memory = 2ULL << 30;  // bytes of each
  int cpus = 2;                       // of each
  std::vector<std::uint64_t> disks;   // bytes of each further disk
  Accelerator accelerator = Accelerator::automatic;
  SnapshotStart snapshot = SnapshotStart::automatic;
};

// With mkosi, which makes the image and calls QEMU for it.
struct MkosiHostsSpec : VmHostsSpec {
  std::string program = "mkosi";
  std::string config;                // the directory of mkosi.conf
  std::string include;               // further configuration: a file, or a directory; empty: none
  std::vector<std::string> options;  // for mkosi
  int build = 0;                     // with so many -f the image is built before; 0: it is there
  Duration build_timeout = std::chrono::hours(1);
};

// Where tests run beside this machine itself.
struct RemoteHostsSpec {
  std::optional<SshHostsSpec> ssh;
  std::optional<QemuHostsSpec> qemu;
  std::optional<MkosiHostsSpec> mkosi;

  [[nodiscard]] bool any() const { return ssh || qemu || mkosi; }
};

struct KernelLogAllowance {
  std::string match;  // glob over a report's title or signature
  std::string reason;
};

// What the kernel's log says about a test.
struct KernelLogSpec {
  bool watch = true;
  std::vector<KernelLogAllowance> allowed;
};

// Which runs stay in the results directory.
struct KeepSpec {
  std::optional<int> runs;  // the newest ones; none: however many
  std::optional<int> days;  // those not older; none: however old
};

enum class Order { slowest_first, random, listed };

struct RunSpec {
  Order order = Order::slowest_first;
  std::string durations = "history";  // of the last runs that know a test, or SOURCE: of that run
  std::optional<std::uint64_t> seed;  // of the random order; none: drawn
  int iterate = 1;
  std::optional<ShardSpec> shard;                    // none: as the CI system's variables say
  Duration test_timeout = std::chrono::minutes(20);  // zero: no limit
  std::optional<Duration> deadline;
  int retry_failures = 0;
  // How long the tests together are expected to take that go to a host as one call of ./check;
  // none: each test is a call of its own.
  std::optional<Duration> batch_target = std::chrono::seconds(30);
  int max_host_restarts = 3;                      // how often one test may lose its host
  int stop_after_failures = 0;                    // 0: never
  Duration kill_after = std::chrono::seconds(5);  // from SIGTERM to SIGKILL
  Duration heartbeat = std::chrono::seconds(30);  // between progress lines; zero: none
  std::uint64_t output_limit = 64ULL << 20;       // bytes kept of each stream of an attempt; 0: all
  std::uint64_t files_limit = 64ULL << 20;        // bytes kept of the files of an attempt
  Duration probe_interval = std::chrono::seconds(30);  // how often a host must show that it lives
  bool keep_alive = false;
  KernelLogSpec kernel_log;
  std::string bpftrace;         // a program for bpftrace, beside each test; empty: none
  std::string bpftrace_script;  // the file that it is read from; empty: none
  KeepSpec keep;
};

struct ReportsSpec {
  std::string directory = "results";
  std::optional<std::string> junit, summary;  // copies beside those in the run's folder
};

// What makes a build red.
enum class FailOn {
  regression,   // a test that passed in the baseline, or a report of the kernel that it does not
                // have
  new_failure,  // a failure of a test that the baseline does not know
  slower,       // a test that takes longer than in the baseline
  flaky,        // a test that failed and then passed; has an exit code of its own
  vanished,     // a test of the baseline that is not selected any more
  skipped,      // a test that ran in the baseline and skips
};

// When a test counts as slower than in the baseline: all three must hold of its duration, which is
// compared with those of at least `runs` runs.
struct SlowerSpec {
  double ratio = 1.5;                        // times their median
  Duration floor = std::chrono::seconds(5);  // beyond their median
  double deviations = 5;                     // beyond it, in standard deviations as the median
                                             // absolute deviation tells them
  int runs = 5;
};

// Where the value of a secret header comes from, which goes with the request for the baseline.
struct TokenSpec {
  std::string variable;                  // of the environment
  std::string header = "Authorization";  // there "Bearer " comes before the value
};

// What a run is judged by.
struct GateSpec {
  std::optional<std::string> baseline;  // SOURCE, "history" or s3://bucket/key; none: any failure
                                        // counts
  bool baseline_optional = false;       // a baseline that is not there yet is none
  std::optional<TokenSpec> token;
  int confirm = 3;           // further runs of a suspect at first; 0: none
  int confirm_limit = 12;    // and at most
  std::string known_issues;  // a file; empty: none
  std::set<FailOn> fail_on{FailOn::regression};
  bool strict_baseline = false;  // fixed and vanished tests have an exit code of their own
  SlowerSpec slower;
  RemoteHostsSpec base;  // they run the base kernel, for further runs of suspects and nothing else
};

struct JobSpec {
  std::string name;
  std::string source;  // the file's text, as it was read
  std::vector<SuiteSpec> suites;
  std::optional<LocalHostsSpec> local;
  RemoteHostsSpec remote;
  RunSpec run;
  GateSpec gate;
  ReportsSpec reports;
};

// No test runs on this machine itself.
[[nodiscard]] inline bool only_on_others(const JobSpec& spec) {
  return !spec.local && spec.remote.any();
}

}  // namespace ffci
