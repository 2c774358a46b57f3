#include "hosts/orphans.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/file.hpp"

namespace ffci {
namespace {

constexpr auto between_looks = std::chrono::milliseconds(20);
constexpr int most_looks = 200;

// From /proc/PID/stat: "pid (any name) state ppid …".
std::optional<pid_t> parent_of(const std::string& pid) {
  const auto stat = read_file("/proc/" + pid + "/stat", 4096);
  if (!stat) return std::nullopt;
  const size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos || stat->size() < name_end + 5) return std::nullopt;
  pid_t parent = 0;
  std::from_chars(stat->data() + name_end + 4, stat->data() + stat->size(), parent);
  return parent;
}

std::set<pid_t>& own_children() {
  static std::set<pid_t> children;
  return children;
}

// How many there were; nullopt: /proc does not tell.
std::optional<int> kill_orphans_once() {
  if (!parent_of("self")) return std::nullopt;
  int found = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (own_children().contains(pid) || parent_of(name) != ::getpid()) continue;
    ++found;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, WNOHANG);
  }
  return found;
}

struct Wait : std::enable_shared_from_this<Wait> {
  Wait(boost::asio::io_context& loop, pid_t child_in) : timer(loop), child(child_in) {}

  void look() {
    const pid_t waited = ::waitpid(child, nullptr, WNOHANG);
    if (waited != 0 || ++looks == most_looks) {
      own_children().erase(child);
      return;
    }
    timer.expires_after(between_looks);
    timer.async_wait(
        [self = shared_from_this()](const boost::system::error_code&) { self->look(); });
  }

  boost::asio::steady_timer timer;
  pid_t child;
  int looks = 0;
};

struct Hunt : std::enable_shared_from_this<Hunt> {
  Hunt(boost::asio::io_context& loop, std::function<void(bool)> done_in)
      : timer(loop), done(std::move(done_in)) {}

  void look() {
    timer.expires_after(between_looks);
    timer.async_wait([self = shared_from_this()](const boost::system::error_code&) {
      const std::optional<int> found = kill_orphans_once();
      if (!found || *found == 0 || ++self->looks == most_looks) return self->done(found == 0);
      self->look();
    });
  }

  boost::asio::steady_timer timer;
  std::function<void(bool)> done;
  int looks = 0;
};

}  // namespace

void adopt_orphans() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void remember_own_child(pid_t pid) {
  own_children().insert(pid);
}

void forget_own_child(pid_t pid) {
  own_children().erase(pid);
}

void kill_own_child(boost::asio::io_context& loop, pid_t pid) {
  ::kill(-pid, SIGKILL);
  std::make_shared<Wait>(loop, pid)->look();
}

void kill_orphans(boost::asio::io_context& loop, std::function<void(bool)> done) {
  std::make_shared<Hunt>(loop, std::move(done))->look();
}

}  // namespace ffci
