// The train stage on a corpus, targets and teacher made by formula, ranks as threads.
#pragma once

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/config/pipeline_config.h"
#include "common/random.h"
#include "common/storage/artifact.h"
#include "common/storage/checkpoint.h"
#include "shards/targets/target_store.h"
#include "tests/shards/corpus/corpus_fixture.h"
#include "tests/testing/local_communicator.h"
#include "tests/testing/local_coordinator.h"
#include "tests/testing/status_matchers.h"
#include "worker/control/stages.h"
#include "worker/control/task_options.h"
#include "worker/model/model_files.h"
#include "worker/model/student_layers.h"

namespace still::worker {

class TrainingFixture : public shards::CorpusFixture {
 protected:
  static constexpr std::uint32_t kHidden = 16;

  void SetUp() override {
    at::set_num_threads(1);
    root_ = directory_;
    directory_ = root_ + "/corpus/c0";
    ASSERT_OK(MakeDirectories(directory_));
    shards::CorpusManifest manifest;
    AddShard(shards::Split::kTrain, 0, 0, 30, &manifest);
    AddShard(shards::Split::kTrain, 1, 30, 17, &manifest);
    ASSERT_OK(shards::WriteCorpusManifest(directory_, manifest));
    const IdentityBuilder student("student");
    v1::PipelineConfig& config = *task_.mutable_config();
    config = DefaultPipelineConfig();
    config.set_artifacts(root_);
    config.set_seed(5);
    config.set_precision(v1::PRECISION_FP32);
    config.mutable_worker()->set_device(v1::DEVICE_CPU);
    config.mutable_student()->set_layers(1);
    config.mutable_targets()->mutable_mask()->set_seed(8);
    config.mutable_targets()->mutable_mask()->set_variants(2);
    v1::TrainConfig& training = *config.mutable_train();
    training.set_epochs(3);
    training.set_max_steps(11);
    training.set_sequences_per_step(12);
    training.set_microbatch_tokens(128);
    training.set_learning_rate(3e-3);
    training.set_checkpoint_steps(3);
    training.set_reduction(v1::REDUCTION_EXACT);
    task_.set_identity(student.text());
    task_.mutable_artifacts()->set_corpus("c0");
    task_.mutable_artifacts()->set_teacher("t0");
    task_.mutable_artifacts()->set_student(student.Digest());
    SetSnapshotDirectory(root_ + "/memory");
    ASSERT_OK(MakeDirectories(SnapshotDirectory()));
    WriteTeacher(0);
    task_.mutable_artifacts()->set_targets(WriteTargets());
  }

  // Random weights; `poison` is added to one of them.
  void WriteTeacher(float poison) {
    const ModelShape shape{.layers = 2,
                           .hidden = kHidden,
                           .heads = 2,
                           .intermediate = 32,
                           .vocabulary = shards::kTestVocabulary,
                           .positions = 64};
    ParameterSet teacher = InitialiseStudent(ParameterSet(shape, false), 2, /*from_teacher=*/false, 1);
    teacher.weights().mutable_data_ptr<float>()[teacher.layout().front().size] +=
        poison;  // position 0 of every sequence
    std::filesystem::remove_all(root_ + "/teacher/t0");
    ASSERT_OK(MakeDirectories(root_ + "/teacher/t0"));
    ASSERT_OK(SaveModel(teacher, root_ + "/teacher/t0"));
  }

  // Hidden states drawn at random for every position of every sequence and variant.
  std::string WriteTargets() {
    const auto corpus = shards::CorpusView::Open(directory_, shards::Split::kTrain).value();
    const shards::MaskPolicy mask = MaskPolicyOf(task_.config().targets().mask());
    const shards::Masker masker(mask, corpus->token_counts(), corpus->special_tokens());
    const shards::TargetSpec spec{.width = kHidden};
    const IdentityBuilder identity("targets");
    const auto store = shards::TargetStore::Open(ArtifactStore(root_), identity, spec, corpus->shards()).value();
    for (std::uint32_t shard = 0; shard < corpus->shards(); ++shard) {
      const auto writer = shards::TargetWriter::Create(store.PlaceOf(shard), spec).value();
      for (std::uint64_t i = corpus->ShardBegin(shard); i < corpus->ShardEnd(shard); ++i) {
        for (std::uint32_t variant = 0; variant < mask.variants; ++variant) {
          shards::TargetRecord record{.masked_hash = masker.Mask(*corpus->Sequence(i), variant).hash,
                                      .positions = corpus->Length(i)};
          KeyedRandom random(MixKey({i, variant}));
          record.hidden.resize(record.positions * kHidden);
          for (float& value : record.hidden) value = static_cast<float>(random.NextUnit() * 2 - 1);
          EXPECT_OK(writer->Append(static_cast<std::uint32_t>(i - corpus->ShardBegin(shard)), variant, record));
        }
      }
      EXPECT_OK(writer->Seal(store.identity()));
    }
    EXPECT_OK(store.Commit({}));
    return identity.Digest();
  }

  // What a rank does with its communicator; may put another one in between.
  using RankWork = std::function<Status(Communicator&, const std::function<Status(Communicator&)>& train)>;

  // One launch: a generation of its own, the published checkpoints known to it.
  std::vector<Status> Launch(int ranks, const RankWork& work) {
    task_.set_generation(++coordinator_.generation);
    task_.clear_checkpoints();
    for (const v1::CheckpointManifest& checkpoint : coordinator_.Checkpoints()) *task_.add_checkpoints() = checkpoint;
    return testing::RunRanks(ranks, [&](Communicator& world) {
      return work(world, [&](Communicator& seen) {
        const auto control = coordinator_.Connect(world.launch_rank());
        ProgressWriter progress(words_.data() + world.launch_rank());
        return RunTrainStage({task_, seen, *control, progress});
      });
    });
  }
  std::vector<Status> Train(int ranks) {
    return Launch(ranks, [](Communicator& world, const auto& train) { return train(world); });
  }

  v1::TrainConfig& TrainConfig() { return *task_.mutable_config()->mutable_train(); }
  const std::string& SnapshotDirectory() const { return task_.config().recovery().snapshot_directory(); }
  void SetSnapshotDirectory(const std::string& directory) {
    task_.mutable_config()->mutable_recovery()->set_snapshot_directory(directory);
  }
  std::string StudentPath() const { return root_ + "/student/" + task_.artifacts().student(); }
  std::string CheckpointDirectory() const { return root_ + "/checkpoints/" + task_.artifacts().student(); }
  std::string StudentDigest() const {
    const auto student = LoadModel(StudentPath(), false);
    return student.ok() ? student->WeightsDigest() : student.status().ToString();
  }
  void StartOver() {
    std::filesystem::remove_all(root_ + "/student");
    std::filesystem::remove_all(root_ + "/checkpoints");
    std::filesystem::remove_all(root_ + "/memory");
    std::filesystem::create_directories(root_ + "/memory");
    coordinator_.Forget();
  }
  // Trains undisturbed with one rank and forgets all but the digest.
  std::string UndisturbedDigest() {
    EXPECT_THAT(Train(1), ::testing::Each(testing::IsOk()));
    const std::string digest = StudentDigest();
    StartOver();
    return digest;
  }

  std::string root_;
  v1::WorkerTask task_;
  testing::LocalCoordinator coordinator_;
  std::array<SharedProgress, 8> words_;  // of the ranks
};

}  // namespace still::worker
