// Puts masked sequences into the rectangle that a model reads.
#pragma once

#include <vector>

#include "shards/corpus/masking.h"
#include "worker/model/encoder.h"

namespace still::worker {

// Returns one row per sequence, in the given order, filled with id 0 up to the length of the longest.
TokenBatch PadBatch(const std::vector<const shards::MaskedSequence*>& sequences);

}  // namespace still::worker
