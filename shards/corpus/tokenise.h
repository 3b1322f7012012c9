// One piece of the input to its documents' tokens.
#pragma once

#include <functional>
#include <string>

#include "common/status.h"
#include "shards/corpus/corpus_build.h"
#include "shards/corpus/input_splits.h"
#include "shards/corpus/piece_file.h"
#include "shards/text/wordpiece.h"

namespace still::shards {

// Reads `input` and adds its documents to `piece`. An error of `on_progress` ends it.
Status TokenisePiece(const InputPiece& input, const Tokenizer& tokenizer,
                     const std::function<Status(const CorpusProgress&)>& on_progress, PieceBuilder* piece);

}  // namespace still::shards
