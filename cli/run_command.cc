// still run: plans a pipeline and runs on this machine what is missing.
#include <fmt/ranges.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "cli/programs.h"
#include "cli/progress_display.h"
#include "cli/registration.h"
#include "cli/run_text.h"
#include "cli/terminal.h"
#include "cluster/inventory.h"
#include "cluster/local_launcher.h"
#include "common/config/config.h"
#include "common/config/pipeline_config.h"
#include "common/enum_words.h"
#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/proto/config.pb.h"
#include "common/stop_signals.h"
#include "common/storage/files.h"

namespace still::cli {
namespace {

constexpr const char* kFaultHelp = R"(Make a process fail at a named point, for tests; may be repeated
SPEC = <rank>:<step>:[<stage>.]<point>:<kind>[@<launch>], for example 1:4:train.vote:kill
  rank    rank of the worker, or * for any process
  step    step in progress; outside of training, which pass of the point, counting from 1; * for every one
  stage   the stage whose workers fail; without one, those of every stage
  point   compute, reduce, vote, optimizer, snapshot, write, fsync, rename, publish, shutdown, ... (docs/recovery.md)
  kind    kill, stop, delay<ms>, error, enospc, torn, nan, flip
  launch  which launch of this run, counting from 1 (default: 1), or * for every one)";

struct Options {
  std::string config_path;
  std::optional<std::uint32_t> ranks;
  std::string until;  // name of the last stage to run; empty: all stages
  bool json = false;
  bool check = false;
  std::vector<std::string> faults;  // see common/faults/fault_point.h
};

// Warns when the ranks want more cores than this machine has. They run all the same, but slower.
Status WarnOfOversubscription(const stillhouse::v1::PipelineConfig& config) {
  STILL_ASSIGN_OR_RETURN(const std::vector<cluster::HostSlots> here, cluster::LoadInventory(""));
  const std::uint64_t wanted = std::uint64_t{config.ranks()} * config.threads_per_rank();
  if (wanted <= here.front().slots) return Ok();
  fmt::print(
      stderr,
      "still: warning: {} ranks of {} threads want {} cores, and this machine has {}; `still run` starts them all the "
      "same, but a coordinator with only this machine refuses them\n",
      config.ranks(), config.threads_per_rank(), wanted, here.front().slots);
  return Ok();
}

Status PrintPlan(const Options& options, const stillhouse::v1::PipelineConfig& config, const coordinator::Plan& plan) {
  STILL_RETURN_IF_ERROR(WarnOfOversubscription(config));
  if (!options.json) {
    Print(PlanText(config.name(), plan) + "\neffective configuration\n" + ToYaml(config));
    return Ok();
  }
  STILL_ASSIGN_OR_RETURN(const std::string effective, ToJson(config));
  Print(PlanJson(config.name(), plan, effective));
  return Ok();
}

Status RunPlan(const Options& options, const stillhouse::v1::PipelineConfig& config, const coordinator::Plan& plan,
               v1::Stage last, const std::atomic<int>& stops) {
  STILL_ASSIGN_OR_RETURN(const std::string worker, FindWorker());
  STILL_ASSIGN_OR_RETURN(const std::string mpirun, cluster::FindMpirun());
  cluster::LocalLauncher launcher(mpirun);
  ProgressDisplay display(stderr, isatty(STDERR_FILENO) != 0, Clock::System());
  coordinator::PipelineRun driver(config, worker, launcher, Clock::System(), display);
  STILL_ASSIGN_OR_RETURN(const auto outcomes, driver.Run(plan, stops, last));
  STILL_ASSIGN_OR_RETURN(const auto summary, coordinator::ReadRunSummary(ArtifactStore(config.artifacts()), plan));
  Print(options.json ? RunJson(config.name(), plan, outcomes, summary) : "\n" + SummaryText(summary));
  return Ok();
}

Status Run(const Options& options) {
  // Log lines would tear the progress bar. The command returns the failures of the run itself.
  InitLog("still", "", /*to_stderr=*/isatty(STDERR_FILENO) == 0);
  v1::Stage last = v1::STAGE_EXPORT;
  if (!options.until.empty()) {
    STILL_ASSIGN_OR_RETURN(last, coordinator::StageNamed(options.until));
  }
  STILL_ASSIGN_OR_RETURN(stillhouse::v1::PipelineConfig config, LoadPipelineConfig(options.config_path));
  if (options.ranks) config.set_ranks(*options.ranks);
  STILL_RETURN_IF_ERROR(CheckPipelineConfig(config));
  // The first signal stops the run after its step and a checkpoint. The second one ends the workers at once.
  const std::atomic<int>& stops = CountStopSignals(/*most=*/2);
  STILL_ASSIGN_OR_RETURN(const coordinator::Plan plan, coordinator::PlanPipeline(&config));
  if (options.check) return PrintPlan(options, config, plan);
  if (!options.json) Print(PlanText(config.name(), plan) + "\n");
  return RunPlan(options, config, plan, last, stops);
}

// Arms the faults in this process and in the workers, before either does anything.
Status RunWithFaults(const Options& options) {
  if (options.faults.empty()) return Run(options);
  for (const std::string& fault : options.faults)
    STILL_RETURN_IF_ERROR(CheckFaultSpecification(fault).WithContext("--fault"));
  STILL_RETURN_IF_ERROR(ArmFaults(fmt::format("{}", fmt::join(options.faults, ","))).WithContext("--fault"));
  return Run(options);
}

void AddTo(CLI::App& app, Action& action) {
  const auto [run, options] =
      AddCommand(app, "run", "Run a pipeline: reuse the artifacts that exist, make the rest", action, &RunWithFaults);
  AddOption(run, "pipeline", options.config_path, "PIPELINE.yaml", "Pipeline configuration (YAML)")->required();
  AddRanksOption(run, options.ranks, "Number of worker processes; results do not depend on it");
  AddOption(run, "--until", options.until, "STAGE", "Last stage to run: " + JoinedWords<stillhouse::v1::Stage>());
  AddJsonFlag(run, options.json);
  run->add_flag("--check", options.check,
                "Check configuration, inputs and the number of cores, and print the plan; run nothing");
  AddOption(run, "--fault", options.faults, "SPEC", kFaultHelp)->allow_extra_args(false);
}

const Registration kRegistration(/*place=*/10, &AddTo);

}  // namespace
}  // namespace still::cli
