#include "worker/device/dropout_mask.h"

#include <algorithm>

#include "common/check.h"
#include "worker/device/instruction_sets.h"

namespace still::worker {
namespace {

constexpr int kLanes = 16;  // Philox blocks side by side in vector registers

// 16 blocks of Philox4x32-10 (common/random.h), counters {block + lane, site, 0}. Half h of lane l is element h * 16 +
// l.
STILL_VECTOR_CLONES
void PhiloxGroup(std::uint64_t key, std::uint32_t site, std::uint64_t block, std::uint16_t* halves) {
  std::uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    const std::uint64_t counter = block + static_cast<std::uint64_t>(l);
    c0[l] = static_cast<std::uint32_t>(counter);
    c1[l] = static_cast<std::uint32_t>(counter >> 32);
    c2[l] = site;
    c3[l] = 0;
  }
  auto k0 = static_cast<std::uint32_t>(key);
  auto k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int l = 0; l < kLanes; ++l) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0[l];
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2[l];
      c0[l] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[l] ^ k0;
      c1[l] = static_cast<std::uint32_t>(p1);
      c2[l] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[l] ^ k1;
      c3[l] = static_cast<std::uint32_t>(p0);
    }
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  const std::uint32_t* words[4] = {c0, c1, c2, c3};
  for (int w = 0; w < 4; ++w) {
    for (int l = 0; l < kLanes; ++l) {
      halves[2 * w * kLanes + l] = static_cast<std::uint16_t>(words[w][l]);
      halves[(2 * w + 1) * kLanes + l] = static_cast<std::uint16_t>(words[w][l] >> 16);
    }
  }
}

}  // namespace

template <typename T>
void FillDropoutMask(std::uint64_t key, std::uint32_t site, std::uint32_t threshold, T keep, std::int64_t first,
                     std::int64_t size, T* mask) {
  STILL_CHECK(first % kMaskGroup == 0, "a mask is filled from a multiple of its group");
  std::uint16_t halves[kMaskGroup];
  for (std::int64_t begin = 0; begin < size; begin += kMaskGroup) {
    PhiloxGroup(key, site, static_cast<std::uint64_t>((first + begin) / kMaskGroup) * kLanes, halves);
    const std::int64_t count = std::min(kMaskGroup, size - begin);
    for (std::int64_t i = 0; i < count; ++i) mask[begin + i] = halves[i] < threshold ? T{0} : keep;
  }
}

template void FillDropoutMask(std::uint64_t, std::uint32_t, std::uint32_t, float, std::int64_t, std::int64_t, float*);
template void FillDropoutMask(std::uint64_t, std::uint32_t, std::uint32_t, double, std::int64_t, std::int64_t, double*);
template void FillDropoutMask(std::uint64_t, std::uint32_t, std::uint32_t, std::uint16_t, std::int64_t, std::int64_t,
                              std::uint16_t*);

}  // namespace still::worker
