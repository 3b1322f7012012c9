#include "coordinator/plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "cluster/mpirun_command.h"
#include "common/config/pipeline_config.h"
#include "common/proto/config.pb.h"
#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;
using v1::PipelineConfig;

const TeacherFacts kHeadless = {
    .config_sha256 = "c", .model_sha256 = "m", .vocab_sha256 = "v", .layers = 6, .max_positions = 512};

PipelineConfig Resolved() {
  PipelineConfig config = DefaultPipelineConfig();
  config.set_name("test");
  config.mutable_teacher()->set_path("/teacher");
  EXPECT_OK(ResolveConfig(kHeadless, false, &config));
  return config;
}

Plan PlanOf(const PipelineConfig& config, const TeacherFacts& teacher = kHeadless, std::uint64_t corpus_version = 1) {
  return MakePlan(config, teacher, IdentityBuilder("corpus").Add("version", corpus_version));
}

// Returns the names of the stages whose digest differs from the default plan's.
std::set<std::string> Changed(const Plan& plan) {
  static const Plan reference = PlanOf(Resolved());
  std::set<std::string> changed;
  for (std::size_t i = 0; i < kStages; ++i) {
    if (plan[i].digest != reference[i].digest) changed.insert(EnumWord(plan[i].stage));
  }
  return changed;
}

std::set<std::string> ChangedBy(const std::function<void(PipelineConfig&)>& edit) {
  PipelineConfig config = Resolved();
  edit(config);
  return Changed(PlanOf(config));
}

using Names = std::set<std::string>;
const Names kNone;
const Names kFromTeacher = {"teacher", "targets", "train", "evaluate", "export"};
const Names kFromTargets = {"targets", "train", "evaluate", "export"};
const Names kFromTrain = {"train", "evaluate", "export"};

TEST(PlanTest, StagesComeInOrderWithDistinctDigests) {
  const Plan plan = PlanOf(Resolved());
  std::set<std::string> digests;
  for (std::size_t i = 0; i < kStages; ++i) {
    EXPECT_EQ(plan[i].stage, static_cast<v1::Stage>(i + v1::STAGE_CORPUS));
    EXPECT_EQ(IdentityBuilder::FromText(plan[i].identity).Digest(), plan[i].digest);
    digests.insert(plan[i].digest);
  }
  EXPECT_EQ(digests.size(), kStages);
}

TEST(PlanTest, OptionsThatChangeNoBitChangeNoDigest) {
  EXPECT_EQ(ChangedBy([](auto& c) { c.set_ranks(7); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.set_name("other"); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.set_artifacts("/elsewhere"); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_teacher()->set_path("/moved"); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_train()->set_checkpoint_steps(3); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_train()->set_checkpoint_seconds(3); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_train()->set_keep_checkpoints(9); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_train()->set_keep_every(9); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_recovery()->set_mode(v1::RECOVERY_MODE_RELAUNCH); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_recovery()->Clear(); }), kNone);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_targets()->set_top_k(9); }), kNone) << "the codec is hidden_f16";
}

TEST(PlanTest, ReductionEntersAnIdentityOnlyWhenFast) {
  EXPECT_THAT(PlanOf(Resolved())[3].identity, Not(HasSubstr("reduction")));
  const auto fast = [](v1::TrainConfig* train) { train->set_reduction(v1::REDUCTION_FAST); };
  EXPECT_EQ(ChangedBy([&](auto& c) { fast(c.mutable_train()); }), kFromTrain);
  EXPECT_EQ(ChangedBy([&](auto& c) { fast(c.mutable_teacher()->mutable_fit()); }), kFromTeacher);
}

TEST(PlanTest, TheDeviceChangesWhatIsTrainedUnlessItIsTheCpu) {
  EXPECT_EQ(Resolved().worker().device(), v1::DEVICE_CPU) << "auto, where no other is installed";
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_worker()->set_device(v1::DEVICE_CUDA); }), kFromTeacher);
}

TEST(PlanTest, ADeviceThatThisInstallationCannotUseIsRefused) {
  PipelineConfig config = DefaultPipelineConfig();
  config.mutable_worker()->set_device(v1::DEVICE_CUDA);
  EXPECT_THAT(ResolveConfig(kHeadless, false, &config), StatusIs(Code::kInvalidArgument, HasSubstr("worker.device")));
}

TEST(PlanTest, RecoveryFollowsTheBuildUnlessChosen) {
  EXPECT_EQ(Resolved().recovery().mode(),
            cluster::MpiHasUlfm() ? v1::RECOVERY_MODE_INPLACE : v1::RECOVERY_MODE_RELAUNCH);
  using v1::RecoveryConfig;
  RecoveryConfig recovery;
  const auto resolved = [&](v1::RecoveryMode mode, bool mpi_has_ulfm) {
    recovery.set_mode(mode);
    EXPECT_OK(ResolveRecovery(mpi_has_ulfm, &recovery));
    return recovery.mode();
  };
  EXPECT_EQ(resolved(v1::RECOVERY_MODE_AUTO, true), v1::RECOVERY_MODE_INPLACE);
  EXPECT_EQ(resolved(v1::RECOVERY_MODE_AUTO, false), v1::RECOVERY_MODE_RELAUNCH);
  EXPECT_EQ(resolved(v1::RECOVERY_MODE_RELAUNCH, true), v1::RECOVERY_MODE_RELAUNCH);
  EXPECT_EQ(resolved(v1::RECOVERY_MODE_INPLACE, true), v1::RECOVERY_MODE_INPLACE);
  EXPECT_THAT(ResolveRecovery(false, &recovery), StatusIs(Code::kInvalidArgument, HasSubstr("recovery.mode")));
}

TEST(PlanTest, EachOptionChangesItsStageAndTheStagesAfterIt) {
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_teacher()->mutable_fit()->set_max_steps(3); }), kFromTeacher);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_targets()->mutable_mask()->set_rate(0.2); }), kFromTeacher);
  EXPECT_EQ(ChangedBy([](auto& c) { c.set_seed(2); }), kFromTeacher);
  EXPECT_EQ(ChangedBy([](auto& c) { c.set_threads_per_rank(2); }), kFromTeacher);
  EXPECT_EQ(ChangedBy([](auto& c) { c.set_precision(v1::PRECISION_BF16); }), kFromTeacher);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_targets()->set_positions(v1::POSITIONS_MASKED); }), kFromTargets);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK); }), kFromTargets);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_student()->set_layers(2); }), kFromTrain);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_train()->set_learning_rate(1e-3); }), kFromTrain);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_train()->set_alpha_cos(2); }), kFromTrain);
  EXPECT_EQ(ChangedBy([](auto& c) { c.mutable_evaluate()->set_max_sequences(5); }), Names{"evaluate"});
}

TEST(PlanTest, InputsChangeTheArtifactsMadeFromThem) {
  Names everything = kFromTeacher;
  everything.insert("corpus");
  EXPECT_EQ(Changed(PlanOf(Resolved(), kHeadless, 2)), everything);
  TeacherFacts other = kHeadless;
  other.model_sha256 = "another";
  EXPECT_EQ(Changed(PlanOf(Resolved(), other)), kFromTeacher);
}

TEST(PlanTest, TeacherWithAHeadDependsOnItsFilesAlone) {
  TeacherFacts teacher = kHeadless;
  teacher.has_head = true;
  PipelineConfig config = Resolved();
  const std::string digest = PlanOf(config, teacher)[1].digest;
  config.set_seed(9);
  config.mutable_teacher()->mutable_fit()->set_max_steps(9);
  const Plan plan = PlanOf(config, teacher, 2);
  EXPECT_EQ(plan[1].digest, digest);
  EXPECT_NE(plan[3].digest, PlanOf(Resolved(), teacher)[3].digest) << "training depends on the seed";
}

TEST(PlanTest, OpenValuesAreResolvedFromMachineAndTeacher) {
  PipelineConfig config = DefaultPipelineConfig();
  config.mutable_teacher()->set_path("/teacher");
  ASSERT_OK(ResolveConfig(kHeadless, true, &config));
  EXPECT_EQ(config.precision(), v1::PRECISION_BF16);
  EXPECT_EQ(config.student().layers(), 3u);
  EXPECT_EQ(config.corpus().vocab(), "/teacher/vocab.txt");
  EXPECT_EQ(Resolved().precision(), v1::PRECISION_FP32);
  config.set_precision(v1::PRECISION_FP32);
  ASSERT_OK(ResolveConfig(kHeadless, true, &config));
  EXPECT_EQ(config.precision(), v1::PRECISION_FP32) << "the choice of the user stays";
}

TEST(PlanTest, OptionsBeyondTheTeacherAreRefused) {
  PipelineConfig config = Resolved();
  config.mutable_student()->set_layers(7);
  EXPECT_THAT(ResolveConfig(kHeadless, false, &config),
              StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("student.layers"), HasSubstr("only 6"))));
  config = Resolved();
  config.mutable_corpus()->set_max_sequence_tokens(513);
  EXPECT_THAT(ResolveConfig(kHeadless, false, &config),
              StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("513"), HasSubstr("512"))));
}

TEST(PlanTest, AVocabularyOtherThanTheTeachersIsRefused) {
  const testing::TempDirectory directory;
  ASSERT_OK(WriteFileAtomically(directory / "vocab.txt", "[PAD]\n"));
  PipelineConfig config = Resolved();
  config.mutable_corpus()->set_vocab(directory / "vocab.txt");
  EXPECT_THAT(ResolveConfig(kHeadless, false, &config), StatusIs(Code::kInvalidArgument, HasSubstr("corpus.vocab")));
}

TEST(PlanTest, Bf16IsReadFromTheCpusFlags) {
  EXPECT_TRUE(HasBf16("processor : 0\nflags\t\t: fpu sse avx512_bf16 vme\nbugs : x\n"));
  EXPECT_TRUE(HasBf16("processor : 0\nflags\t\t: fpu amx_bf16\n"));
  EXPECT_FALSE(HasBf16("processor : 0\nflags\t\t: fpu sse\nbugs : avx512_bf16\n"));
  EXPECT_FALSE(HasBf16(""));
}

class TeacherFactsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteFileAtomically(directory_ / "config.json",
                                  R"({"model_type": "bert", "num_hidden_layers": 4, "max_position_embeddings": 64,
 "vocab_size": 1})"));
    ASSERT_OK(WriteFileAtomically(directory_ / "vocab.txt", "[PAD]\n"));
    WriteModel("embeddings.word_embeddings.weight");
  }
  void WriteModel(const std::string& tensor) {
    const std::array<float, 2> values = {1, 2};
    ASSERT_OK(WriteSafetensors(directory_ / "model.safetensors",
                               {{tensor, "F32", {2}, std::as_bytes(std::span(values))}}, {}));
  }

  testing::TempDirectory directory_;
};

TEST_F(TeacherFactsTest, ShapeAndDigestsAreRead) {
  ASSERT_OK_AND_ASSIGN(const TeacherFacts facts, InspectTeacher(directory_.path()));
  EXPECT_EQ(facts.layers, 4u);
  EXPECT_EQ(facts.max_positions, 64u);
  EXPECT_EQ(facts.vocab_sha256, Hex(Sha256Of("[PAD]\n")));
  EXPECT_FALSE(facts.has_head);
}

TEST_F(TeacherFactsTest, HeadIsKnownByItsTransform) {
  WriteModel("cls.predictions.transform.dense.weight");
  ASSERT_OK_AND_ASSIGN(const TeacherFacts facts, InspectTeacher(directory_.path()));
  EXPECT_TRUE(facts.has_head);
}

TEST_F(TeacherFactsTest, ModelsThatALaterStageWouldRefuseAreRefused) {
  const auto with = [&](const std::string& field) {
    EXPECT_OK(WriteFileAtomically(directory_ / "config.json",
                                  R"({"num_hidden_layers": 4, "max_position_embeddings": 64, )" + field + "}"));
    return InspectTeacher(directory_.path());
  };
  EXPECT_THAT(with(R"("vocab_size": 2)"), StatusIs(Code::kDataLoss, HasSubstr("1 entries")));
  EXPECT_THAT(with(R"("vocab_size": 1, "hidden_act": "relu")"), StatusIs(Code::kInvalidArgument, HasSubstr("relu")));
  EXPECT_THAT(with(R"("vocab_size": 1, "layer_norm_eps": 1e-5)"), StatusIs(Code::kInvalidArgument, HasSubstr("1e-05")));
  EXPECT_OK(with(R"("vocab_size": 1, "hidden_act": "gelu", "layer_norm_eps": 1e-12)"));
}

TEST_F(TeacherFactsTest, MissingFileIsNamed) {
  ASSERT_OK(RemoveAll(directory_ / "model.safetensors"));
  EXPECT_THAT(InspectTeacher(directory_.path()),
              StatusIs(Code::kNotFound, AllOf(HasSubstr(directory_.path()), HasSubstr("model.safetensors"))));
}

TEST_F(TeacherFactsTest, OtherModelsAndDamagedFilesAreRefused) {
  ASSERT_OK(WriteFileAtomically(directory_ / "config.json", R"({"model_type": "gpt2"})"));
  EXPECT_THAT(InspectTeacher(directory_.path()), StatusIs(Code::kInvalidArgument, HasSubstr("gpt2")));
  ASSERT_OK(WriteFileAtomically(directory_ / "config.json", R"({"num_hidden_layers": -4})"));
  EXPECT_THAT(InspectTeacher(directory_.path()), StatusIs(Code::kDataLoss, HasSubstr("num_hidden_layers")));
  ASSERT_OK(WriteFileAtomically(directory_ / "config.json", "{"));
  EXPECT_THAT(InspectTeacher(directory_.path()), StatusIs(Code::kDataLoss, HasSubstr("config.json")));
}

}  // namespace
}  // namespace still::coordinator
