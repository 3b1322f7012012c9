// Text in, corpus artifact out: Wikipedia dumps and book files -> documents -> WordPiece -> sequences -> shards.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/artifact.h"
#include "common/status.h"
#include "shards/corpus_view.h"

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

// Every byte of the corpus follows from these lines: options, SHA-256 of each input, version of the text path.
Result<IdentityBuilder> CorpusIdentity(const CorpusOptions& options);

struct CorpusProgress {
  std::uint64_t input_bytes_done = 0;
  std::uint64_t input_bytes_total = 0;
  std::uint64_t documents = 0;
  std::uint64_t tokens = 0;
};

// Builds and commits <artifacts>/corpus/<identity digest>. An error of `on_progress` ends it. On failure nothing stands
// under the final name.
Status BuildCorpus(const CorpusOptions& options, const IdentityBuilder& identity, const ArtifactStore& artifacts,
                   const std::function<Status(const CorpusProgress&)>& on_progress);

}  // namespace still::shards
