#include "coordinator/plan/expand.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "common/config/config.h"
#include "common/stage_facts.h"
#include "coordinator/plan/teacher_facts.h"
#include "shards/corpus/corpus_inputs.h"

namespace still::coordinator {
namespace {

v1::Artifacts ArtifactsOf(const Plan& plan) {
  v1::Artifacts artifacts;
  artifacts.set_corpus(PlanOf(plan, v1::STAGE_CORPUS).digest);
  artifacts.set_teacher(PlanOf(plan, v1::STAGE_TEACHER).digest);
  artifacts.set_targets(PlanOf(plan, v1::STAGE_TARGETS).digest);
  artifacts.set_student(PlanOf(plan, v1::STAGE_TRAIN).digest);
  artifacts.set_report(PlanOf(plan, v1::STAGE_EVALUATE).digest);
  artifacts.set_export_(PlanOf(plan, v1::STAGE_EXPORT).digest);
  return artifacts;
}

std::int64_t TimeLimitMs(const v1::TimeLimits& minutes, v1::Stage stage) {
  const double own = [&] {
    switch (stage) {
      case v1::STAGE_CORPUS: return minutes.corpus();
      case v1::STAGE_TEACHER: return minutes.teacher();
      case v1::STAGE_TARGETS: return minutes.targets();
      case v1::STAGE_TRAIN: return minutes.train();
      case v1::STAGE_EVALUATE: return minutes.evaluate();
      case v1::STAGE_EXPORT: return minutes.export_();
      default: return 0.0;
    }
  }();
  const double limit = own > 0 ? own : minutes.general();
  return limit > 0 ? std::max<std::int64_t>(1, std::llround(limit * 60'000)) : 0;
}

v1::JobSpec SpecOf(const PlannedVariant& variant, const StagePlan& stage, const SubmitOptions& options) {
  v1::JobSpec spec;
  spec.set_owner(options.owner);
  spec.set_stage(stage.stage);
  spec.set_artifacts_root(variant.config.artifacts());
  spec.set_digest(stage.digest);
  spec.set_priority(options.priority);
  spec.set_ranks(RunsOnOneRank(stage.stage) ? 1 : variant.config.ranks());
  spec.set_slots_per_rank(stage.stage == v1::STAGE_CORPUS ? 1 : variant.config.threads_per_rank());
  spec.set_time_limit_ms(TimeLimitMs(variant.config.time_limit_minutes(), stage.stage));
  spec.set_retries(options.retries);
  spec.set_preemptible(Trains(stage.stage));
  spec.set_attach(options.attach && !RunsOnOneRank(stage.stage));
  *spec.mutable_config() = variant.config;
  spec.set_identity(stage.identity);
  *spec.mutable_inputs() = ArtifactsOf(variant.plan);
  return spec;
}

// Returns the time limit of a job that two variants share: the longer one, or none (0) when either has none.
std::int64_t LongerLimit(std::int64_t one_ms, std::int64_t other_ms) {
  return one_ms == 0 || other_ms == 0 ? 0 : std::max(one_ms, other_ms);
}

Status CheckNames(const std::vector<PlannedVariant>& variants) {
  std::set<std::string> names;
  for (const PlannedVariant& variant : variants) {
    if (StageNamed(variant.name).ok())
      return Error(Code::kInvalidArgument, "variant '{}' has the name of a stage: give it another name", variant.name);
    if (!names.insert(variant.name).second)
      return Error(Code::kInvalidArgument, "two variants have the name '{}': rename one of them", variant.name);
  }
  return Ok();
}

}  // namespace

Result<std::vector<PlannedVariant>> PlanVariants(const std::vector<PipelineVariant>& variants) {
  const bool cpu_has_bf16 = ThisCpuHasBf16();
  std::map<std::string, TeacherFacts> teachers;    // by path
  std::map<std::string, IdentityBuilder> corpora;  // by resolved configuration
  std::vector<PlannedVariant> planned;
  for (const PipelineVariant& variant : variants) {
    PlannedVariant next{.name = variant.name, .config = variant.config};
    const auto failed = [&](const Status& status) {
      return variant.name.empty() ? status : status.WithContext("variant " + variant.name);
    };
    if (Status status = CheckInputsExist(next.config); !status.ok()) return failed(status);
    auto teacher = teachers.find(next.config.teacher().path());
    if (teacher == teachers.end()) {
      Result<TeacherFacts> facts = InspectTeacher(next.config.teacher().path());
      if (!facts.ok()) return failed(facts.status());
      teacher = teachers.emplace(next.config.teacher().path(), std::move(*facts)).first;
    }
    if (Status status = ResolveConfig(teacher->second, cpu_has_bf16, &next.config); !status.ok()) return failed(status);
    const std::string key = ToYaml(next.config.corpus());
    auto corpus = corpora.find(key);
    if (corpus == corpora.end()) {
      const auto inputs = shards::ReadCorpusInputs(next.config.corpus());
      if (!inputs.ok()) return failed(inputs.status());
      corpus = corpora.emplace(key, inputs->identity).first;
    }
    next.plan = MakePlan(next.config, teacher->second, corpus->second);
    LookUpArtifacts(next.config.artifacts(), &next.plan);
    planned.push_back(std::move(next));
  }
  return planned;
}

Result<Expansion> ExpandPipelines(const std::string& pipeline, const std::vector<PlannedVariant>& variants,
                                  const SubmitOptions& options) {
  STILL_RETURN_IF_ERROR(CheckNames(variants));
  std::array<std::set<std::string>, kStages> digests;
  for (const PlannedVariant& variant : variants) {
    for (std::size_t stage = 0; stage < kStages; ++stage) digests[stage].insert(variant.plan[stage].digest);
  }
  Expansion expansion;
  v1::Submit& submit = expansion.submit;
  submit.set_key(options.key);
  submit.set_name(pipeline);
  submit.set_held(options.held);
  std::map<std::pair<std::size_t, std::string>, std::size_t> made;  // by stage and digest: the index of the job
  for (const PlannedVariant& variant : variants) {
    std::vector<std::size_t> jobs;
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      const StagePlan& plan = variant.plan[stage];
      const auto [at, fresh] = made.emplace(std::pair(stage, plan.digest), submit.jobs_size());
      jobs.push_back(at->second);
      if (!fresh) {
        v1::JobSpec& shared = *submit.mutable_jobs(static_cast<int>(at->second));
        shared.set_time_limit_ms(
            LongerLimit(shared.time_limit_ms(), TimeLimitMs(variant.config.time_limit_minutes(), plan.stage)));
        continue;
      }
      v1::JobSpec& spec = *submit.add_jobs();
      spec = SpecOf(variant, plan, options);
      const std::string sharers = digests[stage].size() == 1 ? "" : variant.name + "/";
      spec.set_name(fmt::format("{}/{}{}", pipeline, sharers, EnumWord(plan.stage)));
      // Positions in the submission count from 1.
      for (const v1::Stage input : plan.inputs) spec.add_depends_on(jobs[input - v1::STAGE_CORPUS] + 1);
      expansion.exists.push_back(plan.exists);
    }
    expansion.jobs_of.push_back(std::move(jobs));
  }
  return expansion;
}

}  // namespace still::coordinator
