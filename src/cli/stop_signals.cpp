#include "cli/stop_signals.hpp"

#include <csignal>

namespace ffci {

void add_stop_signals(boost::asio::signal_set& signals) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction current {};
    const bool nohup = signal == SIGHUP && ::sigaction(signal, nullptr, &current) == 0 &&
                       current.sa_handler == SIG_IGN;
    if (!nohup) signals.add(signal);
  }
}

int meaning_of_stop_signal(int signal) {
  return signal == SIGHUP ? SIGTERM : signal;
}

}  // namespace ffci
