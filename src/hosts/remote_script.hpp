// What ff-ci says to the shell of a machine, and how it reads the answers. Everything there is done
// by /bin/sh and the programs of util-linux, coreutils and grep; nothing is installed.
//
// Texts are sent to the standard input of /bin/sh, so that no login shell reads them. A nonce,
// which nothing but that shell knows, marks what the shell itself says. FFCI_MARK in the
// environment of a command's processes names the command ("token.7:"), so that they can be found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/command.hpp"
#include "model/job_spec.hpp"

namespace ffci {

// What is executed on every channel; its standard input gets the script.
inline constexpr std::string_view remote_shell = "exec /bin/sh";

// A nonce or token: 128 bits from the system, in hexadecimal digits.
[[nodiscard]] std::string make_nonce();

// The control shell: one per connection. It takes the machine's lock, clears away what earlier
// connections left, and then answers one order after the other.
struct RemoteHello {
  std::string nonce;
  std::string process;  // a nonce of this host in this ff-ci, the same for all its connections
  std::string owner;    // of the lock: this ff-ci, in words for others
  std::string token;    // of this connection; begins every mark
  std::string path;     // of the machine; empty: none to check
  // For the shell, before anything else, in a shell of its own; empty: nothing.
  std::string prologue = {};
};
[[nodiscard]] std::string hello_script(const RemoteHello& hello);

// Orders to the control shell. Each is answered with `number`.
[[nodiscard]] std::string probe_order(std::uint64_t number);
// Signals the processes with this mark, and everything in their namespace. `first` says whether
// also the process that watches over them.
enum class AlsoFirst { no, yes };
[[nodiscard]] std::string signal_order(std::uint64_t number, const std::string& mark,
                                       std::string_view signal, AlsoFirst first);
// Its answer: when, by the machine's clock, and how many processes were signalled.
struct RemoteSignalled {
  std::optional<Duration> at;
  std::size_t processes = 0;
};
[[nodiscard]] RemoteSignalled read_signalled(const std::string& answer);
// Removes the directory of this connection.
[[nodiscard]] std::string goodbye_order(std::uint64_t number);

// An answer of the control shell: "number word rest".
struct RemoteAnswer {
  std::uint64_t number = 0;  // 0: of the hello
  std::string word, rest;
};
// Cuts what the control shell says into answers. Anything else that is on its standard output is
// passed over.
class RemoteAnswers {
 public:
  explicit RemoteAnswers(std::string nonce) : nonce_(std::move(nonce)) {}
  [[nodiscard]] std::vector<RemoteAnswer> feed(std::string_view bytes);

 private:
  void cut_line();

  std::string nonce_;
  std::string line_;
};

enum class RemotePrivacy { namespaces, session };

// Runs a command and says how it went. A shell that has run one can be given the next.
struct RemoteRun {
  std::string nonce;
  std::string mark;
  RemotePrivacy privacy = RemotePrivacy::session;
  bool keep = false;        // what it starts stays: a suite's set-up
  bool sweep_only = false;  // nothing is run; what an earlier run with this mark left is killed
  bool write_log = false;   // its begin and end go to the kernel's log
  std::string title;        // for the kernel's log
  std::string directory;
  std::string temporary;  // directory for its $TMPDIR; empty: none. It is emptied behind the
                          // command, unless files are to be fetched from it
  int first_pid = 0;      // where the pids of its namespace begin; 0: as the kernel likes
  Duration teardown_limit = std::chrono::seconds(60);
};
[[nodiscard]] std::string run_script(const RemoteRun& run, const Command& command);

// Kills what a run that was kept has left. Its output is read like that of a run.
[[nodiscard]] std::string sweep_script(const std::string& nonce, const std::string& mark);

// Follows the kernel's log. It begins with all that the kernel still has of it; what is new comes
// behind a line with begin_of_log.
[[nodiscard]] std::string log_script(const std::string& token);
[[nodiscard]] std::string begin_of_log(const std::string& token);
// The line that a run writes to the kernel's log as its last.
[[nodiscard]] std::string end_of_log(const std::string& mark);

// A tar of the files that match, at most `limit` bytes of it.
[[nodiscard]] std::string files_script(const std::string& directory,
                                       const std::vector<std::string>& globs, std::uint64_t limit);
// Behind files_script, in the same shell: removes a directory that is not needed any more.
[[nodiscard]] std::string remove_script(const std::string& directory);

// bpftrace with this program until it gets SIGINT.
[[nodiscard]] std::string trace_script(const std::string& mark, const std::string& program);

// Passes on what stands between the nonce's "begin" and its "end", and keeps what is behind.
class BetweenNonces {
 public:
  explicit BetweenNonces(const std::string& nonce);
  void feed(std::string_view bytes, std::string& output);
  [[nodiscard]] bool has_begun() const { return begun_; }
  [[nodiscard]] bool has_ended() const { return ended_; }
  // What came behind the end.
  [[nodiscard]] std::string& behind() { return held_; }

 private:
  std::string begin_, end_;
  std::string held_;  // what may be the beginning of one of them, and then what is behind
  bool begun_ = false, ended_ = false;
};

// Reads both streams of a run: passes on what the command wrote, and keeps how it ended. What was
// kept (a suite's set-up) may go on writing behind that.
class RemoteRunOutput {
 public:
  explicit RemoteRunOutput(const std::string& nonce);

  // Appends to `output` what the command itself wrote to this stream.
  void feed(Stream stream, std::string_view bytes, std::string& output);
  [[nodiscard]] bool has_begun() const { return standard_output_.has_begun(); }
  // The shell has said its last word on standard output.
  [[nodiscard]] bool is_told() const { return told_; }
  // All was said, on both: nothing of the command is left, unless `left` says what is.
  [[nodiscard]] bool is_complete() const { return told_ && standard_error_.has_ended(); }
  [[nodiscard]] const CommandEnd& end() const { return end_; }
  [[nodiscard]] const std::string& left() const { return left_; }
  // What went wrong beside the command: "no TMPDIR: No space left on device".
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  // How long the command took, and when it ended, by the clock there, to 10 ms.
  [[nodiscard]] std::optional<Duration> took() const { return took_; }
  [[nodiscard]] std::optional<Duration> ended_at() const { return ended_at_; }

 private:
  void read_trailer(std::string_view trailer);
  void read_line(std::string_view line);
  void distrust(std::string why);

  BetweenNonces standard_output_, standard_error_;
  std::string done_;  // the last that the shell says
  bool told_ = false, forged_ = false;
  CommandEnd end_;
  std::string left_, trouble_;
  std::optional<Duration> took_, ended_at_;
};

}  // namespace ffci
