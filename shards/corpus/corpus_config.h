// The corpus part of a pipeline's configuration as the text pipeline takes it: for whoever plans a corpus and whoever
// makes one.
#pragma once

#include "shards/corpus/corpus_options.h"

namespace stillhouse::v1 {
class CorpusConfig;
}

namespace still::shards {

CorpusOptions CorpusOptionsOf(const stillhouse::v1::CorpusConfig& config);

}  // namespace still::shards
