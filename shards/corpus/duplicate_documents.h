// Drops duplicate documents: a document is a duplicate when an earlier one had the same text.
//
// The shard planner asks in input order, so the first of several equal documents stays, whichever process tokenised it.
#pragma once

#include <cstdint>
#include <vector>

#include "common/digest.h"

namespace still::shards {

// The texts that have been seen, by their SHA-256 digests. It is an open-addressing table of 32 bytes per slot that is
// at most half full, because the digests of an English Wikipedia alone take half a gigabyte. One thread.
class DuplicateDocuments {
 public:
  // Returns true, and counts a duplicate, when the text was seen before. Remembers the text otherwise.
  bool IsDuplicate(const Sha256Digest& text_sha256);
  // Returns how many duplicates there were.
  std::uint64_t duplicates() const { return duplicates_; }

 private:
  Sha256Digest& SlotOf(const Sha256Digest& digest);
  void Grow();

  std::vector<Sha256Digest> slots_ = std::vector<Sha256Digest>(1024);
  std::uint64_t size_ = 0;
  std::uint64_t duplicates_ = 0;
};

}  // namespace still::shards
