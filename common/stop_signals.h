// SIGINT and SIGTERM as requests to stop, for programs that end in order.
#pragma once

#include <atomic>

namespace still {

// From now on each of these signals adds one to the count that is returned; it lives for ever. Call once, early in
// main.
const std::atomic<int>& CountStopSignals();
// As if so many had come at least.
void RaiseStops(int count);

}  // namespace still
