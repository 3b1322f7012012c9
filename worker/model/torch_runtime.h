// Process-wide settings for LibTorch, behind a header that does not show it.
#pragma once

#include <cstdint>

namespace still::worker {

// Once, before the first tensor. After it every kernel gives the same bits for the same shapes: `threads` threads
// inside an operator, one operator at a time, deterministic algorithms only.
void PrepareTorch(std::uint32_t threads);

}  // namespace still::worker
