// The signals that tell ff-ci to stop: SIGINT, SIGTERM, and SIGHUP where nobody ignores it (nohup).
#pragma once

#include <boost/asio/signal_set.hpp>

namespace ffci {

void add_stop_signals(boost::asio::signal_set& signals);

// SIGHUP counts as SIGTERM.
[[nodiscard]] int meaning_of_stop_signal(int signal);

}  // namespace ffci
