// Points in time that are kept and shown: milliseconds since 1970. Durations and deadlines of one process use Clock.
#pragma once

#include <cstdint>

namespace still {

using UnixMs = std::int64_t;

}  // namespace still
