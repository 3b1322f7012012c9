#include "shards/corpus/duplicate_documents.h"

#include <cstring>
#include <utility>

namespace still::shards {
namespace {

constexpr Sha256Digest kEmpty{};  // no known text has this digest

}  // namespace

bool DuplicateDocuments::IsDuplicate(const Sha256Digest& text_sha256) {
  if (2 * (size_ + 1) > slots_.size()) Grow();
  Sha256Digest& slot = SlotOf(text_sha256);
  if (slot == text_sha256) {
    ++duplicates_;
    return true;
  }
  slot = text_sha256;
  ++size_;
  return false;
}

// Returns the slot that holds `digest`, or the empty one where it belongs.
Sha256Digest& DuplicateDocuments::SlotOf(const Sha256Digest& digest) {
  std::uint64_t at = 0;
  std::memcpy(&at, digest.data(), sizeof at);
  for (;; ++at) {
    Sha256Digest& slot = slots_[at % slots_.size()];
    if (slot == digest || slot == kEmpty) return slot;
  }
}

void DuplicateDocuments::Grow() {
  const std::vector<Sha256Digest> old = std::exchange(slots_, std::vector<Sha256Digest>(slots_.size() * 2));
  for (const Sha256Digest& digest : old) {
    if (digest != kEmpty) SlotOf(digest) = digest;
  }
}

}  // namespace still::shards
