// The corpus part of a pipeline's configuration as the text pipeline takes it.
#pragma once

#include "shards/corpus/build.h"

namespace stillhouse::v1 {
class PipelineConfig;
}

namespace still::coordinator {

shards::CorpusOptions CorpusOptionsOf(const stillhouse::v1::PipelineConfig& config);

}  // namespace still::coordinator
