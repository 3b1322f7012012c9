// The random numbers of the simulator. All of them come from one seed, so that a run can be repeated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/random.h"

namespace still::sim {

class Dice {
 public:
  explicit Dice(std::uint64_t key) : random_(key) {}

  bool Chance(double probability) { return random_.NextUnit() < probability; }
  // Returns a uniform number, both ends included. The ends are less than 2^32 apart.
  std::int64_t Between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_.NextBelow(static_cast<std::uint32_t>(high - low + 1)));
  }
  std::size_t Index(std::size_t size) { return random_.NextBelow(static_cast<std::uint32_t>(size)); }
  std::uint64_t Key() { return random_.NextU64(); }

 private:
  KeyedRandom random_;
};

}  // namespace still::sim
