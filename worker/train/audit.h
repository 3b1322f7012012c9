// Proves that an epoch used every sequence once. Each rank adds the hashes of the sequences it computed to the step's
// sums. A microbatch that was lost or computed twice therefore changes the total of the epoch.
#pragma once

#include <cstdint>

#include "common/random.h"

namespace still::worker {

// Returns a hash of 40 bits, so that the sum over a step stays in int64. Sums over an epoch are taken modulo 2^64.
inline std::int64_t AuditHash(std::uint64_t epoch, std::uint64_t sequence) {
  return static_cast<std::int64_t>(MixKey({0x6175646974, epoch, sequence}) >> 24);
}

// Returns the sum of the hashes of sequences [0, `sequences`).
inline std::uint64_t AuditHashOfEpoch(std::uint64_t epoch, std::uint64_t sequences) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < sequences; ++i) sum += static_cast<std::uint64_t>(AuditHash(epoch, i));
  return sum;
}

}  // namespace still::worker
