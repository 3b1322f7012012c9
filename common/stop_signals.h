// Turns SIGINT and SIGTERM into requests to stop, for programs that end in order.
#pragma once

#include <atomic>
#include <limits>

namespace still {

// Starts counting these signals and returns the count, which is never destroyed. The signal after `most` ends the
// process, as it would without this call. Call it once, early in main.
const std::atomic<int>& CountStopSignals(int most = std::numeric_limits<int>::max());
// Raises the count to `count` at least, as if so many signals had come. Any thread may call it.
void RaiseStops(int count);

}  // namespace still
