// Little-endian integers, and views of plain values as bytes. Our binary file formats are written with these.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace still {

static_assert(std::endian::native == std::endian::little, "formats are little-endian and read in place");

// Views a value as bytes. Not for arrays and pointers: a string literal is text, without its final zero.
template <typename T>
requires(std::is_trivially_copyable_v<T> && !std::is_array_v<T> &&
         !std::is_pointer_v<T>) std::span<const std::byte> AsBytes(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

inline std::span<const std::byte> AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename T>
requires std::is_trivially_copyable_v<T>
void AppendLittleEndian(std::string& out, T value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }

// Reads a value. The caller has checked that sizeof(T) bytes are there.
template <typename T>
requires std::is_trivially_copyable_v<T> T LoadLittleEndian(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Returns a key of eight bytes. Keys of numbers sort in numeric order.
inline std::string BigEndianKey(std::uint64_t value) {
  std::string key(8, '\0');
  for (int i = 7; i >= 0; --i, value >>= 8) key[static_cast<std::size_t>(i)] = static_cast<char>(value & 0xff);
  return key;
}

}  // namespace still
