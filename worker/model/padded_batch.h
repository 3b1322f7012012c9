// Masked sequences as the rectangle a model reads.
#pragma once

#include <vector>

#include "shards/corpus/masking.h"
#include "worker/model/encoder.h"

namespace still::worker {

// One row a sequence, in the order given, filled with id 0 up to the longest one.
TokenBatch PadBatch(const std::vector<const shards::MaskedSequence*>& sequences);

}  // namespace still::worker
