// The options and inputs that a corpus is made from, and the identity that they give it.
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
  std::vector<std::string> books;      // files, or directories: see ListBooks
  std::string vocab;                   // vocab.txt
  bool lowercase = true;
  std::uint32_t max_sequence_tokens = 128;
  std::uint32_t min_sequence_tokens = 12;
  std::uint32_t sequences_per_shard = 2048;
  double heldout_percent = 5;
};

// INVALID_ARGUMENT when an option is wrong; the message says which.
Status CheckCorpusOptions(const CorpusOptions& options);

class Tokenizer;

// The inputs as this host reads them.
struct CorpusInputs {
  // Every byte of the corpus follows from these lines: the options, the SHA-256 of each input, the version of the code.
  IdentityBuilder identity{"corpus"};
  std::shared_ptr<const Tokenizer> tokenizer;
};
// Reads every byte of the inputs.
Result<CorpusInputs> ReadCorpusInputs(const CorpusOptions& options);
// Like the above, but INVALID_ARGUMENT when the inputs are not those of the corpus with this digest.
Result<CorpusInputs> ReadCorpusInputs(const CorpusOptions& options, const std::string& digest);

}  // namespace still::shards
