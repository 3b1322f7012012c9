#include "worker/control/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/config/config.h"
#include "common/config/pipeline_config.h"
#include "common/digest.h"
#include "common/proto/control.pb.h"
#include "common/storage/files.h"
#include "tests/testing/checkpoints.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "worker/control/task_options.h"
#include "worker/train/train_options.h"

namespace still::worker {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class TaskTest : public ::testing::Test {
 protected:
  TaskTest() : path_(directory_ / "task.json") {
    *message_.mutable_config() = DefaultPipelineConfig();
    message_.mutable_config()->set_artifacts("/artifacts");
    message_.mutable_config()->set_precision(v1::PRECISION_BF16);
    message_.mutable_config()->mutable_worker()->set_device(v1::DEVICE_CPU);
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

  Result<v1::WorkerTask> Load() {
    const Result<std::string> json = ToJson(message_);
    EXPECT_TRUE(json.ok()) << json.status().ToString();
    EXPECT_OK(WriteFileAtomically(path_, *json));
    return LoadTask(path_);
  }

  void ExpectRefused(const std::string& field) {
    const Result<v1::WorkerTask> task = Load();
    ASSERT_FALSE(task.ok()) << field;
    EXPECT_THAT(task, StatusIs(Code::kInvalidArgument, HasSubstr(path_ + ": " + field)));
  }

  // Tests run side by side: a path in common would be read by one while another writes it.
  const testing::TempDirectory directory_;
  const std::string path_;
  v1::WorkerTask message_;
};

TEST_F(TaskTest, CarriesEveryFieldThatTheAgentWrote) {
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
  config.mutable_train()->set_checkpoint_seconds(90);

  ASSERT_OK_AND_ASSIGN(const v1::WorkerTask task, Load());
  EXPECT_EQ(task.SerializeAsString(), message_.SerializeAsString());

  const TrainOptions train = TrainOptionsOf(task.config().train());
  EXPECT_EQ(train.loss.alpha_cos, 0.25);
  EXPECT_EQ(train.optimizer.beta2, 0.97);
  EXPECT_EQ(train.checkpoint_seconds, 90);
  EXPECT_FALSE(train.fast_reduction);
  EXPECT_EQ(TrainOptionsOf(task.config().teacher().fit()).max_steps, 11u);
  EXPECT_EQ(TargetSpecOf(task.config().targets()), (shards::TargetSpec{shards::TargetCodec::kTopK, 64, 3.0}));
  EXPECT_EQ(MaskPolicyOf(task.config().targets().mask()).variants, 4u);
  EXPECT_FALSE(HasTargetsAtAllPositions(task.config()));
  EXPECT_TRUE(UsesBf16(task.config()));
}

TEST_F(TaskTest, CarriesThePublishedCheckpointsInTheirOrder) {
  const auto newest =
      testing::ManifestOf(testing::InfoOf(200, 7), {testing::PartOf(0, 1ull << 40, "aa"), testing::PartOf(1, 9, "bb")});
  const auto older = testing::ManifestOf(testing::InfoOf(100, 5), {});
  *message_.add_checkpoints() = newest;
  *message_.add_checkpoints() = older;
  ASSERT_OK_AND_ASSIGN(const v1::WorkerTask task, Load());
  EXPECT_THAT(task.checkpoints(),
              ::testing::ElementsAre(testing::EqualsMessage(newest), testing::EqualsMessage(older)));
}

TEST_F(TaskTest, TheWidthOfHiddenStatesIsLeftToTheTeacher) {
  v1::TargetsConfig targets;
  targets.set_codec(v1::TARGET_CODEC_HIDDEN_F16);
  targets.set_top_k(64);
  EXPECT_EQ(TargetSpecOf(targets).codec, shards::TargetCodec::kHiddenF16);
  EXPECT_EQ(TargetSpecOf(targets).width, 0u);
}

TEST_F(TaskTest, RefusesATaskWhoseOptionsAreNotResolved) {
  const v1::WorkerTask good = message_;
  message_.set_stage(v1::STAGE_UNSPECIFIED);
  ExpectRefused("stage");
  message_ = good;
  message_.set_generation(0);
  ExpectRefused("generation");
  message_ = good;
  message_.mutable_config()->mutable_worker()->set_device(v1::DEVICE_AUTO);
  ExpectRefused("config.worker.device");
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
  message_.mutable_config()->mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK);
  message_.mutable_config()->mutable_targets()->set_top_k(0);
  ExpectRefused("config.targets.top_k");
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

TEST_F(TaskTest, NamesTheFileThatIsMissingOrIsNotATask) {
  EXPECT_EQ(LoadTask("/nowhere/task.json").status().code(), Code::kNotFound);
  ASSERT_OK(WriteFileAtomically(path_, "{\"stage\": \"STAGE_TRAIN\", \"colour\": 3}"));
  const Status status = LoadTask(path_).status();
  EXPECT_THAT(status, StatusIs(Code::kInvalidArgument, HasSubstr(path_)));
  EXPECT_THAT(status.message(), HasSubstr("colour"));
}

TEST_F(TaskTest, HasKeysWhenTheyWereGiven) {
  EXPECT_FALSE(KeysOf(message_).has_value());
  message_.mutable_keys()->set_server_public("server");
  message_.mutable_keys()->set_client_public("public");
  message_.mutable_keys()->set_client_secret("secret");
  ASSERT_OK_AND_ASSIGN(const v1::WorkerTask task, Load());
  const std::optional<RpcClientKeys> keys = KeysOf(task);
  ASSERT_TRUE(keys.has_value());
  EXPECT_EQ(keys->server, "server");
  EXPECT_EQ(keys->own.public_key, "public");
  EXPECT_EQ(keys->own.secret_key, "secret");
}

}  // namespace
}  // namespace still::worker
