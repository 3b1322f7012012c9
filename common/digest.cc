#include "common/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "common/bytes.h"
#include "common/check.h"
#include "common/progress.h"

namespace still {
namespace {

constexpr std::size_t kBytesAtOnce = std::size_t{1} << 20;

// Digests `bytes` mebibyte by mebibyte, and marks progress between them.
void UpdateInParts(EVP_MD_CTX* context, std::span<const std::byte> bytes) {
  while (true) {
    const auto part = bytes.first(std::min(bytes.size(), kBytesAtOnce));
    STILL_CHECK(EVP_DigestUpdate(context, part.data(), part.size()) == 1, "Update after Finish");
    bytes = bytes.subspan(part.size());
    if (bytes.empty()) return;
    MarkProgress();
  }
}

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  STILL_CHECK(context_->evp != nullptr && EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) == 1,
              "OpenSSL offers no SHA-256");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::span<const std::byte> bytes) { UpdateInParts(context_->evp, bytes); }

void Sha256::Update(std::string_view bytes) { Update(AsBytes(bytes)); }

Sha256Digest Sha256::Finish() {
  Sha256Digest digest;
  STILL_CHECK(EVP_DigestFinal_ex(context_->evp, digest.data(), nullptr) == 1, "Finish called twice");
  return digest;
}

Sha256Digest Sha256Of(std::span<const std::byte> bytes) {
  if (bytes.size() > kBytesAtOnce) {
    Sha256 sha;
    sha.Update(bytes);
    return sha.Finish();
  }
  Sha256Digest digest;
  STILL_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1,
              "OpenSSL offers no SHA-256");
  return digest;
}

Sha256Digest Sha256Of(std::string_view bytes) { return Sha256Of(AsBytes(bytes)); }

Sha1Digest Sha1Of(std::string_view bytes) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  STILL_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1,
              "OpenSSL offers no SHA-1");
  UpdateInParts(context.get(), AsBytes(bytes));
  Sha1Digest digest;
  STILL_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1, "Finish called twice");
  return digest;
}

std::string Hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

std::string Base36(const Sha1Digest& digest) {
  Sha1Digest number = digest;  // big-endian; divided by 36 until every digit is out
  std::string text(31, '0');
  for (auto at = text.rbegin(); at != text.rend(); ++at) {
    unsigned remainder = 0;
    for (std::uint8_t& byte : number) {
      const unsigned dividend = remainder << 8 | byte;
      byte = static_cast<std::uint8_t>(dividend / 36);
      remainder = dividend % 36;
    }
    *at = "0123456789abcdefghijklmnopqrstuvwxyz"[remainder];
  }
  return text;
}

std::uint64_t ContentId(std::span<const std::byte> bytes) {
  const Sha256Digest digest = Sha256Of(bytes);
  return LoadLittleEndian<std::uint64_t>(std::as_bytes(std::span(digest)).data());
}

IdentityBuilder::IdentityBuilder(std::string_view kind) { Add("kind", kind); }

IdentityBuilder& IdentityBuilder::Add(std::string_view name, std::string_view value) {
  text_.append(name).push_back('=');
  for (const char c :
       value) {  // one line per field whatever the value, so that different fields never give the same text
    if (c == '\n') {
      text_ += "\\n";
    } else if (c == '\\') {
      text_ += "\\\\";
    } else {
      text_ += c;
    }
  }
  text_ += '\n';
  return *this;
}

IdentityBuilder& IdentityBuilder::Add(std::string_view name, std::uint64_t value) {
  return Add(name, fmt::format("{}", value));
}

IdentityBuilder& IdentityBuilder::Add(std::string_view name, double value) {
  return Add(name, fmt::format("{}", value));
}

bool IdentityBuilder::Has(std::string_view name, std::string_view value) const {
  return text_.find("\n" + IdentityBuilder().Add(name, value).text_) != std::string::npos;
}

std::string IdentityBuilder::Digest() const { return Hex(Sha256Of(text_)).substr(0, 16); }

}  // namespace still
