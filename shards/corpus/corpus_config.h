// Converts the corpus section of a pipeline's configuration into the options of shards/corpus.
#pragma once

#include "shards/corpus/corpus_options.h"

namespace stillhouse::v1 {
class CorpusConfig;
}

namespace still::shards {

// Returns the options that `config` asks for.
CorpusOptions CorpusOptionsOf(const stillhouse::v1::CorpusConfig& config);

}  // namespace still::shards
