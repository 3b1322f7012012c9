#include "worker/device/exact_sum.h"

#include <bit>
#include <cmath>
#include <cstddef>

#include "common/check.h"

namespace still::worker {
namespace {

// Adding 1.5 * 2^52 leaves round-to-nearest-even(x) in the low bits of the sum for |x| <= 2^51: a rounding to int64
// that vectorises on any ISA and, since scaling by a power of two is exact, gives the same bits with and without FMA.
constexpr double kRounder = 0x1.8p52;
constexpr std::uint64_t kRounderBits = std::bit_cast<std::uint64_t>(kRounder);
static_assert(kMaxTerm / kQuantum <= 0x1.0p51);

inline std::int64_t Round(double value) {
  // Unsigned: a value out of range may wrap, which must not be undefined.
  return static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(value * (1 / kQuantum) + kRounder) - kRounderBits);
}

}  // namespace

std::int64_t ToFixed(double value) { return Round(value); }

double FromFixed(std::int64_t value) { return static_cast<double>(value) * kQuantum; }

bool AddFixed(std::span<const float> values, std::span<std::int64_t> sums) {
  STILL_CHECK(values.size() == sums.size(), "a value for every sum");
  const float* in = values.data();
  std::int64_t* out = sums.data();
  const std::size_t count = values.size();
  std::int32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i) {
    bad |= static_cast<std::int32_t>(!(std::fabs(in[i]) < static_cast<float>(kMaxTerm)));  // true for NaN
    out[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(out[i]) + static_cast<std::uint64_t>(Round(in[i])));
  }
  return bad == 0;
}

void FixedToFloat(std::span<const std::int64_t> sums, std::span<float> out) {
  STILL_CHECK(sums.size() == out.size(), "a place for every sum");
  for (std::size_t i = 0; i < sums.size(); ++i) out[i] = static_cast<float>(FromFixed(sums[i]));
}

}  // namespace still::worker
