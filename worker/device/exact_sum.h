// Fixed-point sums. Each value is rounded once to a multiple of 2^-40 and added as int64. Integer addition is
// associative, so the sum over microbatches has the same bits for any order, grouping or number of ranks.
//
// Every term is below kMaxTerm = 2^10, and a sum has at most kMaxTerms = 2^13 terms. So no sum, partial or whole,
// leaves int64 (2^63 * 2^-40 = 2^23). Whether a step is skipped depends on its terms alone, never on how they were
// grouped.
#pragma once

#include <cstdint>
#include <span>

namespace still::worker {

inline constexpr double kQuantum = 0x1.0p-40;
inline constexpr double kMaxTerm = 0x1.0p10;
inline constexpr std::uint64_t kMaxTerms = 1 << 13;

// Rounds to nearest even. The caller guarantees |value| < kMaxTerm.
std::int64_t ToFixed(double value);
double FromFixed(std::int64_t value);

// Adds values[i] to sums[i]. Returns false when a value is not finite or not below kMaxTerm: the sums are then useless.
bool AddFixed(std::span<const float> values, std::span<std::int64_t> sums);
// Sets out[i] = float(sums[i]).
void FixedToFloat(std::span<const std::int64_t> sums, std::span<float> out);

}  // namespace still::worker
