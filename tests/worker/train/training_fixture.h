// The train stage on a corpus, targets and teacher made by formula, ranks as threads.
#pragma once

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/random.h"
#include "common/storage/artifact.h"
#include "shards/targets/target_store.h"
#include "tests/shards/corpus/corpus_fixture.h"
#include "tests/testing/local_communicator.h"
#include "tests/testing/local_coordinator.h"
#include "tests/testing/status_matchers.h"
#include "worker/control/stages.h"
#include "worker/model/model_files.h"

namespace still::worker {

class TrainingFixture : public shards::CorpusFixture {
 protected:
  static constexpr std::uint32_t kHidden = 16;

  void SetUp() override {
    at::set_num_threads(1);
    CorpusFixture::SetUp();
    root_ = directory_;
    directory_ = root_ + "/corpus/c0";
    ASSERT_OK(MakeDirectories(directory_));
    shards::CorpusManifest manifest;
    AddShard(shards::Split::kTrain, 0, 0, 30, &manifest);
    AddShard(shards::Split::kTrain, 1, 30, 17, &manifest);
    ASSERT_OK(shards::WriteCorpusManifest(directory_, manifest));
    const IdentityBuilder student("student");
    task_ = {.artifacts_root = root_,
             .identity = student.text(),
             .corpus = "c0",
             .teacher = "t0",
             .student = student.Digest(),
             .seed = 5,
             .train = {.epochs = 3,
                       .max_steps = 11,
                       .sequences_per_step = 12,
                       .microbatch_tokens = 128,
                       .learning_rate = 3e-3,
                       .checkpoint_steps = 3},
             .mask = {.seed = 8, .variants = 2},
             .student_layers = 1};
    task_.snapshot_directory = root_ + "/memory";
    ASSERT_OK(MakeDirectories(task_.snapshot_directory));
    WriteTeacher(0);
    task_.targets = WriteTargets();
  }
  void TearDown() override {
    directory_ = root_;
    CorpusFixture::TearDown();
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
    const shards::Masker masker(task_.mask, corpus->token_counts(), corpus->special_tokens());
    const shards::TargetSpec spec{.width = kHidden};
    const IdentityBuilder identity("targets");
    const auto store = shards::TargetStore::Open(ArtifactStore(root_), identity, spec, corpus->shards()).value();
    for (std::uint32_t shard = 0; shard < corpus->shards(); ++shard) {
      const auto writer = shards::TargetWriter::Create(store.PlaceOf(shard), spec).value();
      for (std::uint64_t i = corpus->ShardBegin(shard); i < corpus->ShardEnd(shard); ++i) {
        for (std::uint32_t variant = 0; variant < task_.mask.variants; ++variant) {
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
    task_.generation = ++coordinator_.generation;
    task_.checkpoints = coordinator_.Checkpoints();
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

  std::string StudentPath() const { return root_ + "/student/" + task_.student; }
  std::string CheckpointDirectory() const { return root_ + "/checkpoints/" + task_.student; }
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
  Task task_;
  testing::LocalCoordinator coordinator_;
  std::array<ProgressWords, 8> words_;  // of the ranks
};

}  // namespace still::worker
