// The common part of the teacher and the train stage: they train one model on the corpus of a task and write its
// artifact.
#pragma once

#include <functional>
#include <memory>
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

// Collective. Commits `model` as the artifact `kind`/`digest` of this task, on rank 0: model files, training.jsonl when
// it was trained, summary.json with the numbers of `extra`, and what `add_files` writes into the directory. Every rank
// then removes its host's snapshots, because nobody continues from them once the artifact exists.
Status CommitModel(const StageContext& context, const ParameterSet& model, const std::string& kind,
                   const std::string& digest, const Summary& extra,
                   const std::function<Status(const std::string& directory)>& add_files);

}  // namespace still::worker
