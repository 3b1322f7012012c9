// Proof that an epoch used every sequence once: each rank adds the hashes of the sequences it computed to the step's
// sums, so that a microbatch lost or computed twice, whatever the reason, changes the epoch's total.
#pragma once

#include <cstdint>

#include "common/random.h"

namespace still::worker {

// 40 bits: the sum over a step stays in int64. Sums over an epoch are taken modulo 2^64.
inline std::int64_t AuditHash(std::uint64_t epoch, std::uint64_t sequence) {
  return static_cast<std::int64_t>(MixKey({0x6175646974, epoch, sequence}) >> 24);
}

// What the hashes of sequences [0, `sequences`) add up to.
inline std::uint64_t AuditHashOfEpoch(std::uint64_t epoch, std::uint64_t sequences) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < sequences; ++i) sum += static_cast<std::uint64_t>(AuditHash(epoch, i));
  return sum;
}

}  // namespace still::worker
