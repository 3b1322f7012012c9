// Builds a whole corpus in one process: all tasks of corpus_build.h, one after the other.
#pragma once

#include <cstdint>
#include <functional>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_build.h"
#include "shards/corpus/corpus_inputs.h"
#include "shards/corpus/corpus_view.h"

namespace still::shards {

// Builds and commits <artifacts>/corpus/<identity digest>. `on_progress` gets all that this call and earlier ones have
// done and the size of the input; an error of it ends the build and is returned. Results of a failed or killed build
// are not made again. Nothing stands under the final name until all does.
Status BuildCorpus(const v1::CorpusConfig& config, const CorpusInputs& inputs, const ArtifactStore& artifacts,
                   const std::function<Status(const CorpusProgress&, std::uint64_t input_bytes)>& on_progress);

}  // namespace still::shards
