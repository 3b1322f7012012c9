// Converts the descriptions of checkpoints (common/storage/checkpoint.h) to and from their messages (control.proto).
#pragma once

#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/storage/checkpoint.h"

namespace still {

v1::CheckpointInfo ToMessage(const CheckpointInfo& info);
v1::CheckpointPart ToMessage(const CheckpointPart& part);
v1::CheckpointManifest ToMessage(const CheckpointManifest& manifest);

CheckpointInfo InfoOf(const v1::CheckpointInfo& message);
CheckpointPart PartOf(const v1::CheckpointPart& message);
CheckpointManifest ManifestOf(const v1::CheckpointManifest& message);

}  // namespace still
