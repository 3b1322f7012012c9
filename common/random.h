// The only source of repeatable randomness: Philox4x32-10 (Salmon et al., SC'11), a counter-based generator. A draw is
// a pure function of key and counter. It is keyed by what is computed (seed, step, microbatch, site), so it depends
// neither on the rank that computes it nor on earlier draws.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

namespace still {

using PhiloxBlock = std::array<std::uint32_t, 4>;

// Returns one block of four 32-bit words.
constexpr PhiloxBlock Philox4x32(PhiloxBlock counter, std::uint64_t key) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

// Folds several numbers into one well-mixed key, by the finaliser of SplitMix64.
constexpr std::uint64_t MixKey(std::initializer_list<std::uint64_t> parts) {
  std::uint64_t state = 0x9E3779B97F4A7C15;
  for (std::uint64_t part : parts) {
    state = (state ^ part) + 0x9E3779B97F4A7C15;
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB;
    state ^= state >> 31;
  }
  return state;
}

// A stream of draws under one key. It is cheap to make, and a copy replays it.
class KeyedRandom {
 public:
  explicit constexpr KeyedRandom(std::uint64_t key) : key_(key) {}

  constexpr std::uint32_t NextU32() {
    if (used_ == 4) {
      block_ =
          Philox4x32({static_cast<std::uint32_t>(counter_), static_cast<std::uint32_t>(counter_ >> 32), 0, 0}, key_);
      ++counter_;
      used_ = 0;
    }
    return block_[used_++];
  }
  constexpr std::uint64_t NextU64() {
    const std::uint64_t low = NextU32();
    return low | (std::uint64_t{NextU32()} << 32);
  }
  // Returns a number in [0, 1), uniform with 53 bits.
  constexpr double NextUnit() { return static_cast<double>(NextU64() >> 11) * 0x1.0p-53; }
  // Returns a number in [0, bound), by Lemire's multiply. Its bias of 2^-32 * bound is below anything measured here.
  constexpr std::uint32_t NextBelow(std::uint32_t bound) {
    return static_cast<std::uint32_t>((std::uint64_t{NextU32()} * bound) >> 32);
  }

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
  PhiloxBlock block_{};
  std::uint32_t used_ = 4;
};

}  // namespace still
