// What one launch of worker processes is to do, in plain types: the worker's copy of the protobuf WorkerTask, so that
// code with tensors never sees a protobuf header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/rpc/rpc.h"
#include "common/status.h"
#include "common/storage/checkpoint.h"
#include "shards/corpus/corpus_options.h"
#include "shards/corpus/masking.h"
#include "shards/targets/target_cache.h"
#include "worker/train/loss_weights.h"
#include "worker/train/optimizer.h"

namespace still::worker {

enum class Stage { kCorpus, kTeacher, kTargets, kTrain, kEvaluate, kExport };
std::string_view StageName(Stage stage);

// What a rank's death means for the others.
enum class RecoveryMode {
  kInplace,   // they finish the step without it
  kRelaunch,  // this launch ends, the next one continues
};

struct TrainOptions {
  LossWeights loss;
  OptimizerOptions optimizer;
  std::uint32_t epochs = 3;
  std::uint32_t max_steps = 0;
  std::uint32_t sequences_per_step = 4096;
  std::uint32_t microbatch_tokens = 4096;
  double learning_rate = 5e-4;
  double warmup_percent = 5;
  double dropout = 0.1;
  double attention_dropout = 0.1;
  std::uint32_t checkpoint_steps = 100;  // 0: by time,
  double checkpoint_seconds = 0;         // every so often; 0 too: as the measured cost of one suggests
  bool fast_reduction = false;           // fp32 sums: half the bytes, but they depend on the number of ranks
};

struct Task {
  Stage stage = Stage::kTrain;
  std::string name;  // of the job, for messages
  std::string artifacts_root;
  std::uint64_t generation = 1;
  std::string endpoint;
  std::optional<RpcClientKeys> keys;            // to connect with; none: the endpoint takes anybody
  std::string identity;                         // text of the identity of what this stage makes
  std::vector<CheckpointManifest> checkpoints;  // published ones of what this stage makes, newest first
  RecoveryMode recovery = RecoveryMode::kRelaunch;
  double hang_seconds = 10;  // no progress for this long is a hang,
  double hang_factor = 10;   // but never before this multiple of the phase's 99th percentile
  double orphan_seconds = 60;
  std::string snapshot_directory;       // memory file system; empty: no snapshots
  double failure_interval_seconds = 0;  // expected between failures of the whole job; 0: unknown
  // Digests; artifacts live at <artifacts_root>/<kind>/<digest>.
  std::string corpus, teacher, targets, student, report, exported;

  std::uint64_t seed = 0;
  std::uint32_t threads = 1;
  bool bf16 = false;

  shards::CorpusOptions corpus_options;
  std::string teacher_path;  // Hugging Face directory
  TrainOptions fit;          // masked-LM fit of a teacher without a head
  TrainOptions train;
  shards::MaskPolicy mask;
  shards::TargetSpec target_spec;  // width 0 for hidden_f16 until the teacher is known
  bool targets_at_all_positions = true;
  std::int64_t student_layers = 0;
  bool student_from_teacher = true;
  std::uint32_t evaluate_max_sequences = 0;
  std::uint32_t evaluate_latency_runs = 20;
  bool lowercase = true;
};

// Reads the WorkerTask JSON the driver wrote. INVALID_ARGUMENT names the file and the field that makes no sense.
Result<Task> LoadTask(const std::string& path);

}  // namespace still::worker
