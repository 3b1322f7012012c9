// CRC-32C (Castagnoli, RFC 3720): guards blocks of files, records and snapshots against flipped bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace still {

// Returns the CRC-32C of `bytes`. To checksum a text in pieces, give the result of one call as the `seed` of the next.
// Crc32c("123456789") is 0xE3069283. Uses the processor's instruction where there is one.
std::uint32_t Crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0);

namespace internal {
// Computes the same by table look-ups, without the final inversion: for processors without the instruction.
std::uint32_t Crc32cByTables(std::span<const std::byte> bytes, std::uint32_t crc);
}  // namespace internal

}  // namespace still
