// What a pipeline would do: its stages in order, each with the identity of the artifact it makes. Everything else, what
// is reused, what is built, where it stands, follows from these digests.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/artifact.h"
#include "common/vocabulary.h"
#include "coordinator/plan/stage_facts.h"
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
  std::string identity;           // the lines digested
  std::vector<v1::Stage> inputs;  // the stages whose artifacts this one reads
  std::string description;        // for people: what it reads and makes
  bool exists = false;            // when the plan was made
};
using Plan = std::array<StagePlan, kStages>;  // in the order of execution

inline const StagePlan& PlanOf(const Plan& plan, v1::Stage stage) {
  return plan[static_cast<std::size_t>(stage) - v1::STAGE_CORPUS];
}

// Fills in what the configuration leaves open (precision and recovery.mode auto, student.layers 0, corpus.vocab empty)
// and checks what only the inputs can tell. `cpu_has_bf16` is a fact of the machine.
Status ResolveConfig(const TeacherFacts& teacher, bool cpu_has_bf16, stillhouse::v1::PipelineConfig* config);

// The part of it that is a fact of the build. INVALID_ARGUMENT for inplace without ULFM.
Status ResolveRecovery(bool mpi_has_ulfm, stillhouse::v1::RecoveryConfig* recovery);

// Pure. `config` is resolved. Digests depend on what determines the bytes of a result: inputs by content, options,
// seed, precision and threads of a rank; never on ranks, names or paths.
Plan MakePlan(const stillhouse::v1::PipelineConfig& config, const TeacherFacts& teacher,
              const IdentityBuilder& corpus_identity);

// Whether the CPU multiplies bf16 natively, from the text of /proc/cpuinfo.
bool HasBf16(std::string_view cpuinfo);
// Of this machine.
bool ThisCpuHasBf16();

// Which of the plan's artifacts exist now.
void LookUpArtifacts(const std::string& root, Plan* plan);

// Reads the inputs, resolves `*config`, makes the plan and looks up which artifacts exist.
Result<Plan> PlanPipeline(stillhouse::v1::PipelineConfig* config);

}  // namespace still::coordinator
