// still report: compares the students of a sweep in a table and in the files sweep.md, sweep.json and sweep.svg.
#include <algorithm>

#include "cli/registration.h"
#include "cli/sweep_report.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "common/config/pipeline_config.h"
#include "common/storage/files.h"
#include "coordinator/plan/expand.h"

namespace still::cli {
namespace {

using coordinator::CoordinatorClient;
using coordinator::VariantArtifacts;

struct Options {
  ConnectionOptions connection;
  std::string pipeline;  // a YAML file, or the id or name of a submitted pipeline
  bool json = false;
};

struct Sweep {
  std::string name;
  std::vector<VariantArtifacts> variants;
};

// Needs no coordinator: the results are where the plan of the file says.
Result<Sweep> SweepOfFile(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const auto variants, LoadPipelineSweep(path));
  STILL_ASSIGN_OR_RETURN(const auto planned, coordinator::PlanVariants(variants));
  Sweep sweep{.name = variants[0].config.name(), .variants = {}};
  for (const auto& variant : planned)
    sweep.variants.push_back(ArtifactsOfVariant(variant.name, variant.config.artifacts(), variant.plan));
  return sweep;
}

// Returns "no-mlm" for "ablation/no-mlm/evaluate" of the pipeline "ablation", and "" for "demo/evaluate". A coordinator
// knows a variant by the names of its jobs alone, which coordinator/plan/expand.cc composes.
std::string VariantOf(const v1::JobView& job) {
  const std::size_t begin = job.pipeline_name().size() + 1, last = job.name().rfind('/');
  return last < begin || last == std::string::npos ? "" : job.name().substr(begin, last - begin);
}

// Asks for the job of an evaluation, whose artifact is the report, and for the student on which it depends.
Result<VariantArtifacts> ArtifactsOfEvaluation(CoordinatorClient& client, std::uint64_t id) {
  STILL_ASSIGN_OR_RETURN(const v1::View evaluation, Ask(client, {.view = v1::VIEW_KIND_JOB, .job = id}));
  const v1::JobView& job = evaluation.job();
  VariantArtifacts artifacts{VariantOf(job), job.artifacts_root(), /*student=*/"", job.digest()};
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
    return Error(Code::kNotFound, "there is no pipeline {}; `still queue` and `still history` list what was submitted",
                 pipeline);
  std::ranges::sort(jobs, {}, &v1::JobView::id);
  Sweep sweep{.name = jobs[0].pipeline_name(), .variants = {}};
  for (const v1::JobView& job : jobs) {
    if (job.stage() != v1::STAGE_EVALUATE) continue;
    STILL_ASSIGN_OR_RETURN(VariantArtifacts artifacts, ArtifactsOfEvaluation(client, job.id()));
    sweep.variants.push_back(std::move(artifacts));
  }
  if (sweep.variants.empty())
    return Error(Code::kNotFound, "pipeline {} ({}) evaluates no student, so there is nothing to report", pipeline,
                 Escaped(sweep.name));
  return sweep;
}

Result<Sweep> SweepNamed(const Options& options) {
  const std::string& name = options.pipeline;
  if (name.ends_with(".yaml") || name.ends_with(".yml") || Exists(name)) return SweepOfFile(name);
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  STILL_ASSIGN_OR_RETURN(const std::uint64_t pipeline, FindPipeline(*client, name));
  return SweepOfPipeline(*client, pipeline);
}

Status WriteFiles(const SweepReport& report, const std::string& directory) {
  STILL_RETURN_IF_ERROR(MakeDirectories(directory));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(directory, "sweep.svg"), ReportSvg(report)));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(directory, "sweep.json"), ReportJson(report)));
  return WriteFileAtomically(JoinPath(directory, "sweep.md"), ReportMarkdown(report, "sweep.svg"));
}

Status Report(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const Sweep sweep, SweepNamed(options));
  // The name becomes that of a directory, and a coordinator may answer anything.
  if (sweep.name.empty() || sweep.name.starts_with('.') || sweep.name.find('/') != std::string::npos)
    return Error(Code::kInvalidArgument, "'{}' cannot be the name of a pipeline", Escaped(sweep.name));
  SweepReport report{.name = sweep.name, .variants = {}};
  for (const VariantArtifacts& artifacts : sweep.variants) {
    STILL_ASSIGN_OR_RETURN(auto result, coordinator::ReadVariantResult(artifacts));
    report.variants.push_back(std::move(result));
  }
  const std::string root = sweep.variants[0].root;
  const std::string directory = JoinPath(JoinPath(root, "runs"), sweep.name);
  Print(options.json ? ReportJson(report) : ReportText(report));
  if (!Exists(root)) return Error(Code::kNotFound, "{} does not exist; run {} first", root, Escaped(sweep.name));
  STILL_RETURN_IF_ERROR(WriteFiles(report, directory));
  if (!options.json) Print(fmt::format("wrote sweep.md, sweep.json and sweep.svg to {}\n", directory));
  return Ok();
}

void AddTo(CLI::App& app, Action& action) {
  const auto [report, options] =
      AddCommand(app, "report", "Compare the students of a sweep in a table and a picture", action, &Report);
  AddOption(report, "pipeline", options.pipeline, "PIPELINE",
            "YAML file of the sweep, or id or name of a submitted pipeline")
      ->required();
  AddJsonFlag(report, options.json);
  AddConnectionOptions(report, options.connection);
}

const Registration kRegistration(/*place=*/80, &AddTo);

}  // namespace
}  // namespace still::cli
