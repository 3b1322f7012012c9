// Digests and checksums: SHA-256 names artifacts and seals files, SHA-1 exists only because MediaWiki dumps carry it,
// CRC-32C (Castagnoli, RFC 3720) guards blocks and records. Values are plain arrays; hex is lower case.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/status.h"

namespace still {

using Sha256Digest = std::array<std::uint8_t, 32>;
using Sha1Digest = std::array<std::uint8_t, 20>;

// Incremental SHA-256. Not thread-safe. After Finish the object may only be destroyed.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::span<const std::byte> bytes);
  void Update(std::string_view bytes);
  Sha256Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Sha256Digest Sha256Of(std::span<const std::byte> bytes);
Sha256Digest Sha256Of(std::string_view bytes);
Sha1Digest Sha1Of(std::string_view bytes);

// SHA-256 of a whole file, streamed.
Result<Sha256Digest> Sha256OfFile(const std::string& path);

std::string Hex(std::span<const std::uint8_t> bytes);

// The form MediaWiki writes in <sha1>: base 36, lower case, padded with zeros to 31 digits.
std::string Base36(const Sha1Digest& digest);

// CRC-32C; `seed` is the value of the bytes before, 0 at the start. Crc32c("123456789") == 0xE3069283.
std::uint32_t Crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0);

// First 8 bytes of SHA-256, little-endian: a content id for bytes where 64 bits are enough.
std::uint64_t ContentId(std::span<const std::byte> bytes);

// Builds the identity of an artifact from named fields. Every field is written as "name=value\n" in the order given,
// so the digest depends on nothing but the fields chosen (never on a serialisation library).
class IdentityBuilder {
 public:
  explicit IdentityBuilder(std::string_view kind);
  IdentityBuilder& Add(std::string_view name, std::string_view value);
  IdentityBuilder& Add(std::string_view name, std::uint64_t value);
  IdentityBuilder& Add(std::string_view name, double value);  // shortest form that round-trips

  // The builder whose text() was `text`: how an identity made by one process reaches another.
  static IdentityBuilder FromText(std::string text) {
    IdentityBuilder builder;
    builder.text_ = std::move(text);
    return builder;
  }

  // The lines digested so far: stored beside the artifact, so that two digests can be compared by eye with diff.
  const std::string& text() const { return text_; }

  // First 16 hex digits of SHA-256 over text(): the directory name of the artifact.
  std::string Digest() const;

 private:
  IdentityBuilder() = default;

  std::string text_;
};

}  // namespace still
