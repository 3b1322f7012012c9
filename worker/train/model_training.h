// The common part of the teacher and the train stage: they train one model on the corpus of a task and write its
// artifact.
#pragma once

#include <string>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/masking.h"
#include "shards/targets/target_store.h"
#include "worker/control/stages.h"
#include "worker/model/parameters.h"
#include "worker/train/train_options.h"

namespace still::worker {

struct ModelTraining {
  std::string name;      // "teacher" or "train": prefix of fault points and messages
  std::string identity;  // digest of the artifact in the making
  TrainOptions options;
  shards::MaskPolicy mask;
  const shards::CorpusView& corpus;
  const shards::TargetSet* targets = nullptr;  // null for masked language modelling only
  const ParameterSet* teacher = nullptr;       // the frozen head for hidden targets
};

// Collective. Returns whether the artifact exists already, as rank 0 sees it, so that all ranks do the same.
Result<bool> IsDone(Communicator& world, const ArtifactStore& artifacts, const std::string& kind,
                    const std::string& digest);

// Opens the train split of the task's corpus. INVALID_ARGUMENT when a model of this shape cannot read it.
Result<std::unique_ptr<shards::CorpusView>> OpenTrainSplit(const v1::WorkerTask& task, const ModelShape& shape);

// Collective. Trains `model` to the last step, with checkpoints at <artifacts>/checkpoints/<identity>.
Status TrainModel(const StageContext& context, const ModelTraining& training, ParameterSet& model);

// Removes this host's snapshots. Call it once the artifact exists, when nobody will continue from them.
void RemoveSnapshots(const StageContext& context, const std::string& identity);

// Writes into `directory` the files of every trained model's artifact: model files, training.jsonl (when it was
// trained) and summary.json with the numbers of `extra` added.
Status WriteModelArtifact(const StageContext& context, const ParameterSet& model, const std::string& identity,
                          const Summary& extra, const std::string& directory);

}  // namespace still::worker
