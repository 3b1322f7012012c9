#include "shards/corpus/corpus_config.h"

#include "common/proto/config.pb.h"

namespace still::shards {

CorpusOptions CorpusOptionsOf(const stillhouse::v1::CorpusConfig& config) {
  return {.wikipedia = {config.wikipedia().begin(), config.wikipedia().end()},
          .books = {config.books().begin(), config.books().end()},
          .vocab = config.vocab(),
          .lowercase = config.lowercase(),
          .max_sequence_tokens = config.max_sequence_tokens(),
          .min_sequence_tokens = config.min_sequence_tokens(),
          .sequences_per_shard = config.sequences_per_shard(),
          .heldout_percent = config.heldout_percent()};
}

}  // namespace still::shards
