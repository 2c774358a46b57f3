#include "hosts/remote_script.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace ffci {
namespace {

constexpr size_t longest_answer = 8 << 10;
constexpr size_t longest_trailer = 64 << 10;

// The commands' own path comes first; what a minimal login leaves out is where mkfs and mount are.
constexpr std::string_view common = R"sh(case :$PATH: in
  *:/sbin:* | *:/usr/sbin:*) ;;
  *) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin ;;
esac
export PATH
)sh";

// Processes by mark, and their end. `left`: those that are still there.
constexpr std::string_view processes = R"sh(
marked() { grep -lsF -- "FFCI_MARK=$1" /proc/[0-9]*/environ; }
pids() { for e; do p=${e#/proc/}; printf '%s ' "${p%/environ}"; done; }
session_of() {
  read -r line <"/proc/$1/stat" || return 1
  set -- ${line##*) }
  case $1${18} in Z[01]) return 1 ;; esac  # dead, with no thread that lives on
  session=$4
}
# Those of the sessions $1, beside those of the mark $2.
found() {
  found=$(pids $(marked "$2"))
  [ -n "$1" ] || return 0
  for p in /proc/[0-9]*; do
    session_of "${p#/proc/}" || continue
    case " $1 " in *" $session "*) found="$found ${p#/proc/}" ;; esac
  done
}
sweep() {
  tries=0
  while found "$1" "$2"; [ -n "$found" ]; do
    left=
    for p in $found; do
      kill -9 "$p"
      read -r name <"/proc/$p/comm" && left="$left $p ($name)"
    done
    tries=$((tries + 1))
    [ $tries -lt 60 ] || return 1
    [ $tries -lt 3 ] || sleep 0.1
  done 2>/dev/null
}
)sh";

constexpr std::string_view hello_body = R"sh(
LC_ALL=C
export LC_ALL
say() { printf '%s %s\n' "$n" "$*"; }
give_up() { say 0 trouble "$*"; exit; }
for program in flock grep id mkdir rm setsid sleep timeout uname; do
  command -v $program >/dev/null || give_up "there is no $program"
done
u=$(id -u)
if [ "$u" = 0 ] && mkdir -p /run/ff-ci 2>/dev/null; then d=/run/ff-ci; else d=/tmp/ff-ci-$u; fi
[ -d "$d" ] || why=$(mkdir -m 700 "$d" 2>&1) || give_up "$why"
{ [ -O "$d" ] && [ ! -L "$d" ]; } || give_up "$d belongs to somebody else"
why=$( { : >>"$d/lock"; } 2>&1) || give_up "$why"
exec 9>>"$d/lock"
tries=0
until flock -n 9; do
  read -r by pid its_words <"$d/owner"
  [ "$by" = "$own" ] && kill -9 "$pid" 2>/dev/null
  tries=$((tries + 1))
  [ $tries -lt 30 ] || { say 0 busy "$its_words (process $pid there)"; exit; }
  sleep 0.1
done
printf '%s %s %s\n' "$own" $$ "$words" >"$d/owner"
for file in "$d"/token.*; do
  [ -e "$file" ] || continue
  old=${file##*/token.}
  sweep "" "$old." || { say 0 left "$left"; exit; }
  rm -rf --one-file-system -- "/tmp/ff-ci-ssh.$old"
  rm -f -- "$file"
done 2>/dev/null
: >"$d/token.$token"
t=/tmp/ff-ci-ssh.$token
why=$(mkdir -m 700 "$t" 2>&1) || t=
say 0 temporary "$t"
say 0 kernel "$(uname -r)"
say 0 arch "$(uname -m)"
read -r boot </proc/sys/kernel/random/boot_id
say 0 boot "$boot"
if [ "$u" != 0 ]; then say 0 session "not root there"
elif why=$(unshare -p -m -f --kill-child --mount-proc true 2>&1); then say 0 namespaces
else say 0 session "$why"
fi
if [ "$u" = 0 ] && ( : </dev/kmsg ) 2>/dev/null; then say 0 log; fi
if [ -n "$path" ]; then
  if [ ! -e "$path" ]; then say 0 path "$path does not exist"
  elif [ ! -d "$path" ]; then say 0 path "$path is no directory"
  elif [ ! -x "$path" ]; then say 0 path "$path can't be entered"
  fi
fi
probe() { say "$1" alive; }
# number, mark, signal, whether to signal the watching process too
order_signal() {
  read -r at _ </proc/uptime
  all=$(marked "$2.")
  first=$(pids $(grep -lsF -- "FFCI_FIRST=$2." $all /dev/null))
  all=$(pids $all)
  inside=
  for p in $first; do
    [ "/proc/$p/ns/pid" -ef /proc/self/ns/pid ] || inside=$p
  done
  if [ -n "$inside" ]; then
    for p in /proc/[0-9]*; do
      # Its number may be another's by now, of this namespace.
      [ "$p/ns/pid" -ef "/proc/$inside/ns/pid" ] && ! [ "$p/ns/pid" -ef /proc/self/ns/pid ] &&
        all="$all ${p#/proc/}"
    done
  else
    sessions=
    for p in $all; do
      case " $first " in *" $p "*) continue ;; esac
      session_of "$p" && sessions="$sessions $session"
    done
    found "$sessions" "$2."
    all="$all $found"
  fi
  for p in $all; do
    for f in $first; do
      [ "$p" != "$f" ] || [ "$4" = yes ] || continue 2
      # unshare waits for the namespace's end.
      [ "$p" != "$f" ] || [ -z "$inside" ] || [ "$p" = "$inside" ] || continue 2
    done
    kill -s "$3" "$p"
    [ "$3" != TERM ] || kill -s CONT "$p"
  done
  say "$1" signalled "$at" $all
} 2>/dev/null
goodbye() {
  sweep "" "$token."
  [ -z "$t" ] || rm -rf --one-file-system -- "$t"
  rm -f -- "$d/token.$token"
  say "$1" bye
} 2>/dev/null
trap 'goodbye 0' EXIT
say 0 ready
)sh";

// The first process of a run: it is pid 1 of the namespace, or watches over a session. It gets
// directory, set-up, command and teardown, and tells descriptor 3 how each went. It survives the
// signals that stop a command, so that the teardown runs. What it says itself ("Terminated") is not
// the command's output.
constexpr std::string_view first_process = R"sh(exec 5>&2 2>/dev/null
trap : TERM HUP INT QUIT
unset FFCI_FIRST
[ -z "$5" ] || echo "$5" >/proc/sys/kernel/ns_last_pid
if [ -n "$1" ] && ! cd -- "$1"; then
  echo "trouble cannot enter the directory $1 there" >&3
  exit
fi
step() {
  read -r b _ </proc/uptime
  (
    trap - TERM HUP INT QUIT
    read -r p _ </proc/self/stat
    echo "pid $p" >&3
    exec 2>&5 3>&- 5>&-
    [ "$1" != teardown ] || exec setsid timeout -s KILL "$limit" /bin/sh -c "$2"
    exec setsid /bin/sh -c "$2"
  )
  s=$?
  read -r e _ </proc/uptime
  echo "$1 $s $b $e" >&3
  return $s
}
limit=$6
ok=0
[ -z "$2" ] || step setup "$2" || ok=1
[ $ok != 0 ] || [ -z "$3" ] || step command "$3"
[ -z "$4" ] || step teardown "$4"
exit 0)sh";

constexpr std::string_view tidy = R"sh(set -- "$t"/* "$t"/.[!.]* "$t"/..?*
for f; do
  if [ -e "$f" ] || [ -L "$f" ]; then
    rm -rf --one-file-system -- "$t" 2>/dev/null
    break
  fi
done
)sh";

std::string assignment(std::string_view name, std::string_view value) {
  return fmt::format("{}={}\n", name, shell_quote(value));
}

// A glob for the shell: only * ? [ ] keep their meaning.
std::string shell_glob(std::string_view glob) {
  std::string text;
  for (const char c : glob) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("._/-*?[]!^").find(c) != std::string_view::npos;
    if (!plain) text += '\\';
    text += c;
  }
  return text;
}

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Of /proc/uptime: "12345.67".
std::optional<Duration> uptime(std::string_view text) {
  const size_t dot = text.find('.');
  const auto seconds = to_number<std::int64_t>(text.substr(0, dot));
  if (!seconds || dot == std::string_view::npos || text.size() != dot + 3) return std::nullopt;
  const auto hundredths = to_number<int>(text.substr(dot + 1));
  if (!hundredths) return std::nullopt;
  return std::chrono::seconds(*seconds) + std::chrono::milliseconds(*hundredths * 10);
}

}  // namespace

std::string make_nonce() {
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) std::abort();
  std::string text;
  for (const unsigned char byte : bytes)
    text += fmt::format("{:02x}", byte);
  return text;
}

std::string hello_script(const RemoteHello& hello) {
  return std::string(common) + assignment("n", hello.nonce) + assignment("own", hello.process) +
         assignment("words", hello.owner) + assignment("token", hello.token) +
         assignment("path", hello.path) + std::string(processes) + std::string(hello_body);
}

std::string probe_order(std::uint64_t number) {
  return fmt::format("probe {}\n", number);
}

std::string signal_order(std::uint64_t number, const std::string& mark, std::string_view signal,
                         AlsoFirst first) {
  return fmt::format("order_signal {} {} {} {}\n", number, shell_quote(mark), signal,
                     first == AlsoFirst::yes ? "yes" : "no");
}

RemoteSignalled read_signalled(const std::string& answer) {
  const std::vector<std::string_view> words = split(trim(answer), ' ');
  return {uptime(words[0]), words.size() - 1};
}

std::string goodbye_order(std::uint64_t number) {
  return fmt::format("goodbye {}\n", number);
}

std::vector<RemoteAnswer> RemoteAnswers::feed(std::string_view bytes) {
  std::vector<RemoteAnswer> answers;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    if (line_.size() < longest_answer) line_ += bytes.substr(0, std::min(end, longest_answer));
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    // A login shell may have written something before it, without ending its line.
    const size_t at = line.find(nonce_);
    if (at == std::string::npos || line.size() < at + nonce_.size() + 1) continue;
    const std::string_view rest = std::string_view(line).substr(at + nonce_.size() + 1);
    const size_t number_end = rest.find(' ');
    const auto number = to_number<std::uint64_t>(rest.substr(0, number_end));
    if (!number || number_end == std::string_view::npos) continue;
    const std::string_view words = rest.substr(number_end + 1);
    const size_t word_end = std::min(words.size(), words.find(' '));
    answers.push_back({*number, std::string(words.substr(0, word_end)),
                       std::string(trim(words.substr(word_end)))});
  }
  return answers;
}

std::string run_script(const RemoteRun& run, const Command& command) {
  // In a shell of its own: the next command sees nothing of its variables.
  std::string script = "(\n" + std::string(common);
  script += assignment("n", run.nonce) + assignment("m", run.mark) + assignment("d", run.directory);
  script += assignment("setup", command.setup) + assignment("command", command.command) +
            assignment("teardown", command.teardown) + assignment("first", first_process);
  script += fmt::format("limit={}\nfirst_pid={}\n", to_seconds(run.teardown_limit),
                        run.first_pid > 0 ? std::to_string(run.first_pid) : "");
  for (const auto& [name, value] : command.environment)
    script += fmt::format("export {}={}\n", name, shell_quote(value));
  if (!run.temporary.empty()) {
    script += assignment("t", run.temporary);
    script += "[ -d \"$t\" ] || why=$(mkdir -m 700 \"$t\" 2>&1) || trouble=\"no TMPDIR: $why\"\n";
    script += "TMPDIR=$t\nexport TMPDIR\n";
  }
  script += "printf '%s begin\\n' \"$n\"\nprintf '%s begin\\n' \"$n\" >&2\n";
  if (run.write_log) {
    script += fmt::format("echo {} >/dev/kmsg\n",
                          shell_quote(fmt::format("<6>ff-ci: run {}", printable_line(run.title))));
  }
  script += "exec 4>&1\nr=$(\n";
  script += "  export FFCI_MARK=\"$m.\" FFCI_FIRST=\"$m.\"\n";
  script += run.privacy == RemotePrivacy::namespaces
                ? "  exec unshare -p -m -f --kill-child --mount-proc /bin/sh "
                : "  exec /bin/sh ";
  script +=
      "-c \"$first\" ff-ci \"$d\" \"$setup\" \"$command\" \"$teardown\" "
      "\"$first_pid\" \"$limit\" "
      "</dev/null 3>&1 >&4 4>&-\n)\nexec 4>&-\nleft=\n";
  if (run.privacy == RemotePrivacy::session && !run.keep) {
    script += processes;
    script += "sessions=\nset -- $r\n";
    script +=
        "while [ $# -gt 1 ]; do [ \"$1\" != pid ] || sessions=\"$sessions $2\"; shift; done\n";
    script += "sweep \"$sessions\" \"$m.\" && left=\n";
  }
  if (!run.temporary.empty()) script += tidy;
  if (run.write_log)
    script += fmt::format("echo {} >/dev/kmsg\n", shell_quote("<6>" + end_of_log(run.mark)));
  script +=
      "printf '%s end\\n' \"$n\" >&2\n"
      "printf '%s end\\n%s\\nleft %s\\ntrouble %s\\n%s done\\n' \"$n\" \"$r\" \"$left\" "
      "\"$trouble\" \"$n\"\n) || exit\n";
  return script;
}

std::string sweep_script(const std::string& nonce, const std::string& mark) {
  std::string script(common);
  script += processes;
  script += assignment("n", nonce);
  script += fmt::format("sweep '' {} && left=\n", shell_quote(mark + "."));
  script +=
      "printf '%s begin\\n%s end\\n' \"$n\" \"$n\" >&2\n"
      "printf '%s begin\\n%s end\\nleft %s\\n%s done\\n' \"$n\" \"$n\" \"$left\" \"$n\"\n";
  return script;
}

std::string end_of_log(const std::string& mark) {
  return "ff-ci: end " + mark;
}

std::string log_script(const std::string& token) {
  // When lines come faster than they are read, the kernel drops the oldest, reading fails once and
  // cat ends; the next one goes on where the first was. The second is there before it happens
  // again.
  constexpr std::string_view follow = R"sh(exec 3</dev/kmsg
follow() { cat <&3; echo "ff-ci: lines of the kernel's log may be missing here"; }
while follow && follow; do sleep 0.1; done 2>/dev/null)sh";
  return fmt::format("echo {} >/dev/kmsg\nexport FFCI_MARK={}\nexec /bin/sh -c {}\n",
                     shell_quote("<6>" + begin_of_log(token)), shell_quote(token + ".log"),
                     shell_quote(follow));
}

std::string begin_of_log(const std::string& token) {
  return "ff-ci: begin " + token;
}

std::string files_script(const std::string& directory, const std::vector<std::string>& globs,
                         std::uint64_t limit) {
  std::string script(common);
  if (!directory.empty()) script += fmt::format("cd -- {} || exit\n", shell_quote(directory));
  script += "set --";
  for (const std::string& glob : globs)
    script += " " + shell_glob(glob);
  script +=
      "\nfor f; do\n  shift\n  if [ -e \"$f\" ] || [ -L \"$f\" ]; then set -- \"$@\" \"$f\"; fi\n";
  script += fmt::format("done\n[ $# = 0 ] || tar -cf - -- \"$@\" | head -c {}\n", limit);
  return script;
}

std::string trace_script(const std::string& mark, const std::string& program) {
  return std::string(common) +
         fmt::format("export FFCI_MARK={}\nexec bpftrace -e {} </dev/null 2>&1\n",
                     shell_quote(mark + "."), shell_quote(program));
}

BetweenNonces::BetweenNonces(const std::string& nonce)
    : begin_(nonce + " begin\n"), end_(nonce + " end\n") {}

void BetweenNonces::feed(std::string_view bytes, std::string& output) {
  held_ += bytes;
  if (!begun_) {
    const size_t at = held_.find(begin_);
    if (at == std::string::npos) {
      if (held_.size() > begin_.size()) held_.erase(0, held_.size() - begin_.size());
      return;
    }
    held_.erase(0, at + begin_.size());
    begun_ = true;
  }
  if (!ended_) {
    const size_t at = held_.find(end_);
    if (at == std::string::npos) {
      // What may be the beginning of the end stays.
      size_t keep = std::min(held_.size(), end_.size() - 1);
      while (!end_.starts_with(std::string_view(held_).substr(held_.size() - keep)))
        --keep;
      output.append(held_, 0, held_.size() - keep);
      held_.erase(0, held_.size() - keep);
      return;
    }
    output.append(held_, 0, at);
    held_.erase(0, at + end_.size());
    ended_ = true;
  }
  if (held_.size() > longest_trailer) held_.erase(0, held_.size() - longest_trailer);
}

RemoteRunOutput::RemoteRunOutput(const std::string& nonce)
    : standard_output_(nonce), standard_error_(nonce), done_(nonce + " done") {}

void RemoteRunOutput::feed(Stream stream, std::string_view bytes, std::string& output) {
  if (stream == Stream::standard_error) return standard_error_.feed(bytes, output);
  standard_output_.feed(bytes, output);
  if (!told_ && standard_output_.has_ended() &&
      standard_output_.behind().find(done_) != std::string::npos)
    read_trailer();
}

void RemoteRunOutput::read_trailer() {
  told_ = true;
  for (const std::string_view line : split(standard_output_.behind(), '\n')) {
    if (line.starts_with(done_)) break;
    read_line(line);
  }
}

// "command 0 12345.60 12346.71": name, exit status, from when, to when.
void RemoteRunOutput::read_line(std::string_view line) {
  const std::vector<std::string_view> words = split(line, ' ');
  if (words[0] == "left") left_ = printable_line(line.substr(4));
  if (words[0] == "trouble" && trouble_.empty()) trouble_ = printable_line(line.substr(7));
  if (words.size() != 4) return;
  const auto status = to_number<int>(words[1]);
  const auto from = uptime(words[2]), to = uptime(words[3]);
  if (!status || *status < 0 || *status > 255) return;
  // The shell tells of a death by signal as 128 + its number.
  const ExitStatus exit{ExitStatus::Kind::exited, *status};
  std::optional<ExitStatus>* step = words[0] == "setup"      ? &end_.setup
                                    : words[0] == "command"  ? &end_.command
                                    : words[0] == "teardown" ? &end_.teardown
                                                             : nullptr;
  if (step == nullptr) return;
  if (*step) {
    forged_ = true;
    trouble_ = fmt::format("the end of its {} was reported twice", words[0]);
  }
  if (forged_) return end_.command.reset();
  *step = exit;
  if (step != &end_.command) return;
  ended_at_ = to;
  if (from && to && *to >= *from) took_ = *to - *from;
}

}  // namespace ffci
