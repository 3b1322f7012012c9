// What a corpus is made from, and its identity.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/status.h"

namespace still::shards {

struct CorpusOptions {
  std::vector<std::string> wikipedia;  // *.xml.bz2
  std::vector<std::string> books;      // files, or directories searched for *.txt and extensionless text, sorted
  std::string vocab;                   // vocab.txt
  bool lowercase = true;
  std::uint32_t max_sequence_tokens = 128;
  std::uint32_t min_sequence_tokens = 12;
  std::uint32_t sequences_per_shard = 2048;
  double heldout_percent = 5;
};

// INVALID_ARGUMENT says which option is wrong.
Status CheckCorpusOptions(const CorpusOptions& options);

// Every byte of the corpus follows from these lines: options, SHA-256 of each input, version of the text path.
Result<IdentityBuilder> CorpusIdentity(const CorpusOptions& options);
// The same of the corpus with this digest: INVALID_ARGUMENT when the inputs, as this host reads them now, make another.
Result<IdentityBuilder> CorpusIdentity(const CorpusOptions& options, const std::string& digest);

}  // namespace still::shards
