#include "common/stop_signals.h"

#include <signal.h>

namespace still {
namespace {

std::atomic<int> stops{0};
std::atomic<int> most_stops{0};
static_assert(std::atomic<int>::is_always_lock_free, "set while a signal is handled");

}  // namespace

const std::atomic<int>& CountStopSignals(int most) {
  most_stops = most;
  struct sigaction action = {};
  action.sa_handler = [](int) {
    if (++stops < most_stops) return;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
  };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return stops;
}

void RaiseStops(int count) {
  int known = stops;
  while (known < count && !stops.compare_exchange_weak(known, count)) {
  }
}

}  // namespace still
