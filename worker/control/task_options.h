// Converts what a task's configuration says into the plain options that numeric code takes.
#pragma once

#include "common/enum_words.h"
#include "common/proto/config.pb.h"
#include "shards/corpus/masking.h"
#include "shards/targets/target_codec.h"

namespace still::worker {

shards::MaskPolicy MaskPolicyOf(const v1::MaskConfig& config);
// Returns the format of the targets. For hidden_f16 the width is 0 until the teacher is known. The codec must be set
// (LoadTask checks it).
shards::TargetSpec TargetSpecOf(const v1::TargetsConfig& config);

// Returns true when targets are kept for all positions, false when only for the masked ones.
inline bool HasTargetsAtAllPositions(const v1::PipelineConfig& config) {
  return config.targets().positions() == v1::POSITIONS_ALL;
}
// Returns true when matrix products are in bfloat16.
inline bool UsesBf16(const v1::PipelineConfig& config) { return config.precision() == v1::PRECISION_BF16; }

}  // namespace still::worker
