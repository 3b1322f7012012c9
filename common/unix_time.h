// Points in time that are stored and shown. Durations and deadlines within one process use Clock.
#pragma once

#include <cstdint>

namespace still {

// Milliseconds since 1970, UTC.
using UnixMs = std::int64_t;

}  // namespace still
