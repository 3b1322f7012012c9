// Turns one input split into the tokens of its documents.
#pragma once

#include <functional>
#include <string>

#include "common/status.h"
#include "shards/corpus/corpus_build.h"
#include "shards/corpus/input_splits.h"
#include "shards/corpus/split_file.h"
#include "shards/text/wordpiece.h"

namespace still::shards {

// Reads `input` and adds its documents to `split`. An error of `on_progress` ends the work and is returned. Fails as
// ReadWikipediaSplit and BookText do.
Status TokeniseSplit(const InputSplit& input, const Tokenizer& tokenizer,
                     const std::function<Status(const CorpusProgress&)>& on_progress, SplitBuilder* split);

}  // namespace still::shards
