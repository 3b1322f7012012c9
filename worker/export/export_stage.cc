#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/storage/artifact.h"
#include "common/storage/file_digest.h"
#include "worker/control/stages.h"
#include "worker/export/distilbert.h"
#include "worker/model/model_files.h"

namespace still::worker {
namespace {

// Records where the directory came from, for anybody who finds a copy of it.
Status WriteProvenance(const v1::WorkerTask& task, const std::string& directory) {
  STILL_ASSIGN_OR_RETURN(const Sha256Digest weights, Sha256OfFile(JoinPath(directory, "model.safetensors")));
  const nlohmann::ordered_json provenance = {{"made_by", "stillhouse"},
                                             {"export", task.artifacts().export_()},
                                             {"student", task.artifacts().student()},
                                             {"teacher", task.artifacts().teacher()},
                                             {"corpus", task.artifacts().corpus()},
                                             {"targets", task.artifacts().targets()},
                                             {"model_sha256", Hex(weights)},
                                             {"identity", task.identity()}};
  return WriteFileAtomically(JoinPath(directory, "provenance.json"), provenance.dump(2) + "\n");
}

Status Export(const StageContext& context) {
  const v1::WorkerTask& task = context.task;
  const ArtifactStore artifacts(task.config().artifacts());
  if (artifacts.Has("export", task.artifacts().export_())) return Ok();
  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<StagedDirectory> staged,
                         artifacts.Begin("export", IdentityBuilder::FromText(task.identity())));
  const DistilBertOptions options{.vocab = JoinPath(artifacts.PathOf("corpus", task.artifacts().corpus()), "vocab.txt"),
                                  .lowercase = task.config().corpus().lowercase()};
  STILL_RETURN_IF_ERROR(LoadModel(artifacts.PathOf("student", task.artifacts().student()), false)
                            .status());  // checks the weights' digest
  context.progress.Enter(v1::PHASE_COMMIT);
  STILL_RETURN_IF_ERROR(
      WriteDistilBert(artifacts.PathOf("student", task.artifacts().student()), options, staged->path()));
  STILL_RETURN_IF_ERROR(WriteProvenance(task, staged->path()));
  STILL_ASSIGN_OR_RETURN(const std::uint64_t bytes, FileSize(JoinPath(staged->path(), "model.safetensors")));
  STILL_RETURN_IF_ERROR(WriteSummary(staged->path(), {{"model_bytes", static_cast<double>(bytes)}}));
  STILL_RETURN_IF_ERROR(FaultPoint("export.commit"));
  STILL_RETURN_IF_ERROR(CommitArtifact(*staged));
  v1::Progress exported;
  exported.set_done(1);
  exported.set_total(1);
  exported.set_unit(v1::PROGRESS_UNIT_MODELS);
  context.control.ReportProgress(exported);
  LogInfo("exported to {}", artifacts.PathOf("export", task.artifacts().export_()));
  return Ok();
}

}  // namespace

Status RunExportStage(const StageContext& context) { return context.world.rank() == 0 ? Export(context) : Ok(); }

}  // namespace still::worker
