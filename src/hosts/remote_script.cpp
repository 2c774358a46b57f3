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
# Mounts on $1, and below it. A bind mount of the same file system looks like any directory.
mounts_in() {
  while read -r _ _ _ _ point _; do
    case $point in "$1" | "$1"/*) printf '%b\n' "$point" ;; esac
  done </proc/self/mountinfo
}
# Not what is mounted there. `why`: what is in the way.
remove() {
  tries=0
  while mounted=$(mounts_in "$1" | tail -n 1); [ -n "$mounted" ]; do
    why="$mounted is mounted"
    [ $tries -lt 100 ] && umount -l -- "$mounted" 2>/dev/null || return 1
    tries=$((tries + 1))
  done
  why=$(rm -rf --one-file-system -- "$1" 2>&1) && return
  case $why in *"unrecognized option"*) ;; *) return 1 ;; esac
  # Busybox has another way.
  why=$(
    find "$1" -xdev ! -type d -exec rm -f -- {} + 2>&1
    find "$1" -xdev -depth -type d -exec rmdir -- {} + 2>&1
  )
  [ ! -e "$1" ] && [ ! -L "$1" ]
}
)sh";

// Processes by mark, and their end. `left`: those that are still there.
constexpr std::string_view processes = R"sh(
# Those of the files $3… that hold $2; $1 are options. A command line can't hold any number of names.
holding() {
  options=$1 text=$2 files= count=0
  shift 2
  for file; do
    files="$files $file" count=$((count + 1))
    [ $count -lt 1000 ] || { grep -ls $options -- "$text" $files; files= count=0; }
  done
  [ -z "$files" ] || grep -ls $options -- "$text" $files
}
# -z: busybox sees no further than to a line's first NUL.
marked() { holding -zF "FFCI_MARK=$1" /proc/[0-9]*/environ; }
pids() {
  list=
  for file; do file=${file#/proc/}; list="$list ${file%/*}"; done
  echo "$list"
}
# A name may hold newlines and brackets, but what comes behind it can't. What has ended, and is
# only not waited for, has no session; its threads may still run.
session_of() {
  line=
  while read -r next; do line=$next; done <"/proc/$1/stat"
  set -- ${line##*) }
  [ $# -gt 17 ] || return 1
  case $1 in [ZX]) [ "${18}" -gt 1 ] || return 1 ;; esac
  session=$4
}
# Those of the sessions $1, beside those of the mark $2. `alive`: those of the sessions that are.
found() {
  found=$(pids $(marked "$2"))
  alive=
  [ -n "$1" ] || return 0
  any=0
  for p in $1; do any="$any|$p"; done
  # With some of those that grep finds, it is the name only that looks like it.
  for p in $(pids $(holding -E "[)] [A-Za-z] [0-9]+ [0-9]+ ($any) " /proc/[0-9]*/stat)); do
    session_of "$p" || continue
    case " $1 " in *" $session "*) ;; *) continue ;; esac
    case "$found " in *" $p "*) ;; *) found="$found $p" ;; esac
    case "$alive " in *" $session "*) ;; *) alive="$alive $session" ;; esac
  done
}
sweep() {
  tries=0
  while found "$1" "$2"; [ -n "$found" ]; do
    left=
    # A process that forks and ends all the time is only got hold of as a group.
    for p in $alive; do kill -9 "-$p"; done
    for p in $found; do
      kill -9 "$p"
      read -r name <"/proc/$p/comm" && left="$left $p ($name)"
    done
    tries=$((tries + 1))
    [ $tries -lt 60 ] || { left=${left:-" what forks all the time"}; return 1; }
    [ $tries -lt 3 ] || sleep 0.1
  done 2>/dev/null
}
)sh";

constexpr std::string_view hello_body = R"sh(
LC_ALL=C
export LC_ALL
say() { printf '%s %s\n' "$n" "$*"; }
give_up() { say 0 trouble "$*"; exit; }
[ -z "$prologue" ] || why=$( (eval "$prologue") 2>/dev/null ) || say 0 prologue "$why"
for program in flock grep id mkdir rm setsid sleep timeout uname; do
  command -v $program >/dev/null || give_up "there is no $program"
done
u=$(id -u)
if [ "$u" = 0 ] && mkdir -p -m 700 /run/ff-ci 2>/dev/null; then d=/run/ff-ci; else d=/tmp/ff-ci-$u; fi
[ -d "$d" ] || why=$(mkdir -m 700 "$d" 2>&1) || give_up "$why"
{ [ -O "$d" ] && [ ! -L "$d" ]; } || give_up "$d belongs to somebody else"
why=$( { : >>"$d/lock"; } 2>&1) || give_up "$why"
exec 9>>"$d/lock"
tries=0
until flock -n 9 9>&9; do  # mksh hands on no descriptor that is not named
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
  remove "/tmp/ff-ci-ssh.$old"
  rm -f -- "$file"
done 2>/dev/null
why=$( { : >"$d/token.$token"; } 2>&1) || give_up "$why"
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
  all=$(marked "$2:")
  first=$(pids $(holding -zF "FFCI_FIRST=$2:" $all))
  all=$(pids $all)
  inside= outside= own=
  for p in $first; do
    if [ "/proc/$p/ns/pid" -ef /proc/self/ns/pid ]; then outside="$outside $p"; else inside=$p; fi
    session_of "$p" && own="$own $session"
  done
  if [ -n "$inside" ]; then
    for p in /proc/[0-9]*; do
      # Its number may be another's by now, of this namespace.
      [ "$p/ns/pid" -ef "/proc/$inside/ns/pid" ] || continue
      ! [ "$p/ns/pid" -ef /proc/self/ns/pid ] || continue
      case "$all " in *" ${p#/proc/} "*) ;; *) all="$all ${p#/proc/}" ;; esac
    done
  else
    sessions=
    for p in $all; do
      session_of "$p" || continue
      # Also a step is in the session of the run's shell, until it has one of its own.
      case "$own " in *" $session "*) ;; *) sessions="$sessions $session" ;; esac
    done
    [ -z "$sessions" ] || { found "$sessions" "$2:"; all=$found; }
  fi
  # unshare, outside, waits for the namespace's end.
  spared=$first
  if [ "$4" = yes ]; then
    spared=
    [ -z "$inside" ] || spared=$outside
  fi
  told=
  for p in $all; do
    case "$spared " in *" $p "*) continue ;; esac
    kill -s "$3" "$p" || continue
    told="$told $p"
    [ "$3" != TERM ] || kill -s CONT "$p"
  done
  say "$1" signalled "$at" $told
} 2>/dev/null
goodbye() {
  sweep "" "$token."
  [ -z "$t" ] || remove "$t"
  rm -f -- "$d/token.$token"
  say "$1" bye
} 2>/dev/null
trap 'goodbye 0' EXIT
say 0 ready
)sh";

// The first process of a run: it is pid 1 of the namespace, or watches over a session. It gets
// directory, set-up, command, teardown and their environment, and tells descriptor 3 how each went.
// It survives the signals that stop a command, so that the teardown runs. What it says itself
// ("Terminated") is not the command's output. The environment, which may hold any name, is in
// effect when nothing but the step itself comes any more.
constexpr std::string_view first_process = R"sh(exec 5>&2 2>/dev/null
trap : TERM HUP INT QUIT
unset FFCI_FIRST
[ -z "$6" ] || echo "$6" >/proc/sys/kernel/ns_last_pid
if [ -n "$1" ] && ! CDPATH= cd -- "$1"; then
  echo "trouble cannot enter the directory $1 there" >&3
  exit
fi
environment=$5
limit=$7
setsid=$(command -v setsid)
timeout=$(command -v timeout)
step() {
  read -r b _ </proc/uptime
  (
    trap - TERM HUP INT QUIT
    read -r p _ </proc/self/stat
    echo "pid $p" >&3
    exec 2>&5 3>&- 5>&-
    case $1 in
      teardown) set -- "$setsid" "$timeout" -s KILL "$limit" /bin/sh -c "$2" ;;
      *) set -- "$setsid" /bin/sh -c "$2" ;;
    esac
    eval "$environment"
    exec "$@"
  )
  s=$?
  read -r e _ </proc/uptime
  echo "$1 $s $b $e" >&3
  return $s
}
ok=0
[ -z "$2" ] || step setup "$2" || ok=1
[ $ok != 0 ] || [ -z "$3" ] || step command "$3"
[ -z "$4" ] || step teardown "$4"
exit 0)sh";

// Of a run without namespaces: ends what its steps, each a session, have left. A process that forks
// and ends all the time is not seen by any look, but is killed with its group. A set-up may have
// ended so long ago that its number is somebody else's.
constexpr std::string_view sweep_steps = R"sh(sessions= groups=
set -- $r
while [ $# -gt 1 ]; do
  case $1 in
    pid) sessions="$sessions $2" groups="$groups $2" ;;
    setup) groups= ;;
  esac
  shift
done
for p in $groups; do [ "$p" -gt 1 ] && kill -9 "-$p"; done 2>/dev/null
sweep "$sessions" "$m:" && left=
)sh";

// A TMPDIR that is as it was made is there for the next command.
constexpr std::string_view tidy = R"sh(newline='
'
empty() {
  for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -e "$f" ] || [ -L "$f" ]; then return 1; fi
  done
}
as_made() {
  [ ! -L "$1" ] && [ -d "$1" ] && [ -r "$1" ] && [ -w "$1" ] && [ -x "$1" ] && empty "$1"
}
if [ -e "$t" ] || [ -L "$t" ]; then
  as_made "$t" || remove "$t" || trouble="TMPDIR can't be emptied: ${why%%"$newline"*}"
fi
)sh";

std::string assignment(std::string_view name, std::string_view value) {
  return fmt::format("{}={}\n", name, shell_quote(value));
}

// A glob for the shell: only * ? [ ] keep their meaning.
std::string shell_glob(std::string_view glob) {
  constexpr std::string_view meant =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-*?[]!^";
  std::string text;
  while (!glob.empty()) {
    const size_t plain = std::min(glob.size(), glob.find_first_not_of(meant));
    text += glob.substr(0, plain);
    glob.remove_prefix(plain);
    const size_t odd = std::min(glob.size(), glob.find_first_of(meant));
    if (odd != 0) text += shell_quote(glob.substr(0, odd));
    glob.remove_prefix(odd);
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
         assignment("path", hello.path) + assignment("prologue", hello.prologue) +
         std::string(processes) + std::string(hello_body);
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
    line_ += bytes.substr(0, end);
    if (line_.size() > longest_answer) cut_line();
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

// To the beginning of an answer, or what may become one.
void RemoteAnswers::cut_line() {
  const size_t at = line_.find(nonce_);
  line_.erase(0, at != std::string::npos ? at : line_.size() - nonce_.size());
  line_.resize(std::min(line_.size(), longest_answer));
}

std::string run_script(const RemoteRun& run, const Command& command) {
  // In a shell of its own: the next command sees nothing of its variables.
  std::string script = "(\n" + std::string(common);
  script += assignment("n", run.nonce) + assignment("m", run.mark) + assignment("d", run.directory);
  script += assignment("setup", command.setup) + assignment("command", command.command) +
            assignment("teardown", command.teardown) + assignment("first", first_process) +
            "trouble=\n";
  script += fmt::format("limit={}\nfirst_pid={}\n", to_seconds(run.teardown_limit),
                        run.first_pid > 0 ? std::to_string(run.first_pid) : "");
  std::string environment;
  if (command.test_devices) {
    const bool isolated = run.privacy == RemotePrivacy::namespaces;
    environment += fmt::format("export FFCI_ISOLATION={}\n", isolated ? "namespaces" : "session");
  }
  for (const auto& [name, value] : command.environment)
    environment += "export " + assignment(name, value);
  if (!run.temporary.empty()) {
    environment += "export " + assignment("TMPDIR", run.temporary);
    script += assignment("t", run.temporary);
    script += "[ -d \"$t\" ] || why=$(mkdir -m 700 \"$t\" 2>&1) || trouble=\"no TMPDIR: $why\"\n";
  }
  script += assignment("environment", environment);
  script += "printf '%s begin\\n' \"$n\"\nprintf '%s begin\\n' \"$n\" >&2\n";
  if (run.write_log) {
    script += fmt::format("printf '%s\\n' {} >/dev/kmsg\n",
                          shell_quote(fmt::format("<6>ff-ci: run {}", printable_line(run.title))));
  }
  script += "exec 4>&1\nr=$(\n";
  script += "  export FFCI_MARK=\"$m:\" FFCI_FIRST=\"$m:\"\n";
  script += run.privacy == RemotePrivacy::namespaces
                ? "  exec unshare -p -m -f --kill-child --mount-proc /bin/sh "
                : "  exec /bin/sh ";
  script +=
      "-c \"$first\" ff-ci \"$d\" \"$setup\" \"$command\" \"$teardown\" "
      "\"$environment\" \"$first_pid\" \"$limit\" "
      "</dev/null 3>&1 >&4 4>&-\n)\nexec 4>&-\nleft=\n";
  if (run.privacy == RemotePrivacy::session && !run.keep) {
    script += processes;
    script += sweep_steps;
  }
  // Otherwise it goes when the files have come.
  if (!run.temporary.empty() && !command.files_in_temporary) script += tidy;
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
  script += fmt::format("sweep '' {} && left=\n", shell_quote(mark + ":"));
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
  // From the last to the first: what a glob stands for comes to the front, and when that is not
  // there, the glob has matched nothing and goes.
  script += "set --\n";
  for (auto glob = globs.rbegin(); glob != globs.rend(); ++glob) {
    if (glob->empty()) continue;
    script += fmt::format("set -- {} \"$@\"\n[ -e \"$1\" ] || [ -L \"$1\" ] || shift\n",
                          shell_glob(*glob));
  }
  script += fmt::format("[ $# = 0 ] || tar -cf - -- \"$@\" | head -c {}\n", limit);
  return script;
}

std::string remove_script(const std::string& directory) {
  return fmt::format("cd /\nremove {}\n", shell_quote(directory));
}

std::string trace_script(const std::string& mark, const std::string& program) {
  return std::string(common) +
         fmt::format("export FFCI_MARK={}\nexec bpftrace -e {} </dev/null 2>&1\n",
                     shell_quote(mark + ":"), shell_quote(program));
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
}

RemoteRunOutput::RemoteRunOutput(const std::string& nonce)
    : standard_output_(nonce), standard_error_(nonce), done_(nonce + " done\n") {}

void RemoteRunOutput::feed(Stream stream, std::string_view bytes, std::string& output) {
  const bool is_output = stream == Stream::standard_output;
  BetweenNonces& part = is_output ? standard_output_ : standard_error_;
  if (is_output ? told_ : part.has_ended()) {
    output += bytes;
    return;
  }
  part.feed(bytes, output);
  if (!part.has_ended()) return;
  if (!is_output) {
    output += std::exchange(part.behind(), {});
    return;
  }
  std::string& trailer = part.behind();
  const size_t at = trailer.find(done_);
  if (std::min(at, trailer.size()) > longest_trailer)
    distrust("the reports of its end are too long");
  if (at != std::string::npos) {
    told_ = true;
    read_trailer(std::string_view(trailer).substr(0, at));
    output.append(trailer, at + done_.size());
    trailer.clear();
  } else if (trailer.size() > longest_trailer) {
    trailer.erase(0, trailer.size() - longest_trailer);
  }
}

void RemoteRunOutput::read_trailer(std::string_view trailer) {
  for (const std::string_view line : split(trailer, '\n'))
    read_line(line);
}

// Somebody else than the shell has reported: nothing is known of any step.
void RemoteRunOutput::distrust(std::string why) {
  forged_ = true;
  trouble_ = std::move(why);
  end_ = {};
  took_.reset();
  ended_at_.reset();
}

// "command 0 12345.60 12346.71": name, exit status, from when, to when.
void RemoteRunOutput::read_line(std::string_view line) {
  const std::vector<std::string_view> words = split(line, ' ');
  if (words[0] == "left") left_ = printable_line(line.substr(4));
  if (forged_) return;
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
  if (*step) return distrust(fmt::format("the end of its {} was reported twice", words[0]));
  *step = exit;
  if (step != &end_.command) return;
  ended_at_ = to;
  if (from && to && *to >= *from) took_ = *to - *from;
}

}  // namespace ffci
