// The stages that a worker can run. Each stage is collective: every rank calls it. It commits its artifact itself. It
// may be run again after a kill at any instant: it resumes from what is durable and ends in the same bytes.
#pragma once

#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/status.h"
#include "worker/collective/communicator.h"
#include "worker/control/control_link.h"
#include "worker/guardian/shared_progress.h"

namespace still::worker {

// The objects that a stage works with. The references outlive the call.
struct StageContext {
  const v1::WorkerTask& task;
  Communicator& world;
  ControlLink& control;
  ProgressWriter& progress;
};

// Leased input splits -> shards of token sequences.
Status RunCorpusStage(const v1::WorkerTask& task, ControlLink& control, ProgressWriter& words);
Status RunTeacherStage(const StageContext& context);   // import; fit a head by masked LM when there is none
Status RunTargetsStage(const StageContext& context);   // leased shards -> teacher forward -> target cache
Status RunTrainStage(const StageContext& context);     // exact steps -> student
Status RunEvaluateStage(const StageContext& context);  // teacher and student on held-out text -> report
Status RunExportStage(const StageContext& context);    // student -> Hugging Face DistilBERT directory

}  // namespace still::worker
