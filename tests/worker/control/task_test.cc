#include "worker/control/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/config/pipeline_config.h"
#include "common/digest.h"
#include "common/proto/control.pb.h"
#include "common/storage/files.h"
#include "tests/testing/temp_directory.h"

namespace still::worker {
namespace {

namespace v1 = ::stillhouse::v1;
using ::testing::HasSubstr;

class TaskTest : public ::testing::Test {
 protected:
  TaskTest() : path_(directory_ / "task.json") {
    *message_.mutable_config() = DefaultPipelineConfig();
    message_.mutable_config()->set_artifacts("/artifacts");
    message_.mutable_config()->set_precision(v1::PRECISION_BF16);
    message_.set_stage(v1::STAGE_TRAIN);
    message_.set_generation(7);
    message_.set_endpoint("tcp://127.0.0.1:5600");
    const IdentityBuilder identity("student");
    message_.set_identity(identity.text());
    message_.mutable_artifacts()->set_student(identity.Digest());
    message_.mutable_artifacts()->set_corpus("c0");
    message_.set_recovery(v1::RECOVERY_MODE_RELAUNCH);
    message_.mutable_config()->mutable_train()->set_reduction(v1::REDUCTION_EXACT);
    v1::RecoveryConfig& recovery = *message_.mutable_config()->mutable_recovery();
    recovery.set_hang_seconds(10);
    recovery.set_hang_factor(8);
    recovery.set_orphan_seconds(60);
    recovery.set_snapshot_directory("/dev/shm");
    recovery.set_failure_interval_hours(24);
  }

  Result<Task> Load() {
    const Result<std::string> json = ToJson(message_);
    EXPECT_TRUE(json.ok()) << json.status().ToString();
    EXPECT_TRUE(WriteFileAtomically(path_, *json).ok());
    return LoadTask(path_);
  }

  void ExpectRefused(const std::string& field) {
    const Result<Task> task = Load();
    ASSERT_FALSE(task.ok()) << field;
    EXPECT_EQ(task.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(task.status().message(), HasSubstr(path_ + ": " + field));
  }

  // Tests run side by side: a path in common would be read by one while another writes it.
  const testing::TempDirectory directory_;
  const std::string path_;
  v1::WorkerTask message_;
};

TEST_F(TaskTest, CarriesWhatTheDriverWrote) {
  v1::PipelineConfig& config = *message_.mutable_config();
  config.set_seed(56);
  config.set_threads_per_rank(2);
  config.mutable_train()->set_alpha_cos(0.25);
  config.mutable_train()->set_beta2(0.97);
  config.mutable_teacher()->mutable_fit()->set_max_steps(11);
  config.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK);
  config.mutable_targets()->set_top_k(64);
  config.mutable_targets()->set_temperature(3);
  config.mutable_targets()->set_positions(v1::POSITIONS_MASKED);
  config.mutable_targets()->mutable_mask()->set_variants(4);

  const Result<Task> task = Load();
  ASSERT_TRUE(task.ok()) << task.status().ToString();
  EXPECT_EQ(task->stage, Stage::kTrain);
  EXPECT_EQ(task->artifacts_root, "/artifacts");
  EXPECT_EQ(task->generation, 7u);
  EXPECT_EQ(task->endpoint, "tcp://127.0.0.1:5600");
  EXPECT_EQ(task->corpus, "c0");
  EXPECT_EQ(task->student, message_.artifacts().student());
  EXPECT_EQ(task->seed, 56u);
  EXPECT_EQ(task->threads, 2u);
  EXPECT_TRUE(task->bf16);
  EXPECT_EQ(task->train.loss.alpha_cos, 0.25);
  EXPECT_EQ(task->train.optimizer.beta2, 0.97);
  EXPECT_EQ(task->fit.max_steps, 11u);
  EXPECT_EQ(task->target_spec, (shards::TargetSpec{shards::TargetCodec::kTopK, 64, 3.0}));
  EXPECT_FALSE(task->targets_at_all_positions);
  EXPECT_EQ(task->mask.variants, 4u);
}

TEST_F(TaskTest, CarriesWhatACorpusIsMadeFrom) {
  v1::CorpusConfig& corpus = *message_.mutable_config()->mutable_corpus();
  corpus.add_wikipedia("/dumps/wiki.xml.bz2");
  corpus.add_books("/books");
  corpus.set_vocab("/teacher/vocab.txt");
  corpus.set_lowercase(false);
  corpus.set_max_sequence_tokens(64);
  corpus.set_min_sequence_tokens(9);
  corpus.set_sequences_per_shard(100);
  corpus.set_heldout_percent(2.5);
  const IdentityBuilder identity("corpus");
  message_.set_stage(v1::STAGE_CORPUS);
  message_.set_identity(identity.text());
  message_.mutable_artifacts()->set_corpus(identity.Digest());
  const Result<Task> task = Load();
  ASSERT_TRUE(task.ok()) << task.status().ToString();
  EXPECT_EQ(task->stage, Stage::kCorpus);
  EXPECT_EQ(StageName(task->stage), "corpus");
  EXPECT_EQ(task->corpus_options.wikipedia, (std::vector<std::string>{"/dumps/wiki.xml.bz2"}));
  EXPECT_EQ(task->corpus_options.books, (std::vector<std::string>{"/books"}));
  EXPECT_EQ(task->corpus_options.vocab, "/teacher/vocab.txt");
  EXPECT_FALSE(task->corpus_options.lowercase);
  EXPECT_EQ(task->corpus_options.max_sequence_tokens, 64u);
  EXPECT_EQ(task->corpus_options.min_sequence_tokens, 9u);
  EXPECT_EQ(task->corpus_options.sequences_per_shard, 100u);
  EXPECT_EQ(task->corpus_options.heldout_percent, 2.5);
}

TEST_F(TaskTest, CarriesHowToRecover) {
  v1::RecoveryConfig& recovery = *message_.mutable_config()->mutable_recovery();
  recovery.set_failure_interval_hours(0.5);
  message_.set_recovery(v1::RECOVERY_MODE_INPLACE);
  Result<Task> task = Load();
  ASSERT_TRUE(task.ok()) << task.status().ToString();
  EXPECT_EQ(task->recovery, RecoveryMode::kInplace);
  EXPECT_EQ(task->hang_seconds, 10);
  EXPECT_EQ(task->hang_factor, 8);
  EXPECT_EQ(task->orphan_seconds, 60);
  EXPECT_EQ(task->snapshot_directory, "/dev/shm");
  EXPECT_EQ(task->failure_interval_seconds, 1800);

  recovery.set_snapshot_directory("none");
  message_.set_recovery(v1::RECOVERY_MODE_RELAUNCH);
  task = Load();
  ASSERT_TRUE(task.ok()) << task.status().ToString();
  EXPECT_EQ(task->recovery, RecoveryMode::kRelaunch);
  EXPECT_EQ(task->snapshot_directory, "");
}

TEST_F(TaskTest, CarriesWhenToCheckpointAndHowToReduce) {
  message_.mutable_config()->set_name("ablation-3");
  v1::TrainConfig& train = *message_.mutable_config()->mutable_train();
  train.set_checkpoint_steps(0);
  train.set_checkpoint_seconds(90);
  train.set_reduction(v1::REDUCTION_FAST);
  const Result<Task> task = Load();
  ASSERT_TRUE(task.ok()) << task.status().ToString();
  EXPECT_EQ(task->name, "ablation-3");
  EXPECT_EQ(task->train.checkpoint_steps, 0u);
  EXPECT_EQ(task->train.checkpoint_seconds, 90);
  EXPECT_TRUE(task->train.fast_reduction);
  EXPECT_FALSE(task->fit.fast_reduction);
}

TEST_F(TaskTest, CarriesThePublishedCheckpointsInTheirOrder) {
  CheckpointManifest newest;
  newest.info = {.step = 200, .seed = 56, .generation = 7, .identity = message_.artifacts().student()};
  newest.parts = {{.file = PartFile(0), .size = 12, .sha256 = "aa"}, {.file = PartFile(1), .size = 9, .sha256 = "bb"}};
  CheckpointManifest older = newest;
  older.info.step = 100;
  older.info.generation = 5;
  message_.add_checkpoints(ManifestJson(newest));
  message_.add_checkpoints(ManifestJson(older));
  const Result<Task> task = Load();
  ASSERT_TRUE(task.ok()) << task.status().ToString();
  EXPECT_EQ(task->checkpoints, (std::vector<CheckpointManifest>{newest, older}));

  message_.add_checkpoints("{\"step\": ");
  ExpectRefused("checkpoints[2]");
}

TEST_F(TaskTest, WidthOfHiddenStatesIsLeftToTheTeacher) {
  message_.mutable_config()->mutable_targets()->set_codec(v1::TARGET_CODEC_HIDDEN_F16);
  message_.mutable_config()->mutable_targets()->set_top_k(64);
  const Result<Task> task = Load();
  ASSERT_TRUE(task.ok()) << task.status().ToString();
  EXPECT_EQ(task->target_spec.codec, shards::TargetCodec::kHiddenF16);
  EXPECT_EQ(task->target_spec.width, 0u);
}

TEST_F(TaskTest, RefusesWhatTheDriverMustHaveSettled) {
  const v1::WorkerTask good = message_;
  message_.set_stage(v1::STAGE_UNSPECIFIED);
  ExpectRefused("stage");
  message_ = good;
  message_.set_generation(0);
  ExpectRefused("generation");
  message_ = good;
  message_.mutable_config()->set_precision(v1::PRECISION_AUTO);
  ExpectRefused("config.precision");
  message_ = good;
  message_.mutable_config()->set_artifacts("out");
  ExpectRefused("config.artifacts");
  message_ = good;
  message_.mutable_config()->mutable_targets()->set_codec(v1::TARGET_CODEC_UNSPECIFIED);
  ExpectRefused("config.targets.codec");
  message_ = good;
  message_.mutable_config()->mutable_train()->set_reduction(v1::REDUCTION_UNSPECIFIED);
  ExpectRefused("config.train.reduction");
  message_ = good;
  message_.set_recovery(v1::RECOVERY_MODE_AUTO);
  ExpectRefused("recovery");
  message_ = good;
  message_.mutable_config()->mutable_recovery()->set_hang_seconds(0);
  ExpectRefused("config.recovery.hang_seconds");
  message_ = good;
  message_.mutable_config()->mutable_recovery()->set_hang_factor(-0.5);
  ExpectRefused("config.recovery.hang_factor");
  message_ = good;
  message_.mutable_config()->mutable_recovery()->set_orphan_seconds(-1);
  ExpectRefused("config.recovery.orphan_seconds");
}

TEST_F(TaskTest, RefusesAnIdentityOfAnotherArtifact) {
  message_.mutable_artifacts()->set_student("0123456789abcdef");
  ExpectRefused("identity");
}

TEST_F(TaskTest, NamesTheFileThatIsMissingOrNotATask) {
  EXPECT_EQ(LoadTask("/nowhere/task.json").status().code(), Code::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(path_, "{\"stage\": \"STAGE_TRAIN\", \"colour\": 3}").ok());
  const Status status = LoadTask(path_).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(path_));
  EXPECT_THAT(status.message(), HasSubstr("colour"));
}

TEST_F(TaskTest, KeysAreThereWhenTheyWereGiven) {
  EXPECT_FALSE(Load()->keys.has_value());
  message_.mutable_keys()->set_server_public("server");
  message_.mutable_keys()->set_client_public("public");
  message_.mutable_keys()->set_client_secret("secret");
  const Result<Task> task = Load();
  ASSERT_TRUE(task.ok() && task->keys.has_value()) << task.status().ToString();
  EXPECT_EQ(task->keys->server, "server");
  EXPECT_EQ(task->keys->own.public_key, "public");
  EXPECT_EQ(task->keys->own.secret_key, "secret");
}

}  // namespace
}  // namespace still::worker
