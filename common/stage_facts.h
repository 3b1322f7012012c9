// Facts that are true of a stage in every pipeline.
#pragma once

#include <string>

#include "common/enum_words.h"

namespace still {

// Returns the kind of artifact that the stage makes: "corpus", "teacher", "targets", "student", "report" or "export".
inline std::string ArtifactKind(v1::Stage stage) {
  if (stage == v1::STAGE_TRAIN) return "student";
  if (stage == v1::STAGE_EVALUATE) return "report";
  return EnumWord(stage);
}

// Returns whether the stage makes exact steps with checkpoints, which the next launch continues from.
inline bool Trains(v1::Stage stage) { return stage == v1::STAGE_TEACHER || stage == v1::STAGE_TRAIN; }

// Returns whether ranks lease the stage's shards one by one. The others take over what a dead rank held.
inline bool IsLeased(v1::Stage stage) { return stage == v1::STAGE_CORPUS || stage == v1::STAGE_TARGETS; }

// Returns whether more ranks would not help: measurements, and the conversion of a file.
inline bool RunsOnOneRank(v1::Stage stage) { return stage == v1::STAGE_EVALUATE || stage == v1::STAGE_EXPORT; }

}  // namespace still
