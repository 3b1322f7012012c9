// The plan of a pipeline: its stages in order, each with the identity of the artifact that it makes. These digests
// decide what is reused, what is built and where it is stored.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/enum_words.h"
#include "common/stage_facts.h"
#include "common/status.h"
#include "common/storage/artifact.h"
#include "coordinator/plan/teacher_facts.h"

namespace stillhouse::v1 {
class Artifacts;
class PipelineConfig;
class RecoveryConfig;
}  // namespace stillhouse::v1

namespace still::coordinator {

inline constexpr std::size_t kStages = v1::Stage_ARRAYSIZE - 1;  // without the unspecified one

// Returns the stage that is called `name`. INVALID_ARGUMENT lists the names.
Result<v1::Stage> StageNamed(std::string_view name);

struct StagePlan {
  v1::Stage stage = v1::STAGE_UNSPECIFIED;
  std::string digest;
  std::string identity;           // the text that `digest` digests
  std::vector<v1::Stage> inputs;  // the stages whose artifacts this one reads
  std::string description;        // what the stage reads and makes, for people
  bool exists = false;            // whether the artifact existed when the plan was made
};
using Plan = std::array<StagePlan, kStages>;  // in the order of execution

// Returns the plan of one stage.
inline const StagePlan& PlanOf(const Plan& plan, v1::Stage stage) {
  return plan[static_cast<std::size_t>(stage) - v1::STAGE_CORPUS];
}

// Checks that the teacher's directory, the dumps, the books and the vocabulary are there. NOT_FOUND names all that are
// not.
Status CheckInputsExist(const v1::PipelineConfig& config);

// Fills in what the configuration leaves open (precision and recovery.mode auto, student.layers 0, corpus.vocab empty)
// and checks it against the inputs. `cpu_has_bf16` is a fact of the machine. INVALID_ARGUMENT: the configuration does
// not fit the teacher or the build.
Status ResolveConfig(const TeacherFacts& teacher, bool cpu_has_bf16, v1::PipelineConfig* config);

// Resolves recovery.mode, which depends on the build alone. INVALID_ARGUMENT: inplace without ULFM.
Status ResolveRecovery(bool mpi_has_ulfm, v1::RecoveryConfig* recovery);

// Returns the plan of a resolved configuration. Pure. Digests depend on what determines the bytes of a result: content
// of the inputs, options, seed, precision and threads per rank. They never depend on ranks, names or paths.
Plan MakePlan(const v1::PipelineConfig& config, const TeacherFacts& teacher, const IdentityBuilder& corpus_identity);

// Returns whether the CPU multiplies bf16 natively. `cpuinfo` is the text of /proc/cpuinfo.
bool HasBf16(std::string_view cpuinfo);
// Like HasBf16(), for the CPU of this machine.
bool ThisCpuHasBf16();

// Sets `exists` of each stage to whether its artifact exists now under `root`.
void LookUpArtifacts(const std::string& root, Plan* plan);

// Reads the inputs, resolves `*config`, makes the plan and looks up which artifacts exist.
Result<Plan> PlanPipeline(v1::PipelineConfig* config);

}  // namespace still::coordinator
