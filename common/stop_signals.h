// SIGINT and SIGTERM as requests to stop, for programs that end in order.
#pragma once

#include <atomic>
#include <limits>

namespace still {

// From now on each of these signals adds one to the count that is returned; it lives for ever. The one after `most`
// ends the process, as if nothing had been said here. Call once, early in main.
const std::atomic<int>& CountStopSignals(int most = std::numeric_limits<int>::max());
// As if so many had come at least.
void RaiseStops(int count);

}  // namespace still
