// Without a pid namespace, a command whose supervisor was killed leaves processes that become
// children of ff-ci, its subreaper. Here they are found and killed, so that they outlive nothing.
#pragma once

#include <sys/types.h>

#include <functional>

namespace boost::asio {
class io_context;
}

namespace ffci {

// Makes this process the one that orphans come to.
void adopt_orphans();

// A child that is no orphan, until it is forgotten. Whoever makes a process that may live beside a
// hunt remembers it.
void remember_own_child(pid_t pid);
void forget_own_child(pid_t pid);
// Kills its process group, and forgets it as soon as it is gone.
void kill_own_child(boost::asio::io_context& loop, pid_t pid);

// Kills every child of this process that nobody has remembered, and what those leave in turn.
// `done` is told whether none is left; it is called from the loop, within a few seconds.
void kill_orphans(boost::asio::io_context& loop, std::function<void(bool gone)> done);

}  // namespace ffci
