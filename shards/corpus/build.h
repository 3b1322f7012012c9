// Text in, corpus artifact out: Wikipedia dumps and book files -> documents -> WordPiece -> sequences -> shards. All
// tasks of corpus_build.h, one after the other.
#pragma once

#include <cstdint>
#include <functional>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_build.h"
#include "shards/corpus/corpus_options.h"
#include "shards/corpus/corpus_view.h"

namespace still::shards {

// Builds and commits <artifacts>/corpus/<identity digest>. `on_progress` hears of all that this call and those before
// it have read, and of `input_bytes` in all; an error of it ends the build. What a failed or killed one has made is
// not made again; nothing stands under the final name until all is.
Status BuildCorpus(const CorpusOptions& options, const CorpusInputs& inputs, const ArtifactStore& artifacts,
                   const std::function<Status(const CorpusProgress&, std::uint64_t input_bytes)>& on_progress);

}  // namespace still::shards
