// The train stage on a corpus, targets and teacher made by formula, ranks as threads: same bits whatever happens.
#include "worker/train/trainer.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "common/artifact.h"
#include "common/random.h"
#include "shards/targets/target_store.h"
#include "tests/shards/corpus_fixture.h"
#include "tests/testing/local_communicator.h"
#include "tests/testing/status_matchers.h"
#include "worker/model/model_files.h"
#include "worker/stages.h"

namespace still::worker {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::StatusIs;

// Remembers the last progress of each rank that reports any.
class RecordingControl final : public ControlLink {
 public:
  void ReportProgress(const StageProgress& progress) override { last = progress; }
  Result<std::optional<std::uint32_t>> NextShard() override { return std::optional<std::uint32_t>(); }
  Status ShardDone(std::uint32_t, const std::string&) override { return Ok(); }
  void ReportResult(const Status&) override {}

  StageProgress last;
};

// A communicator whose nth all-reduce of gradients fails on this rank alone: the sums are there, the rank says no.
class FailingCommunicator final : public Communicator {
 public:
  FailingCommunicator(Communicator& world, int nth) : world_(world), left_(nth) {}
  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }
  Status AllReduceSum(std::span<std::int64_t> values) override {
    STILL_RETURN_IF_ERROR(world_.AllReduceSum(values));
    if (values.size() > 1000 && --left_ == 0) return Error(Code::kUnavailable, "the network went away");
    return Ok();
  }
  Result<bool> Vote(bool ok) override { return world_.Vote(ok); }
  Status Broadcast(std::string* bytes, int root) override { return world_.Broadcast(bytes, root); }
  Status Barrier() override { return world_.Barrier(); }

 private:
  Communicator& world_;
  int left_;
};

class TrainerTest : public shards::CorpusFixture {
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
      const auto writer = shards::TargetWriter::Create(store.ShardPath(shard), spec).value();
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

  std::vector<Status> Train(int ranks) {
    return testing::RunRanks(ranks, [&](Communicator& world) {
      RecordingControl control;
      const Status status = RunTrainStage({task_, world, control});
      if (world.rank() == 0) progress_ = control.last;
      return status;
    });
  }
  // As Train, but rank 1's nth gradient all-reduce fails.
  std::vector<Status> TrainUntil(int ranks, int nth) {
    return testing::RunRanks(ranks, [&](Communicator& world) {
      RecordingControl control;
      FailingCommunicator failing(world, nth);
      return RunTrainStage({task_, world.rank() == 1 ? failing : world, control});
    });
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
  }
  // Trains undisturbed with one rank and forgets all but the digest.
  std::string UndisturbedDigest() {
    EXPECT_THAT(Train(1), Each(testing::IsOk()));
    const std::string digest = StudentDigest();
    StartOver();
    return digest;
  }

  std::string root_;
  Task task_;
  StageProgress progress_;
};

TEST_F(TrainerTest, WeightsAreTheSameBitsForOneTwoAndThreeRanks) {
  const std::string one = UndisturbedDigest();
  for (const int ranks : {2, 3}) {
    ASSERT_THAT(Train(ranks), Each(testing::IsOk()));
    EXPECT_EQ(StudentDigest(), one) << ranks << " ranks";
    StartOver();
  }
  task_.seed = 6;
  ASSERT_THAT(Train(1), Each(testing::IsOk()));
  EXPECT_NE(StudentDigest(), one) << "the digest does not see the seed";
}

TEST_F(TrainerTest, ArtifactTellsWhatWasDone) {
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  ASSERT_OK_AND_ASSIGN(const Summary summary, ReadSummary(StudentPath()));
  EXPECT_EQ(summary.at("steps"), 11);
  EXPECT_EQ(summary.at("sequences"), 47 + 47 + 3 * 12);
  EXPECT_EQ(summary.at("ranks"), 2);
  EXPECT_EQ(summary.at("skipped_steps"), 0);
  EXPECT_LT(summary.at("loss_last"), summary.at("loss_first"));
  EXPECT_LT(summary.at("mlm_last"), summary.at("mlm_first"));
  EXPECT_EQ(progress_.done, 11U);
  EXPECT_EQ(progress_.total, 11U);
  EXPECT_EQ(static_cast<double>(progress_.tokens), summary.at("tokens"));
  EXPECT_EQ(progress_.values.at("loss"), summary.at("loss_last"));
}

TEST_F(TrainerTest, ATrainedStudentIsNotTrainedAgain) {
  ASSERT_THAT(Train(1), Each(testing::IsOk()));
  std::filesystem::remove_all(root_ + "/targets");
  EXPECT_THAT(Train(2), Each(testing::IsOk()));
}

TEST_F(TrainerTest, AFailureOnOneRankEndsAllAlikeAndTheNextRunEndsInTheSameBits) {
  const std::string undisturbed = UndisturbedDigest();
  for (const int nth : {2, 8}) {  // before and after the first checkpoints
    EXPECT_THAT(TrainUntil(3, nth), Each(StatusIs(Code::kUnavailable, HasSubstr("rank 1: the network went away"))));
    EXPECT_FALSE(Exists(StudentPath()));
    ++task_.generation;
    ASSERT_THAT(Train(2), Each(testing::IsOk()));
    EXPECT_EQ(StudentDigest(), undisturbed);
    ASSERT_OK_AND_ASSIGN(const Summary summary, ReadSummary(StudentPath()));
    EXPECT_EQ(summary.at("steps"), 11) << "a step that was done twice is counted twice";
    StartOver();
  }
}

TEST_F(TrainerTest, ADamagedCheckpointIsSetAsideAndTheBitsAreTheSame) {
  const std::string undisturbed = UndisturbedDigest();
  EXPECT_THAT(TrainUntil(2, 8), Each(StatusIs(Code::kUnavailable)));
  const std::string newest = CheckpointPath(CheckpointDirectory(), 6, 1);
  FlipByte(JoinPath(newest, kOptimizerFile), 3000);
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
  EXPECT_TRUE(Exists(newest + ".bad"));
}

TEST_F(TrainerTest, TargetsOfAnotherMaskStopTheJobOnEveryRank) {
  task_.mask.seed = 9;
  EXPECT_THAT(Train(2), Each(StatusIs(Code::kDataLoss,
                                      AllOf(HasSubstr("step 0, microbatch"), HasSubstr("targets of sequence")))));
  EXPECT_FALSE(Exists(StudentPath()));
}

TEST_F(TrainerTest, StepsThatAreNotFiniteAreSkippedAndTooManyFailTheJob) {
  WriteTeacher(std::numeric_limits<float>::infinity());
  EXPECT_THAT(Train(2), Each(StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("10 steps in a row"),
                                                                    HasSubstr("step 9 in microbatches 0, 1")))));
  EXPECT_FALSE(Exists(StudentPath()));
}

TEST_F(TrainerTest, ACorpusOfLongerSequencesThanTheModelReadsIsRefused) {
  shards::CorpusManifest manifest;
  AddShard(shards::Split::kTrain, 0, 0, 50, &manifest);  // the 50th has 61 tokens
  ASSERT_OK(shards::WriteCorpusManifest(directory_, manifest));
  const ModelShape shape{
      .layers = 1, .hidden = 4, .heads = 1, .intermediate = 4, .vocabulary = shards::kTestVocabulary, .positions = 60};
  ASSERT_OK(SaveModel(ParameterSet(shape, false), root_ + "/teacher/t0"));
  EXPECT_THAT(Train(1), Each(StatusIs(Code::kInvalidArgument, HasSubstr("lower corpus.max_sequence_tokens"))));
}

}  // namespace
}  // namespace still::worker
