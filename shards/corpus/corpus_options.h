// What a corpus is made from, and its identity.
#pragma once

#include <cstdint>
#include <memory>
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

class Tokenizer;

// What this host reads of them.
struct CorpusInputs {
  // Every byte of the corpus follows from these lines: options, SHA-256 of each input, version of the text path.
  IdentityBuilder identity{"corpus"};
  std::shared_ptr<const Tokenizer> tokenizer;
};
// Reads all of them.
Result<CorpusInputs> ReadCorpusInputs(const CorpusOptions& options);
// Those of the corpus with this digest: INVALID_ARGUMENT when they make another.
Result<CorpusInputs> ReadCorpusInputs(const CorpusOptions& options, const std::string& digest);

}  // namespace still::shards
