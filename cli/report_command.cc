#include "cli/report_command.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "cli/text.h"
#include "common/config/pipeline_sweep.h"
#include "common/storage/files.h"
#include "coordinator/plan/expand.h"

namespace still::cli {
namespace {

using coordinator::CoordinatorClient;
using coordinator::VariantArtifacts;

struct Sweep {
  std::string name;
  std::vector<VariantArtifacts> variants;
};

Result<Sweep> SweepOfFile(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const auto variants, LoadPipelineSweep(path));
  STILL_ASSIGN_OR_RETURN(const auto planned, coordinator::PlanVariants(variants));
  Sweep sweep{.name = variants[0].config.name(), .variants = {}};
  for (const auto& variant : planned)
    sweep.variants.push_back(ArtifactsOfVariant(variant.name, variant.config.artifacts(), variant.plan));
  return sweep;
}

// "ablation/no-mlm/evaluate" is of variant "no-mlm", "demo/evaluate" of none.
std::string VariantOf(const std::string& job) {
  const std::size_t first = job.find('/'), last = job.rfind('/');
  return first == last ? "" : job.substr(first + 1, last - first - 1);
}

// From an evaluation's job: its report, and the student that it depends on.
Result<VariantArtifacts> ArtifactsOfEvaluation(CoordinatorClient& client, std::uint64_t id) {
  STILL_ASSIGN_OR_RETURN(const v1::View evaluation, Ask(client, {.view = v1::VIEW_KIND_JOB, .job = id}));
  const v1::JobView& job = evaluation.job();
  VariantArtifacts artifacts{VariantOf(job.name()), job.artifacts_root(), /*student=*/"", job.digest()};
  for (const std::uint64_t input : job.depends_on()) {
    STILL_ASSIGN_OR_RETURN(const v1::View view, Ask(client, {.view = v1::VIEW_KIND_JOB, .job = input}));
    if (view.job().kind() == "student") artifacts.student = view.job().digest();
  }
  return artifacts;
}

Result<Sweep> SweepOfPipeline(CoordinatorClient& client, std::uint64_t pipeline) {
  std::vector<v1::JobView> jobs;
  for (const v1::ViewKind kind : {v1::VIEW_KIND_HISTORY, v1::VIEW_KIND_QUEUE}) {
    STILL_ASSIGN_OR_RETURN(const v1::View view, Ask(client, {.view = kind, .pipeline = pipeline, .limit = kAllRows}));
    for (const v1::JobView& job : view.jobs()) {
      if (job.pipeline() == pipeline) jobs.push_back(job);
    }
  }
  if (jobs.empty())
    return Error(Code::kNotFound, "no pipeline {}: `still queue` and `still history` list what was submitted",
                 pipeline);
  std::ranges::sort(jobs, {}, &v1::JobView::id);
  Sweep sweep{.name = jobs[0].name().substr(0, jobs[0].name().find('/')), .variants = {}};
  for (const v1::JobView& job : jobs) {
    if (!job.name().ends_with("/evaluate")) continue;
    STILL_ASSIGN_OR_RETURN(VariantArtifacts artifacts, ArtifactsOfEvaluation(client, job.id()));
    sweep.variants.push_back(std::move(artifacts));
  }
  if (sweep.variants.empty())
    return Error(Code::kNotFound, "pipeline {} ({}) evaluates no student: there is nothing to report", pipeline,
                 Escaped(sweep.name));
  return sweep;
}

Result<Sweep> SweepNamed(const ReportFlags& flags) {
  const std::string& name = flags.pipeline;
  if (name.ends_with(".yaml") || name.ends_with(".yml") || Exists(name)) return SweepOfFile(name);
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  STILL_ASSIGN_OR_RETURN(const std::uint64_t pipeline, FindPipeline(*client, name));
  return SweepOfPipeline(*client, pipeline);
}

Status WriteFiles(const SweepReport& report, const std::string& directory) {
  STILL_RETURN_IF_ERROR(MakeDirectories(directory));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(directory, "sweep.svg"), ReportSvg(report)));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(directory, "sweep.json"), ReportJson(report)));
  return WriteFileAtomically(JoinPath(directory, "sweep.md"), ReportMarkdown(report, "sweep.svg"));
}

}  // namespace

Status ReportCommand(const ReportFlags& flags) {
  STILL_ASSIGN_OR_RETURN(const Sweep sweep, SweepNamed(flags));
  // The name becomes a directory's: of a coordinator's answer, too.
  if (sweep.name.empty() || sweep.name.starts_with('.') || sweep.name.find('/') != std::string::npos)
    return Error(Code::kInvalidArgument, "'{}' is no name of a pipeline", Escaped(sweep.name));
  SweepReport report{.name = sweep.name, .variants = {}};
  for (const VariantArtifacts& artifacts : sweep.variants) {
    STILL_ASSIGN_OR_RETURN(auto result, coordinator::ReadVariantResult(artifacts));
    report.variants.push_back(std::move(result));
  }
  const std::string root = sweep.variants[0].root;
  const std::string directory = JoinPath(JoinPath(root, "runs"), sweep.name);
  std::fputs((flags.json ? ReportJson(report) : ReportText(report)).c_str(), stdout);
  std::fflush(stdout);
  if (!Exists(root))
    return Error(Code::kNotFound, "{} does not exist: nothing of {} is made yet", root, Escaped(sweep.name));
  STILL_RETURN_IF_ERROR(WriteFiles(report, directory));
  if (!flags.json) fmt::print("written to {}: sweep.md, sweep.json, sweep.svg\n", directory);
  return Ok();
}

}  // namespace still::cli
