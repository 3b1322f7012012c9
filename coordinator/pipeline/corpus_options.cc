#include "coordinator/pipeline/corpus_options.h"

#include "common/proto/config.pb.h"

namespace still::coordinator {

shards::CorpusOptions CorpusOptionsOf(const stillhouse::v1::PipelineConfig& config) {
  const stillhouse::v1::CorpusConfig& corpus = config.corpus();
  return {.wikipedia = {corpus.wikipedia().begin(), corpus.wikipedia().end()},
          .books = {corpus.books().begin(), corpus.books().end()},
          .vocab = corpus.vocab(),
          .lowercase = corpus.lowercase(),
          .max_sequence_tokens = corpus.max_sequence_tokens(),
          .min_sequence_tokens = corpus.min_sequence_tokens(),
          .sequences_per_shard = corpus.sequences_per_shard(),
          .heldout_percent = corpus.heldout_percent()};
}

}  // namespace still::coordinator
