// JobSpec is what a user asked for, with every default filled in: the YAML file with the command
// line's overrides on top. Written by spec, read by everything that needs its part; paths are
// absolute.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace ffci {

struct CommandTestSpec {
  std::string name;
  std::string command;
  std::string setup, teardown;      // around this one test, in its own namespaces
  std::optional<Duration> timeout;  // zero: no limit
  std::vector<std::string> arch;    // uname -m; empty: all
  // One test per combination of values: "name[key=value,…]", with {key} replaced in command, setup
  // and teardown.
  std::vector<std::pair<std::string, std::vector<std::string>>> parameters;
  std::string where;  // file:line:col, for complaints
};

enum class Protocol { exit_code, ktap };

struct CommandsSuiteSpec {
  std::string name;
  std::string directory;
  std::string setup, teardown;      // once per host
  std::optional<Duration> timeout;  // of its tests, where they name none; zero: no limit
  std::vector<std::string> arch;
  int parallel = 0;  // how many at once on one host; 0: as many as it has slots; 1: alone
  std::vector<CommandTestSpec> tests;
  std::optional<std::string> discover;     // glob over the names of executables in `directory`
  std::optional<std::string> import_file;  // KVM selftests runner JSON, or kselftest-list.txt
  Protocol protocol = Protocol::exit_code;
  std::string where;  // file:line:col
};

struct LocalHostsSpec {
  int slots = 1;
};

enum class Order { slowest_first, random, listed };

struct RunSpec {
  Order order = Order::slowest_first;
  std::string durations = "latest";   // SOURCE of expected durations
  std::optional<std::uint64_t> seed;  // of the random order; none: drawn
  int iterate = 1;
  Duration test_timeout = std::chrono::minutes(20);  // zero: no limit
  std::optional<Duration> deadline;
  int retry_failures = 0;
  int max_host_restarts = 3;                      // how often one test may lose its host
  int stop_after_failures = 0;                    // 0: never
  Duration kill_after = std::chrono::seconds(5);  // from SIGTERM to SIGKILL
  Duration heartbeat = std::chrono::seconds(30);  // between progress lines; zero: none
  std::uint64_t output_limit = 64ULL << 20;       // bytes kept of each stream of an attempt; 0: all
};

struct ReportsSpec {
  std::string directory = "results";
  std::optional<std::string> junit, summary;  // copies beside those in the run's folder
};

struct JobSpec {
  std::string name;
  std::string source;  // the file's text, as it was read
  std::vector<CommandsSuiteSpec> suites;
  std::optional<LocalHostsSpec> local;
  RunSpec run;
  ReportsSpec reports;
};

}  // namespace ffci
