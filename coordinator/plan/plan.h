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
#include "coordinator/plan/teacher_facts.h"

namespace stillhouse::v1 {
class Artifacts;
class PipelineConfig;
class RecoveryConfig;
}  // namespace stillhouse::v1

namespace still::coordinator {

enum class Stage { kCorpus, kTeacher, kTargets, kTrain, kEvaluate, kExport };
inline constexpr std::size_t kStages = 6;

std::string_view StageName(Stage stage);  // "corpus", "teacher", "targets", "train", "evaluate", "export"
// The stage of this name; INVALID_ARGUMENT lists the names.
Result<Stage> StageNamed(std::string_view name);
std::string_view ArtifactKind(Stage stage);  // what it makes: "corpus", "teacher", "targets", "student", ...

struct StagePlan {
  Stage stage = Stage::kCorpus;
  std::string digest;
  std::string identity;     // the lines digested
  std::string description;  // for people: what it reads and makes
  bool exists = false;      // when the plan was made
};
using Plan = std::array<StagePlan, kStages>;  // indexed by Stage, which is also the order of execution

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
