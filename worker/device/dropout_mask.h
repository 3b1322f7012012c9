// Dropout masks from Philox: element e of a site's mask is a function of (key, site, e) alone, the same bits on every
// instruction set and for any number of threads.
#pragma once

#include <cstdint>

namespace still::worker {

// Elements made from one group of Philox blocks; a mask may be filled in ranges that start at multiples of it.
inline constexpr std::int64_t kMaskGroup = 128;

// A draw of 16 bits below the threshold drops the element.
inline std::uint32_t DropThreshold(double rate) { return static_cast<std::uint32_t>(rate * 65536 + 0.5); }

// mask[0, size) = elements [first, first + size) of the site's mask: 0 where dropped, else `keep`.
// T holds `keep` bit by bit: float, double, or std::uint16_t for bfloat16.
template <typename T>
void FillDropoutMask(std::uint64_t key, std::uint32_t site, std::uint32_t threshold, T keep, std::int64_t first,
                     std::int64_t size, T* mask);

}  // namespace still::worker
