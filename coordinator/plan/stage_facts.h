// What is true of a stage in every pipeline.
#pragma once

#include "common/check.h"
#include "common/proto/control.pb.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

inline stillhouse::v1::Stage StageOnTheWire(Stage stage) {
  return static_cast<stillhouse::v1::Stage>(static_cast<int>(stage) + static_cast<int>(stillhouse::v1::STAGE_CORPUS));
}
static_assert(static_cast<int>(Stage::kExport) + stillhouse::v1::STAGE_CORPUS == stillhouse::v1::STAGE_EXPORT);

// The other way round; `stage` is one of the six.
inline Stage StageOfWire(stillhouse::v1::Stage stage) {
  STILL_CHECK(stage > stillhouse::v1::STAGE_UNSPECIFIED && stage <= stillhouse::v1::STAGE_EXPORT, "no stage");
  return static_cast<Stage>(stage - stillhouse::v1::STAGE_CORPUS);
}

// By exact steps, with checkpoints: what a death leaves behind is worth going on with.
inline bool Trains(Stage stage) { return stage == Stage::kTeacher || stage == Stage::kTrain; }

// In shards that are leased one by one: a rank that dies leaves the others what it held.
inline bool IsDivisible(Stage stage) { return stage == Stage::kCorpus || stage == Stage::kTargets; }

// Measurements, a file conversion.
inline bool RunsOnOneRank(Stage stage) { return stage == Stage::kEvaluate || stage == Stage::kExport; }

}  // namespace still::coordinator
