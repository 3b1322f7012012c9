// Digests: SHA-256 names artifacts and seals files. SHA-1 is here only because MediaWiki dumps carry it. A long digest
// marks progress (common/progress.h). Files are digested by common/storage/file_digest.h, checksums are in crc32c.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace still {

using Sha256Digest = std::array<std::uint8_t, 32>;
using Sha1Digest = std::array<std::uint8_t, 20>;

// Computes SHA-256 of bytes that come in parts. Owned by one thread. After Finish the object may only be destroyed.
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

// Returns lower-case hexadecimal digits.
std::string Hex(std::span<const std::uint8_t> bytes);

// Returns the form that MediaWiki writes in <sha1>: base 36, lower case, padded with zeros to 31 digits.
std::string Base36(const Sha1Digest& digest);

// Returns the first 8 bytes of SHA-256, little-endian: a content id where 64 bits are enough.
std::uint64_t ContentId(std::span<const std::byte> bytes);

// Builds the identity of an artifact from named fields. Every field is written as "name=value\n" in the order given, so
// the digest depends on the chosen fields alone and never on a serialisation library.
class IdentityBuilder {
 public:
  explicit IdentityBuilder(std::string_view kind);
  IdentityBuilder& Add(std::string_view name, std::string_view value);
  IdentityBuilder& Add(std::string_view name, std::uint64_t value);
  IdentityBuilder& Add(std::string_view name, double value);  // in the shortest form that round-trips

  // Returns the builder whose text() is `text`. Identities travel between processes in this way.
  static IdentityBuilder FromText(std::string text) {
    IdentityBuilder builder;
    builder.text_ = std::move(text);
    return builder;
  }

  // Returns whether a field after the kind has this name and this value.
  bool Has(std::string_view name, std::string_view value) const;

  // Returns the lines digested so far. They are stored beside the artifact, so that diff explains two digests.
  const std::string& text() const { return text_; }

  // Returns the first 16 hex digits of SHA-256 over text(): the directory name of the artifact.
  std::string Digest() const;

 private:
  IdentityBuilder() = default;

  std::string text_;
};

}  // namespace still
