#include "coordinator/plan/expand.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "common/config/pipeline_config.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using still::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kTrain = static_cast<std::size_t>(v1::STAGE_TRAIN - v1::STAGE_CORPUS);

PlannedVariant Planned(const std::string& name, bool has_head, const std::function<void(v1::PipelineConfig&)>& set) {
  PlannedVariant variant{.name = name, .config = DefaultPipelineConfig(), .plan = {}};
  variant.config.set_name("ablation");
  variant.config.set_artifacts("/artifacts");
  variant.config.set_precision(v1::PRECISION_FP32);
  variant.config.set_ranks(3);
  variant.config.set_threads_per_rank(2);
  set(variant.config);
  const TeacherFacts teacher{
      .config_sha256 = "c", .model_sha256 = "m", .vocab_sha256 = "v", .has_head = has_head, .layers = 4};
  variant.plan = MakePlan(variant.config, teacher, IdentityBuilder("corpus").Add("books", "b"));
  return variant;
}

PlannedVariant Plain(const std::string& name) {
  return Planned(name, false, [](auto&) {});
}
PlannedVariant WithoutMlm(const std::string& name) {
  return Planned(name, false, [](v1::PipelineConfig& config) { config.mutable_train()->set_alpha_mlm(0); });
}

std::vector<std::string> Names(const v1::Submit& submit) {
  std::vector<std::string> names;
  for (const v1::JobSpec& job : submit.jobs()) names.push_back(job.name());
  return names;
}

const v1::JobSpec& Job(const v1::Submit& submit, const std::string& name) {
  const auto job = std::ranges::find(submit.jobs(), name, &v1::JobSpec::name);
  STILL_CHECK(job != submit.jobs().end(), "no job " + name);
  return *job;
}

// Returns the names of the jobs that a job depends on.
std::vector<std::string> Inputs(const v1::Submit& submit, const std::string& name) {
  std::vector<std::string> inputs;
  for (const std::uint64_t position : Job(submit, name).depends_on())
    inputs.push_back(submit.jobs(static_cast<int>(position) - 1).name());
  return inputs;
}

TEST(ExpandTest, APipelineHasOneJobPerStageThatDependsOnItsInputs) {
  ASSERT_OK_AND_ASSIGN(const Expansion expansion, ExpandPipelines("demo", {Plain("")}, {}));
  const v1::Submit& submit = expansion.submit;
  EXPECT_THAT(Names(submit),
              ElementsAre("demo/corpus", "demo/teacher", "demo/targets", "demo/train", "demo/evaluate", "demo/export"));
  EXPECT_THAT(Inputs(submit, "demo/corpus"), ElementsAre());
  EXPECT_THAT(Inputs(submit, "demo/teacher"), ElementsAre("demo/corpus"));
  EXPECT_THAT(Inputs(submit, "demo/targets"), ElementsAre("demo/corpus", "demo/teacher"));
  EXPECT_THAT(Inputs(submit, "demo/train"), ElementsAre("demo/corpus", "demo/teacher", "demo/targets"));
  EXPECT_THAT(Inputs(submit, "demo/evaluate"), ElementsAre("demo/corpus", "demo/teacher", "demo/train"));
  EXPECT_THAT(Inputs(submit, "demo/export"), ElementsAre("demo/train"));
}

TEST(ExpandTest, ATeacherWithAHeadDoesNotWaitForTheCorpus) {
  ASSERT_OK_AND_ASSIGN(const Expansion expansion, ExpandPipelines("demo", {Planned("", true, [](auto&) {})}, {}));
  EXPECT_THAT(Inputs(expansion.submit, "demo/teacher"), ElementsAre());
}

TEST(ExpandTest, StudentsOfASweepShareCorpusTeacherAndTargets) {
  ASSERT_OK_AND_ASSIGN(const Expansion expansion,
                       ExpandPipelines("ablation", {Plain("full"), WithoutMlm("no-mlm")}, {}));
  const v1::Submit& submit = expansion.submit;
  EXPECT_THAT(Names(submit),
              ElementsAre("ablation/corpus", "ablation/teacher", "ablation/targets", "ablation/full/train",
                          "ablation/full/evaluate", "ablation/full/export", "ablation/no-mlm/train",
                          "ablation/no-mlm/evaluate", "ablation/no-mlm/export"));
  EXPECT_THAT(Inputs(submit, "ablation/no-mlm/train"),
              ElementsAre("ablation/corpus", "ablation/teacher", "ablation/targets"));
  EXPECT_THAT(Inputs(submit, "ablation/no-mlm/export"), ElementsAre("ablation/no-mlm/train"));
  EXPECT_THAT(expansion.jobs_of, ElementsAre(ElementsAre(0, 1, 2, 3, 4, 5), ElementsAre(0, 1, 2, 6, 7, 8)));
}

TEST(ExpandTest, AJobThatOnlySomeVariantsShareIsNamedAfterTheFirstOne) {
  const auto seeded = [](const std::string& name, std::uint64_t mask_seed, double alpha_mlm) {
    return Planned(name, true, [&](v1::PipelineConfig& config) {
      config.mutable_targets()->mutable_mask()->set_seed(mask_seed);
      config.mutable_train()->set_alpha_mlm(alpha_mlm);
    });
  };
  ASSERT_OK_AND_ASSIGN(const Expansion expansion,
                       ExpandPipelines("s", {seeded("a", 1, 0), seeded("b", 1, 2), seeded("c", 2, 0)}, {}));
  EXPECT_THAT(Names(expansion.submit), ::testing::IsSupersetOf({"s/a/targets", "s/c/targets", "s/teacher"}));
  EXPECT_THAT(Names(expansion.submit), ::testing::Not(::testing::Contains("s/b/targets")));
  const std::vector<std::string> names = Names(expansion.submit);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST(ExpandTest, VariantsWithEqualStudentOptionsShareTheirStudent) {
  const PlannedVariant more_ranks = Planned("b", false, [](v1::PipelineConfig& config) { config.set_ranks(7); });
  ASSERT_OK_AND_ASSIGN(const Expansion expansion, ExpandPipelines("s", {Plain("a"), more_ranks}, {}));
  EXPECT_EQ(expansion.submit.jobs_size(), 6);
  EXPECT_EQ(expansion.jobs_of[0][kTrain], expansion.jobs_of[1][kTrain]);
}

TEST(ExpandTest, JobsCarryTheirArtifactAndTheirResources) {
  const SubmitOptions options{.key = "k", .owner = "alice", .priority = 7, .held = true, .retries = 4};
  ASSERT_OK_AND_ASSIGN(const Expansion expansion, ExpandPipelines("demo", {Plain("")}, options));
  const v1::Submit& submit = expansion.submit;
  EXPECT_EQ(submit.key(), "k");
  EXPECT_EQ(submit.name(), "demo");
  EXPECT_TRUE(submit.held());
  const PlannedVariant plain = Plain("");
  for (const v1::JobSpec& job : submit.jobs()) {
    SCOPED_TRACE(job.name());
    const auto stage = static_cast<std::size_t>(job.stage() - v1::STAGE_CORPUS);
    const bool one_rank = job.stage() == v1::STAGE_EVALUATE || job.stage() == v1::STAGE_EXPORT;
    EXPECT_EQ(job.ranks(), one_rank ? 1u : 3u);
    EXPECT_EQ(job.slots_per_rank(), job.stage() == v1::STAGE_CORPUS ? 1u : 2u);
    EXPECT_EQ(job.preemptible(), job.stage() == v1::STAGE_TEACHER || job.stage() == v1::STAGE_TRAIN);
    EXPECT_EQ(job.digest(), plain.plan[stage].digest);
    EXPECT_EQ(job.identity(), plain.plan[stage].identity);
    EXPECT_EQ(job.artifacts_root(), "/artifacts");
    EXPECT_EQ(job.inputs().targets(), plain.plan[2].digest);
    EXPECT_EQ(job.config().ranks(), 3u);
    EXPECT_EQ(job.owner(), "alice");
    EXPECT_EQ(job.priority(), 7);
    EXPECT_EQ(job.time_limit_ms(), 0) << "the configuration sets none";
    EXPECT_EQ(job.retries(), 4u);
  }
}

TEST(ExpandTest, AStageUsesItsOwnTimeLimitBeforeTheGeneralOne) {
  const PlannedVariant limited = Planned("", false, [](v1::PipelineConfig& config) {
    config.mutable_time_limit_minutes()->set_general(20);
    config.mutable_time_limit_minutes()->set_train(90);
    config.mutable_time_limit_minutes()->set_evaluate(0.5);
    config.mutable_time_limit_minutes()->set_export_(1e-9);
  });
  ASSERT_OK_AND_ASSIGN(const Expansion expansion, ExpandPipelines("demo", {limited}, {}));
  std::vector<std::int64_t> limits;
  for (const v1::JobSpec& job : expansion.submit.jobs()) limits.push_back(job.time_limit_ms());
  EXPECT_THAT(limits, ElementsAre(1'200'000, 1'200'000, 1'200'000, 5'400'000, 30'000, 1));
  const PlannedVariant plain = Plain("");
  for (std::size_t stage = 0; stage < kStages; ++stage)
    EXPECT_EQ(limited.plan[stage].digest, plain.plan[stage].digest) << "a time limit does not change the artifact";
}

TEST(ExpandTest, ASharedJobHasTheLongestTimeLimit) {
  const auto limited = [](const std::string& name, double general, double train) {
    return Planned(name, false, [&](v1::PipelineConfig& config) {
      config.mutable_time_limit_minutes()->set_general(general);
      config.mutable_time_limit_minutes()->set_train(train);
    });
  };
  const auto limits = [](const std::vector<PlannedVariant>& variants) {
    const Result<Expansion> expansion = ExpandPipelines("s", variants, {});
    EXPECT_OK(expansion.status());
    EXPECT_EQ(expansion->submit.jobs_size(), 6);
    return std::pair(Job(expansion->submit, "s/corpus").time_limit_ms(),
                     Job(expansion->submit, "s/train").time_limit_ms());
  };
  EXPECT_EQ(limits({limited("a", 1, 5), limited("b", 2, 3), limited("c", 1, 4)}), std::pair(120'000L, 300'000L));
  EXPECT_EQ(limits({limited("a", 1, 5), Plain("b"), limited("c", 3, 4)}), std::pair(0L, 0L))
      << "no limit is the longest";
  EXPECT_EQ(limits({Plain("a"), limited("b", 1, 5)}), std::pair(0L, 0L));
}

TEST(ExpandTest, ExistingArtifactsAreSubmittedToo) {
  PlannedVariant variant = Plain("");
  variant.plan[0].exists = true;
  ASSERT_OK_AND_ASSIGN(const Expansion expansion, ExpandPipelines("demo", {variant}, {}));
  EXPECT_THAT(expansion.exists, ElementsAre(true, false, false, false, false, false));
}

TEST(ExpandTest, AmbiguousVariantNamesAreRefused) {
  EXPECT_THAT(ExpandPipelines("s", {Plain("a"), WithoutMlm("train")}, {}),
              StatusIs(Code::kInvalidArgument, HasSubstr("'train'")));
  EXPECT_THAT(ExpandPipelines("s", {Plain("a"), WithoutMlm("a")}, {}),
              StatusIs(Code::kInvalidArgument, HasSubstr("'a'")));
}

}  // namespace
}  // namespace still::coordinator
